// What one refresh needs: the keys, the device, how to reach STS, for how long; and why it cannot be.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findKeyProblem, type Identity, requireIdentity } from '../lib/identity';
import { requireSession } from '../lib/profiles';
import type { Environment } from '../lib/shell';
import { read, refusal } from './helpers/layout';
import { person } from './helpers/scene';

type How = readonly [name?: string, env?: Environment, serialNumber?: string];

function identify(layout: string, ...[name = 'foobar', env = {}, serialNumber]: How): Identity {
  const files = read(layout);
  return requireIdentity(files, requireSession(files, name), env, serialNumber);
}

type Row<Value> = readonly [layout: string, value: Value, env?: Environment, serialNumber?: string];

function finds<Value>(show: (identity: Identity) => Value, rows: readonly Row<Value>[]): void {
  for (const [layout, value, ...how] of rows) {
    test(layout, () => assert.equal(show(identify(layout, 'foobar', ...how)), value));
  }
}

function refuses(rows: readonly (readonly [layout: string, ...lines: string[]])[], ...how: How): void {
  for (const [layout, ...lines] of rows) {
    test(layout, () => {
      const said = refusal(() => identify(layout, ...how));
      assert.deepEqual(said, lines);
      assert.doesNotMatch(said.join('\n'), /wJalr|AKIA|SECRET/);
    });
  }
}

const { accessKeyId: id, secretAccessKey: secret } = person;
const foobar = '[profile foobar] | MFA';
const keys = ' // [foobar-long-term] | KEYS';
/** The session profile, with its source. */
const linked = '[profile foobar] | source_profile = K | MFA';
const source = ' // [K] | KEYS';
/** With more lines in the config. */
const withMore = (config: string) => `${linked} | ${config}${source}`;
const comment = 'move the comment to a line of its own: aws reads it as part of the value';
const indented = 'remove the indentation of the next line';

describe('the device', () => {
  const inProfile = '[profile foobar] | mfa_serial = DEVICE-A1';
  const inSource = '[profile foobar-long-term] | mfa_serial = DEVICE-B2';
  const inDefault = '[default] | mfa_serial = DEVICE-C3';
  // biome-ignore format: several rows a line
  finds(({ serial, mfaProcess }) => [serial, mfaProcess?.value].join(' ').trim(), [
    [`${inDefault} | ${inSource} | ${inProfile}${keys}`, 'DEVICE-A1'],
    [`${inDefault} | ${inSource}${keys}`, 'DEVICE-B2'], [`${keys} | mfa_serial = DEVICE-B2`, 'DEVICE-B2'],
    [inDefault + keys, 'DEVICE-C3'], [`${keys} | aws_mfa_device = DEVICE-D4 | [foobar] | SESSION`, 'DEVICE-D4'],
    [`${inProfile}${keys} | [foobar] | aws_mfa_device = DEVICE-D4`, 'DEVICE-A1'],
    [`[foobar] | aws_mfa_device = DEVICE-D4 | ${inDefault}${keys}`, 'DEVICE-C3'],
    [inProfile + keys, 'DEVICE-D4', {}, 'DEVICE-D4'], [keys, 'DEVICE-D4', {}, 'DEVICE-D4'], [foobar + keys, person.serial],
    [`[foobar] | mfa_serial = arn:aws:iam::1234:mfa/a/b@c.d${keys}`, 'arn:aws:iam::1234:mfa/a/b@c.d'],
    // mfa_process counts beside the mfa_serial
    [`${inProfile} | mfa_process = gpg -d x # y${keys}`, 'DEVICE-A1 gpg -d x # y'],
    [`${inProfile} | [profile foobar-long-term] | mfa_process = x${keys}`, 'DEVICE-A1'],
    [`[foobar] | mfa_process = x | ${inSource}${keys}`, 'DEVICE-B2'],
    [`[foobar] | mfa_process = x | ${inSource} | mfa_process = y${keys}`, 'DEVICE-B2 y'],
    [`${inProfile} | mfa_process = x${keys}`, 'DEVICE-D4', {}, 'DEVICE-D4'],
  ]);
  const isNone = (serial: string, where = '~/.aws/config:2') => [
    `"${serial}" is not an MFA device (${where})`,
    'it looks like arn:aws:iam::<account>:mfa/<device>',
  ];
  const fido = 'arn:aws:iam::123456789012:u2f/user/bob/yubikey';
  const app = 'add an authenticator app to the IAM user, and set mfa_serial to it';
  const others = ['arn:aws:iam::1234:user/bob', 'my phone', 'phone'];
  refuses([
    ...others.map((serial) => [`[foobar] | mfa_serial = ${serial}${keys}`, ...isNone(serial)] as const),
    [`[foobar] | mfa_serial = ${fido}${keys}`, `${fido} is a FIDO device, which gives no codes (~/.aws/config:2)`, app],
    [`${inProfile} # it${keys}`, 'trailing comment in mfa_serial (~/.aws/config:2)', comment],
    [`${inProfile} | mfa_process = x |  y${keys}`, 'mfa_process spans several lines (~/.aws/config:3)', indented],
    [
      '[default] | region = x | [profile foobar] | source_profile = my keys // [my keys] | KEYS',
      'no mfa_serial in foobar or my keys or default',
      'set mfa_serial = arn:aws:iam::<account>:mfa/<device> in [profile foobar]',
      "to see the device: aws iam list-mfa-devices --profile 'my keys'",
    ],
  ]);
  refuses([[keys, ...isNone('my phone', '--serial-number')]], 'foobar', {}, 'my phone');
});

