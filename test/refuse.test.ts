// A failed run leaves the file alone: what is refused, when, and with which words.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { HomeFiles } from './helpers/home';
import { type RunOptions, run } from './helpers/run';
import {
  keys,
  makeScene,
  oldSession,
  other,
  otherKeys,
  person,
  type Scene,
  serial,
  sessionsIn,
  simple,
  typed,
} from './helpers/scene';
import { totp } from './helpers/sts';

/** Some rows at a time, since each is a process that mostly waits. */
const concurrency = 4;

interface Refusal {
  readonly status: number;
  /** Stands in the line of the error. */
  readonly error: string;
  /** Stand in lines of hints. */
  readonly hints: readonly string[];
}

interface Row extends HomeFiles, Refusal {
  readonly name: string;
  readonly args?: readonly string[];
}

/**
 * Asserts that the run ends with these words, calls nobody and leaves every byte. Standard input stays open and silent unless
 * given, so that a run which waits for a code fails.
 */
async function refuses(
  scene: Scene,
  args: readonly string[],
  { status, error, hints }: Refusal,
  options: Partial<RunOptions> = {},
): Promise<void> {
  const { home, sts } = scene;
  const listed = home.listAws();
  const isFile = listed.includes('credentials') && options.env?.AWS_SHARED_CREDENTIALS_FILE === undefined;
  const before = isFile ? home.readCredentialsBytes() : undefined;
  const result = await run(args, { ...scene, stdin: 'open', ...options });
  assert.equal(result.status, status, result.stderr);
  assert.equal(result.stdout, '');
  const [first = '', ...rest] = result.stderr.trimEnd().split('\n');
  assert.ok(first.startsWith('refresh-mfa: error: '), first);
  assert.ok(first.includes(error), `${first}\nhas no: ${error}`);
  assert.ok(rest.length > 0, 'there is no hint');
  for (const line of rest) assert.match(line, /^refresh-mfa: hint: /);
  for (const hint of hints)
    assert.ok(
      rest.some((line) => line.includes(hint)),
      `${rest.join('\n')}\nhas no: ${hint}`,
    );
  assert.equal(sts.calls.length, 0);
  assert.equal(sts.connections, 0);
  if (before) assert.deepEqual(home.readCredentialsBytes(), before);
  assert.deepEqual(home.listAws(), listed);
}

function table(rows: readonly Row[]): void {
  for (const { name, args = ['foobar'], ...row } of rows) {
    test(name, async (t) => refuses(await makeScene(t, row, [person, other]), args, row));
  }
}

const linked = `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`;

