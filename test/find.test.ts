// Where things are found: judged by what STS received and which section was written.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { devices, type Home, makeHome, seedHome } from './helpers/home';
import { startProxy } from './helpers/proxy';
import { run } from './helpers/run';
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
import { startSts, type User } from './helpers/sts';

/** Some rows at a time, since each is a process that mostly waits. */
const concurrency = 4;

interface Row {
  readonly name: string;
  readonly config?: string;
  readonly credentials?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whose keys and device are to be used; the STS knows the other user too. */
  readonly user?: User;
  readonly region?: string;
  readonly duration?: string;
  readonly section?: string;
  /** What the notes say besides. */
  readonly notes?: RegExp;
}

async function refreshes(scene: Scene, row: Row): Promise<void> {
  const { args = ['foobar'], user = person, region = 'us-east-1', section = 'foobar' } = row;
  const before = sessionsIn(scene.home.credentialsPath);
  const result = await run(args, { ...scene, stdin: typed(user), ...(row.env && { env: row.env }) });
  assert.equal(result.status, 0, result.stderr);
  assert.doesNotMatch(result.stderr, /error:|hint:/);
  if (row.notes) assert.match(result.stderr, row.notes);
  assert.match(result.stdout, new RegExp(`^${section}: session until `));
  const { calls } = scene.sts;
  assert.equal(calls.length, 1);
  assert.deepEqual(
    {
      action: calls[0]?.action,
      accessKeyId: calls[0]?.accessKeyId,
      serial: calls[0]?.params.SerialNumber,
      region: calls[0]?.region,
      duration: calls[0]?.params.DurationSeconds,
    },
    {
      action: 'GetSessionToken',
      accessKeyId: user.accessKeyId,
      serial: user.serial,
      region,
      duration: row.duration,
    },
  );
  const after = sessionsIn(scene.home.credentialsPath);
  assert.deepEqual(after, before.includes(section) ? before : [...before, section]);
}

function table(rows: readonly Row[]): void {
  for (const row of rows) {
    test(row.name, async (t) => {
      const { config = '', credentials = '' } = row;
      await refreshes(await makeScene(t, { config, credentials }, [row.user ?? person, other]), row);
    });
  }
}

const quoted = (header: string) => ({
  config: `${header}\nsource_profile = Keys\n\n[Keys]\nmfa_serial = ${serial}\n`,
  credentials: `[Keys]\n${keys}`,
});

