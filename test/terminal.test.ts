// What a person meets at a terminal. The terminal is a real one, so what is typed goes through its line discipline.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { devices, type Home, makeHome, seedHome } from './helpers/home';
import { type Command, command } from './helpers/run';
import { type LocalSts, startSts, totp, wrongCode } from './helpers/sts';
import { openTerminal, type Terminal, terminalMissing } from './helpers/terminal';

const { bob, bjohnson } = devices;
// A question that nobody answers never ends.
const options = { skip: terminalMissing, timeout: 180_000 };
const question = 'OTP for foobar (arn:aws:iam::789012347890:mfa/bjohnson)';
const advice = 'refresh-mfa: hint: wait for the next code: each code is good once, for about 30 seconds';
const enter = '\r';
const down = '\u001b[B';
const stops = { 'Ctrl-C': '\u0003', 'Ctrl-D': '\u0004', Esc: '\u001b' };

async function setUp(t: TestContext): Promise<{ readonly home: Home; readonly sts: LocalSts }> {
  const sts = await startSts();
  t.after(() => sts.close());
  return { home: seedHome(t, sts), sts };
}

/** The program as `"$@"` of a shell script on the same terminal. */
function inShell(script: string): Command {
  const { file, args } = command();
  return { file: '/bin/sh', args: ['-c', script, 'sh', file, ...args] };
}

/** Has a shell tell how the program ended and how it left the terminal. */
const thenTell = inShell('"$@"; echo "status=$?"; stty -a; echo "that is all"');

/** To be awaited after a program that `thenTell` ran. */
async function assertRestored(terminal: Terminal): Promise<void> {
  await terminal.waitFor('that is all', { from: 'start' });
  assert.match(terminal.text(), /(?<![-\w])icanon\b/);
  assert.match(terminal.text(), /(?<![-\w])echo(?!\w)/);
  assert.ok(terminal.output.lastIndexOf('\u001b[?25h') >= terminal.output.lastIndexOf('\u001b[?25l'), 'no cursor');
}

/** The sections in the order of the credentials file. */
function sections(home: Home): string[] {
  return home.readCredentials().match(/^\[.*\]$/gm) ?? [];
}

