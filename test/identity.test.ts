// What one refresh needs: the keys, the device, how to reach STS, for how long; and why it cannot be.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findKeyProblem, type Identity, requireIdentity } from '../lib/identity';
import { requireSession } from '../lib/profiles';
import type { Environment } from '../lib/shell';
import { read, refusal } from './helpers/layout';
import { person } from './helpers/scene';

function identify(layout: string, name = 'foobar', env: Environment = {}, serialNumber?: string): Identity {
  const files = read(layout);
  return requireIdentity(files, requireSession(files, name), env, serialNumber);
}

function refuses(rows: readonly (readonly [layout: string, ...lines: string[]])[], name = 'foobar'): void {
  for (const [layout, ...lines] of rows) {
    test(layout, () => {
      const said = refusal(() => identify(layout, name));
      assert.deepEqual(said, lines);
      assert.doesNotMatch(said.join('\n'), /wJalr|AKIA|SECRET/);
    });
  }
}

const { accessKeyId: id, secretAccessKey: secret } = person;
const foobar = '[profile foobar] | mfa_serial = SERIAL';
const keys = ' // [foobar-long-term] | KEYS';
/** The session profile, with its source. */
const linked = '[profile foobar] | source_profile = K | mfa_serial = SERIAL';
const source = ' // [K] | KEYS';
const comment = 'move the comment to a line of its own: aws reads it as part of the value';
const indented = 'remove the indentation of the next line';

describe('the device', () => {
  const inProfile = '[profile foobar] | mfa_serial = DEVICE-A1';
  const inSource = '[profile foobar-long-term] | mfa_serial = DEVICE-B2';
  const inDefault = '[default] | mfa_serial = DEVICE-C3';
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, serial: string, name?: string, typed?: string])[] = [
    [`${inDefault} | ${inSource} | ${inProfile}${keys}`, 'DEVICE-A1'],
    [`${inDefault} | ${inSource}${keys}`, 'DEVICE-B2'], [`${keys} | mfa_serial = DEVICE-B2`, 'DEVICE-B2'],
    [inDefault + keys, 'DEVICE-C3'], [`${keys} | aws_mfa_device = DEVICE-D4 | [foobar] | SESSION`, 'DEVICE-D4'],
    [`${inProfile}${keys} | [foobar] | aws_mfa_device = DEVICE-D4`, 'DEVICE-A1'],
    [`[foobar] | aws_mfa_device = DEVICE-D4 | ${inDefault}${keys}`, 'DEVICE-C3'],
    [inProfile + keys, 'DEVICE-D4', 'foobar', 'DEVICE-D4'], [keys, 'DEVICE-D4', 'foobar', 'DEVICE-D4'],
    [foobar + keys, person.serial],
    [`[foobar] | mfa_serial = arn:aws:iam::1234:mfa/a/b@c.d${keys}`, 'arn:aws:iam::1234:mfa/a/b@c.d'],
    [`${inDefault} // [default-long-term] | KEYS`, 'DEVICE-C3', 'default'],
  ];
  for (const [layout, serial, name, typed] of rows) {
    test(layout, () => assert.equal(identify(layout, name, {}, typed).serial, serial));
  }
  test('mfa_process counts beside the mfa_serial', () => {
    const process = (config: string, typed?: string) => identify(config + keys, 'foobar', {}, typed).mfaProcess?.value;
    assert.equal(process(`${foobar} | mfa_process = gpg -d x # y`), 'gpg -d x # y');
    assert.equal(process(`${foobar} | [profile foobar-long-term] | mfa_process = x`), undefined);
    assert.equal(process(`[foobar] | mfa_process = x | ${inSource}`), undefined);
    assert.equal(process(`[foobar] | mfa_process = x | ${inSource} | mfa_process = y`), 'y');
    assert.equal(process(`${foobar} | mfa_process = x`, 'DEVICE-A1'), undefined);
    const said = refusal(() => process(`${foobar} | mfa_process = x |  y`));
    assert.deepEqual(said, ['mfa_process spans several lines (~/.aws/config:3)', indented]);
  });
  const looksLike = 'it looks like arn:aws:iam::<account>:mfa/<device>';
  const app = 'add an authenticator app to the IAM user, and set mfa_serial to it';
  const fido = 'arn:aws:iam::123456789012:u2f/user/bob/yubikey';
  for (const [serial, what, hint] of [
    [fido, `${fido} is a FIDO device, which gives no codes`, app],
    ['arn:aws:iam::1234:user/bob', '"arn:aws:iam::1234:user/bob" is not an MFA device', looksLike],
    ['my phone', '"my phone" is not an MFA device', looksLike],
    ['phone', '"phone" is not an MFA device', looksLike],
  ] as const) {
    test(`not ${serial}`, () => {
      const written = refusal(() => identify(`[foobar] | mfa_serial = ${serial}${keys}`));
      assert.deepEqual(written, [`${what} (~/.aws/config:2)`, hint]);
      const typed = refusal(() => identify(keys, 'foobar', {}, serial));
      assert.deepEqual(typed, [`${what} (--serial-number)`, hint]);
    });
  }
  refuses([
    [`${inProfile} # it${keys}`, 'trailing comment in mfa_serial (~/.aws/config:2)', comment],
    [
      '[default] | region = x | [profile foobar] | source_profile = my keys // [my keys] | KEYS',
      'no mfa_serial in foobar or my keys or default',
      'set mfa_serial = arn:aws:iam::<account>:mfa/<device> in [profile foobar]',
      "to see the device: aws iam list-mfa-devices --profile 'my keys'",
    ],
  ]);
});