describe('the keys', () => {
  const process = 'credential_process = x # y';
  const inKeys = `${id} credentials:2`;
  // biome-ignore format: several rows a line
  finds(({ keys }) => `${'process' in keys ? keys.process : keys.accessKeyId} ${keys.where.replace('~/.aws/', '')}`, [
    [linked + source, inKeys], [`${linked} | [profile K] | KEYS`, `${id} config:5`],
    [`${linked} | [K] | KEYS`, `${id} config:5`], [`${linked} | [profile K] | OTHER${source}`, inKeys],
    [`${linked} // [K] | AWS_ACCESS_KEY_ID=${id} | Aws_Secret_Access_Key : x`, inKeys],
    [`${linked} // [K] | [DEFAULT] | KEYS`, `${id} credentials:3`],
    [`${linked} | [profile K] | ${process}`, 'x # y config:5'],
    [`${linked} // [K] | ${process}`, 'x # y credentials:2'], [`${linked} | [profile K] | ${process}${source}`, inKeys],
    // the session hides these
    [`${linked}${source} | [foobar] | ${process}`, inKeys], [`${linked} | OTHER${source}`, inKeys],
  ]);
});

describe('keys that are none', () => {
  const pair = (id: string, secret: string) =>
    `${linked} // [K] | aws_access_key_id = ${id} | aws_secret_access_key = ${secret}`;
  const copy = 'copy both again from where you got them, without quotes';
  const link = 'set source_profile to the profile with the long-lived keys';
  const set = 'set aws_access_key_id and aws_secret_access_key in [K] in ~/.aws/credentials';
  const swapped = 'access key id and secret are swapped (~/.aws/credentials:2)';
  const noId = 'aws_access_key_id is not a key id (~/.aws/credentials:2)';
  const noSecret = 'aws_secret_access_key is not a secret (~/.aws/credentials:3)';
  const trailing = 'trailing comment in aws_secret_access_key (~/.aws/credentials:3)';
  const goesOn = (key: string, place: string) => `${key} spans several lines (~/.aws/${place})`;
  const session = (place: string, source = 'K') => `source ${source} holds a session (~/.aws/${place})`;
  const gone = (name: string) => `source_profile "${name}" does not exist (~/.aws/config:2)`;
  // biome-ignore format: several rows a line
  refuses([
    [pair(secret, id), swapped, copy], [pair('SPOILERALERTThisKeyISNOTVALIDJustExample', id), swapped, copy],
    [pair(secret, 'THISISNOTAREALKEYYES'), swapped, copy], [pair(`${id} ${secret}`, ''), noId, copy],
    [pair(`${id}:${secret}`, `${id}:${secret}`), noId, copy], [pair(id, `${id} ${secret}`), noSecret, copy],
    [pair(`\u200b${id}`, secret), noId, copy], [pair(id, `${secret}\u200b`), noSecret, copy],
    [pair(`"${id}"`, `"${secret}"`), noId, copy], [pair(id, `'${secret}'`), noSecret, copy],
    [pair('AKIA', secret), noId, copy], [pair(id, `${secret} # mine`), trailing, comment],
    [pair(id, ''), 'source K has no aws_secret_access_key (~/.aws/credentials:2)', 'set aws_secret_access_key there'],
    [pair('', secret), 'source K has no aws_access_key_id (~/.aws/credentials:3)', 'set aws_access_key_id there'],
    [pair(`${id} |  x = y`, secret), goesOn('aws_access_key_id', 'credentials:2'), indented],
    [pair('', ''), 'source K has no keys', set], [`${linked} // [K] | SESSION`, session('credentials:4'), link],
    [`${linked}${source} | aws_security_token = x`, session('credentials:4'), link],
    [pair('ASIAIOSFODNN7EXAMPLE', secret), session('credentials:2'), link],
    [`${linked} | [K] | aws_session_token = x${source}`, session('config:5'), link],
    ['// [foobar-long-term] | SESSION', session('credentials:4', 'foobar-long-term'),
      'replace it with the long-lived keys'],
    [`${linked} | [profile K] | role_arn = x`, 'source K is a role (~/.aws/config:5)', link],
    [`${linked} | [K] | credential_process = x |  SECRET`, goesOn('credential_process', 'config:5'), indented],
    [`[foobar] | source_profile = Kyes // [Keys] | KEYS`, gone('Kyes'), 'set source_profile of foobar to Keys'],
    [`[foobar] | source_profile = fobar${source}`, gone('fobar'), 'set source_profile of foobar to K'],
    [`[foobar] | source_profile = away${source} | [L] | OTHER`, gone('away'),
      'set source_profile of foobar to <the profile with the keys>'],
    [`[foobar] | source_profile = K ; mine${source}`, 'trailing comment in source_profile (~/.aws/config:2)', comment],
  ]);
  test('others are left to STS', () => {
    assert.equal(findKeyProblem('NOTETHISISNOTREALKEY', 'ANDTHISISNOTEITHERavalidKEY+Butpleasetry'), undefined);
    assert.equal(findKeyProblem('A'.repeat(128), '='), undefined);
    assert.equal(findKeyProblem('test_key_of_minio', '"'), undefined);
    assert.notEqual(findKeyProblem('A'.repeat(129), 'x'), undefined);
  });
});

