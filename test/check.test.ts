// --check and --if-needed: what the files alone say about the sessions. No network, no question, no change.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { devices, type Home, makeHome, seedHome } from './helpers/home';
import { run } from './helpers/run';
import { type LocalSts, startSts, totp } from './helpers/sts';
import { openTerminal, terminalMissing } from './helpers/terminal';

const { bob, bjohnson } = devices;
const hour = 3600_000;
const minute = 60_000;
/** Kept free at the end of each time left, so that a slow machine changes no minute. */
const spare = 20_000;

// A zone in which it is noon now: five hours ahead are today, and twenty are tomorrow.
const offset = 12 - new Date().getUTCHours();
const noonZone = `Etc/GMT${offset > 0 ? '-' : '+'}${Math.abs(offset)}`;

/** `YYYY-MM-DD HH:MM` in the noon zone. */
function local(time: number): string {
  return new Date(time + offset * hour).toISOString().slice(0, 16).replace('T', ' ');
}

function clock(time: number): string {
  return local(time).slice('YYYY-MM-DD '.length);
}

/** As the tool records it: RFC 3339 in UTC, to the second. */
function recorded(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

function section(name: string, expires?: string): string {
  const end = expires === undefined ? '' : `x_security_token_expires = ${expires}\n`;
  return `
[${name}]
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_session_token = FwoGZXIvYXdzEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==
${end}`;
}

interface Given {
  readonly home: Home;
  readonly sts: LocalSts;
}

/** The files of examples/, with sections of sessions behind them. */
async function setUp(t: TestContext, ...written: readonly string[]): Promise<Given> {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  home.writeCredentials(`${home.readCredentials()}${written.join('')}`);
  return { home, sts };
}

/** A config whose session profiles have nothing to note, and whose sources have keys. */
function plainHome(t: TestContext, names: readonly string[], ...written: readonly string[]): Home {
  const source = (name: string) =>
    `[${name}-long-term]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n`;
  return makeHome(t, {
    config: names.map((name) => `[profile ${name}]\nmfa_serial = arn:aws:iam::123456789012:mfa/device\n`).join('\n'),
    credentials: [...names.map(source), ...written].join('\n'),
  });
}

/** Has Node write the names of all modules it has loaded when it ends, into a file of the home folder. */
function recordModules(home: Home): { readonly env: Record<string, string>; read(): readonly string[] } {
  const recorder = join(home.path, 'recorder.cjs');
  const record = join(home.path, 'modules');
  writeFileSync(
    recorder,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(record)}, Object.keys(require.cache).join('\\n')));`,
  );
  return { env: { NODE_OPTIONS: `--require ${recorder}` }, read: () => readFileSync(record, 'utf8').split('\n') };
}

const heavy = /node_modules[/\\](@aws-sdk|@smithy|prompts|write-file-atomic)[/\\]/;

test('a line a session, aligned: its state, the local time it ends, and the time left', async (t) => {
  const now = Date.now();
  const ends = {
    today: now + 5 * hour + spare,
    tomorrow: now + 20 * hour + 30 * minute + spare,
    later: now + 36 * hour + spare,
    soon: now + 10 * minute + spare,
    yesterday: now - 20 * hour,
    earlier: now - 80 * hour,
  };
  const names = ['today', 'tomorrow', 'later', 'soon', 'yesterday', 'earlier', 'unknown', 'never-there'];
  const sections = Object.entries(ends).map(([name, end]) => section(name, recorded(end)));
  const home = plainHome(t, names, ...sections, section('unknown'));
  const before = home.readCredentialsBytes();
  const { status, stdout, stderr } = await run(['--check'], { home, stdin: 'open', env: { TZ: noonZone } });
  assert.equal(stderr, '');
  assert.equal(
    stdout,
    `today        valid    until ${clock(ends.today)}             5 h left
