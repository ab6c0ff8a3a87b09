// `npm run demo`, with and without a terminal. It shows its codes, so they count as no secret here.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { devices, type Home, makeHome } from './helpers/home';
import { type Command, run } from './helpers/run';
import { wrongCode } from './helpers/sts';
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
  /** More than the demo writes, so that nothing scrolls. */
  readonly rows: number;
}

/** The tool under test, which is the source where nothing else is named. */
function setUp(t: TestContext, env: Readonly<Record<string, string>> = {}): Place {
  const home = makeHome(t);
  const temporary = join(home.path, 'temporary');
  mkdirSync(temporary);
  const bin = process.env.REFRESH_MFA_BIN;
  const all = { TMPDIR: temporary, REFRESH_MFA_BIN: bin ? resolve(bin) : '', ...env };
  return { home, cwd, program, env: all, rows: 60 };
}

/** What the demo did not clean up. */
function leftOver({ env }: Place): string[] {
  return readdirSync(env.TMPDIR ?? '').filter((name) => name.startsWith('refresh-mfa-'));
}

/** Reads the code off the last line of the screen, with the tool's question above it. */
async function readCode(terminal: Terminal): Promise<string> {
  const shown = await terminal.waitFor(/OTP for foobar \(arn:aws:iam::789012347890:mfa\/bjohnson\)[\s\S]*shows \d{6}/, {
    from: 'start',
  });
  return shown.slice(-6);
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
  terminal.type(`${await readCode(terminal)}\r`);
  await terminal.waitFor(/written to ~\/\.aws\/credentials$/m, { from: 'start' });
  await terminal.waitFor(developer, { from: 'start' });
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.match(terminal.text(), /^\$ refresh-mfa foobar\n\S OTP for foobar .*\d{6}\nfoobar: session until /m);
  assert.doesNotMatch(terminal.text(), /the device/);
  assert.deepEqual(leftOver(place), []);
});

test('a wrong code is asked for again', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t));
  const code = await readCode(terminal);
  terminal.type(`${wrongCode(devices.bjohnson.totpSecret)}\r`);
  await terminal.waitFor(/STS did not accept the code[\s\S]*OTP for foobar/, { from: 'start' });
  terminal.type(`${code}\r`);
  await terminal.waitFor(developer, { from: 'start' });
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

test('the device counts down and touches nothing that the tool writes', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t));
  await readCode(terminal);
  terminal.type('12\r');
  await terminal.waitFor(/as the device shows them\n\S OTP for foobar/, { from: 'start' });
  terminal.type('34');
  await terminal.waitFor(/OTP for foobar .* 34$/m, { from: 'start' });
  const left = (await terminal.waitFor(/\d+ s left/, { from: 'start' })).replace(/\D/g, '');
  await terminal.waitFor(new RegExp(`\\((?!${left} )\\d+ s left\\)`), { from: 'start' });
  assert.match(
    terminal.text(),
    /^\$ refresh-mfa foobar\n\S OTP for foobar .* 12\nsix digits .*\n\S OTP for foobar .* 34\n+ {2}the device of bjohnson shows \d{6} \(\d+ s left\)\n*$/m,
  );
});