describe('long-lived keys are never overwritten, and the words for it do no harm', () => {
  const holds = '[foobar] in ~/.aws/credentials holds long-lived keys';
  const over = 'move them over the old keys in [foobar-long-term]';
  const move = 'move them to [foobar-long-term] in ~/.aws/credentials';
  const device = 'set mfa_serial in [profile foobar] in ~/.aws/config';
  const self = '[profile foobar] | source_profile = foobar';
  const differently = 'AWS tools read it differently: write plain [name] from column 1, and nothing after it';
  // biome-ignore format: several rows a line
  refuses([
    [`${linked}${source} | [foobar] | OTHER`, holds, 'move them over the old keys in [K]'],
    [`${foobar}${keys} | [foobar] | OTHER`, holds, over],
    ['[profile foobar] // [foobar] | KEYS', holds, move, device], [`${foobar} // [foobar] | KEYS`, holds, move],
    [`${foobar} | KEYS`, '[profile foobar] in ~/.aws/config holds long-lived keys', move],
    [`${foobar} | credential_process = x`, '[profile foobar] in ~/.aws/config has a credential_process',
      'move it to [profile foobar-long-term] in ~/.aws/config'],
    [`${self} // [foobar] | KEYS`, holds, move, 'delete source_profile from [profile foobar]', device],
    [`${self}${keys} | [foobar] | KEYS`, holds, over],
    [`${foobar}${keys} | [foobar]#mine | SESSION`, 'ambiguous section header (~/.aws/credentials:4)', differently],
    [`${foobar} | [acme]#mine${keys}`, 'ambiguous section header (~/.aws/config:3)', differently],
  ]);
  refuses(
    [[foobar + keys, 'foobar-long-term holds the long-lived keys of foobar', 'type refresh-mfa foobar']],
    'foobar-long-term',
  );
  const shared = `[profile "my work"] | source_profile = K | [c] | source_profile = K${source}`;
  refuses([[shared, 'K holds the long-lived keys of my work, c', "type refresh-mfa 'my work'"]], 'K');
  const leaf = 'ROLE leaf mid | ROLE mid foobar // [mid] | KEYS';
  const ends = 'role mid has keys of its own (~/.aws/credentials:2)';
  refuses([[leaf, ends, 'AWS tools sign with those, not a session: move them to another section']], 'leaf');
});