test('the whole morning: one command, one code, and the section is there', options, async (t) => {
  const { home, sts } = await setUp(t);
  const before = home.readCredentials();
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  await terminal.waitFor(question);
  // while the person looks for the telephone
  await sts.until(() => sts.connections === 1);
  const code = totp(bjohnson.totpSecret);
  terminal.type(`${code}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });

  const [, expires = ''] = /x_security_token_expires = (.*)/.exec(home.readCredentials()) ?? [];
  const [, id] = /aws_access_key_id = (ASIA\w{16})/.exec(home.readCredentials()) ?? [];
  const values = [...sts.secrets].filter((secret) => secret !== bob.secretAccessKey);
  const [, secret, token] = values;
  assert.equal(
    home.readCredentials(),
    `${before}
[foobar]
aws_access_key_id = ${id}
aws_secret_access_key = ${secret}
aws_session_token = ${token}
x_security_token_expires = ${expires}
`,
  );
  assert.ok(Math.abs(Date.parse(expires) - Date.now() - 12 * 3600_000) < 60_000, expires);
  assert.equal(home.mode(), 0o600);
  assert.deepEqual(
    sts.calls.map(({ action, params, accessKeyId }) => [action, params.SerialNumber, params.TokenCode, accessKeyId]),
    [['GetSessionToken', bjohnson.serial, code, bjohnson.accessKeyId]],
  );
  // Whatever the time of day, twelve hours from now are today or tomorrow.
  assert.equal(
    terminal.text().split('\n').slice(1, 3).join('\n').replace('until tomorrow', 'until'),
    `foobar: session until ${expires.slice(11, 16)} (12 h), written to ~/.aws/credentials
foobar: role profiles that use it: baszooDev, baszooArch, baszooAdmin`,
  );
});

test('the question goes to stderr and the report to stdout', options, async (t) => {
  const { home, sts } = await setUp(t);
  const terminal = openTerminal(t, ['foobar'], { home, sts, program: inShell('"$@" >out') });
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.match(readFileSync(join(home.path, 'out'), 'utf8'), /^foobar: session until .*\nfoobar: role profiles .*\n$/);
  assert.doesNotMatch(terminal.text(), /session until/);
});

test('nobody waits for a code that is asked for where it cannot be seen', options, async (t) => {
  const { home, sts } = await setUp(t);
  const program = inShell('"$@" 2>messages; echo "status=$?"');
  const terminal = openTerminal(t, ['foobar'], { home, sts, program });
  await terminal.waitFor(/OTP for foobar|status=2/);
});

const typed: readonly [string, (code: string) => string][] = [
  ['blanks inside and around', (code) => `  ${code.slice(0, 3)} ${code.slice(3)} `],
  ['full-width digits', (code) => code.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))],
  ['a no-break space inside', (code) => `${code.slice(0, 3)}\u00a0${code.slice(3)}`],
];
for (const [what, toTyped] of typed) {
  test(`a code with ${what} is taken`, options, async (t) => {
    const { home, sts } = await setUp(t);
    const terminal = openTerminal(t, ['foobar'], { home, sts });
    await terminal.waitFor(question);
    const code = totp(bjohnson.totpSecret);
    terminal.type(`${toTyped(code)}${enter}`);
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    assert.deepEqual(
      sts.calls.map(({ params }) => params.TokenCode),
      [code],
    );
  });
}

test('a code that begins with 0 keeps its 0', options, async (t) => {
  const sts = await startSts();
  t.after(() => sts.close());
  let number = 0;
  while (!totp(Buffer.from(`device ${number}`)).startsWith('0')) number++;
  const totpSecret = Buffer.from(`device ${number}`);
  const code = totp(totpSecret);
  sts.addUser({ ...bjohnson, totpSecret });
  const home = makeHome(t, {
    config: `[profile foobar]\nmfa_serial = ${bjohnson.serial}\n`,
    credentials: `[foobar-long-term]\naws_access_key_id = ${bjohnson.accessKeyId}\naws_secret_access_key = ${bjohnson.secretAccessKey}\n`,
  });
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  await terminal.waitFor(question);
  terminal.type(`${code}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.deepEqual(
    sts.calls.map(({ params }) => params.TokenCode),
    [code],
  );
});

test('what is not six digits is asked for again and costs no call', options, async (t) => {
  const { home, sts } = await setUp(t);
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  for (const text of ['', '12345', '1234567', 'abcdef', '12345x', '-12345']) {
    await terminal.waitFor(question);
    terminal.type(`${text}${enter}`);
    await terminal.waitFor('six digits are needed');
  }
  await terminal.waitFor(question);
  assert.equal(sts.calls.length, 0);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.equal(sts.calls.length, 1);
});

test('a code that STS refuses is asked for again, and the second one does', options, async (t) => {
  const { home, sts } = await setUp(t);
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  await terminal.waitFor(question);
  terminal.type(`${wrongCode(bjohnson.totpSecret)}${enter}`);
  await terminal.waitFor('refresh-mfa: error: STS did not accept the code for arn:aws:iam::789012347890:mfa/bjohnson');
  await terminal.waitFor(advice);
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.equal(sts.calls.length, 2);
  assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[foobar]']);
});

test('after three codes that STS refuses it gives up with 1, and the file is as it was', options, async (t) => {
  const { home, sts } = await setUp(t);
  const before = home.readCredentialsBytes();
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  for (let attempt = 1; attempt <= 3; attempt++) {
    await terminal.waitFor(question);
    terminal.type(`${wrongCode(bjohnson.totpSecret)}${enter}`);
    await terminal.waitFor(advice);
  }
  assert.deepEqual(await terminal.exit, { status: 1, signal: null });
  assert.equal(sts.calls.length, 3);
  assert.deepEqual(home.readCredentialsBytes(), before);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
});

for (const [key, character] of Object.entries(stops)) {
  test(`${key} at the question ends with 130; the file and the terminal are as they were`, options, async (t) => {
    const { home, sts } = await setUp(t);
    const before = home.readCredentialsBytes();
    const terminal = openTerminal(t, ['foobar'], { home, sts, program: thenTell });
    await terminal.waitFor(question);
    terminal.type(`123${character}`);
    await terminal.waitFor('refresh-mfa: error: interrupted, nothing more was changed');
    await terminal.waitFor('status=130');
    await assertRestored(terminal);
    assert.equal(sts.calls.length, 0);
    assert.deepEqual(home.readCredentialsBytes(), before);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });

  test(`${key} at the second question keeps the first profile's session and asks for no third`, options, async (t) => {
    const { home, sts } = await setUp(t);
    home.writeConfig(
      `${readFileSync(home.configPath)}\n[profile last]\nsource_profile = AcmeAccount\nmfa_serial = ${bob.serial}\n`,
    );
    const terminal = openTerminal(t, ['acme', 'foobar', 'last'], { home, sts, program: thenTell });
    await terminal.waitFor('OTP for acme (arn:aws:iam::123456781234:mfa/bob)');
    terminal.type(`${totp(bob.totpSecret)}${enter}`);
    await terminal.waitFor('acme: session until');
    await terminal.waitFor(question);
    const before = home.readCredentialsBytes();
    terminal.type(character);
    await terminal.waitFor('status=130');
    await assertRestored(terminal);
    assert.doesNotMatch(terminal.text(), /OTP for last/);
    assert.deepEqual(home.readCredentialsBytes(), before);
    assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[acme]']);
  });

  test(`${key} at the list of profiles ends with 130 and shows the cursor again`, options, async (t) => {
    const { home, sts } = await setUp(t);
    const terminal = openTerminal(t, [], { home, sts, program: thenTell });
    await terminal.waitFor('which profile?');
    terminal.type(character);
    await terminal.waitFor('status=130');
    await assertRestored(terminal);
    assert.doesNotMatch(terminal.text(), /OTP for/);
    assert.equal(sts.connections, 0);
  });
}

test('Ctrl-C while STS takes its time stops it, and the file is as it was', options, async (t) => {
  const { home, sts } = await setUp(t);
  const before = home.readCredentialsBytes();
  sts.behave({ kind: 'silent' });
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  await sts.until(() => sts.calls.length === 1);
  terminal.type(stops['Ctrl-C']);
  assert.deepEqual(await terminal.exit, { status: null, signal: 'SIGINT' });
  assert.deepEqual(home.readCredentialsBytes(), before);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
});

test('SIGTERM at the question leaves the terminal and the file as they were', options, async (t) => {
  const { home, sts } = await setUp(t);
  const before = home.readCredentialsBytes();
  const withPid = `sh -c 'echo "pid=$$"; exec "$@"' sh "$@"`;
  const program = inShell(`${withPid}; echo "status=$?"; stty -a; echo "that is all"`);
  const terminal = openTerminal(t, ['foobar'], { home, sts, program });
  const pid = Number((await terminal.waitFor(/pid=\d+/)).slice('pid='.length));
  await terminal.waitFor(question);
  process.kill(pid, 'SIGTERM');
  await terminal.waitFor('status=143');
  await assertRestored(terminal);
  assert.deepEqual(home.readCredentialsBytes(), before);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
});

test('no profile named and several there: the arrow keys choose one', options, async (t) => {
  const { home, sts } = await setUp(t);
  const terminal = openTerminal(t, [], { home, sts });
  await terminal.waitFor('which profile?');
  await terminal.waitFor('acme');
  await terminal.waitFor('foobar');
  terminal.type(`${down}${enter}`);
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[foobar]']);
});

test('no profile named and only one there: it is the one', options, async (t) => {
  const { home, sts } = await setUp(t);
  home.writeConfig(`[profile foobar]\nsource_profile = FoobarAccount\nmfa_serial = ${bjohnson.serial}\n`);
  const terminal = openTerminal(t, [], { home, sts });
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[foobar]']);
});

test('several profiles are asked for one after the other, each once', options, async (t) => {
  const { home, sts } = await setUp(t);
  const terminal = openTerminal(t, ['foobar', 'baszooDev', 'acme'], { home, sts });
  await terminal.waitFor(question);
  assert.doesNotMatch(terminal.text(), /OTP for acme/);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  await terminal.waitFor('foobar: session until');
  await terminal.waitFor('OTP for acme (arn:aws:iam::123456781234:mfa/bob)');
  terminal.type(`${totp(bob.totpSecret)}${enter}`);
  await terminal.waitFor('acme: session until');
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[foobar]', '[acme]']);
  assert.equal(sts.calls.length, 2);
});

test('a profile that STS refuses does not keep the next from being asked for', options, async (t) => {
  const { home, sts } = await setUp(t);
  sts.behave({ kind: 'error', status: 403, code: 'InvalidClientTokenId', message: 'The security token is invalid.' });
  const terminal = openTerminal(t, ['acme', 'foobar'], { home, sts });
  await terminal.waitFor('OTP for acme');
  terminal.type(`${totp(bob.totpSecret)}${enter}`);
  await terminal.waitFor('refresh-mfa: error: STS does not know the access key of AcmeAccount');
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  assert.deepEqual(await terminal.exit, { status: 1, signal: null });
  assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[foobar]']);
});

test('a role name says whose session is refreshed', options, async (t) => {
  const { home, sts } = await setUp(t);
  const terminal = openTerminal(t, ['baszooDev'], { home, sts });
  await terminal.waitFor('refresh-mfa: note: baszooDev uses the session of foobar\n');
  await terminal.waitFor(question);
  terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
  await terminal.waitFor('foobar: session until');
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.deepEqual(sections(home), ['[AcmeAccount]', '[FoobarAccount]', '[foobar]']);
});

const terminals: readonly [string, { readonly cols?: number; readonly program?: Command }][] = [
  ['of 20 columns', { cols: 20 }],
  ['without abilities (TERM=dumb)', { program: inShell('TERM=dumb exec "$@"') }],
  ['without a TERM', { program: inShell('unset TERM; exec "$@"') }],
];
for (const [what, terminalOptions] of terminals) {
  test(`the question can be read and answered on a terminal ${what}`, options, async (t) => {
    const { home, sts } = await setUp(t);
    const terminal = openTerminal(t, ['foobar'], { home, sts, ...terminalOptions });
    await terminal.waitFor(question);
    terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
    await terminal.waitFor('foobar: session until');
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    // drawn anew in its own place with every digit, the question still shows once
    assert.equal(terminal.text().split('OTP for').length, 2, terminal.text());
  });
}

test('keys that cannot be fetched end the question, so that no code is typed for nothing', options, async (t) => {
  const { home, sts } = await setUp(t);
  const gate = join(home.path, 'gate');
  execFileSync('mkfifo', [gate]);
  home.writeCredentials(`[FoobarAccount]\ncredential_process = cat '${gate}'; echo the vault is locked >&2; exit 3\n`);
  const terminal = openTerminal(t, ['foobar'], { home, sts, program: thenTell });
  await terminal.waitFor(question);
  writeFileSync(gate, '');
  await terminal.waitFor(
    'refresh-mfa: error: the credential_process of [FoobarAccount] in ~/.aws/credentials line 2 ended with status 3',
  );
  await terminal.waitFor('status=2');
  await assertRestored(terminal);
  assert.match(terminal.text(), /the vault is locked/);
  assert.equal(sts.calls.length, 0);
});
