// `npm run demo`, with and without a terminal. It shows its codes, so they count as no secret here.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { devices, makeHome } from './helpers/home';
import { command, run } from './helpers/run';
import { wrongCode } from './helpers/sts';
import { openTerminal, type Terminal, terminalMissing } from './helpers/terminal';
import { find } from './helpers/which';

const developer = /arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+/;
const skip = terminalMissing;

function setUp(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const home = makeHome(t);
  const temporary = join(home.path, 'temporary');
  mkdirSync(temporary);
  // what it did not clean up
  const leftOver = () => readdirSync(temporary).filter((name) => name.startsWith('refresh-mfa-'));
  const program = { file: process.execPath, args: ['--import', 'tsx', 'examples/demo.ts'] };
  const bin = process.env.REFRESH_MFA_BIN ? (command().args[0] ?? command().file) : '';
  // more rows than it writes, so that nothing scrolls
  const place = { home, cwd: resolve(__dirname, '..'), program, rows: 60 };
  return { ...place, env: { TMPDIR: temporary, REFRESH_MFA_BIN: bin, ...env }, leftOver };
}

/** Reads the code off the last line of the screen, with the tool's question above it. */
async function readCode(terminal: Terminal): Promise<string> {
  const question = /OTP for foobar \(arn:aws:iam::789012347890:mfa\/bjohnson\)[\s\S]*shows \d{6}/;
  return (await terminal.waitFor(question, { from: 'start' })).slice(-6);
}

test('without a terminal the demo types the code itself, and a role profile then works', async (t) => {
  const place = setUp(t);
  const { status, stdout, stderr } = await run([], place);
  assert.equal(stderr, '');
  assert.match(stdout, /^foobar: session until \S+( \S+)? \(12 h\), written to ~\/\.aws\/credentials$/m);
  assert.match(stdout, /^\[foobar\]\naws_access_key_id = ASIA…\n(aws_\w+ = \S{4}…\n){2}/m);
  assert.match(stdout, developer);
  assert.equal(status, 0);
  assert.deepEqual(place.leftOver(), []);
});

test('without the aws command the demo asks by the SDK', async (t) => {
  const folder = makeHome(t).path;
  for (const name of ['sh', 'cat', 'tail', 'sed']) symlinkSync(find(name) ?? '', join(folder, name));
  const { status, stdout } = await run([], setUp(t, { PATH: folder }));
  assert.match(stdout, /^\$ node -e /m);
  assert.match(stdout, developer);
  assert.equal(status, 0);
});

test('on a terminal a person types what the device shows, again after a wrong code', { skip }, async (t) => {
  const place = setUp(t);
  const terminal = openTerminal(t, [], place);
  const code = await readCode(terminal);
  terminal.type(`${wrongCode(devices.bjohnson.totpSecret)}\r`);
  await terminal.waitFor(/STS did not accept the code[\s\S]*OTP for foobar/, { from: 'start' });
  terminal.type(`${code}\r`);
  await terminal.waitFor(developer, { from: 'start' });
  assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  assert.match(
    terminal.text(),
    /^\S OTP for foobar .*\d{6}\n✓ foobar: session until .* written to ~\/\.aws\/credentials$/m,
  );
  assert.doesNotMatch(terminal.text(), /the device/);
  assert.deepEqual(place.leftOver(), []);
});

for (const [what, status, stop] of [
  ['Ctrl-C', 130, (terminal: Terminal) => terminal.type('\u0003')],
  ['a signal', 143, (terminal: Terminal) => terminal.kill('SIGTERM')],
] as const) {
  test(`${what} at the question ends the demo as a failure and leaves nothing behind`, { skip }, async (t) => {
    const place = setUp(t);
    const terminal = openTerminal(t, [], place);
    await terminal.waitFor('OTP for foobar');
    stop(terminal);
    assert.deepEqual(await terminal.exit, { status, signal: null });
    assert.deepEqual(place.leftOver(), []);
  });
}

test('the device counts down and touches nothing that the tool writes', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t));
  await readCode(terminal);
  terminal.type('12');
  await terminal.waitFor(/OTP for foobar .* 12$/m, { from: 'start' });
  const left = (await terminal.waitFor(/\d+ s left/, { from: 'start' })).replace(/\D/g, '');
  await terminal.waitFor(new RegExp(`\\((?!${left} )\\d+ s left\\)`), { from: 'start' });
  const screen =
    /^\$ refresh-mfa foobar\n\S OTP for foobar .* 12\n+ {2}the device of bjohnson shows \d{6} \(\d+ s left\)\n*$/m;
  assert.match(terminal.text(), screen);
});