describe("a profile's sections", { concurrency }, () => {
  for (const name of ['foobar', 'baszooDev', 'baszooArch', 'baszooAdmin']) {
    test(`the files of examples/: ${name} refreshes foobar with the keys of FoobarAccount`, async (t) => {
      const sts = await startSts();
      t.after(() => sts.close());
      const home = seedHome(t, sts);
      await refreshes({ sts, home }, { name, args: [name], user: devices.bjohnson });
    });
  }

  test('the files of examples/: acme uses the keys and the device of AcmeAccount', async (t) => {
    const sts = await startSts();
    t.after(() => sts.close());
    const home = seedHome(t, sts);
    await refreshes({ sts, home }, { name: 'acme', args: ['acme'], user: devices.bob, section: 'acme' });
  });

  table([
    { name: '[profile foobar]', ...quoted('[profile foobar]') },
    { name: '[profile "foobar"]', ...quoted('[profile "foobar"]') },
    { name: "[profile 'foobar']", ...quoted("[profile 'foobar']") },
    { name: '[foobar], which the stock tools skip', ...quoted('[foobar]') },
    { name: 'more blanks in the header', ...quoted('[profile   foobar ]') },
    { name: 'a comment behind the header', ...quoted('[profile foobar] # mine') },
    {
      name: '[profile foobar] is believed before [foobar]',
      config: `[foobar]\nsource_profile = Other\nmfa_serial = ${other.serial}\n\n[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
      credentials: `[Keys]\n${keys}\n[Other]\n${otherKeys}`,
    },
    {
      name: '[foobar] adds what [profile foobar] leaves open',
      config: `[profile foobar]\nsource_profile = Keys\n\n[foobar]\nsource_profile = Other\nmfa_serial = ${serial}\n`,
      credentials: `[Keys]\n${keys}\n[Other]\n${otherKeys}`,
    },
    {
      name: 'the credentials file hides the config key by key, as in the stock tools',
      config: `[profile foobar]\nsource_profile = Other\nmfa_serial = ${serial}\nregion = eu-west-1\n\n[profile Other]\nmfa_serial = ${other.serial}\n`,
      credentials: `[Keys]\n${keys}\n[Other]\n${otherKeys}\n[foobar]\nsource_profile = Keys\nregion = eu-north-1\n`,
      region: 'eu-north-1',
    },
    {
      name: 'in a role, too',
      config: `[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = elsewhere\n\n[profile elsewhere]\nsource_profile = Other\n\n${simple.config}`,
      credentials: `${simple.credentials}\n[Other]\n${otherKeys}\n[dev]\nsource_profile = foobar\n`,
      args: ['dev'],
    },
    {
      name: 'the credentials file goes before what is only in a bare [foobar]',
      config: `[foobar]\nsource_profile = Other\nmfa_serial = ${other.serial}\n`,
      credentials: `[Keys]\n${keys}\n[Other]\n${otherKeys}\n[foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
    },
    {
      name: 'the session profile only in the credentials file',
      credentials: `[Keys]\n${keys}\n[foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
    },
    {
      name: 'an empty source_profile in the credentials file is as good as none',
      config: `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
      credentials: `[Keys]\n${keys}\n[foobar]\nsource_profile =\n`,
    },
    {
      name: 'keys and settings written in capitals, with a colon, without blanks',
      config: `[profile foobar]\nSource_Profile:Keys\nMFA_SERIAL=${serial}\n`,
      credentials: `[Keys]\nAWS_ACCESS_KEY_ID=${person.accessKeyId}\nAws_Secret_Access_Key : ${person.secretAccessKey}\n`,
    },
    {
      name: 'CRLF files',
      config: simple.config.replaceAll('\n', '\r\n'),
      credentials: simple.credentials.replaceAll('\n', '\r\n'),
    },
    ...['acme.prod', 'me@corp.example.com', 'team/one', 'größe', '日本', 'constructor', '-x'].map((name) => ({
      name: `a profile that is called ${name}`,
      config: `[profile ${name}]\nmfa_serial = ${serial}\n`,
      credentials: `[${name}-long-term]\n${keys}`,
      args: ['--', name],
      section: name,
    })),
    {
      name: 'a profile with a blank in its name, as "aws configure" quotes it',
      config: `[profile "my work"]\nsource_profile = my keys\n\n[profile "my keys"]\nmfa_serial = ${serial}\n`,
      credentials: `[my keys]\n${keys}`,
      args: ['my work'],
      section: 'my work',
    },
    ...["profile foobar'", 'profile foobar"', 'profile foobar\\', 'profile\u00a0foobar', 'profile foobar\u00a0'].map(
      (header) => ({
        name: `foobar is not found in ${JSON.stringify(header)}, which botocore does not take for it`,
        config: `${simple.config}\n[${header}]\nmfa_serial = ${other.serial}\n`,
        credentials: simple.credentials,
      }),
    ),
    {
      name: 'what [DEFAULT] holds is in every section of its file, as botocore has it, but not before their own',
      config: `[profile foobar]\nsource_profile = Keys\n\n[DEFAULT]\nmfa_serial = ${serial}\nregion = eu-west-1\n`,
      credentials: `[Keys]\n[Other]\n${otherKeys}\n[DEFAULT]\n${keys}region = eu-north-1\n`,
      region: 'eu-west-1',
    },
    {
      name: '[DEFAULT] is no profile, whatever it holds',
      config: `${simple.config}\n[DEFAULT]\nsource_profile = foobar-long-term\n`,
      credentials: simple.credentials,
      args: [],
    },
    {
      name: 'foobar is not found in [foobar.dev] nor in [FOOBAR]',
      config: `[profile foobar.dev]\nmfa_serial = ${other.serial}\n\n[profile FOOBAR]\nmfa_serial = ${other.serial}\n\n${simple.config}`,
      credentials: `[foobar.dev-long-term]\n${otherKeys}\n[FOOBAR-long-term]\n${otherKeys}\n${simple.credentials}`,
    },
  ]);
});

describe('the source and the device', { concurrency }, () => {
  table([
    { name: 'X-long-term in the credentials file, mfa_serial in the config', ...simple },
    {
      name: 'X-long-term with aws_mfa_device, and no config at all, as aws-mfa has it',
      credentials: `[foobar-long-term]\n${keys}aws_mfa_device = ${serial}\n`,
    },
    {
      name: 'mfa_serial in the config goes before aws_mfa_device, which only aws-mfa reads',
      config: simple.config,
      credentials: `[foobar]\naws_mfa_device = ${other.serial}\n\n${simple.credentials}`,
    },
    {
      name: 'X-long-term beside the session that aws-mfa wrote',
      credentials: `[foobar-long-term]\n${keys}aws_mfa_device = ${serial}\n\n[foobar]\nassumed_role = False\n${oldSession}`,
    },
    {
      name: 'a source_profile is believed before X-long-term',
      config: `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
      credentials: `[foobar-long-term]\n${otherKeys}\n[Keys]\n${keys}`,
    },
    {
      name: "the session profile's mfa_serial is believed before the source's and the default's",
      config: `[default]\nmfa_serial = ${other.serial}\n\n[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\nmfa_serial = ${other.serial}\n`,
      credentials: `[Keys]\n${keys}`,
    },
    {
      name: "the source's mfa_serial is believed before the default's",
      config: `[default]\nmfa_serial = ${other.serial}\n\n[profile foobar]\nsource_profile = Keys\n\n[profile Keys]\nmfa_serial = ${serial}\n`,
      credentials: `[Keys]\n${keys}`,
    },
    {
      name: 'mfa_serial of the source in the credentials file',
      config: '[profile foobar]\nsource_profile = Keys\n',
      credentials: `[Keys]\n${keys}mfa_serial = ${serial}\n`,
    },
    {
      name: "the default's mfa_serial, where nobody else has one",
      config: `[default]\nmfa_serial = ${serial}\n\n[profile foobar]\nsource_profile = Keys\n`,
      credentials: `[Keys]\n${keys}`,
    },
    {
      name: '--serial-number before all others',
      config: `[profile foobar]\nmfa_serial = ${other.serial}\n`,
      credentials: `[foobar-long-term]\n${keys}`,
      args: ['foobar', '--serial-number', serial],
    },
    {
      name: '--serial-number where none is configured',
      credentials: `[foobar-long-term]\n${keys}`,
      args: ['-s', serial, 'foobar'],
    },
    {
      name: 'the serial number of a hardware token',
      config: '[profile foobar]\nmfa_serial = GAHT12345678\n',
      credentials: `[foobar-long-term]\n${keys}`,
      user: { ...person, serial: 'GAHT12345678' },
    },
    {
      name: 'default as the session profile, with default-long-term',
      config: `[default]\nmfa_serial = ${serial}\nregion = eu-west-1\n`,
      credentials: `[default-long-term]\n${keys}`,
      args: ['default'],
      region: 'eu-west-1',
      section: 'default',
    },
    {
      name: 'default as the session profile, with a source_profile',
      config: `[default]\nsource_profile = Keys\nmfa_serial = ${serial}\n`,
      credentials: `[default]\n${oldSession}\n[Keys]\n${keys}`,
      args: ['default'],
      section: 'default',
    },
    {
      name: '[profile default] is believed before [default]',
      config: `[profile default]\nmfa_serial = ${serial}\n\n[default]\nmfa_serial = ${other.serial}\n`,
      credentials: `[default-long-term]\n${keys}`,
      args: ['default'],
      section: 'default',
    },
    {
      name: 'keys in the config',
      config: `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\n${keys}`,
    },
    {
      name: 'keys in the credentials file are believed before keys in the config',
      config: `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\n${otherKeys}`,
      credentials: `[Keys]\n${keys}`,
    },
    {
      name: 'keys in a file are believed before credential_process',
      config: `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\ncredential_process = exit 1\n`,
      credentials: `[Keys]\n${keys}`,
    },
    {
      name: 'the last of several hundred profiles',
      config: `${Array.from({ length: 500 }, (_, n) => `[profile p${n}]\nregion = us-west-2\n`).join('')}${simple.config}`,
      credentials: `${Array.from({ length: 500 }, (_, n) => `[k${n}]\n${otherKeys}`).join('')}${simple.credentials}`,
    },
  ]);

  for (const file of ['config', 'credentials'] as const) {
    test(`keys behind credential_process in the ${file} file`, async (t) => {
      const scene = await makeScene(t, {
        config: `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n${file === 'config' ? '\n[profile Keys]\ncredential_process = cat "$HOME/my keys.json" # for aws\n' : ''}`,
        credentials: file === 'credentials' ? '[Keys]\ncredential_process = cat "$HOME/my keys.json"\n' : '',
      });
      const { accessKeyId, secretAccessKey } = person;
      const answer = { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey };
      writeFileSync(join(scene.home.path, 'my keys.json'), JSON.stringify(answer));
      await refreshes(scene, { name: file });
    });
  }

  for (const { name, command, says } of [
    { name: 'fails', command: 'exit 3', says: 'ended with status 3' },
    { name: 'prints no JSON', command: `echo "${person.secretAccessKey}"`, says: 'printed no JSON' },
    { name: 'prints null', command: 'echo null', says: 'printed no "Version": 1' },
    { name: 'prints another version', command: `echo '{"Version":2}'`, says: 'printed no "Version": 1' },
    {
      name: 'prints no secret key',
      command: `echo '{"Version":1,"AccessKeyId":"${person.accessKeyId}"}'`,
      says: 'printed no AccessKeyId or no SecretAccessKey',
    },
    {
      name: 'prints a session',
      command: `echo '{"Version":1,"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"${person.secretAccessKey}","SessionToken":"IQoJb3JpZ2lu"}'`,
      says: 'gives a session; STS gives sessions for long-lived keys only',
    },
    { name: 'is not there', command: 'no-such-program-anywhere', says: 'ended with status 127' },
  ]) {
    test(`a credential_process that ${name} is named, and nothing is sent`, async (t) => {
      const config = `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\ncredential_process = ${command}\n`;
      const scene = await makeScene(t, { config });
      const result = await run(['foobar'], { ...scene, stdin: typed() });
      assert.equal(result.status, 2);
      assert.equal(result.stdout, '');
      assert.ok(
        result.stderr.includes(
          `refresh-mfa: error: the credential_process of [profile Keys] in ~/.aws/config line 6 ${says}\n`,
        ),
        result.stderr,
      );
      assert.match(result.stderr, /^refresh-mfa: hint: run that command by hand/m);
      assert.equal(scene.sts.calls.length, 0);
      assert.deepEqual(scene.home.listAws(), ['config']);
    });
  }

  test('a credential_process that fails ends the run although the pipe for the code is still open', async (t) => {
    const config = `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\ncredential_process = exit 3\n`;
    const scene = await makeScene(t, { config });
    const result = await run(['foobar'], { ...scene, stdin: 'open' });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: the credential_process of [^\n]* ended with status 3\n/);
  });
});

describe('where the files are', { concurrency }, () => {
  /** Puts the files in a folder outside ~/.aws. */
  function move(home: Home): void {
    mkdirSync(join(home.path, 'cloud'));
    renameSync(home.configPath, join(home.path, 'cloud', 'my config'));
    renameSync(home.credentialsPath, join(home.path, 'cloud', 'my keys'));
  }

  test('AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE with a leading ~', async (t) => {
    const scene = await makeScene(t, simple);
    move(scene.home);
    const env = { AWS_CONFIG_FILE: '~/cloud/my config', AWS_SHARED_CREDENTIALS_FILE: '~/cloud/my keys' };
    const result = await run(['foobar'], { ...scene, env, stdin: typed() });
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /, written to ~\/cloud\/my keys\n$/);
    assert.deepEqual(sessionsIn(join(scene.home.path, 'cloud', 'my keys')), ['foobar']);
    assert.deepEqual(scene.home.listAws(), []);
  });

  test('AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE as absolute and as relative paths', async (t) => {
    const scene = await makeScene(t, simple);
    move(scene.home);
    const folder = join(scene.home.path, 'cloud');
    const env = { AWS_CONFIG_FILE: join(folder, 'my config'), AWS_SHARED_CREDENTIALS_FILE: 'my keys' };
    const result = await run(['foobar'], { ...scene, env, cwd: folder, stdin: typed() });
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual(sessionsIn(join(folder, 'my keys')), ['foobar']);
    assert.deepEqual(scene.home.listAws(), []);
  });

  test('variables that are set but empty count as unset', async (t) => {
    const env = { AWS_CONFIG_FILE: '', AWS_SHARED_CREDENTIALS_FILE: '', AWS_PROFILE: '', AWS_REGION: '' };
    await refreshes(await makeScene(t, simple), { name: 'empty', env });
  });
});

describe('role profiles', { concurrency }, () => {
  const role = (name: string, source: string) =>
    `[profile ${name}]\nrole_arn = arn:aws:iam::111122223333:role/${name}\nsource_profile = ${source}\n\n`;

  table([
    {
      name: 'a role profile refreshes the session profile it chains off, and says so',
      config: role('dev', 'foobar') + simple.config,
      credentials: simple.credentials,
      args: ['dev'],
      notes: /^refresh-mfa: note: dev [^\n]*session of foobar/,
    },
    {
      name: 'a role behind a role behind a role',
      config: role('one', 'two') + role('two', 'three') + role('three', 'foobar') + simple.config,
      credentials: simple.credentials,
      args: ['one'],
      notes: /^refresh-mfa: note: one [^\n]*session of foobar/,
    },
    {
      name: 'a role profile in quotes, in the credentials file, and in a bare section',
      config: role('"one"', 'two') + role('two', 'three').replace('profile ', '') + simple.config,
      credentials: role('three', 'foobar').replace('profile ', '') + simple.credentials,
      args: ['one'],
      notes: /^refresh-mfa: note: one [^\n]*session of foobar/,
    },
    {
      name: 'the session profile and two of its roles are one session, with one code',
      config: role('dev', 'foobar') + role('ops', 'foobar') + simple.config,
      credentials: simple.credentials,
      args: ['dev', 'foobar', 'ops'],
    },
    {
      name: "a role's own region and duration are the role's",
      config: `${role('dev', 'foobar').trim()}\nregion = eu-west-1\nduration_seconds = 3600\n\n${simple.config}`,
      credentials: simple.credentials,
      args: ['dev'],
    },
  ]);

  test('the role profiles that work from now on are named when the section is new, and only then', async (t) => {
    const names = ['r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7'];
    const config = names.map((name) => role(name, 'foobar')).join('') + simple.config;
    const scene = await makeScene(t, { ...simple, config });
    const first = await run(['foobar'], { ...scene, stdin: typed() });
    assert.match(first.stdout, /\nfoobar: role profiles that use it: r1, r2, r3, r4 and 3 more\n$/);
    scene.sts.forgetCodes();
    const second = await run(['foobar'], { ...scene, stdin: typed() });
    assert.equal(second.status, 0);
    assert.match(second.stdout, /^foobar: session until [^\n]*\n$/);
  });

  for (const { name, config, says, hint } of [
    {
      name: 'a role that is its own source',
      config: role('dev', 'dev'),
      says: 'source_profile goes round in a loop: dev -> dev ([profile dev] in ~/.aws/config line 3)',
      hint: 'let the last one name the profile with the session',
    },
    {
      name: 'roles that go round in a loop',
      config: role('dev', 'a') + role('a', 'b') + role('b', 'a'),
      says: 'source_profile goes round in a loop: a -> b -> a ([profile b] in ~/.aws/config line 11)',
      hint: 'let the last one name the profile with the session',
    },
    {
      name: 'a role without source_profile',
      config: '[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\ncredential_source = Environment\n',
      says: 'dev has a role_arn but no source_profile ([profile dev] in ~/.aws/config line 2), so no session is behind it',
      hint: 'add source_profile = <session profile> there, or name the session profile itself',
    },
    {
      name: 'a role whose source is nowhere',
      config: role('dev', 'fobar') + simple.config,
      says: 'source_profile of [profile dev] in ~/.aws/config line 3: no profile "fobar" in ~/.aws/config or ~/.aws/credentials',
      hint: 'did you mean foobar?',
    },
  ]) {
    test(`${name}: exit 2`, async (t) => {
      const scene = await makeScene(t, { ...simple, config });
      const result = await run(['dev'], { ...scene, stdin: 'open' });
      assert.deepEqual(
        { status: result.status, stdout: result.stdout, stderr: result.stderr },
        { status: 2, stdout: '', stderr: `refresh-mfa: error: ${says}\nrefresh-mfa: hint: ${hint}\n` },
      );
    });
  }
});

describe('which profile is meant', { concurrency }, () => {
  const two = {
    config: `[profile one]\nmfa_serial = ${serial}\n\n[profile two]\nmfa_serial = ${other.serial}\n`,
    credentials: `[one-long-term]\n${keys}\n[two-long-term]\n${otherKeys}`,
  };
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => `[p${n}-long-term]\n${keys}aws_mfa_device = ${serial}\n`).join('');

  table([
    { name: 'no name, one session profile: that one', ...simple, args: [] },
    { name: 'no name, AWS_PROFILE: that one', ...two, args: [], env: { AWS_PROFILE: 'one' }, section: 'one' },
    {
      name: 'no name, AWS_PROFILE names a role: its session profile',
      config: `${two.config}\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = one\n`,
      credentials: two.credentials,
      args: [],
      env: { AWS_PROFILE: 'dev' },
      section: 'one',
    },
    {
      name: 'a name is believed before AWS_PROFILE',
      ...two,
      args: ['one'],
      env: { AWS_PROFILE: 'two' },
      section: 'one',
    },
    {
      name: 'a profile that only holds keys, a role, and services are no session profiles',
      config: `${simple.config}\n[services mine]\nsts =\n  endpoint_url = http://127.0.0.1:1\n\n[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = foobar\n`,
      credentials: `${simple.credentials}\n[plain]\n${otherKeys}`,
      args: [],
    },
  ]);

  const answers: {
    name: string;
    files: { config?: string; credentials?: string };
    args?: string[];
    env?: Record<string, string>;
    says: string;
    hint: string;
  }[] = [
    {
      name: 'no name, several session profiles, no terminal',
      files: two,
      says: 'which profile?',
      hint: 'name one of the session profiles: one, two',
    },
    {
      name: 'no name, many session profiles, no terminal',
      files: { credentials: many(9) },
      says: 'which profile?',
      hint: 'name one of the session profiles: p0, p1, p2, p3 and 5 more',
    },
    {
      name: 'no name, no files',
      files: {},
      says: 'no session profile in ~/.aws/config or ~/.aws/credentials',
      hint: 'name a profile, and the next message says what is missing: refresh-mfa <profile>',
    },
    {
      name: 'AWS_PROFILE that no file knows',
      files: two,
      env: { AWS_PROFILE: 'onne' },
      says: 'no profile "onne" in ~/.aws/config or ~/.aws/credentials',
      hint: 'did you mean one?',
    },
    {
      name: 'a misspelt name',
      files: {
        credentials: '',
        config: '[profile foobar]\n[profile foobaz]\n[profile quite-another]\n[profile fubar]\n',
      },
      args: ['fobar'],
      says: 'no profile "fobar" in ~/.aws/config or ~/.aws/credentials',
      hint: 'did you mean foobar or fubar or foobaz?',
    },
    {
      name: 'a misspelt name of which only the X-long-term is there yet, among others',
      files: { config: `${simple.config}\n[profile quite-another]\n`, credentials: `[acme-long-term]\n${keys}` },
      args: ['acne'],
      says: 'no profile "acne" in ~/.aws/config or ~/.aws/credentials',
      hint: 'did you mean acme?',
    },
    {
      name: 'a name in the wrong case',
      files: { config: `[profile foobar]\nsource_profile = Keys\n` },
      args: ['FooBar'],
      says: 'no profile "FooBar" in ~/.aws/config or ~/.aws/credentials',
      hint: 'did you mean foobar?',
    },
    {
      name: 'a name that is like none',
      files: two,
      args: ['something-else'],
      says: 'no profile "something-else" in ~/.aws/config or ~/.aws/credentials',
      hint: 'the session profiles are one, two',
    },
    {
      name: 'a name, and no files at all',
      files: {},
      args: ['foobar'],
      says: 'no profile "foobar" in ~/.aws/config or ~/.aws/credentials',
      hint: 'add [profile foobar] with source_profile and mfa_serial to ~/.aws/config',
    },
  ];
  for (const { name, files, args = [], env = {}, says, hint } of answers) {
    test(`${name}: exit 2, and which names there are`, async (t) => {
      const home = makeHome(t, files);
      const result = await run(args, { home, env, stdin: 'open' });
      assert.deepEqual(
        { status: result.status, stdout: result.stdout, stderr: result.stderr },
        { status: 2, stdout: '', stderr: `refresh-mfa: error: ${says}\nrefresh-mfa: hint: ${hint}\n` },
      );
    });
  }
});

describe('the region', { concurrency }, () => {
  const regions = (session: string, source: string) => ({
    config: `[default]\nregion = ap-south-1\n\n[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n${session}\n[profile Keys]\n${source}`,
    credentials: `[Keys]\n${keys}`,
  });
  const both = regions('region = eu-west-1\n', 'region = eu-west-2\n');
  const partition = (name: string, region = '') => ({
    config: `[profile foobar]\nmfa_serial = arn:${name}:iam::123456789012:mfa/phone\n${region}`,
    credentials: simple.credentials,
    user: { ...person, serial: `arn:${name}:iam::123456789012:mfa/phone` },
  });

  table([
    {
      name: 'AWS_REGION before all others',
      ...both,
      env: { AWS_REGION: 'eu-north-1', AWS_DEFAULT_REGION: 'eu-south-1' },
      region: 'eu-north-1',
    },
    {
      name: 'AWS_DEFAULT_REGION before the profiles',
      ...both,
      env: { AWS_DEFAULT_REGION: 'eu-south-1' },
      region: 'eu-south-1',
    },
    { name: "the session profile's before the source's", ...both, region: 'eu-west-1' },
    { name: "the source's", ...regions('', 'region = eu-west-2\n'), region: 'eu-west-2' },
    { name: "not the default profile's", ...regions('', ''), region: 'us-east-1' },
    { name: 'none in China', ...partition('aws-cn'), region: 'cn-north-1' },
    { name: 'none in GovCloud', ...partition('aws-us-gov'), region: 'us-gov-west-1' },
    {
      name: "China's other region",
      ...partition('aws-cn', 'region = cn-northwest-1\n'),
      region: 'cn-northwest-1',
    },
    {
      name: 'AWS_REGION of another partition is not used, what comes after it is',
      ...partition('aws-us-gov', 'region = us-gov-east-1\n'),
      env: { AWS_REGION: 'eu-central-1', AWS_DEFAULT_REGION: 'cn-north-1' },
      region: 'us-gov-east-1',
    },
    {
      name: 'a Chinese AWS_REGION does not lead an ordinary account astray',
      ...simple,
      env: { AWS_REGION: 'cn-north-1' },
      region: 'us-east-1',
    },
    {
      name: 'a hardware token says nothing of a partition',
      config: '[profile foobar]\nmfa_serial = GAHT12345678\n',
      credentials: simple.credentials,
      user: { ...person, serial: 'GAHT12345678' },
      env: { AWS_REGION: 'cn-north-1' },
      region: 'cn-north-1',
    },
  ]);
});

describe('the endpoint', { concurrency }, () => {
  const refused = 'http://127.0.0.1:1';
  /** A set-up in which only the right endpoint answers; `URL` stands for it. */
  const rows: { name: string; session?: string; rest?: string; env?: Record<string, string> }[] = [
    {
      name: 'AWS_ENDPOINT_URL_STS before all others',
      session: `endpoint_url = ${refused}\n`,
      env: { AWS_ENDPOINT_URL_STS: 'URL', AWS_ENDPOINT_URL: refused },
    },
    {
      name: 'AWS_ENDPOINT_URL before the profile',
      session: `endpoint_url = ${refused}\n`,
      env: { AWS_ENDPOINT_URL: 'URL' },
    },
    { name: "the profile's endpoint_url", session: 'endpoint_url = URL\n' },
    { name: "the source's endpoint_url", rest: '[profile Keys]\nendpoint_url = URL\n' },
    {
      name: "the session profile's before the source's",
      session: 'endpoint_url = URL\n',
      rest: `[profile Keys]\nendpoint_url = ${refused}\n`,
    },
    {
      name: "the services section's sts block before the profile's endpoint_url",
      session: `endpoint_url = ${refused}\nservices = mine\n`,
      rest: `[services mine]\ns3 =\n  endpoint_url = ${refused}\nsts =\n  endpoint_url = URL\ndynamodb =\n  endpoint_url = ${refused}\n`,
    },
    {
      name: 'a services section without an sts block changes nothing',
      session: 'endpoint_url = URL\nservices = mine\n',
      rest: `[services mine]\ns3 =\n  endpoint_url = ${refused}\n`,
    },
    {
      name: "the default profile's endpoint_url is not used for another profile",
      session: 'endpoint_url = URL\n',
      rest: `[default]\nendpoint_url = ${refused}\n`,
    },
    {
      name: "AWS_PROFILE's endpoint, region and keys are not used for another profile",
      session: 'endpoint_url = URL\n',
      rest: `[profile elsewhere]\nendpoint_url = ${refused}\nregion = eu-west-3\n${otherKeys}`,
      env: { AWS_PROFILE: 'elsewhere' },
    },
    {
      name: 'AWS_USE_FIPS_ENDPOINT does not stand in the way of an endpoint that is configured',
      session: 'endpoint_url = URL\n',
      env: { AWS_USE_FIPS_ENDPOINT: 'true' },
    },
    {
      name: 'AWS_USE_DUALSTACK_ENDPOINT does not stand in the way of an endpoint that is configured',
      session: 'endpoint_url = URL\n',
      env: { AWS_USE_DUALSTACK_ENDPOINT: 'true' },
    },
  ];
  for (const { name, session = '', rest = '', env = {} } of rows) {
    test(name, async (t) => {
      const scene = await makeScene(t, { credentials: `[Keys]\n${keys}` });
      const fill = (text: string) => text.replace('URL', scene.sts.url);
      scene.home.writeConfig(
        fill(`[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n${session}\n`) + fill(rest),
      );
      const filled = Object.fromEntries(
        Object.entries(env).map(([key, value]) => [key, value.replace('URL', scene.sts.url)]),
      );
      // The one that the harness would set is not to help.
      await refreshes(scene, { name, env: { AWS_ENDPOINT_URL_STS: '', ...filled } });
    });
  }

  // What stands behind the names is AWS's own, so a proxy that refuses tells whom the call was for.
  const hosts: { name: string; config: string; env?: Record<string, string>; host: string }[] = [
    { name: 'none configured', config: simple.config, host: 'sts.us-east-1.amazonaws.com' },
    {
      name: 'none configured, but a region',
      config: `${simple.config}region = eu-central-1\n`,
      host: 'sts.eu-central-1.amazonaws.com',
    },
    {
      name: 'none configured, in China',
      config: simple.config.replace('arn:aws:', 'arn:aws-cn:'),
      host: 'sts.cn-north-1.amazonaws.com.cn',
    },
    {
      name: 'none configured, in GovCloud',
      config: simple.config.replace('arn:aws:', 'arn:aws-us-gov:'),
      host: 'sts.us-gov-west-1.amazonaws.com',
    },
    {
      name: 'configured only for [default]',
      config: `[default]\nendpoint_url = ${refused}\nservices = mine\n\n[services mine]\nsts =\n  endpoint_url = ${refused}\n\n${simple.config}`,
      host: 'sts.us-east-1.amazonaws.com',
    },
    {
      name: 'configured only for AWS_PROFILE',
      config: `[profile elsewhere]\nendpoint_url = ${refused}\n\n${simple.config}`,
      env: { AWS_PROFILE: 'elsewhere' },
      host: 'sts.us-east-1.amazonaws.com',
    },
    {
      name: 'configured, but AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set',
      config: `${simple.config}endpoint_url = ${refused}\n`,
      env: { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
      host: 'sts.us-east-1.amazonaws.com',
    },
    {
      name: 'none configured, AWS_USE_FIPS_ENDPOINT set',
      config: simple.config,
      env: { AWS_USE_FIPS_ENDPOINT: 'true' },
      host: 'sts-fips.us-east-1.amazonaws.com',
    },
    {
      name: 'FIPS endpoints wanted only for AWS_PROFILE',
      config: `[profile elsewhere]\nuse_fips_endpoint = true\n\n${simple.config}`,
      env: { AWS_PROFILE: 'elsewhere' },
      host: 'sts.us-east-1.amazonaws.com',
    },
    {
      name: 'FIPS endpoints wanted only for [default]',
      config: `[default]\nuse_fips_endpoint = true\n\n${simple.config}`,
      host: 'sts.us-east-1.amazonaws.com',
    },
  ];
  for (const { name, config, env = {}, host } of hosts) {
    test(`${name}: the call goes to ${host}`, async (t) => {
      const home = makeHome(t, { ...simple, config });
      const proxy = await startProxy(t, { refuses: 503 });
      const result = await run(['foobar'], { home, env: { HTTPS_PROXY: proxy.url, ...env }, stdin: typed() });
      assert.equal(result.status, 1);
      assert.deepEqual([...new Set(proxy.targets)], [`${host}:443`]);
      assert.equal(home.readCredentials(), simple.credentials);
    });
  }

  for (const url of ['localhost:4566', 'ftp://localhost', 'sts']) {
    test(`"${url}" is no endpoint, which is said before anything is asked`, async (t) => {
      const home = makeHome(t, simple);
      const env = { AWS_ENDPOINT_URL: url };
      const result = await run(['foobar'], { home, env, stdin: 'open' });
      assert.equal(result.status, 2);
      assert.ok(
        result.stderr.startsWith(`refresh-mfa: error: "${url}" is not the URL of an endpoint (AWS_ENDPOINT_URL)\n`),
        result.stderr,
      );
    });
  }
});

describe("the caller's environment", { concurrency }, () => {
  const env = {
    AWS_ACCESS_KEY_ID: other.accessKeyId,
    AWS_SECRET_ACCESS_KEY: other.secretAccessKey,
    AWS_SESSION_TOKEN: 'IQoJb3JpZ2luX2VjEENVIRONMENTEXAMPLE==',
  };

  test('keys in the environment are not used, and after writing a note says that they hide the section', async (t) => {
    const scene = await makeScene(t, simple, [person, other]);
    for (const secret of [env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN]) scene.sts.secrets.add(secret);
    const notes =
      /^refresh-mfa: note: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN in the environment hide [^\n]*: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n$/;
    await refreshes(scene, { name: 'keys', env, notes });
  });

  test('with nothing written there is no such note', async (t) => {
    const scene = await makeScene(t, simple, [person, other]);
    scene.sts.behave({ kind: 'error', status: 403, code: 'InvalidClientTokenId', message: 'invalid' });
    const result = await run(['foobar'], { ...scene, env, stdin: typed() });
    assert.equal(result.status, 1);
    assert.doesNotMatch(result.stderr, /AWS_ACCESS_KEY_ID/);
  });

  test("AWS_PROFILE's own session and credential_process are not used", async (t) => {
    const config = `${simple.config}\n[profile elsewhere]\ncredential_process = touch "$HOME/was-run"; exit 1\n`;
    const credentials = `${simple.credentials}\n[elsewhere]\n${oldSession}`;
    const scene = await makeScene(t, { config, credentials });
    await refreshes(scene, { name: 'process', env: { AWS_PROFILE: 'elsewhere' } });
    assert.equal(existsSync(join(scene.home.path, 'was-run')), false);
  });

  test('AWS_PROFILE that no file knows does not matter when a profile is named', async (t) => {
    await refreshes(await makeScene(t, simple), { name: 'nosuch', env: { AWS_PROFILE: 'nosuch' } });
  });
});

describe('the length of the session', { concurrency }, () => {
  const configured = { ...simple, config: `${simple.config}duration_seconds = 7200\n` };
  table([
    { name: 'unset: STS decides', ...simple },
    { name: "the session profile's duration_seconds", ...configured, duration: '7200' },
    { name: '--duration before duration_seconds', ...configured, args: ['foobar', '-d', '45m'], duration: '2700' },
    { name: 'the shortest', ...simple, args: ['foobar', '--duration', '900'], duration: '900' },
    { name: 'the longest', ...simple, args: ['--duration=36h', 'foobar'], duration: '129600' },
    {
      name: "the source's and the default's duration_seconds are not meant",
      config: `[default]\nduration_seconds = 3600\n\n[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\nduration_seconds = 3600\n`,
      credentials: `[Keys]\n${keys}`,
    },
  ]);
});