describe('long-lived keys are never overwritten', { concurrency }, () => {
  table([
    {
      name: 'in the target of a profile with source_profile',
      config: linked,
      credentials: `[Keys]\n${otherKeys}\n[foobar]\n${keys}`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys, which are never overwritten',
      hints: ['rename that section to [foobar-long-term]', 'let it name foobar-long-term'],
    },
    {
      name: 'in the target beside X-long-term',
      config: simple.config,
      credentials: `[foobar]\n${keys}\n${simple.credentials}`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 1 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'beside a stale session token',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\n${keys}aws_session_token = IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==\n`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'beside an empty session token',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\n${keys}aws_session_token =\n`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'written in capitals and with a colon',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\nAWS_ACCESS_KEY_ID: ${person.accessKeyId}\nAWS_SECRET_ACCESS_KEY: ${person.secretAccessKey}\n`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'the secret one alone',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\naws_secret_access_key = ${person.secretAccessKey}\n`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'that look like none',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\naws_access_key_id = THISISNOTAREALKEYYES\naws_secret_access_key = SPOILERALERTThisKeyISNOTVALIDJustExample\n`,
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'in the target, named by a role profile and with all that could override it',
      config: `${linked}\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = foobar\n`,
      credentials: `[Keys]\n${otherKeys}\n[foobar]\n${keys}`,
      args: ['foobar', '--if-needed', '--serial-number', serial, '--duration', '1h', '--token-code', '123456'],
      status: 2,
      error: '[foobar] in ~/.aws/credentials line 5 holds long-lived keys',
      hints: ['rename that section to'],
    },
    {
      name: 'where the profile is its own source',
      config: `[profile foobar]\nsource_profile = foobar\nmfa_serial = ${serial}\n`,
      credentials: `[foobar]\n${keys}`,
      status: 2,
      error:
        'foobar is its own source, so the session would overwrite the long-lived keys ([profile foobar] in ~/.aws/config line 2)',
      hints: ['rename the section with the long-lived keys to [foobar-long-term] and delete source_profile'],
    },
  ]);

  for (const action of ['refreshed', 'cleared'] as const) {
    test(`not even where they were put there after the file was read: not ${action}`, async (t) => {
      const scene = await makeScene(t, simple);
      const { sts, home } = scene;
      const changed = `${simple.credentials}\n[foobar]\n${otherKeys}`;
      if (action === 'cleared') {
        home.writeCredentials(changed);
        const result = await run(['--clear', 'foobar'], scene);
        assert.equal(result.status, 2);
        assert.equal(home.readCredentials(), changed);
        return;
      }
      sts.behave({ kind: 'delay', ms: 1000 });
      const running = run(['foobar'], { ...scene, stdin: typed() });
      await sts.until(() => sts.calls.length === 1);
      home.writeCredentials(changed);
      const result = await running;
      assert.equal(result.status, 2);
      assert.match(result.stderr, /^refresh-mfa: error: \[foobar\] in [^\n]* line 5 holds long-lived keys/);
      assert.equal(home.readCredentials(), changed);
      assert.deepEqual(home.listAws(), ['config', 'credentials']);
    });
  }
});

describe("the layout of AWS's own guide: the edits are spelled out, and are enough", { concurrency }, () => {
  const auditor = `[profile jan-work]
region = eu-west-1

[profile security-auditor]
source_profile = jan-work
role_arn = arn:aws:iam::123456789012:role/security-auditor
mfa_serial = arn:aws:iam::123456789012:mfa/phone
`;
  // The first role's source is as the guide prints it: not the profile above it.
  const projects = `[profile project1]
region=us-east-1
[profile project1-prod-admin]
role_arn=arn:aws:iam::123456789012:role/admin
mfa_serial=arn:aws:iam::123456789012:mfa/phone
source_profile=project2
[profile project2]
region=us-west-2
[profile project2-prod-admin]
role_arn=arn:aws:iam::123456789012:role/admin
source_profile=project2
[profile project3]
region=us-west-2
`;
  const layouts = [
    {
      name: 'a role with an MFA device, whose source holds the keys',
      args: [['security-auditor'], ['jan-work']],
      config: auditor,
      credentials: `[jan-work]\n${keys}`,
      error:
        'jan-work holds the long-lived keys itself ([jan-work] in ~/.aws/credentials line 1), so there is no place for a session',
      hints: [
        'in ~/.aws/credentials line 1: rename [jan-work] to [jan-work-long-term]',
        'in ~/.aws/config: add mfa_serial = arn:aws:iam::123456789012:mfa/phone to [profile jan-work]',
        'delete mfa_serial from [profile security-auditor] in ~/.aws/config line 7: the session has the MFA already',
        'roles keep source_profile = jan-work; then run refresh-mfa jan-work',
      ],
      session: 'jan-work',
      region: 'eu-west-1',
      edited: {
        config: `[profile jan-work]
region = eu-west-1
mfa_serial = arn:aws:iam::123456789012:mfa/phone

[profile security-auditor]
source_profile = jan-work
role_arn = arn:aws:iam::123456789012:role/security-auditor
`,
        credentials: `[jan-work-long-term]\n${keys}`,
      },
    },
    {
      name: 'several projects, one of whose roles has an MFA device',
      args: [['project1-prod-admin'], ['project2-prod-admin'], ['project2']],
      config: projects,
      credentials: `[project1]\n${otherKeys}[project2]\n${keys}[project3]\n${otherKeys}`,
      error:
        'project2 holds the long-lived keys itself ([project2] in ~/.aws/credentials line 4), so there is no place for a session',
      hints: [
        'in ~/.aws/credentials line 4: rename [project2] to [project2-long-term]',
        'in ~/.aws/config: add mfa_serial = arn:aws:iam::123456789012:mfa/phone to [profile project2]',
        'delete mfa_serial from [profile project1-prod-admin] in ~/.aws/config line 5: the session has the MFA already',
        'roles keep source_profile = project2; then run refresh-mfa project2',
      ],
      session: 'project2',
      region: 'us-west-2',
      edited: {
        config: `[profile project1]
region=us-east-1
[profile project1-prod-admin]
role_arn=arn:aws:iam::123456789012:role/admin
source_profile=project2
[profile project2]
region=us-west-2
mfa_serial = arn:aws:iam::123456789012:mfa/phone
[profile project2-prod-admin]
role_arn=arn:aws:iam::123456789012:role/admin
source_profile=project2
[profile project3]
region=us-west-2
`,
        credentials: `[project1]\n${otherKeys}[project2-long-term]\n${keys}[project3]\n${otherKeys}`,
      },
    },
    {
      name: 'the source has no section in the config',
      args: [['dev'], ['work']],
      config: `[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = work\nmfa_serial = ${serial}\n`,
      credentials: `[work]\n${keys}`,
      error: 'work holds the long-lived keys itself ([work] in ~/.aws/credentials line 1)',
      hints: [
        'in ~/.aws/credentials line 1: rename [work] to [work-long-term]',
        `in ~/.aws/config: add mfa_serial = ${serial} to a new section [profile work]`,
        'delete mfa_serial from [profile dev] in ~/.aws/config line 4: the session has the MFA already',
        'roles keep source_profile = work; then run refresh-mfa work',
      ],
      session: 'work',
      region: 'us-east-1',
      edited: {
        config: `[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = work\n[profile work]\nmfa_serial = ${serial}\n`,
        credentials: `[work-long-term]\n${keys}`,
      },
    },
    {
      name: 'no roles: a profile with keys and its MFA device',
      args: [['work']],
      config: `[profile work]\nmfa_serial = ${serial}\n`,
      credentials: `[work]\n${keys}`,
      error: 'work holds the long-lived keys itself ([work] in ~/.aws/credentials line 1)',
      hints: [
        'in ~/.aws/credentials line 1: rename [work] to [work-long-term]',
        'roles keep source_profile = work; then run refresh-mfa work',
      ],
      session: 'work',
      region: 'us-east-1',
      edited: { config: `[profile work]\nmfa_serial = ${serial}\n`, credentials: `[work-long-term]\n${keys}` },
    },
    {
      name: 'the default profile holds the keys',
      args: [['default'], ['dev']],
      config: `[default]\nregion = eu-west-1\n\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = default\nmfa_serial = ${serial}\n`,
      credentials: `[default]\n${keys}`,
      error: 'default holds the long-lived keys itself ([default] in ~/.aws/credentials line 1)',
      hints: [
        'in ~/.aws/credentials line 1: rename [default] to [default-long-term]',
        `in ~/.aws/config: add mfa_serial = ${serial} to [default]`,
        'delete mfa_serial from [profile dev] in ~/.aws/config line 7: the session has the MFA already',
        'roles keep source_profile = default; then run refresh-mfa default',
      ],
      session: 'default',
      region: 'eu-west-1',
      edited: {
        config: `[default]\nregion = eu-west-1\nmfa_serial = ${serial}\n\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = default\n`,
        credentials: `[default-long-term]\n${keys}`,
      },
    },
    {
      name: 'a name with a blank',
      args: [['my work']],
      config: `[profile "my work"]\nregion = eu-west-1\n\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = my work\nmfa_serial = ${serial}\n`,
      credentials: `[my work]\n${keys}`,
      error: 'my work holds the long-lived keys itself ([my work] in ~/.aws/credentials line 1)',
      hints: [
        'in ~/.aws/credentials line 1: rename [my work] to [my work-long-term]',
        `in ~/.aws/config: add mfa_serial = ${serial} to [profile "my work"]`,
        'delete mfa_serial from [profile dev] in ~/.aws/config line 7: the session has the MFA already',
        "roles keep source_profile = my work; then run refresh-mfa 'my work'",
      ],
      session: 'my work',
      region: 'eu-west-1',
      edited: {
        config: `[profile "my work"]\nregion = eu-west-1\nmfa_serial = ${serial}\n\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = my work\n`,
        credentials: `[my work-long-term]\n${keys}`,
      },
    },
    {
      name: 'the keys are in the config',
      args: [['work']],
      config: `[profile work]\n${keys}mfa_serial = ${serial}\n`,
      credentials: '',
      error: 'work holds the long-lived keys itself ([profile work] in ~/.aws/config line 1)',
      hints: [
        'move aws_access_key_id and aws_secret_access_key from [profile work] in ~/.aws/config to a section [work-long-term] in ~/.aws/credentials',
        'roles keep source_profile = work; then run refresh-mfa work',
      ],
      session: 'work',
      region: 'us-east-1',
      edited: { config: `[profile work]\nmfa_serial = ${serial}\n`, credentials: `[work-long-term]\n${keys}` },
    },
  ];
  for (const { name, args, config, credentials, error, hints, session, region, edited } of layouts) {
    for (const names of args) {
      test(`${name}: refresh-mfa ${names}`, async (t) => {
        const scene = await makeScene(t, { config, credentials });
        const { home, sts } = scene;
        const result = await run(names, { ...scene, stdin: 'open' });
        assert.equal(result.status, 2);
        assert.equal(result.stdout, '');
        const lines = result.stderr.split('\n').filter((line) => !line.startsWith('refresh-mfa: note: '));
        assert.ok(lines[0]?.startsWith(`refresh-mfa: error: ${error}`), lines[0]);
        assert.deepEqual(
          lines.slice(1, -1),
          hints.map((hint) => `refresh-mfa: hint: ${hint}`),
        );
        assert.equal(sts.calls.length, 0);
        assert.equal(home.readCredentials(), credentials);

        home.writeConfig(edited.config);
        home.writeCredentials(edited.credentials);
        const then = await run(names, { ...scene, stdin: typed() });
        assert.equal(then.status, 0, then.stderr);
        assert.equal(sts.calls[0]?.accessKeyId, person.accessKeyId);
        assert.equal(sts.calls[0]?.region, region);
        assert.deepEqual(sessionsIn(home.credentialsPath), [session]);
        assert.ok(home.readCredentials().startsWith(edited.credentials));
        // Nothing is left that would ask again or fail.
        assert.doesNotMatch(then.stderr, /mfa_serial|Terraform/);
      });
    }
  }
});

describe('the source', { concurrency }, () => {
  table([
    {
      name: 'is a session',
      config: linked,
      credentials: `[Keys]\n${oldSession}`,
      status: 2,
      error:
        'the source Keys is itself a session ([Keys] in ~/.aws/credentials line 4); STS gives sessions for long-lived keys only',
      hints: ['let source_profile name the profile with the long-lived keys'],
    },
    {
      name: 'is a session of an old kind',
      config: linked,
      credentials: `[Keys]\n${oldSession.replace('aws_session_token', 'aws_security_token')}`,
      status: 2,
      error: 'the source Keys is itself a session ([Keys] in ~/.aws/credentials line 4)',
      hints: ['let source_profile name'],
    },
    {
      name: 'has a session token in the config',
      config: `${linked}\n[profile Keys]\naws_session_token = IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==\n`,
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error: 'the source Keys is itself a session ([profile Keys] in ~/.aws/config line 6)',
      hints: ['let source_profile name'],
    },
    {
      name: 'is a role',
      config: `${linked}\n[profile Keys]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = foobar\n`,
      credentials: '',
      status: 2,
      error: 'the source Keys is a role ([profile Keys] in ~/.aws/config line 6)',
      hints: ['let source_profile name the profile with the long-lived keys'],
    },
    {
      name: 'is nowhere',
      config: linked.replace('Keys', 'Kyes'),
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error:
        'source_profile of [profile foobar] in ~/.aws/config line 2: no profile "Kyes" in ~/.aws/config or ~/.aws/credentials',
      hints: ['did you mean Keys?'],
    },
    {
      name: 'is not named, and nothing is called X-long-term',
      config: `[profile foobar]\nmfa_serial = ${serial}\n`,
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error: 'foobar has no source: no source_profile, and no section [foobar-long-term] with your long-lived keys',
      hints: ['add [foobar-long-term] with aws_access_key_id and aws_secret_access_key to ~/.aws/credentials'],
    },
    {
      name: 'has no keys',
      config: linked,
      credentials: '[Keys]\nregion = eu-west-1\n',
      status: 2,
      error: 'the source Keys has no keys in ~/.aws/credentials or ~/.aws/config',
      hints: ['add aws_access_key_id and aws_secret_access_key to [Keys] in ~/.aws/credentials'],
    },
    {
      name: 'has empty keys',
      config: linked,
      credentials: '[Keys]\naws_access_key_id =\naws_secret_access_key =\n',
      status: 2,
      error: 'the source Keys has no keys in',
      hints: ['add aws_access_key_id and aws_secret_access_key to [Keys]'],
    },
    {
      name: 'has no secret key',
      config: linked,
      credentials: `[Keys]\naws_access_key_id = ${person.accessKeyId}\n`,
      status: 2,
      error: 'the source Keys has aws_access_key_id but no aws_secret_access_key ([Keys] in ~/.aws/credentials line 2)',
      hints: ['add aws_secret_access_key there'],
    },
    {
      name: 'has only a secret key',
      config: linked,
      credentials: `[Keys]\naws_secret_access_key = ${person.secretAccessKey}\n`,
      status: 2,
      error: 'the source Keys has aws_secret_access_key but no aws_access_key_id ([Keys] in ~/.aws/credentials line 2)',
      hints: ['add aws_access_key_id there'],
    },
    {
      name: 'has a key with a comment behind it',
      config: linked,
      credentials: `[Keys]\n${keys.trimEnd()} # of the laptop\n`,
      status: 2,
      error: 'aws_secret_access_key of [Keys] in ~/.aws/credentials line 3 has a comment behind it',
      hints: ['move the comment to a line of its own'],
    },
    {
      name: 'has a key that goes on in the next line',
      config: linked,
      credentials: `[Keys]\naws_access_key_id = ${person.accessKeyId}\n  aws_secret_access_key = ${person.secretAccessKey}\n`,
      status: 2,
      error: '~/.aws/credentials line 2',
      hints: ['move it to the margin'],
    },
    {
      name: 'is named with a comment behind it',
      config: linked.replace('= Keys', '= Keys ; mine'),
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error: 'source_profile of [profile foobar] in ~/.aws/config line 2 has a comment behind it',
      hints: ['move the comment to a line of its own'],
    },
  ]);
});

describe('the device', { concurrency }, () => {
  const fido = 'arn:aws:iam::123456789012:u2f/user/bob/yubikey-AB12';
  table([
    {
      name: 'is nowhere: every place that was looked at is named',
      config:
        '[default]\nregion = eu-west-1\n\n[profile foobar]\nsource_profile = Keys\n\n[foobar]\noutput = json\n\n[profile Keys]\noutput = json\n',
      credentials: `[Keys]\n${keys}\n[foobar]\n${oldSession}`,
      status: 2,
      error:
        'no MFA device for foobar: no mfa_serial in [foobar] in ~/.aws/credentials, [profile foobar] in ~/.aws/config, [foobar] in ~/.aws/config, [Keys] in ~/.aws/credentials, [profile Keys] in ~/.aws/config, [default] in ~/.aws/config',
      hints: [
        'add mfa_serial = arn:aws:iam::<account>:mfa/<device> to [profile foobar] in ~/.aws/config',
        'aws iam list-mfa-devices --profile Keys',
      ],
    },
    {
      name: "is only a role's: that one is named",
      config: `[profile foobar]\nsource_profile = Keys\n\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = foobar\nmfa_serial = ${serial}\n`,
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error: "([profile dev] in ~/.aws/config line 7 has one, but that is the role's)",
      hints: [`add mfa_serial = ${serial} to [profile foobar] in ~/.aws/config`],
    },
    {
      name: 'is a FIDO key',
      config: linked.replace(serial, fido),
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error: `${fido} is a FIDO device or passkey ([profile foobar] in ~/.aws/config line 3), and STS takes no codes from those`,
      hints: ['add an authenticator app or a TOTP token to the IAM user, and set mfa_serial to that one'],
    },
    {
      name: 'is a FIDO key, by --serial-number',
      ...simple,
      args: ['foobar', '--serial-number', fido],
      status: 2,
      error: `${fido} is a FIDO device or passkey (--serial-number)`,
      hints: ['add an authenticator app'],
    },
    {
      name: 'is no serial number',
      config: linked.replace(serial, 'my phone'),
      credentials: `[Keys]\n${keys}`,
      status: 2,
      error: '"my phone" is not the serial number or ARN of an MFA device ([profile foobar] in ~/.aws/config line 3)',
      hints: ['it looks like arn:aws:iam::<account>:mfa/<device>'],
    },
    {
      name: 'is no serial number, by --serial-number',
      ...simple,
      args: ['foobar', '--serial-number', 'phone'],
      status: 2,
      error: '"phone" is not the serial number or ARN of an MFA device (--serial-number)',
      hints: ['it looks like arn:aws:iam::<account>:mfa/<device>'],
    },
  ]);
});

describe('files that no aws command can read', { concurrency }, () => {
  const kinds: { kind: string; text: string | Buffer; error: string; hint: string }[] = [
    {
      kind: 'a section twice',
      text: '[a]\nregion = x\n\n[b]\n[a]\n',
      error: 'FILE line 5: [a] is there twice (first in line 1)',
      hint: 'make one section of the two',
    },
    {
      kind: 'a key twice',
      text: '[a]\nregion = x\nREGION = y\n',
      error: 'FILE line 3: region is there twice in [a] (first in line 2)',
      hint: 'delete the one that is out of date',
    },
    {
      kind: 'a key before any header',
      text: '\n# mine\nregion = x\n[a]\n',
      error: 'FILE line 3: a line before the first [section]',
      hint: 'move it below its [section], or put # before it',
    },
    {
      kind: 'a line that is no key',
      text: '[a]\nregion = x\nremember the milk\n',
      error: 'FILE line 3: a line that is no key = value',
      hint: 'write it as key = value, or put # before it',
    },
    {
      kind: 'a value without a key',
      text: '[a]\n= x\n',
      error: 'FILE line 2: a line that is no key = value',
      hint: 'write it as key = value, or put # before it',
    },
    {
      kind: 'a header without its end',
      text: '[a\nregion = x\n',
      error: 'FILE line 1: a line before the first [section]',
      hint: 'put # before it',
    },
    {
      kind: 'a byte order mark',
      text: '\ufeff[a]\nregion = x\n',
      error: 'FILE line 1: ',
      hint: 'save the file as UTF-8 without BOM',
    },
    {
      kind: 'Latin-1',
      text: Buffer.from('[a]\n# gr\xf6\xdfe\nregion = x\n', 'latin1'),
      error: 'FILE line 2: bytes that are not UTF-8',
      hint: 'save it again as UTF-8',
    },
    {
      kind: 'UTF-16',
      text: Buffer.from('\ufeff[a]\nregion = x\n', 'utf16le'),
      error: 'FILE line 1: bytes that are not UTF-8',
      hint: 'save it again as UTF-8',
    },
    {
      kind: 'line ends of the old Macintosh',
      text: '[a]\rregion = x\r',
      error: 'FILE line 1: ',
      hint: '',
    },
    { kind: 'a NUL', text: '[a]\nregion = x\0\n', error: 'FILE line 2: ', hint: 'delete that character' },
  ];
  for (const file of ['config', 'credentials'] as const) {
    table(
      kinds.map(({ kind, text, error, hint }) => ({
        name: `${kind} in the ${file} file`,
        ...simple,
        [file]: text,
        args: ['foobar', '--token-code', '123456'],
        status: 2,
        error: error.replace('FILE', `~/.aws/${file}`),
        hints: [hint],
      })),
    );
  }

  test('a credentials file that was broken while STS was asked stays as it is', async (t) => {
    const scene = await makeScene(t, simple);
    const { sts, home } = scene;
    const broken = `${simple.credentials}remember the milk\n`;
    sts.behave({ kind: 'delay', ms: 1000 });
    const running = run(['foobar'], { ...scene, stdin: typed() });
    await sts.until(() => sts.calls.length === 1);
    home.writeCredentials(broken);
    const result = await running;
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: ~\/\.aws\/credentials line 4: a line that is no key = value/);
    assert.equal(home.readCredentials(), broken);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });
});

describe('names and headers that AWS tools do not agree on', { concurrency }, () => {
  const named = (name: string, args: readonly string[] = ['--', name]) => ({
    config: `[profile ${name}]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
    credentials: `[Keys]\n${keys}`,
    args,
    status: 2,
  });
  const disagree = 'AWS tools disagree whether this is the header of a section';
  const margin = 'let the line begin at the margin and end with the ]';
  table([
    { name: 'a ] in the name', ...named('foo]bar'), error: '"foo]bar" cannot be the name', hints: ['without ]'] },
    {
      name: 'a control character in the name',
      ...named('foo\x1bbar'),
      error: '"foo\\u001bbar" cannot be the name',
      hints: ['control characters'],
    },
    {
      name: 'a blank at the end of the name',
      ...named('"foobar "', ['foobar ']),
      error: '"foobar " cannot be the name',
      hints: ['blanks at its ends'],
    },
    {
      name: 'a # behind a blank in the name, where the JS SDK lets the comment begin',
      ...named('"foobar #1"', ['foobar #1']),
      error: '"foobar #1" cannot be the name',
      hints: ['blanks at its ends or before # and ;'],
    },
    { name: 'DEFAULT', ...named('DEFAULT'), error: '"DEFAULT" cannot be the name', hints: ['give the profile a name'] },
    {
      name: 'something behind the header',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar] mine\n${oldSession}`,
      status: 2,
      error: `~/.aws/credentials line 5: ${disagree}`,
      hints: [margin],
    },
    ...['[another] mine', '[another ;mine]'].map((header) => ({
      name: `${header} below the section, whose keys the JS SDK would take for the session's`,
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar] # mine\n${oldSession}\n${header}\n${otherKeys}`,
      status: 2,
      error: `~/.aws/credentials line 10: ${disagree}`,
      hints: [margin],
    })),
    {
      name: 'a ] in the comment behind the header',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar] ; see [other]\n${oldSession}`,
      status: 2,
      error: `~/.aws/credentials line 5: ${disagree}`,
      hints: [margin],
    },
    {
      name: 'a header that is indented below a key',
      config: simple.config,
      credentials: `${simple.credentials}  [foobar]\n`,
      status: 2,
      error: `~/.aws/credentials line 4: ${disagree}`,
      hints: [margin],
    },
    {
      name: 'an indented header inside the section',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\nregion = eu-west-1\n  [another]\n  output = json\n`,
      status: 2,
      error: `~/.aws/credentials line 7: ${disagree}`,
      hints: [margin],
    },
    {
      name: 'a token in [DEFAULT] that aws would read first, from every section',
      config: `${simple.config}\n[profile foobar-long-term]\n${keys}`,
      credentials: `[DEFAULT]\naws_security_token = STALE\n\n[foobar]\n${oldSession}`,
      status: 2,
      error: '[DEFAULT] in ~/.aws/credentials line 2 has an aws_security_token, which aws would read before',
      hints: ['delete that line'],
    },
    {
      name: 'a line below the session that is part of another value for botocore, and a key for the JS SDK',
      config: simple.config,
      credentials: `${simple.credentials}\n[foobar]\n${oldSession}region = eu-west-1\n  aws_session_token = STALE\n`,
      status: 2,
      error: '~/.aws/credentials line 10: AWS tools disagree whether this is a key of [foobar]',
      hints: ['let the keys of the section begin at the margin, each once'],
    },
  ]);
});

