// `npm run demo`, with and without a terminal, and the picture that was drawn of it. Its codes show, so they count as no secret.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { draw, record } from '../examples/picture';
import { devices, makeHome } from './helpers/home';
import { run } from './helpers/run';
import { wrongCode } from './helpers/sts';
import { openTerminal, type Terminal, terminalMissing } from './helpers/terminal';
import { find, whyNot } from './helpers/which';

const root = resolve(__dirname, '..');
const developer = /arn:aws:sts::343228764567:assumed-role\/DeveloperRole\/[\w-]+/;
const skip = terminalMissing;

/** Where the demo runs, and a look at what it did not clean up. More rows than it writes, so that nothing scrolls. */
function setUp(t: TestContext) {
  const home = makeHome(t);
  const temporary = join(home.path, 'temporary');
  mkdirSync(temporary);
  const bin = process.env.REFRESH_MFA_BIN;
  const program = { file: process.execPath, args: ['--import', 'tsx', 'examples/demo.ts'] };
  return {
    place: {
      home,
      cwd: root,
      program,
      rows: 60,
      env: { TMPDIR: temporary, ...(bin && { REFRESH_MFA_BIN: resolve(bin) }) },
    },
    leftOver: () => readdirSync(temporary).filter((name) => name.startsWith('refresh-mfa-')),
  };
}

/** Reads the code off the last line of the screen, with the tool's question above it. */
async function readCode(terminal: Terminal): Promise<string> {
  const shown = await terminal.waitFor(/OTP for foobar \(arn:aws:iam::789012347890:mfa\/bjohnson\)[\s\S]*shows \d{6}/, {
    from: 'start',
  });
  return shown.slice(-6);
}

test('without a terminal the demo types the code itself, and a role profile then works', async (t) => {
  const { place, leftOver } = setUp(t);
  const { status, stdout, stderr } = await run([], place);
  assert.equal(stderr, '');
  assert.match(stdout, /^\$ echo \d{6} \| refresh-mfa foobar .*\nfoobar: session until .* \(12 h\), written to /m);
  assert.match(stdout, /^\[foobar\]\naws_access_key_id = ASIA…\naws_secret_access_key = \S{4}…\naws_session_token = /m);
  assert.match(stdout, developer);
  assert.equal(status, 0);
  assert.deepEqual(leftOver(), []);
});

test('without the aws command the demo asks by the SDK', async (t) => {
  const { place } = setUp(t);
  const PATH = join(place.home.path, 'bin');
  mkdirSync(PATH);
  for (const name of ['sh', 'cat', 'tail', 'sed']) symlinkSync(find(name) ?? '', join(PATH, name));
  const { status, stdout } = await run([], { ...place, env: { ...place.env, PATH } });
  assert.match(stdout, /^\$ node -e /m);
  assert.match(stdout, developer);
  assert.equal(status, 0);
});

/** The rows of a picture; what differs from run to run is a word. */
function rowsOf(svg: string): string[] {
  const rows = svg.split('\n').filter((line) => line.startsWith('<text'));
  const words: readonly [RegExp, string][] = [
    [/textLength="[\d.]+"/, 'textLength'],
    [/(<\/tspan> )\d{6}</, '$1CODE<'],
    [/until (tomorrow )?\d\d:\d\d/, 'until TIME'],
    [/ = .{4}…/, ' = KEY…'],
    [/ = \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, ' = TIME'],
    [/botocore-session-\d+/, 'SESSION'],
  ];
  return rows.map((row) => words.reduce((text, [pattern, word]) => text.replace(pattern, word), row));
}

test('on a terminal a person types the code, and the picture shows what the demo says now', { skip }, async (t) => {
  const { place, leftOver } = setUp(t);
  const now = rowsOf(await draw(await record(t, place.env)));
  const shown = rowsOf(readFileSync(join(root, 'examples/demo.svg'), 'utf8'));
  assert.ok(now.some((row) => /<tspan fill="#3fb950">✓ <\/tspan>foobar: session until TIME/.test(row)));
  assert.ok(!now.some((row) => row.includes('the device')));
  // the picture was drawn where there is an aws command
  const end = whyNot('aws') ? shown.findIndex((row) => row.includes('$ aws ')) : undefined;
  assert.deepEqual(now.slice(0, end), shown.slice(0, end), 'to draw it anew: npm run picture');
  assert.deepEqual(leftOver(), []);
});

test('the picture loads nothing and runs nothing', () => {
  const svg = readFileSync(join(root, 'examples/demo.svg'), 'utf8');
  assert.doesNotMatch(svg, /<(?!\/?(svg|title|rect|text|tspan)\b)/);
  assert.doesNotMatch(svg, /href|url\(|\son\w+=/);
});

test('a wrong code is asked for again', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t).place);
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
    const { place, leftOver } = setUp(t);
    const terminal = openTerminal(t, [], place);
    await terminal.waitFor('OTP for foobar');
    stop(terminal);
    assert.deepEqual(await terminal.exit, { status, signal: null });
    assert.deepEqual(leftOver(), []);
  });
}

test('the device counts down and touches nothing that the tool writes', { skip }, async (t) => {
  const terminal = openTerminal(t, [], setUp(t).place);
  await readCode(terminal);
  terminal.type('12\r');
  await terminal.waitFor(/enter the six digits on your device\n\S OTP for foobar/, { from: 'start' });
  terminal.type('34');
  await terminal.waitFor(/OTP for foobar .* 34$/m, { from: 'start' });
  const left = (await terminal.waitFor(/\d+ s left/, { from: 'start' })).replace(/\D/g, '');
  await terminal.waitFor(new RegExp(`\\((?!${left} )\\d+ s left\\)`), { from: 'start' });
  assert.match(
    terminal.text(),
    /^\$ refresh-mfa foobar\n\S OTP for foobar .* 12\nenter the six digits .*\n\S OTP for foobar .* 34\n+ {2}the device of bjohnson shows \d{6} \(\d+ s left\)\n*$/m,
  );
});
