// What a person meets at a terminal. The terminal is a real one, so what is typed goes through its line discipline.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { devices, type Home, seedHome } from './helpers/home';
import { type Command, command } from './helpers/run';
import { sessionsIn } from './helpers/scene';
import { startSts, totp, wrongCode } from './helpers/sts';
import { openTerminal, terminalMissing } from './helpers/terminal';

const { bob, bjohnson } = devices;
const question = 'OTP for foobar (arn:aws:iam::789012347890:mfa/bjohnson)';
const places = {
  question: { args: ['foobar'], shown: question },
  'list of profiles': { args: [], shown: 'which profile?' },
};
const enter = '\r';
const ctrlC = '\u0003';
const tick = '\u2714';
const written = 'foobar: session until';

interface Options {
  readonly args?: readonly string[];
  readonly program?: Command;
  readonly cols?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Done before the program starts. */
  readonly before?: (home: Home) => void;
}

type Scene = Awaited<ReturnType<typeof setUp>>;

/** The examples' two files, and the program on a terminal. */
async function setUp(t: TestContext, { args = ['foobar'], before, ...options }: Options = {}) {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  before?.(home);
  const credentials = home.readCredentials();
  const terminal = openTerminal(t, args, { home, sts, ...options });
  let asked = 0;
  return {
    terminal,
    home,
    sts,
    /** Types the code once the question is there, or is there again. */
    async answer(code = totp(bjohnson.totpSecret)) {
      await terminal.waitFor(question, ++asked);
      terminal.type(`${code}${enter}`);
    },
    /** Asserts that ~/.aws is as it was. */
    untouched() {
      assert.equal(home.readCredentials(), credentials);
      assert.deepEqual(home.listAws(), ['config', 'credentials']);
    },
  };
}

/** The program as `"$@"` of a shell script on the same terminal. */
function inShell(script: string): Command {
  const { file, args } = command();
  return { file: '/bin/sh', args: ['-c', script, 'sh', file, ...args] };
}

/** Tells its process id, how it ended, and how it left the terminal. */
const told = inShell(`sh -c 'echo "pid=$$"; exec "$@"' sh "$@"; echo "status=$?"; stty -a; echo "that is all"`);

async function ended({ terminal }: Scene, status: number): Promise<void> {
  await terminal.waitFor(`status=${status}`);
  await terminal.waitFor('that is all');
  assert.match(terminal.text(), /(?<![-\w])icanon\b/);
  assert.match(terminal.text(), /(?<![-\w])echo(?!\w)/);
  assert.ok(terminal.output.lastIndexOf('\u001b[?25h') >= terminal.output.lastIndexOf('\u001b[?25l'), 'no cursor');
}

/** Makes a pipe, too, by which the script waits, or tells that it lives. */
function withKeysFrom(script: string) {
  return (home: Home) => {
    execFileSync('mkfifo', [join(home.path, 'fifo')]);
    home.writeCredentials(`[FoobarAccount]\ncredential_process = cd ${home.path}; ${script}\n`);
  };
}

function withCodeFrom(script: string) {
  return (home: Home) => {
    const line = `mfa_serial = ${bjohnson.serial}`;
    home.writeConfig(readFileSync(home.configPath, 'utf8').replace(line, `${line}\nmfa_process = ${script}`));
    writeFileSync(join(home.path, 'code'), totp(bjohnson.totpSecret));
  };
}