describe('what was typed', { concurrency }, () => {
  const duration = 'is not a time from 15m to 36h';
  const write = 'write it as 900 (seconds), 45m or 12h';
  table([
    ...['899', '14m', '0', '129601', '37h', '3d', 'soon', '-1', '1.5h', ''].map((time) => ({
      name: `--duration=${time}`,
      ...simple,
      args: ['foobar', `--duration=${time}`],
      status: 2,
      error: `--duration "${time}" ${duration}`,
      hints: [write],
    })),
    {
      name: 'duration_seconds too short',
      ...simple,
      config: `${simple.config}duration_seconds = 600\n`,
      status: 2,
      error: `duration_seconds of [profile foobar] in ~/.aws/config line 3 "600" ${duration}`,
      hints: [write],
    },
    {
      name: 'duration_seconds with a comment behind it',
      ...simple,
      config: `${simple.config}duration_seconds = 3600 # one hour\n`,
      status: 2,
      error: 'duration_seconds of [profile foobar] in ~/.aws/config line 3 "3600 # one hour"',
      hints: [write],
    },
    {
      name: '--token-code with two profiles',
      config: `${simple.config}\n[profile two]\nmfa_serial = ${serial}\n`,
      credentials: `${simple.credentials}\n[two-long-term]\n${keys}`,
      args: ['foobar', 'two', '--token-code', '123456'],
      status: 2,
      error: '--token-code goes with one profile: each code is good once',
      hints: ['name one profile a run, or leave out --token-code'],
    },
    ...['12345', '1234567', '12345a', 'code', ''].map((code) => ({
      name: `--token-code=${code}`,
      ...simple,
      args: ['foobar', `--token-code=${code}`],
      status: 2,
      error: '--token-code is not six digits',
      hints: ['type the six digits that the device shows'],
    })),
  ]);

  for (const { name, stdin, error } of [
    {
      name: 'empty standard input',
      stdin: '',
      error: 'no code for foobar: there is no terminal to ask on, and standard input is empty',
    },
    { name: 'no standard input', stdin: undefined, error: 'standard input is empty' },
    {
      name: 'a short line on standard input',
      stdin: '12345\n',
      error: 'no code for foobar: its line on standard input is not six digits',
    },
    {
      name: 'an empty line on standard input',
      stdin: '\n123456\n',
      error: 'its line on standard input is not six digits',
    },
    { name: 'a short line without its end', stdin: '1234', error: 'its line on standard input is not six digits' },
  ]) {
    test(`${name}: exit 2 at once, and what to do`, async (t) => {
      const { sts, home } = await makeScene(t, simple);
      const result = await run(['foobar'], { sts, home, ...(stdin !== undefined && { stdin }) });
      assert.deepEqual({ status: result.status, stdout: result.stdout }, { status: 2, stdout: '' });
      assert.match(result.stderr, /^refresh-mfa: error: /);
      assert.ok(result.stderr.includes(error), result.stderr);
      assert.ok(
        result.stderr.endsWith(
          '\nrefresh-mfa: hint: run it in a terminal, give --token-code, or pipe in one code a line\n',
        ),
      );
      assert.equal(sts.calls.length, 0);
      assert.equal(home.readCredentials(), simple.credentials);
    });
  }

  for (const { name, stdin } of [
    {
      name: 'blanks inside and a Windows line end',
      stdin: (code: string) => ` ${code.slice(0, 3)} ${code.slice(3)}\r\n`,
    },
    { name: 'no line end', stdin: (code: string) => code },
    {
      name: 'no-break spaces and full-width digits',
      stdin: (code: string) =>
        code.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))).replace(/^.../, '$&\u00a0'),
    },
  ]) {
    test(`a piped code with ${name} is taken`, async (t) => {
      const scene = await makeScene(t, simple);
      const result = await run(['foobar'], { ...scene, stdin: stdin(totp(person.totpSecret)) });
      assert.equal(result.status, 0, result.stderr);
    });
  }

  test('a code with leading zeros arrives whole', async (t) => {
    const scene = await makeScene(t, simple);
    await run(['foobar', '-t', '001 234'], scene);
    assert.equal(scene.sts.calls[0]?.params.TokenCode, '001234');
  });
});