describe('the keys', () => {
  const process = 'credential_process = x # y';
  const inKeys = `${id} credentials:2`;
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, where: string])[] = [
    [linked + source, inKeys], [`${linked} | [profile K] | KEYS`, `${id} config:5`],
    [`${linked} | [K] | KEYS`, `${id} config:5`], [`${linked} | [profile K] | OTHER${source}`, inKeys],
    [`${linked} // [K] | AWS_ACCESS_KEY_ID=${id} | Aws_Secret_Access_Key : x`, inKeys],
    [`${linked} // [K] | [DEFAULT] | KEYS`, `${id} credentials:3`],
    [`${linked} | [profile K] | ${process}`, 'x # y config:5'],
    [`${linked} // [K] | ${process}`, 'x # y credentials:2'], [`${linked} | [profile K] | ${process}${source}`, inKeys],
    // the session hides these
    [`${linked}${source} | [foobar] | ${process}`, inKeys], [`${linked} | OTHER${source}`, inKeys],
  ];
  for (const [layout, where] of rows) {
    test(layout, () => {
      const { keys } = identify(layout);
      const got = 'process' in keys ? keys.process : keys.accessKeyId;
      assert.equal(`${got} ${keys.where.replace('~/.aws/', '')}`, where);
    });
  }
  test('of a role whose session ends a chain, in its X-long-term', () => {
    const config = '[leaf] | role_arn = x | source_profile = mid | [mid] | role_arn = x | mfa_serial = SERIAL';
    assert.equal(identify(`${config} // [mid] | SESSION | [mid-long-term] | KEYS`, 'leaf').source, 'mid-long-term');
  });
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
  const missing = (key: string, line: number) => [
    `source K has no ${key} (~/.aws/credentials:${line})`,
    `set ${key} there`,
  ];
  const gone = (name: string) => `source_profile "${name}" does not exist (~/.aws/config:2)`;
  // biome-ignore format: several rows a line
  refuses([
    [pair(secret, id), swapped, copy], [pair('SPOILERALERTThisKeyISNOTVALIDJustExample', id), swapped, copy],
    [pair(secret, 'THISISNOTAREALKEYYES'), swapped, copy], [pair(`${id} ${secret}`, ''), noId, copy],
    [pair(`${id}:${secret}`, `${id}:${secret}`), noId, copy], [pair(id, `${id} ${secret}`), noSecret, copy],
    [pair(`\u200b${id}`, secret), noId, copy], [pair(id, `${secret}\u200b`), noSecret, copy],
    [pair(`"${id}"`, `"${secret}"`), noId, copy], [pair(id, `'${secret}'`), noSecret, copy],
    [pair('AKIA', secret), noId, copy], [pair(id, ''), ...missing('aws_secret_access_key', 2)],
    [pair('', secret), ...missing('aws_access_key_id', 3)], [pair(id, `${secret} # mine`), trailing, comment],
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
  const over = (name: string) => `move them over the old keys in [${name}]`;
  const overOld = over('foobar-long-term');
  const move = 'move them to [foobar-long-term] in ~/.aws/credentials';
  const device = 'set mfa_serial in [profile foobar] in ~/.aws/config';
  const self = '[profile foobar] | source_profile = foobar';
  // biome-ignore format: several rows a line
  refuses([
    [`${linked}${source} | [foobar] | OTHER`, holds, over('K')],
    [`${foobar}${keys} | [foobar] | OTHER`, holds, overOld],
    [`${foobar}${keys} | [foobar] | KEYS | aws_session_token = x`, holds, overOld],
    [`${foobar}${keys} | [foobar] | aws_access_key_id = x | aws_session_token =`, holds, overOld],
    [`${foobar}${keys} | [foobar] | AWS_SECRET_ACCESS_KEY: x`, holds, overOld],
    ['[profile foobar] // [foobar] | KEYS', holds, move, device], [`${foobar} // [foobar] | KEYS`, holds, move],
    [`${foobar} | KEYS`, '[profile foobar] in ~/.aws/config holds long-lived keys', move],
    [`${foobar} | credential_process = x`, '[profile foobar] in ~/.aws/config has a credential_process',
      'move it to [profile foobar-long-term] in ~/.aws/config'],
    [`${self} // [foobar] | KEYS`, holds, move, 'delete source_profile from [profile foobar]', device],
    [`${self}${keys} | [foobar] | KEYS`, holds, overOld],
  ]);
  test('a section that readers see differently', () => {
    const [what] = refusal(() => identify(`${foobar}${keys} | [foobar]#mine | SESSION`));
    assert.equal(what, 'ambiguous section header (~/.aws/credentials:4)');
  });
  const whose = (name: string, of: string, type: string) => [
    `${name} holds the long-lived keys of ${of}`,
    `type refresh-mfa ${type}`,
  ];
  refuses([[foobar + keys, ...whose('foobar-long-term', 'foobar', 'foobar')]], 'foobar-long-term');
  const shared = `[profile "my work"] | source_profile = K | [c] | source_profile = K${source}`;
  refuses([[shared, ...whose('K', 'my work, c', "'my work'")]], 'K');
  const leaf =
    '[leaf] | role_arn = x | source_profile = mid | [mid] | role_arn = x | source_profile = foobar // [mid] | KEYS';
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
    const layout = `${foobar} | ${key} = x | [profile dev] | role_arn = x | source_profile = foobar${keys}`;
    const lines = [`foobar uses ${key} (~/.aws/config:3)`, `it needs no refresh: ${how}`] as const;
    refuses([[layout, ...lines]]);
    refuses([[layout, ...lines]], 'dev');
  }
});