tomorrow     valid    until tomorrow ${clock(ends.tomorrow)}    20 h 30 min left
later        valid    until ${local(ends.later)}  36 h left
soon         due      until ${clock(ends.soon)}             10 min left
yesterday    expired  since yesterday ${clock(ends.yesterday)}
earlier      expired  since ${local(ends.earlier)}
unknown      due      end not recorded
never-there  never refreshed
`,
  );
  assert.equal(status, 3);
  assert.deepEqual(home.readCredentialsBytes(), before);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
});

const zones: readonly [string, string, string][] = [
  ['Europe/Berlin', '2020-01-15T11:00:00Z', '2020-01-15 12:00'],
  ['Europe/Berlin', '2020-07-15T11:00:00Z', '2020-07-15 13:00'],
  ['Asia/Kolkata', '2020-01-15T20:00:00Z', '2020-01-16 01:30'],
  ['America/New_York', '2020-01-15T02:00:00+01:00', '2020-01-14 20:00'],
  ['UTC', '2020-01-15T11:00:00.500Z', '2020-01-15 11:00'],
];
for (const [TZ, expires, shown] of zones) {
  test(`in ${TZ} a session recorded to end at ${expires} has expired since ${shown}`, async (t) => {
    const home = plainHome(t, ['foobar'], section('foobar', expires));
    const { status, stdout } = await run(['--check', 'foobar'], { home, env: { TZ } });
    assert.equal(stdout, `foobar  expired  since ${shown}\n`);
    assert.equal(status, 3);
  });
}

const dues: readonly [string, readonly string[], number, string, number][] = [
  ['16 minutes left', [], 16 * minute, 'valid', 0],
  ['14 minutes left', [], 14 * minute, 'due', 3],
  ['14 minutes left, within 10m', ['--within', '10m'], 14 * minute, 'valid', 0],
  ['14 minutes left, within 900 seconds', ['-w', '900'], 14 * minute, 'due', 3],
  ['5 hours left, within 6h', ['--within=6h'], 5 * hour, 'due', 3],
  ['5 hours left, within 4h', ['--within=4h'], 5 * hour, 'valid', 0],
  ['14 minutes left, within 0', ['--within=0'], 14 * minute, 'valid', 0],
  ['1 second over', ['--within=0'], -1_000, 'expired', 3],
];
for (const [what, args, left, state, status] of dues) {
  test(`${what}: ${state}, exit ${status}`, async (t) => {
    const home = plainHome(t, ['foobar'], section('foobar', recorded(Date.now() + left + (left > 0 ? spare : 0))));
    const result = await run(['--check', ...args, 'foobar'], { home });
    assert.equal(result.stdout.split(/ +/)[1], state);
    assert.equal(result.status, status);
  });
}

test('an end that cannot be read is as good as none: due', async (t) => {
  for (const expires of ['soon', '2026-99-99T00:00:00Z', '']) {
    const home = plainHome(t, ['foobar'], section('foobar', expires));
    const { status, stdout } = await run(['--check', 'foobar'], { home });
    assert.equal(stdout, 'foobar  due      end not recorded\n');
    assert.equal(status, 3);
  }
});

test('only the profiles named are reported and count; a role stands for its session', async (t) => {
  const end = Date.now() + 5 * hour + spare;
  const { home, sts } = await setUp(t, section('foobar', recorded(end)));
  const { status, stdout, stderr } = await run(['--check', 'baszooArch'], { home, sts, env: { TZ: noonZone } });
  assert.equal(stdout, `foobar  valid    until ${clock(end)}  5 h left\n`);
  assert.match(stderr, /^refresh-mfa: note: baszooArch uses the session of foobar\n/);
  assert.equal(status, 0);
});

test('a name that no file knows is an error, and the others are reported all the same', async (t) => {
  const home = plainHome(t, ['foobar'], section('foobar', '2020-01-15T11:00:00Z'));
  const { status, stdout, stderr } = await run(['--check', 'foobaz', 'foobar'], { home });
  assert.equal(stdout, 'foobar  expired  since 2020-01-15 11:00\n');
  assert.equal(
    stderr,
    `refresh-mfa: error: no profile "foobaz" in ~/.aws/config or ~/.aws/credentials