describe('no source', () => {
  const none = 'foobar has no source_profile and no [foobar-long-term]';
  const add = 'add [foobar-long-term] with your long-lived keys to ~/.aws/credentials';
  const set = 'set source_profile = K in [profile foobar] in ~/.aws/config';
  refuses([
    [foobar, none, add],
    [`${foobar}${source} | [session] | SESSION`, none, set],
    [`${foobar} // [K] | credential_process = x`, none, set],
    [`${foobar}${source} | [L] | OTHER`, none, add],
  ]);
  const asIs = 'use it as it is';
  for (const [key, how] of [
    ['sso_session', 'log in with aws sso login --profile foobar'],
    ['sso_start_url', 'log in with aws sso login --profile foobar'],
    ['login_session', 'log in with aws login --profile foobar'],
    ['web_identity_token_file', asIs],
    ['credential_source', asIs],
  ] as const) {
    const lines = [`foobar uses ${key} (~/.aws/config:3)`, `it needs no refresh: ${how}`];
    refuses([[`${foobar} | ${key} = x${keys}`, ...lines]]);
  }
});

describe('the region', () => {
  const of = (partition: string) => `[foobar] | mfa_serial = arn:${partition}:iam::123456789012:mfa/phone`;
  const inSource = `${linked} | [profile K] | region = eu-west-2 | [default] | region = ap-south-1`;
  const both = inSource.replace(' | [', ' | region = eu-west-1 | [') + source;
  // biome-ignore format: several rows a line
  finds(({ region }) => region, [
    [both, 'eu-north-1', { AWS_REGION: 'eu-north-1', AWS_DEFAULT_REGION: 'eu-south-1' }],
    [both, 'eu-south-1', { AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-south-1' }], [both, 'eu-west-1'],
    [inSource + source, 'eu-west-2'], [`${linked} | [default] | region = ap-south-1${source}`, 'us-east-1'],
    [`${linked} | [DEFAULT] | region = eu-west-3${source}`, 'eu-west-3'], [of('aws-cn') + keys, 'cn-north-1'],
    [of('aws-us-gov') + keys, 'us-gov-west-1'], [of('aws') + keys, 'us-east-1', { AWS_REGION: 'cn-north-1' }],
    [`[foobar] | mfa_serial = GAHT12345678${keys}`, 'cn-north-1', { AWS_REGION: 'cn-north-1' }],
  ]);
  const own = `aws-cn cn-northwest-1, aws-us-gov us-gov-east-1, aws-iso us-iso-east-1, aws-iso-b us-isob-east-1,
    aws-iso-e eu-isoe-west-1, aws-iso-f us-isof-south-1, aws-eusc eusc-de-east-1`;
  for (const pair of own.split(/,\s+/)) {
    const [partition = '', region = ''] = pair.split(' ');
    const env = { AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'eu-central-1' };
    finds((identity) => identity.region, [[`${of(partition)} | region = ${region}${keys}`, region, env]]);
  }
  const looksLike = 'it looks like eu-west-1';
  const bad = (region: string, where: string) =>
    [[foobar + keys, `"${region}" is not a region (${where})`, looksLike]] as const;
  refuses(bad('xn--a', 'AWS_REGION'), 'foobar', { AWS_REGION: 'xn--a' });
  refuses(bad('eu/', 'AWS_DEFAULT_REGION'), 'foobar', { AWS_DEFAULT_REGION: 'eu/' });
  refuses([
    [`${foobar} | region = eu-west-1 # it${keys}`, '"eu-west-1 # it" is not a region (~/.aws/config:3)', looksLike],
    [`${foobar} | region = x |  SECRET${keys}`, 'region spans several lines (~/.aws/config:3)', indented],
    [of('aws-iso') + keys, 'no region for the partition aws-iso', 'set AWS_REGION, or region in [profile foobar]'],
  ]);
});

describe('the endpoint', () => {
  const good = 'https://sts.example.com/';
  const own = `endpoint_url = ${good}`;
  const wrong = 'endpoint_url = https://wrong.example.com';
  const bad = 'https://wrong.example.com';
  const services = `[services x] | s3 = |   ${wrong}`;
  // biome-ignore format: several rows a line
  finds(({ endpoint }) => endpoint, [
    [linked + source, undefined], [withMore(wrong), good, { AWS_ENDPOINT_URL_STS: good, AWS_ENDPOINT_URL: bad }],
    [withMore(wrong), good, { AWS_ENDPOINT_URL_STS: '', AWS_ENDPOINT_URL: good }],
    [withMore(`${own} | [profile K] | ${wrong}`), good], [withMore(`[profile K] | ${own}`), good],
    [withMore(`${wrong} | services = x | ${services} | sts = |   ${own} | ec2 = |   ${wrong}`), good],
    [withMore(`${own} | services = x | ${services}`), good], [withMore(`${own} | services = y | ${services}`), good],
    [withMore(`[default] | ${wrong} | services = x | ${services} | sts = |   ${wrong}`), undefined],
    [withMore(`[profile elsewhere] | ${wrong}`), undefined, { AWS_PROFILE: 'elsewhere' }],
    [withMore(wrong), undefined, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'True', AWS_ENDPOINT_URL: bad }],
  ]);
  const isNone = (where: string) => [
    `the endpoint is not a URL (${where})`,
    'it looks like https://sts.eu-west-1.amazonaws.com',
  ];
  const bads = ['localhost:4566', 'ftp://localhost', 'sts', 'https://jan:SECRET@sts.example.com:port'];
  refuses(bads.map((url) => [withMore(`endpoint_url = ${url}`), ...isNone('~/.aws/config:4')]));
  refuses([[linked + source, ...isNone('AWS_ENDPOINT_URL')]], 'foobar', { AWS_ENDPOINT_URL: 'https://:SECRET@x:port' });
  refuses([[withMore(`${own} |  SECRET`), 'endpoint_url spans several lines (~/.aws/config:4)', indented]]);
});

describe("certificate authorities: AWS_CA_BUNDLE, the session profile's, the source's", () => {
  const inSource = '[profile K] | ca_bundle = b.pem | [default] | ca_bundle = d.pem';
  finds(
    ({ caBundle }) => caBundle,
    [
      [withMore(`ca_bundle = a.pem | ${inSource}`), 'c.pem', { AWS_CA_BUNDLE: 'c.pem' }],
      [withMore(`ca_bundle = a.pem | ${inSource}`), 'a.pem', { AWS_CA_BUNDLE: '' }],
      [withMore(inSource), 'b.pem'],
      [withMore('[default] | ca_bundle = d.pem'), undefined],
    ],
  );
  refuses([[withMore('ca_bundle = x |  y'), 'ca_bundle spans several lines (~/.aws/config:4)', indented]]);
});

describe("the length of the session: the session profile's own duration_seconds", () => {
  const rule = 'duration_seconds must be from 15m to 36h (~/.aws/config:4)';
  finds(
    ({ duration }) => duration,
    [
      [withMore('duration_seconds = 7200'), 7200],
      [withMore('duration_seconds = 36h'), 129_600],
      [withMore('[K] | duration_seconds = 3600 | [default] | duration_seconds = 3600'), undefined],
    ],
  );
  refuses([
    [withMore('duration_seconds = soon'), rule, 'write it as 900 (seconds), 45m or 12h'],
    [withMore('duration_seconds = 3600 # one hour'), 'trailing comment in duration_seconds (~/.aws/config:4)', comment],
  ]);
});