describe('the region', () => {
  const of = (partition: string) => `[foobar] | mfa_serial = arn:${partition}:iam::123456789012:mfa/phone`;
  const inSource = `${linked} | [profile K] | region = eu-west-2 | [default] | region = ap-south-1`;
  const both = inSource.replace(' | [', ' | region = eu-west-1 | [') + source;
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, env: Environment, region: string])[] = [
    [both, { AWS_REGION: 'eu-north-1', AWS_DEFAULT_REGION: 'eu-south-1' }, 'eu-north-1'],
    [both, { AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-south-1' }, 'eu-south-1'], [both, {}, 'eu-west-1'],
    [inSource + source, {}, 'eu-west-2'], [`${linked} | [default] | region = ap-south-1${source}`, {}, 'us-east-1'],
    [`${linked} | [DEFAULT] | region = eu-west-3${source}`, {}, 'eu-west-3'], [of('aws-cn') + keys, {}, 'cn-north-1'],
    [of('aws-us-gov') + keys, {}, 'us-gov-west-1'],
    [`${of('aws-us-gov')} | region = us-gov-east-1${keys}`,
      { AWS_REGION: 'eu-central-1', AWS_DEFAULT_REGION: 'cn-north-1' }, 'us-gov-east-1'],
    [of('aws') + keys, { AWS_REGION: 'cn-north-1' }, 'us-east-1'],
    [`[foobar] | mfa_serial = GAHT12345678${keys}`, { AWS_REGION: 'cn-north-1' }, 'cn-north-1'],
  ];
  for (const [layout, env, region] of rows) {
    test(layout, () => assert.equal(identify(layout, 'foobar', env).region, region));
  }
  test('every partition has regions of its own', () => {
    const pairs = `aws-cn cn-northwest-1, aws-us-gov us-gov-east-1, aws-iso us-iso-east-1, aws-iso-b us-isob-east-1,
      aws-iso-e eu-isoe-west-1, aws-iso-f us-isof-south-1, aws-eusc eusc-de-east-1`;
    for (const pair of pairs.split(/,\s+/)) {
      const [partition = '', region = ''] = pair.split(' ');
      const env = { AWS_REGION: 'us-east-1' };
      assert.equal(identify(`${of(partition)} | region = ${region}${keys}`, 'foobar', env).region, region);
    }
  });
  for (const [what, layout, env = {}, hint = 'it looks like eu-west-1'] of [
    ['"xn--a" is not a region (AWS_REGION)', of('aws'), { AWS_REGION: 'xn--a' }],
    ['"eu/" is not a region (AWS_DEFAULT_REGION)', of('aws'), { AWS_DEFAULT_REGION: 'eu/' }],
    ['"eu-west-1 # it" is not a region (~/.aws/config:3)', `${of('aws')} | region = eu-west-1 # it`],
    ['region spans several lines (~/.aws/config:3)', `${of('aws')} | region = x |  SECRET`, {}, indented],
    ['no region for the partition aws-iso', of('aws-iso'), {}, 'set AWS_REGION, or region in [profile foobar]'],
  ] as const) {
    test(what, () => {
      const said = refusal(() => identify(layout + keys, 'foobar', env));
      assert.deepEqual(said, [what, hint]);
    });
  }
});

