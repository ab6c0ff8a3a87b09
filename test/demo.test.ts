// `npm run demo`, with and without a terminal. It shows its codes, so they count as no secret here.
import assert from 'node:assert/strict';
import { readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { devices, makeHome } from './helpers/home';
import { command, run } from './helpers/run';
import { wrongCode } from './helpers/sts';
import { openTerminal, terminalMissing } from './helpers/terminal';
import { find } from './helpers/which';

const developer = /arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+/;
const skip = terminalMissing;

function setUp(t: TestContext) {
  const home = makeHome(t);
  const program = { file: process.execPath, args: ['--import', 'tsx', 'examples/demo.ts'] };
  const { file, args } = command();
  const env = { TMPDIR: home.path, REFRESH_MFA_BIN: args[0] ?? file };
  // more rows than it writes, so that nothing scrolls
  const place = { home, cwd: resolve(__dirname, '..'), program, env, rows: 60 };
  const assertClean = () => {
    const left = readdirSync(home.path).filter((name) => name.startsWith('refresh-mfa-'));
    assert.deepEqual(left, []);
  };
  return { place, assertClean };
}

test('without a terminal and the aws command, the demo types the code and asks by the SDK', async (t) => {
  const { place, assertClean } = setUp(t);
  for (const name of ['sh', 'cat', 'tail', 'sed']) symlinkSync(find(name) ?? '', join(place.home.path, name));
  const { status, stdout, stderr } = await run([], { ...place, env: { ...place.env, PATH: place.home.path } });
  assert.equal(stderr, '');
  assert.match(stdout, /^foobar: session until \S+( \S+)? \(12 h\), written to ~\/\.aws\/credentials$/m);
  assert.match(stdout, /^\[foobar\]\naws_access_key_id = ASIA…\n(aws_\w+ = \S{4}…\n){2}/m);
  assert.match(stdout, /^\$ node -e /m);
  assert.match(stdout, developer);
  assert.equal(status, 0);
  assertClean();
});

test('on a terminal a person types what the device shows, which counts down below', { skip }, async (t) => {
  const { place, assertClean } = setUp(t);
  const terminal = openTerminal(t, [], place);
  const question = 'OTP for foobar \\(arn:aws:iam::789012347890:mfa/bjohnson\\)';
  const code = (await terminal.waitFor(new RegExp(`${question}[\\s\\S]*shows \\d{6}`))).slice(-6);
  const left = await terminal.waitFor(/\(\d+ s left\)/);
  terminal.type('12');
  await terminal.waitFor(/OTP for foobar .* 12$/m);
  await terminal.waitFor(new RegExp(`\\((?!${left.slice(1, -1)})\\d+ s left\\)`));
  assert.match(
    terminal.text(),
    /^\$ refresh-mfa foobar\n\S OTP for foobar .* 12\n+ {2}the device of bjohnson shows \d{6} \(\d+ s left\)\n*$/m,
  );
  terminal.type(`\u0015${wrongCode(devices.bjohnson.totpSecret)}\r`);
  await terminal.waitFor(/STS did not accept the code[\s\S]*OTP for foobar/);
  terminal.type(`${code}\r`);
  await terminal.waitFor(developer);
  assert.equal(await terminal.exit, 0);
  assert.match(
    terminal.text(),
    /^\S OTP for foobar .*\d{6}\n✓ foobar: session until .* written to ~\/\.aws\/credentials$/m,
  );
  assert.doesNotMatch(terminal.text(), /the device/);
  assertClean();
});

for (const [what, status] of Object.entries({ 'Ctrl-C': 130, SIGTERM: 143 })) {
  test(`${what} at the question ends the demo as a failure and leaves nothing behind`, { skip }, async (t) => {
    const { place, assertClean } = setUp(t);
    const terminal = openTerminal(t, [], place);
    await terminal.waitFor('OTP for foobar');
    if (what === 'SIGTERM') terminal.kill('SIGTERM');
    else terminal.type('\u0003');
    assert.equal(await terminal.exit, status);
    assertClean();
  });
}
