// `npm run demo`, with and without a terminal. It shows its codes, so they count as no secret here.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Home, makeHome } from './helpers/home';
import { type Command, run } from './helpers/run';
import { openTerminal, type Terminal, terminalMissing } from './helpers/terminal';

const program: Command = {
  file: process.execPath,
  args: ['--import', 'tsx', 'examples/demo.ts'],
};
const cwd = resolve(__dirname, '..');
const developer = /arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+/;
const skip = terminalMissing;

interface Place {
  readonly home: Home;
  readonly cwd: string;
  readonly program: Command;
  readonly env: Readonly<Record<string, string>>;
}

/** The tool under test, which is the source where nothing else is named. */
function setUp(t: TestContext, env: Readonly<Record<string, string>> = {}): Place {
  const home = makeHome(t);
  const temporary = join(home.path, 'temporary');
  mkdirSync(temporary);
  const bin = process.env.REFRESH_MFA_BIN;
  const all = { TMPDIR: temporary, REFRESH_MFA_BIN: bin ? resolve(bin) : '', ...env };
  return { home, cwd, program, env: all };
}

/** What the demo did not clean up. */
function leftOver({ env }: Place): string[] {
  return readdirSync(env.TMPDIR ?? '').filter((name) => name.startsWith('refresh-mfa-'));
}

/** Reads the code off the screen and types it at the tool's question. */
async function typeCode(terminal: Terminal): Promise<void> {
  const shown = await terminal.waitFor(/the device of bjohnson shows \d{6}/);
  await terminal.waitFor('OTP for foobar (arn:aws:iam::789012347890:mfa/bjohnson)');
  terminal.type(`${shown.slice(-6)}\r`);
}

test('without a terminal the demo types the code itself, and a role profile then works', async (t) => {
  const place = setUp(t);
  const { status, stdout, stderr } = await run([], place);
  assert.equal(stderr, '');
  assert.match(stdout, /^\(there is no such section yet\)$/m);
  assert.match(stdout, /^foobar: session until \S+( \S+)? \(12 h\), written to ~\/\.aws\/credentials$/m);
  assert.match(
    stdout,
    /^\[foobar\]\naws_access_key_id = ASIA…\naws_secret_access_key = \S{4}…\naws_session_token = \S{4}…\n/m,
  );
  assert.match(stdout, developer);
  assert.equal(status, 0);
  assert.deepEqual(leftOver(place), []);
});

test('without the aws command the demo asks by the SDK', async (t) => {
  const place = setUp(t, { PATH: '/nowhere' });
  const { status, stdout } = await run([], place);
  assert.match(stdout, /^\$ node -e /m);
  assert.match(stdout, developer);
  assert.equal(status, 0);
});

test('on a terminal a person types the code that the device shows', { skip }, async (t) => {
  const place = setUp(t);
  const terminal = openTerminal(t, [], place);
  await typeCode(terminal);
  await terminal.waitFor('written to ~/.aws/credentials');
  await terminal.waitFor(developer);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.match(
    terminal.text(),
    /^\$ refresh-mfa foobar\n {2}the device of bjohnson shows \d{6} \(\d+ s left\)\n\S OTP for foobar /m,
  );
  assert.deepEqual(leftOver(place), []);
});

test('a wrong code is asked for again, below the same device', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t));
  const shown = await terminal.waitFor(/the device of bjohnson shows \d{6}/);
  const code = shown.slice(-6);
  await terminal.waitFor('OTP for foobar');
  terminal.type(`${code.replace(/\d/g, (digit) => String(9 - Number(digit)))}\r`);
  await terminal.waitFor('STS did not accept the code');
  await terminal.waitFor('OTP for foobar');
  terminal.type(`${code}\r`);
  await terminal.waitFor(developer);
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
});

const ends = [
  { what: 'Ctrl-C', status: 130, stop: (terminal: Terminal) => terminal.type('\u0003') },
  { what: 'a signal', status: 143, stop: (terminal: Terminal) => terminal.kill('SIGTERM') },
];

for (const { what, status, stop } of ends) {
  test(`${what} at the question ends the demo as a failure and leaves nothing behind`, { skip }, async (t) => {
    const place = setUp(t);
    const terminal = openTerminal(t, [], place);
    await terminal.waitFor('OTP for foobar');
    stop(terminal);
    assert.deepEqual(await terminal.exit, { status, signal: null });
    assert.deepEqual(leftOver(place), []);
  });
}

test('the device counts down above the question, which stays as it is', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t));
  const first = await terminal.waitFor(/\(\d+ s left\)/);
  await terminal.waitFor('OTP for foobar');
  terminal.type('12');
  const changed = new RegExp(`\\((?!${first.slice(1, -8)} )\\d+ s left\\)\\n\\S OTP for foobar .* 12$`, 'm');
  await terminal.waitFor(changed, { from: 'start' });
});