// A question that nobody answers never ends.
describe('at a terminal', { skip: terminalMissing, timeout: 300_000, concurrency: 2 }, () => {
  test('the whole morning: one command, one code, and the section is there', async (t) => {
    const { terminal, home, sts, answer } = await setUp(t);
    sts.behave({ kind: 'delay', ms: 1500 });
    await terminal.waitFor(question);
    // while the person looks for the telephone
    await sts.until(() => sts.connections === 1);
    await answer();
    await terminal.waitFor(`asking ${new URL(sts.url).host} …`);
    assert.ok(!terminal.output.includes(tick), 'a sign of success before there is any');
    assert.equal(await terminal.exit, 0);
    assert.match(terminal.text(), /foobar: session until/);
    assert.doesNotMatch(terminal.text(), /asking/);
    assert.deepEqual(sessionsIn(home.credentialsPath), ['foobar']);
    assert.equal(sts.calls.length, 1);
  });

  test('the question goes to stderr and the report to stdout', async (t) => {
    const { terminal, home, answer } = await setUp(t, { program: inShell('"$@" >out') });
    await answer();
    assert.equal(await terminal.exit, 0);
    const report = readFileSync(join(home.path, 'out'), 'utf8');
    assert.match(report, /^foobar: session until .*\nfoobar: role profiles .*\n$/);
    assert.doesNotMatch(terminal.text(), /session until/);
  });

  test('nobody waits for a code that is asked for where it cannot be seen', async (t) => {
    const { terminal } = await setUp(t, { program: inShell('"$@" 2>messages; echo "status=$?"') });
    assert.equal(await terminal.waitFor(/OTP for foobar|status=2/), 'status=2');
  });

  test('blanks, corrections, Ctrl-U, other control characters and the marks of a paste do not matter', async (t) => {
    const { terminal, sts, answer } = await setUp(t);
    const code = totp(bjohnson.totpSecret);
    const [start, end] = [code.slice(0, 3), code.slice(3)];
    await answer(`999\u0015\u001b[200~  ${start}9\u007f\u0017 \u000c\u001bOP\u001b[15~\u0000${end}\u00a0\u001b[201~`);
    assert.equal(await terminal.exit, 0);
    assert.equal(sts.calls[0]?.params.TokenCode, code);
  });

  test('what is not six digits costs no call; a code that STS refuses is asked for again, three times in all', async (t) => {
    const { terminal, sts, answer, untouched } = await setUp(t);
    for (const text of ['', '12345', '1234567', '12345x']) await answer(text);
    await terminal.waitFor('enter the six digits on your device', 4);
    assert.equal(sts.calls.length, 0);
    for (let attempt = 1; attempt <= 3; attempt++) await answer(wrongCode(bjohnson.totpSecret));
    await terminal.waitFor(`refresh-mfa: error: STS did not accept the code for ${bjohnson.serial}`, 3);
    await terminal.waitFor('hint: wait for the next code: each code works once', 3);
    assert.equal(await terminal.exit, 1);
    assert.equal(sts.calls.length, 3);
    untouched();
  });

  for (const [what, place, status, key] of [
    ['Ctrl-C', 'question', 130, ctrlC],
    ['Ctrl-D', 'question', 130, '\u0004'],
    ['Esc', 'question', 130, '\u001b'],
    ['Ctrl-C', 'list of profiles', 130, ctrlC],
    ['SIGTERM', 'question', 143, undefined],
    ['SIGHUP', 'question', 129, undefined],
    ['SIGINT', 'list of profiles', 130, undefined],
  ] as const) {
    test(`${what} at the ${place} ends with ${status}; the file and the terminal are as they were`, async (t) => {
      const scene = await setUp(t, { ...places[place], program: told });
      const { terminal } = scene;
      await terminal.waitFor(places[place].shown);
      // prompts has drawn it
      await terminal.waitFor('›');
      if (key === undefined) {
        process.kill(Number((await terminal.waitFor(/pid=\d+/)).slice('pid='.length)), what);
      } else {
        terminal.type(key);
        await terminal.waitFor('refresh-mfa: error: cancelled');
      }
      await ended(scene, status);
      scene.untouched();
    });
  }

  test("Ctrl-C at the second question keeps the first profile's session and asks for no third", async (t) => {
    const third = `\n[profile last]\nsource_profile = AcmeAccount\nmfa_serial = ${bob.serial}\n`;
    const before = (home: Home) => home.writeConfig(readFileSync(home.configPath) + third);
    const scene = await setUp(t, { args: ['foobar', 'acme', 'last'], program: told, before });
    await scene.answer();
    await scene.terminal.waitFor('OTP for acme (arn:aws:iam::123456781234:mfa/bob)');
    scene.terminal.type(ctrlC);
    await ended(scene, 130);
    assert.doesNotMatch(scene.terminal.text(), /OTP for last/);
    assert.deepEqual(sessionsIn(scene.home.credentialsPath), ['foobar']);
  });

  test('Ctrl-C while STS takes its time stops it, and the file is as it was', async (t) => {
    const { terminal, sts, answer, untouched } = await setUp(t);
    sts.behave({ kind: 'silent' });
    await answer();
    await sts.until(() => sts.calls.length === 1);
    terminal.type(ctrlC);
    assert.equal(await terminal.exit, 'SIGINT');
    untouched();
  });

  test('Ctrl-Z suspends at the question, which is there again afterwards', async (t) => {
    const script = 'set -m; "$@"; echo "stopped=$?"; stty -a; echo "that is all"; fg; echo "status=$?"';
    const { terminal, home } = await setUp(t, { program: inShell(script) });
    await terminal.waitFor(question);
    terminal.type('12\u001a');
    await terminal.waitFor('stopped=148');
    await terminal.waitFor(/ icanon\b[\s\S]*that is all/);
    await terminal.waitFor(`${question}: › 12`, 2);
    terminal.type(`\u0015${totp(bjohnson.totpSecret)}${enter}`);
    await terminal.waitFor('status=0');
    assert.deepEqual(sessionsIn(home.credentialsPath), ['foobar']);
  });

  test('the arrow keys choose where no profile is named', async (t) => {
    const { terminal, home, answer } = await setUp(t, { args: [] });
    await terminal.waitFor(/which profile\?[\s\S]*acme[\s\S]*foobar/);
    terminal.type(`\u001b[B${enter}`);
    await answer();
    assert.equal(await terminal.exit, 0);
    assert.deepEqual(sessionsIn(home.credentialsPath), ['foobar']);
    assert.ok(!terminal.output.includes(tick));
  });

  for (const [what, options] of [
    ['of 20 columns', { cols: 20 }],
    ['without abilities', { program: inShell('TERM=dumb exec "$@"') }],
    ['without a TERM or colors', { env: { NO_COLOR: '1' }, program: inShell('unset TERM; exec "$@"') }],
  ] as const satisfies readonly (readonly [string, Options])[]) {
    test(`the question can be read and answered on a terminal ${what}`, async (t) => {
      const { terminal, answer } = await setUp(t, options);
      await answer();
      await terminal.waitFor(written);
      assert.equal(await terminal.exit, 0);
      // drawn anew in its own place with every digit, the question still shows once
      assert.equal(terminal.text().split('OTP for').length, 2, terminal.text());
      if (what.endsWith('colors')) assert.doesNotMatch(terminal.output, /\u001b\[[\d;]*m/);
    });
  }

  test('no name steers the terminal', async (t) => {
    const evil = 'evil\u001b]0;title\u0007\u001b[31m';
    const config = `\n[profile ${evil}]\nmfa_serial = ${bob.serial}\nsource_profile = AcmeAccount\n`;
    const before = (home: Home) => home.writeConfig(readFileSync(home.configPath) + config);
    const { terminal } = await setUp(t, { args: [], before });
    await terminal.waitFor('evil ]0;title  [31m');
    assert.ok(!terminal.output.includes('\u001b]0;'));
  });

  test('keys that cannot be fetched end the question, so that no code is typed for nothing', async (t) => {
    const before = withKeysFrom('cat fifo; echo the vault is locked >&2; exit 3');
    const scene = await setUp(t, { program: told, before });
    await scene.terminal.waitFor(question);
    writeFileSync(join(scene.home.path, 'fifo'), '');
    await scene.terminal.waitFor('refresh-mfa: error: credential_process ended with status 3 (~/.aws/credentials:2)');
    await ended(scene, 2);
    assert.match(scene.terminal.text(), /the vault is locked/);
    assert.equal(scene.sts.calls.length, 0);
  });

  test('Ctrl-C at the question ends a slow credential_process at once', async (t) => {
    const before = withKeysFrom('exec 3>fifo; echo begun >&3; sleep 100; echo');
    const scene = await setUp(t, { program: told, before });
    const life = createReadStream(join(scene.home.path, 'fifo'));
    const closed = once(life, 'close');
    await once(life, 'data');
    await scene.terminal.waitFor(question);
    scene.terminal.type(ctrlC);
    await ended(scene, 130);
    // neither the shell nor what it started is left
    await closed;
  });

  test('mfa_process has the terminal for its stdin and its stderr, for a touch or a PIN', async (t) => {
    const script = `printf 'PIN, please: ' >&2; read -r pin; test "$pin" = 4711 && cat "$HOME/code"`;
    const { terminal } = await setUp(t, { before: withCodeFrom(script) });
    await terminal.waitFor('PIN, please: ');
    terminal.type(`4711${enter}`);
    await terminal.waitFor(written);
    assert.equal(await terminal.exit, 0);
    assert.doesNotMatch(terminal.text(), /OTP for/);
  });

  test('Ctrl-C while mfa_process waits stops all, and the file is as it was', async (t) => {
    const { terminal, untouched } = await setUp(t, { before: withCodeFrom(`echo 'touch the key' >&2; read -r never`) });
    await terminal.waitFor('touch the key');
    terminal.type(ctrlC);
    assert.equal(await terminal.exit, 'SIGINT');
    untouched();
  });
});