refresh-mfa: hint: did you mean foobar?
`,
  );
  assert.equal(status, 2);
});

test('--check runs nothing, loads nothing of the SDK, and no connection is made', async (t) => {
  const { home, sts } = await setUp(t, section('foobar', recorded(Date.now() + 5 * hour)));
  home.writeConfig(
    `${readFileSync(home.configPath)}
[profile vault]
mfa_serial = arn:aws:iam::123456789012:mfa/device
mfa_process = touch '${join(home.path, 'ran')}'
[profile vault-long-term]
credential_process = touch '${join(home.path, 'ran')}'
`,
  );
  const modules = recordModules(home);
  for (const [status, ...args] of [
    [3, '--check'],
    [3, '--check', '--json'],
    [0, '--check', 'foobar'],
    [3, '--check', 'vault'],
  ] as const) {
    const result = await run(args, { home, sts, env: modules.env, stdin: 'open' });
    assert.equal(result.status, status);
    assert.deepEqual(
      modules.read().filter((name) => heavy.test(name)),
      [],
    );
  }
  assert.equal(existsSync(join(home.path, 'ran')), false);
  assert.equal(sts.connections, 0);

  // what is looked for here is there when a session is made
  await run(['-t', totp(bjohnson.totpSecret), 'foobar'], { home, sts, env: modules.env });
  assert.ok(modules.read().some((name) => heavy.test(name)));
});

test('colour shows on a terminal only, and never under NO_COLOR', {
  skip: terminalMissing,
  timeout: 180_000,
}, async (t) => {
  const home = plainHome(
    t,
    ['good', 'late', 'past', 'none'],
    section('good', recorded(Date.now() + 5 * hour)),
    section('late'),
    section('past', '2020-01-15T11:00:00Z'),
  );
  const sequence = '\u001b[';
  const terminal = openTerminal(t, ['--check'], { home });
  assert.deepEqual(await terminal.exit, { status: 3, signal: null });
  assert.ok(terminal.output.includes(`${sequence}32mvalid  ${sequence}39m`), terminal.output);
  assert.ok(terminal.output.includes(`${sequence}33mdue    ${sequence}39m`), terminal.output);
  assert.ok(terminal.output.includes(`${sequence}31mexpired${sequence}39m`), terminal.output);
  assert.ok(terminal.output.includes(`${sequence}31mnever refreshed${sequence}39m`), terminal.output);

  const plain = openTerminal(t, ['--check'], { home, env: { NO_COLOR: '1' } });
  await plain.exit;
  assert.match(plain.text(), /^past {2}expired {2}since 2020-01-15 11:00$/m);
  assert.ok(!plain.output.includes(sequence), plain.output);

  const { stdout } = await run(['--check'], { home });
  assert.ok(!stdout.includes(sequence), stdout);
});

test('--json is one document of a fixed shape, with the notes in it and no secrets', async (t) => {
  const end = Date.now() + 5 * hour;
  const { home, sts } = await setUp(t, section('foobar', recorded(end)));
  const { status, stdout, stderr } = await run(['--check', '--json'], { home, sts });
  const document = JSON.parse(stdout);
  const left = document.sessions[1].secondsLeft;
  assert.ok(Number.isInteger(left) && left <= 5 * 3600 && left > 5 * 3600 - 60, `${left}`);
  assert.deepEqual(document, {
    sessions: [
      {
        profile: 'acme',
        source: 'AcmeAccount',
        state: 'never',
        expires: null,
        secondsLeft: null,
        roles: ['acmeAdmin'],
        notes: [
          'acme: Terraform and other Go tools refuse it and the role behind it, because of source_profile without role_arn ([profile acme] in ~/.aws/config line 11): rename [AcmeAccount] to [acme-long-term] in both files and delete that line',
        ],
      },
      {
        profile: 'foobar',
        source: 'FoobarAccount',
        state: 'valid',
        expires: recorded(end),
        secondsLeft: left,
        roles: ['baszooDev', 'baszooArch', 'baszooAdmin'],
        notes: [
          'foobar: Terraform and other Go tools refuse it and the 3 roles behind it, because of source_profile without role_arn ([profile foobar] in ~/.aws/config line 15): rename [FoobarAccount] to [foobar-long-term] in both files and delete that line',
        ],
      },
    ],
  });
  assert.equal(stderr, '');
  assert.equal(status, 3);
});

test('--json of sessions that are over, or whose end is not recorded', async (t) => {
  const home = plainHome(t, ['past', 'late'], section('past', '2020-01-15T12:00:00+01:00'), section('late'));
  const { status, stdout } = await run(['--check', '--json'], { home });
  const rest = { roles: [], notes: [] };
  assert.deepEqual(JSON.parse(stdout), {
    sessions: [
      {
        profile: 'past',
        source: 'past-long-term',
        state: 'expired',
        expires: '2020-01-15T11:00:00Z',
        secondsLeft: 0,
        ...rest,
      },
      { profile: 'late', source: 'late-long-term', state: 'due', expires: null, secondsLeft: null, ...rest },
    ],
  });
  assert.equal(status, 3);
});

test('--check where there is no session profile at all says so', async (t) => {
  for (const args of [['--check'], ['--check', '--json']]) {
    const { status, stdout, stderr } = await run(args, { home: makeHome(t) });
    assert.equal(stdout, '');
    assert.match(stderr, /^refresh-mfa: error: no session profile in ~\/\.aws\/config or ~\/\.aws\/credentials\n/);
    assert.equal(status, 2);
  }
});

const troubled = `[profile foobar]
mfa_serial = arn:aws:iam::789012347890:mfa/bjohnson
source_profile = FoobarAccount