describe('the endpoint', () => {
  const good = 'https://sts.example.com/';
  const own = `endpoint_url = ${good}`;
  const wrong = 'endpoint_url = https://wrong.example.com';
  const bad = 'https://wrong.example.com';
  const services = `[services x] | s3 = |   ${wrong}`;
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [config: string, env: Environment, endpoint: string | undefined])[] = [
    ['', {}, undefined], [wrong, { AWS_ENDPOINT_URL_STS: good, AWS_ENDPOINT_URL: bad }, good],
    [wrong, { AWS_ENDPOINT_URL_STS: '', AWS_ENDPOINT_URL: good }, good], [`${own} | [profile K] | ${wrong}`, {}, good],
    [`[profile K] | ${own}`, {}, good],
    [`${wrong} | services = x | ${services} | sts = |   ${own} | ec2 = |   ${wrong}`, {}, good],
    [`${own} | services = x | ${services}`, {}, good], [`${own} | services = y | ${services}`, {}, good],
    [`[default] | ${wrong} | services = x | ${services} | sts = |   ${wrong}`, {}, undefined],
    [`[profile elsewhere] | ${wrong}`, { AWS_PROFILE: 'elsewhere' }, undefined],
    [wrong, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'True', AWS_ENDPOINT_URL: bad }, undefined],
  ];
  for (const [config, env, endpoint] of rows) {
    test(config, () => assert.equal(identify(`${linked} | ${config}${source}`, 'foobar', env).endpoint, endpoint));
  }
  for (const url of ['localhost:4566', 'ftp://localhost', 'sts', 'https://jan:SECRET@sts.example.com:port']) {
    test(`not ${url}, which is not repeated`, () => {
      const hint = 'it looks like https://sts.eu-west-1.amazonaws.com';
      const typed = refusal(() => identify(linked + source, 'foobar', { AWS_ENDPOINT_URL: url }));
      assert.deepEqual(typed, ['the endpoint is not a URL (AWS_ENDPOINT_URL)', hint]);
      const written = refusal(() => identify(`${linked} | endpoint_url = ${url}${source}`));
      assert.deepEqual(written, ['the endpoint is not a URL (~/.aws/config:4)', hint]);
    });
  }
  test('in several lines, of which the next may hold a secret', () => {
    const said = refusal(() => identify(`${linked} | ${own} |  SECRET${source}`));
    assert.deepEqual(said, ['endpoint_url spans several lines (~/.aws/config:4)', indented]);
  });
});

test("certificate authorities: AWS_CA_BUNDLE, the session profile's, the source's", () => {
  const bundle = (config: string, env = {}) => identify(`${linked} | ${config}${source}`, 'foobar', env).caBundle;
  const inSource = '[profile K] | ca_bundle = b.pem | [default] | ca_bundle = d.pem';
  assert.equal(bundle(`ca_bundle = a.pem | ${inSource}`, { AWS_CA_BUNDLE: 'c.pem' }), 'c.pem');
  assert.equal(bundle(`ca_bundle = a.pem | ${inSource}`, { AWS_CA_BUNDLE: '' }), 'a.pem');
  assert.equal(bundle(inSource), 'b.pem');
  assert.equal(bundle('[default] | ca_bundle = d.pem'), undefined);
  const said = refusal(() => bundle('ca_bundle = x |  y'));
  assert.deepEqual(said, ['ca_bundle spans several lines (~/.aws/config:4)', indented]);
});

describe("the length of the session: the session profile's own duration_seconds", () => {
  test('in seconds', () => {
    const duration = (config: string) => identify(`${linked} | ${config}${source}`).duration;
    assert.equal(duration('duration_seconds = 7200'), 7200);
    assert.equal(duration('duration_seconds = 36h'), 129_600);
    assert.equal(duration('[K] | duration_seconds = 3600 | [default] | duration_seconds = 3600'), undefined);
  });
  const rule = 'duration_seconds must be from 15m to 36h (~/.aws/config:4)';
  const trailing = 'trailing comment in duration_seconds (~/.aws/config:4)';
  const set = (time: string) => `${linked} | duration_seconds = ${time}${source}`;
  for (const time of ['600', '129601', 'soon']) refuses([[set(time), rule, 'write it as 900 (seconds), 45m or 12h']]);
  refuses([[set('3600 # one hour'), trailing, comment]]);
});