describe('files that cannot be used', { concurrency }, () => {
  const read = (path: string, why: string) => ({ status: 1, error: `cannot read ${path} (${why})`, hints: [''] });

  for (const file of ['credentials', 'config'] as const) {
    test(`a folder in the place of the ${file} file`, async (t) => {
      const { [file]: _, ...rest } = simple;
      const scene = await makeScene(t, rest);
      mkdirSync(join(scene.home.path, '.aws', file));
      const env = file === 'credentials' ? { AWS_SHARED_CREDENTIALS_FILE: '~/.aws/credentials' } : {};
      await refuses(scene, ['foobar'], read(`~/.aws/${file}`, 'EISDIR'), { env });
    });
  }

  test('links that lead to each other', async (t) => {
    const scene = await makeScene(t, { config: simple.config });
    symlinkSync('other', join(scene.home.path, '.aws', 'credentials'));
    symlinkSync('credentials', join(scene.home.path, '.aws', 'other'));
    const env = { AWS_SHARED_CREDENTIALS_FILE: '~/.aws/credentials' };
    await refuses(scene, ['foobar'], read('~/.aws/credentials', 'ELOOP'), { env });
  });

  const isRoot = process.getuid?.() === 0 && 'root may read every file';
  for (const file of ['credentials', 'config'] as const) {
    test(`a ${file} file that may not be read`, { skip: isRoot }, async (t) => {
      const scene = await makeScene(t, simple);
      const path = join(scene.home.path, '.aws', file);
      const before = readFileSync(path);
      chmodSync(path, 0);
      const result = await run(['foobar'], { ...scene, stdin: 'open' });
      assert.equal(result.status, 1);
      assert.equal(
        result.stderr,
        `refresh-mfa: error: cannot read ~/.aws/${file} (EACCES)\nrefresh-mfa: hint: ls -l ~/.aws/${file} tells whose it is\n`,
      );
      chmodSync(path, 0o600);
      assert.deepEqual(readFileSync(path), before);
    });
  }
});