[profile asks]
role_arn = arn:aws:iam::343228764567:role/DeveloperRole
source_profile = foobar
mfa_serial = arn:aws:iam::789012347890:mfa/bjohnson

[profile long]
role_arn = arn:aws:iam::343228764567:role/ArchitectRole
source_profile = asks
duration_seconds = 3601

[profile fine]
role_arn = arn:aws:iam::343228764567:role/AdminRole
source_profile = foobar
duration_seconds = 3600

[profile elsewhere]
role_arn = arn:aws:iam::343228764567:role/AdminRole
source_profile = AcmeAccount
mfa_serial = arn:aws:iam::123456781234:mfa/bob
duration_seconds = 43200
`;
const troubles = `refresh-mfa: note: foobar: Terraform and other Go tools refuse it and the 3 roles behind it, because of source_profile without role_arn ([profile foobar] in ~/.aws/config line 3): rename [FoobarAccount] to [foobar-long-term] in both files and delete that line
refresh-mfa: note: asks: has an mfa_serial of its own ([profile asks] in ~/.aws/config line 8), so aws asks for a code again and Terraform fails: delete that line
refresh-mfa: note: long: duration_seconds is over 3600 ([profile long] in ~/.aws/config line 13), and AWS refuses more than one hour for a role behind a session: set it to 3600 or delete it
`;

test('--check notes what will not work, with the line to mend; not what works, nor what is behind no session', async (t) => {
  const { home, sts } = await setUp(t, section('foobar', recorded(Date.now() + 5 * hour)));
  home.writeConfig(troubled);
  const { status, stderr } = await run(['--check', 'foobar'], { home, sts });
  assert.equal(stderr, troubles);
  assert.equal(status, 0);
});

test('the same notes come when a section is made, and not when it is refreshed again', async (t) => {
  const { home, sts } = await setUp(t);
  home.writeConfig(troubled);
  const made = await run(['-t', totp(bjohnson.totpSecret), 'foobar'], { home, sts });
  assert.equal(made.stderr, troubles);
  assert.equal(made.status, 0);
  const again = await run(['-t', totp(bjohnson.totpSecret, 1), 'foobar'], { home, sts });
  assert.equal(again.stderr, '');
  assert.equal(again.status, 0);
});

test('a source that is X-long-term already has only its link to delete', async (t) => {
  const home = plainHome(t, ['foobar']);
  home.writeConfig(
    `[profile foobar]\nsource_profile = foobar-long-term\nmfa_serial = arn:aws:iam::123456789012:mfa/device\n`,
  );
  const { stderr } = await run(['--check'], { home });
  assert.equal(
    stderr,
    'refresh-mfa: note: foobar: Terraform and other Go tools refuse it, because of source_profile without role_arn ([profile foobar] in ~/.aws/config line 2): delete that line\n',
  );
});

test('--if-needed with everything valid: one line, nothing on stderr, no question, nothing of the SDK', async (t) => {
  const ends = { acme: Date.now() + 3 * hour + spare, foobar: Date.now() + 5 * hour + 30 * minute + spare };
  const { home, sts } = await setUp(t, section('acme', recorded(ends.acme)), section('foobar', recorded(ends.foobar)));
  const before = home.readCredentialsBytes();
  const modules = recordModules(home);
  const env = { ...modules.env, TZ: noonZone };
  const { status, stdout, stderr } = await run(['--if-needed', 'baszooDev', 'acme'], { home, sts, env, stdin: 'open' });
  assert.equal(
    stdout,
    `foobar: session valid until ${clock(ends.foobar)} (5 h 30 min left)
