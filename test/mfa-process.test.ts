// mfa_process beside an mfa_serial: a command of the person's own that prints the code. Its limit of 60 seconds is in hang.test.ts.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Home } from './helpers/home';
import { run } from './helpers/run';
import {
  keys,
  makeScene,
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
import { openTerminal, terminalMissing } from './helpers/terminal';

const stepMs = 30_000;

function withProcess(t: TestContext, command: string): Promise<Scene> {
  return makeScene(t, { ...simple, config: `${simple.config}mfa_process = ${command}\n` });
}

function writeCode(home: Home): string {
  const code = totp(person.totpSecret);
  writeFileSync(join(home.path, 'code'), code);
  return code;
}

test('the value reaches the shell as it is written, quotes, # and ; too', async (t) => {
  const { home, sts } = await withProcess(
    t,
    `printf '%s' "a # b; c = 'd' \\$HOME" > "$HOME/asked"; echo "code: $(cat "$HOME/code")"; # touch it`,
  );
  const code = writeCode(home);
  const { status, stdout, stderr } = await run(['foobar'], { home, sts });
  assert.match(stdout, /^foobar: session until /);
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.equal(readFileSync(join(home.path, 'asked'), 'utf8'), "a # b; c = 'd' $HOME");
  assert.deepEqual(
    sts.calls.map(({ params }) => [params.SerialNumber, params.TokenCode]),
    [[serial, code]],
  );
});

const outputs: readonly [string, (code: string) => string][] = [
  ['the code and no newline', (code) => code],
  ['a name before it, as ykman does', (code) => `Amazon Web Services:bob@example.com  ${code}\n`],
  ['JSON', (code) => `{"otp":"${code}","seconds":12}\n`],
  ['longer and shorter numbers beside it', (code) => `1234567 12345\n${code}\n20260101T000000\n`],
];
for (const [what, toOutput] of outputs) {
  test(`the one six-digit group is taken from output that is ${what}`, async (t) => {
    const { home, sts } = await withProcess(t, 'cat "$HOME/output"');
    const code = totp(person.totpSecret);
    writeFileSync(join(home.path, 'output'), toOutput(code));
    const { status, stdout, stderr } = await run(['foobar'], { home, sts });
    assert.match(stdout, /^foobar: session until /);
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.deepEqual(
      sts.calls.map(({ params }) => params.TokenCode),
      [code],
    );
  });
}

const problems: readonly [string, string, string][] = [
  ['prints nothing', 'true', 'printed no six-digit code'],
  ['prints numbers of other lengths', "echo '12345 1234567 123 456 a123456'", 'printed no six-digit code'],
  ['prints two codes', 'echo 287082 359152', 'printed 2 six-digit codes'],
  ['fails although it prints a code', 'echo 287082; exit 3', 'ended with status 3'],
  ['is killed', 'echo 287082; kill -KILL $$', 'was ended by SIGKILL'],
  ['does not exist', 'no-such-program-of-ours', 'ended with status 127'],
];
for (const [what, command, came] of problems) {
  test(`an mfa_process that ${what} is an error that names the key and what came`, async (t) => {
    const { home, sts } = await withProcess(t, command);
    const { status, stdout, stderr } = await run(['foobar'], { home, sts, stdin: 'open' });
    assert.equal(stdout, '');
    const ours = stderr.split('\n').filter((line) => line.startsWith('refresh-mfa: '));
    assert.deepEqual(ours, [
      `refresh-mfa: error: the mfa_process of [profile foobar] in ~/.aws/config line 3 ${came}`,
      'refresh-mfa: hint: run that command by hand: it should print one code',
    ]);
    assert.doesNotMatch(stderr, /287082|359152/);
    assert.equal(status, 2);
    assert.equal(sts.calls.length, 0);
    assert.equal(home.readCredentials(), simple.credentials);
  });
}

const others: readonly [string, string, readonly string[]][] = [
  ['--token-code is given', `mfa_serial = ${serial}\nmfa_process = touch "$HOME/ran"\n`, ['--token-code', 'CODE']],
  ['another device is named', `mfa_serial = ${serial}\nmfa_process = touch "$HOME/ran"\n`, ['-s', serial]],
  [
    'the mfa_serial comes from elsewhere',
    `mfa_process = touch "$HOME/ran"\n[profile foobar-long-term]\nmfa_serial = ${serial}\n`,
    [],
  ],
];
for (const [what, config, args] of others) {
  test(`mfa_process is not run where ${what}`, async (t) => {
    const { home, sts } = await makeScene(t, { ...simple, config: `[profile foobar]\n${config}` });
    const words = args.map((word) => (word === 'CODE' ? totp(person.totpSecret) : word));
    const { status } = await run([...words, 'foobar'], { home, sts, stdin: typed() });
    assert.equal(status, 0);
    assert.deepEqual(sessionsIn(home.credentialsPath), ['foobar']);
    assert.throws(() => readFileSync(join(home.path, 'ran')), { code: 'ENOENT' });
  });
}

test('several profiles have each its own mfa_process; one that fails does not keep the next', async (t) => {
  const profile = (name: string, device: string, command: string) =>
    `[profile ${name}]\nmfa_serial = ${device}\nmfa_process = ${command}\n`;
  const { home, sts } = await makeScene(
    t,
    {
      config: [
        profile('one', serial, `echo ${totp(person.totpSecret)}`),
        profile('two', serial, 'exit 1'),
        profile('three', other.serial, `echo ${totp(other.totpSecret)}`),
      ].join('\n'),
      credentials: `[one-long-term]\n${keys}\n[two-long-term]\n${keys}\n[three-long-term]\n${otherKeys}`,
    },
    [person, other],
  );
  const { status, stderr } = await run(['one', 'two', 'three'], { home, sts });
  assert.match(stderr, /^refresh-mfa: error: the mfa_process of \[profile two\] in ~\/\.aws\/config line 7 ended with/);
  assert.equal(status, 2);
  assert.deepEqual(sessionsIn(home.credentialsPath), ['one', 'three']);
});

test('the terminal is its stdin and its stderr, for a touch or a PIN', {
  skip: terminalMissing,
  timeout: 180_000,
}, async (t) => {
  const command = `printf 'PIN, please: ' >&2; read -r pin; test "$pin" = 4711 && cat "$HOME/code"`;
  const { home, sts } = await withProcess(t, command);
  writeCode(home);
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  await terminal.waitFor('PIN, please: ');
  terminal.type('4711\r');
  await terminal.waitFor('foobar: session until');
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.doesNotMatch(terminal.text(), /OTP for/);
});

test('Ctrl-C while it waits stops all, and the file is as it was', {
  skip: terminalMissing,
  timeout: 180_000,
}, async (t) => {
  const { home, sts } = await withProcess(t, `printf 'touch the key' >&2; read -r never; echo 287082`);
  const terminal = openTerminal(t, ['foobar'], { home, sts });
  await terminal.waitFor('touch the key');
  terminal.type('\u0003');
  assert.deepEqual(await terminal.exit, { status: null, signal: 'SIGINT' });
  assert.equal(home.readCredentials(), simple.credentials);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
});

/** A device that shows the code of the present step; what it has shown so far is in the returned file. */
function makeDevice(home: Home): string {
  const now = Math.floor(Date.now() / stepMs);
  const codes = Object.fromEntries([0, 1, 2, 3, 4].map((step) => [now + step, totp(person.totpSecret, step)]));
  writeFileSync(join(home.path, 'codes.json'), JSON.stringify(codes));
  writeFileSync(
    join(home.path, 'device.cjs'),
    `const code = require('./codes.json')[Math.floor(Date.now() / ${stepMs})];
     require('node:fs').appendFileSync(__dirname + '/shown', code + '\\n');
     console.log(code);`,
  );
  return join(home.path, 'shown');
}

const refusal = {
  kind: 'error',
  status: 403,
  code: 'AccessDenied',
  message: 'MultiFactorAuthentication failed with invalid MFA one time pass code. ',
} as const;

// Both wait for the clock's next half minute, side by side.
test('a code from it that STS refuses', { concurrency: true }, async (t) => {
  const device = `'${process.execPath}' "$HOME/device.cjs"`;
  const waiting = /refresh-mfa: note: asking mfa_process again in \d+ s, when there is a new code\n/;
  await Promise.all([
    t.test('is asked for once more when the device shows the next one', async (t) => {
      const { home, sts } = await withProcess(t, device);
      sts.behave(refusal);
      const shown = makeDevice(home);
      const { status, stdout, stderr } = await run(['foobar'], { home, sts });
      assert.match(stderr, waiting);
      assert.match(stdout, /^foobar: session until /);
      assert.equal(status, 0);
      const [first, second, ...rest] = readFileSync(shown, 'utf8').trim().split('\n');
      assert.deepEqual(rest, []);
      assert.notEqual(second, first);
      assert.deepEqual(
        sts.calls.map(({ params }) => params.TokenCode),
        [first, second],
      );
      const { at = 0 } = sts.calls[1] ?? {};
      assert.equal(second, totp(person.totpSecret, 0, at));
      assert.ok(at % stepMs < stepMs / 2, `${at % stepMs} ms after the device has changed its code`);
    }),
    t.test('is not asked for a third time', async (t) => {
      const { home, sts } = await withProcess(t, device);
      sts.behave(refusal, refusal);
      const shown = makeDevice(home);
      const { status, stdout, stderr } = await run(['foobar'], { home, sts });
      assert.match(stderr, waiting);
      assert.equal(stderr.split(`error: STS did not accept the code for ${serial}`).length, 3);
      assert.equal(stdout, '');
      assert.equal(status, 1);
      assert.equal(readFileSync(shown, 'utf8').trim().split('\n').length, 2);
      assert.equal(sts.calls.length, 2);
      assert.equal(home.readCredentials(), simple.credentials);
    }),
  ]);
});