describe('several profiles', { concurrency }, () => {
  const config = `[profile bad]
source_profile = Nowhere
mfa_serial = ${serial}

[profile one]
mfa_serial = ${serial}

[profile two]
mfa_serial = ${other.serial}
`;
  const credentials = `[one-long-term]\n${keys}\n[two-long-term]\n${otherKeys}`;

  test('one that is misconfigured is reported before any code is read, and does not stop the others', async (t) => {
    const scene = await makeScene(t, { config, credentials }, [person, other]);
    const result = await run(['one', 'bad', 'two'], { ...scene, stdin: typed(person) + typed(other) });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: source_profile of \[profile bad\] [^\n]*"Nowhere"/);
    assert.deepEqual(sessionsIn(scene.home.credentialsPath), ['one', 'two']);
    assert.deepEqual(
      scene.sts.calls.map(({ accessKeyId }) => accessKeyId),
      [person.accessKeyId, other.accessKeyId],
    );
    assert.match(result.stdout, /^one: session until [^\n]*\ntwo: session until [^\n]*\n$/);
  });

  test('when all are misconfigured nothing is read', async (t) => {
    const scene = await makeScene(t, { config, credentials });
    const result = await run(['bad', 'nosuch'], { ...scene, stdin: 'open' });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: [^\n]*"nosuch"/m);
    assert.match(result.stderr, /^refresh-mfa: error: [^\n]*"Nowhere"/m);
    assert.equal(scene.sts.connections, 0);
    assert.equal(scene.home.readCredentials(), credentials);
  });

  test('one whose code STS does not take does not stop the next: exit 1', async (t) => {
    const scene = await makeScene(t, { config, credentials }, [person, other]);
    // The first device's code for the second profile, and the other way round.
    const wrong = await run(['one', 'two'], { ...scene, stdin: typed(other) + typed(other) });
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, new RegExp(`^refresh-mfa: error: STS did not accept the code for ${serial}\n`));
    assert.deepEqual(sessionsIn(scene.home.credentialsPath), ['two']);
  });

  test('one line of standard input too few: the first is refreshed, exit 2', async (t) => {
    const scene = await makeScene(t, { config, credentials }, [person, other]);
    const result = await run(['one', 'two'], { ...scene, stdin: typed(person) });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: no code for two: [^\n]* standard input is empty$/m);
    assert.deepEqual(sessionsIn(scene.home.credentialsPath), ['one']);
  });
});