acme: session valid until ${clock(ends.acme)} (3 h left)
`,
  );
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.deepEqual(
    modules.read().filter((name) => heavy.test(name)),
    [],
  );
  assert.equal(sts.connections, 0);
  assert.deepEqual(home.readCredentialsBytes(), before);
});

const needs: readonly [string, readonly string[], string][] = [
  ['that expired', [], section('foobar', '2020-01-15T11:00:00Z')],
  ['whose end is not recorded', [], section('foobar')],
  ['that was never refreshed', [], ''],
  ['that ends within 6h', ['--within', '6h'], section('foobar', recorded(Date.now() + 5 * hour))],
];
for (const [what, args, written] of needs) {
  test(`--if-needed refreshes a session ${what}`, async (t) => {
    const { home, sts } = await setUp(t, written);
    const stdin = `${totp(bjohnson.totpSecret)}\n`;
    const { status, stdout } = await run(['--if-needed', ...args, 'foobar'], { home, sts, stdin });
    assert.match(stdout, /^foobar: session until \d\d:\d\d \(12 h\), written|^foobar: session until tomorrow /);
    assert.equal(status, 0);
    assert.equal(sts.calls.length, 1);
    assert.equal((await run(['--check', 'foobar'], { home, sts })).status, 0);
  });
}

test('--if-needed asks on the terminal for those due only, one after the other', {
  skip: terminalMissing,
}, async (t) => {
  const { home, sts } = await setUp(t, section('spare', recorded(Date.now() + 5 * hour)));
  home.writeConfig(`${readFileSync(home.configPath)}\n[profile spare]\nsource_profile = AcmeAccount\n`);
  const terminal = openTerminal(t, ['--if-needed', 'acme', 'spare', 'foobar'], { home, sts });
  await terminal.waitFor('spare: session valid until');
  await terminal.waitFor(`OTP for acme (${bob.serial})`);
  terminal.type(`${totp(bob.totpSecret)}\r`);
  await terminal.waitFor('acme: session until');
  await terminal.waitFor(`OTP for foobar (${bjohnson.serial})`);
  terminal.type(`${totp(bjohnson.totpSecret)}\r`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.doesNotMatch(terminal.text(), /OTP for spare/);
  assert.equal(sts.calls.length, 2);
});

test('--if-needed: a profile that fails does not keep the next from being refreshed', async (t) => {
  const { home, sts } = await setUp(t);
  sts.behave({ kind: 'error', status: 403, code: 'InvalidClientTokenId', message: 'The security token is invalid.' });
  const stdin = `${totp(bob.totpSecret)}\n${totp(bjohnson.totpSecret)}\n`;
  const { status, stdout, stderr } = await run(['--if-needed', 'acme', 'foobar'], { home, sts, stdin });
  assert.match(stdout, /^foobar: session until /);
  assert.match(stderr, /^refresh-mfa: error: STS does not know the access key of AcmeAccount/);
  assert.equal(status, 1);

  const again = await run(['--if-needed', 'nosuch', 'foobar'], { home, sts });
  assert.match(again.stdout, /^foobar: session valid until /);
  assert.match(again.stderr, /^refresh-mfa: error: no profile "nosuch" in /);
  assert.equal(again.status, 2);
});
