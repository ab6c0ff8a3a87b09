// What a person meets at a terminal. The terminal is a real one, so what is typed goes through its line discipline.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { devices, type Home, seedHome } from './helpers/home';
import { type Command, command } from './helpers/run';
import { type LocalSts, startSts, totp, wrongCode } from './helpers/sts';
import { openTerminal, type Terminal, terminalMissing } from './helpers/terminal';

const { bob, bjohnson } = devices;
const question = 'OTP for foobar (arn:aws:iam::789012347890:mfa/bjohnson)';
const enter = '\r';
const down = '\u001b[B';
const tick = '\u2714';
const written = 'foobar: session until';

interface Options {
  readonly args?: readonly string[];
  readonly program?: Command;
  readonly cols?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Done before the program starts. */
  readonly before?: (home: Home, sts: LocalSts) => void;
}

interface Scene {
  readonly terminal: Terminal;
  readonly home: Home;
  readonly sts: LocalSts;
  /** Types the code once the question is there, again if it was there before. */
  answer(code?: string): Promise<void>;
  /** Asserts that ~/.aws is as it was. */
  untouched(): void;
}

/** The examples' two files, and the program on a terminal. */
async function setUp(t: TestContext, { args = ['foobar'], before, ...options }: Options = {}): Promise<Scene> {
  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  before?.(home, sts);
  const credentials = home.readCredentials();
  const terminal = openTerminal(t, args, { home, sts, ...options });
  return {
    terminal,
    home,
    sts,
    async answer(code = totp(bjohnson.totpSecret)) {
      await terminal.waitFor(question);
      terminal.type(`${code}${enter}`);
    },
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
  await terminal.waitFor(`status=${status}`, { from: 'start' });
  await terminal.waitFor('that is all', { from: 'start' });
  assert.match(terminal.text(), /(?<![-\w])icanon\b/);
  assert.match(terminal.text(), /(?<![-\w])echo(?!\w)/);
  assert.ok(terminal.output.lastIndexOf('\u001b[?25h') >= terminal.output.lastIndexOf('\u001b[?25l'), 'no cursor');
}

async function pidOf({ terminal }: Scene): Promise<number> {
  return Number((await terminal.waitFor(/pid=\d+/, { from: 'start' })).slice('pid='.length));
}

/** The sections in the order of the credentials file. */
function sections(home: Home): string[] {
  return home.readCredentials().match(/^\[.*\]$/gm) ?? [];
}

const withSession = ['[AcmeAccount]', '[FoobarAccount]', '[foobar]'];

// A question that nobody answers never ends.
describe('at a terminal', { skip: terminalMissing, timeout: 300_000, concurrency: 2 }, () => {
  test('the whole morning: one command, one code, and the section is there', async (t) => {
    const scene = await setUp(t, { before: (_, sts) => sts.behave({ kind: 'delay', ms: 1500 }) });
    const { terminal, home, sts } = scene;
    const before = home.readCredentials();
    await terminal.waitFor(question);
    // while the person looks for the telephone
    await sts.until(() => sts.connections === 1);
    terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
    await terminal.waitFor(`asking ${new URL(sts.url).host} …`);
    assert.ok(!terminal.output.includes(tick), 'a sign of success before there is any');
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    assert.match(terminal.text(), /foobar: session until/);
    const [session] = sts.sessions;
    assert.equal(
      home.readCredentials(),
      `${before}
[foobar]
aws_access_key_id = ${session?.accessKeyId}
aws_secret_access_key = ${session?.secretAccessKey}
aws_session_token = ${session?.sessionToken}
x_security_token_expires = ${session?.expiration}
`,
    );
    assert.doesNotMatch(terminal.text(), /asking/);
    assert.equal(sts.calls.length, 1);
  });

  test('the question goes to stderr and the report to stdout', async (t) => {
    const { terminal, home, answer } = await setUp(t, { program: inShell('"$@" >out') });
    await answer();
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    assert.match(
      readFileSync(join(home.path, 'out'), 'utf8'),
      /^foobar: session until .*\nfoobar: role profiles .*\n$/,
    );
    assert.doesNotMatch(terminal.text(), /session until/);
  });

  test('nobody waits for a code that is asked for where it cannot be seen', async (t) => {
    const { terminal } = await setUp(t, { program: inShell('"$@" 2>messages; echo "status=$?"') });
    await terminal.waitFor(/OTP for foobar|status=2/);
    assert.match(terminal.text(), /^status=2$/m);
  });

  for (const [what, toTyped] of [
    ['blanks', (code) => `  ${code.slice(0, 3)} ${code.slice(3)}\u00a0`],
    ['what Ctrl-U has deleted', (code) => `999\u0015${code}`],
    ['other control characters and function keys', (code) => `\u0017${code}\u000c\u001bOP\u001b[15~\u0000`],
    ['the marks of a bracketed paste', (code) => `\u001b[200~${code}\u001b[201~`],
    ['corrections', (code) => `${code}9\u007f`],
  ] as const satisfies readonly (readonly [string, (code: string) => string])[]) {
    test(`a code with ${what} is taken`, async (t) => {
      const { terminal, sts, answer } = await setUp(t);
      const code = totp(bjohnson.totpSecret);
      await answer(toTyped(code));
      assert.deepEqual(await terminal.exit, { status: 0, signal: null });
      assert.deepEqual(
        sts.calls.map(({ params }) => params.TokenCode),
        [code],
      );
    });
  }

  test('what is not six digits is asked for again and costs no call', async (t) => {
    const { terminal, sts, answer } = await setUp(t);
    for (const text of ['', '12345', '1234567', '12345x']) {
      await answer(text);
      await terminal.waitFor('enter the six digits on your device');
    }
    assert.equal(sts.calls.length, 0);
    await answer();
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
  });

  test('a code that STS refuses is asked for again, three times in all', async (t) => {
    const { terminal, sts, answer, untouched } = await setUp(t);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await answer(wrongCode(bjohnson.totpSecret));
      await terminal.waitFor(`refresh-mfa: error: STS did not accept the code for ${bjohnson.serial}`);
      await terminal.waitFor('hint: wait for the next code: each code works once');
    }
    assert.deepEqual(await terminal.exit, { status: 1, signal: null });
    assert.equal(sts.calls.length, 3);
    untouched();
  });

  for (const [key, character] of [
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
    ['Esc', '\u001b'],
  ] as const) {
    test(`${key} at the question ends with 130; the file and the terminal are as they were`, async (t) => {
      const scene = await setUp(t, { program: told });
      await scene.terminal.waitFor(question);
      scene.terminal.type(`123${character}`);
      await scene.terminal.waitFor('refresh-mfa: error: cancelled');
      await ended(scene, 130);
      assert.equal(scene.sts.calls.length, 0);
      scene.untouched();
    });

    test(`${key} at the list of profiles ends with 130 and shows the cursor again`, async (t) => {
      const scene = await setUp(t, { args: [], program: told });
      await scene.terminal.waitFor('which profile?');
      scene.terminal.type(character);
      await ended(scene, 130);
      assert.doesNotMatch(scene.terminal.text(), /OTP for/);
      assert.equal(scene.sts.connections, 0);
    });
  }

  test("Ctrl-C at the second question keeps the first profile's session and asks for no third", async (t) => {
    const third = `\n[profile last]\nsource_profile = AcmeAccount\nmfa_serial = ${bob.serial}\n`;
    const before = (home: Home) => home.writeConfig(readFileSync(home.configPath) + third);
    const scene = await setUp(t, { args: ['foobar', 'acme', 'last'], program: told, before });
    await scene.answer();
    await scene.terminal.waitFor('OTP for acme (arn:aws:iam::123456781234:mfa/bob)');
    scene.terminal.type('\u0003');
    await ended(scene, 130);
    assert.doesNotMatch(scene.terminal.text(), /OTP for last/);
    assert.deepEqual(sections(scene.home), withSession);
  });

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const) {
    for (const [where, args, shown] of [
      ['the question', ['foobar'], question],
      ['the list of profiles', [], 'which profile?'],
    ] as const) {
      test(`${signal} at ${where} leaves the terminal and the file as they were`, async (t) => {
        const scene = await setUp(t, { args, program: told });
        const pid = await pidOf(scene);
        await scene.terminal.waitFor(shown);
        // prompts has drawn it
        await scene.terminal.waitFor(/›/, { from: 'start' });
        process.kill(pid, signal);
        await ended(scene, status);
        scene.untouched();
      });
    }
  }

  test('Ctrl-C while STS takes its time stops it, and the file is as it was', async (t) => {
    const { terminal, sts, answer, untouched } = await setUp(t, { before: (_, sts) => sts.behave({ kind: 'silent' }) });
    await answer();
    await sts.until(() => sts.calls.length === 1);
    terminal.type('\u0003');
    assert.deepEqual(await terminal.exit, { status: null, signal: 'SIGINT' });
    untouched();
  });

  test('Ctrl-Z suspends at the question, which is there again afterwards', async (t) => {
    const script = 'set -m; "$@"; echo "stopped=$?"; stty -a; echo "that is all"; fg; echo "status=$?"';
    const { terminal, home } = await setUp(t, { program: inShell(script) });
    await terminal.waitFor(question);
    terminal.type('12\u001a');
    await terminal.waitFor('stopped=148');
    await terminal.waitFor(/ icanon\b/);
    await terminal.waitFor('that is all');
    await terminal.waitFor(`${question}: › 12`);
    terminal.type('\u0015');
    terminal.type(`${totp(bjohnson.totpSecret)}${enter}`);
    await terminal.waitFor('status=0');
    assert.deepEqual(sections(home), withSession);
  });

  test('the arrow keys choose where no profile is named', async (t) => {
    const { terminal, home, answer } = await setUp(t, { args: [] });
    await terminal.waitFor('which profile?');
    await terminal.waitFor('acme');
    await terminal.waitFor('foobar');
    terminal.type(`${down}${enter}`);
    await answer();
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    assert.deepEqual(sections(home), withSession);
    assert.ok(!terminal.output.includes(tick));
  });

  for (const [what, options] of [
    ['of 20 columns', { cols: 20 }],
    ['without abilities (TERM=dumb)', { program: inShell('TERM=dumb exec "$@"') }],
    ['without a TERM', { program: inShell('unset TERM; exec "$@"') }],
    ['of somebody who wants no colours', { env: { NO_COLOR: '1' } }],
  ] as const satisfies readonly (readonly [string, Options])[]) {
    test(`the question can be read and answered on a terminal ${what}`, async (t) => {
      const { terminal, answer } = await setUp(t, options);
      await answer();
      await terminal.waitFor(written);
      assert.deepEqual(await terminal.exit, { status: 0, signal: null });
      // drawn anew in its own place with every digit, the question still shows once
      assert.equal(terminal.text().split('OTP for').length, 2, terminal.text());
      if (what.endsWith('colours')) assert.doesNotMatch(terminal.output, /\u001b\[[\d;]*m/);
    });
  }

  test('no name steers the terminal', async (t) => {
    const evil = 'evil\u001b]0;title\u0007\u001b[31m';
    const config = `[profile ${evil}]\nmfa_serial = ${bob.serial}\nsource_profile = AcmeAccount\n`;
    const before = (home: Home) => home.writeConfig(`${readFileSync(home.configPath)}\n${config}`);
    const { terminal } = await setUp(t, { args: [], before });
    await terminal.waitFor('evil ]0;title  [31m');
    assert.ok(!terminal.output.includes('\u001b]0;'));
    terminal.type('\u0003');
    await terminal.exit;
  });

  /** A process of the person's own that says in a file of its own how it is, and that ends when its input does. */
  const gate = (home: Home): string => {
    const path = join(home.path, 'gate');
    execFileSync('mkfifo', [path]);
    return path;
  };

  test('keys that cannot be fetched end the question, so that no code is typed for nothing', async (t) => {
    let path = '';
    const before = (home: Home) => {
      path = gate(home);
      home.writeCredentials(
        `[FoobarAccount]\ncredential_process = cat '${path}'; echo the vault is locked >&2; exit 3\n`,
      );
    };
    const scene = await setUp(t, { program: told, before });
    await scene.terminal.waitFor(question);
    writeFileSync(path, '');
    await scene.terminal.waitFor('refresh-mfa: error: credential_process ended with status 3 (~/.aws/credentials:2)');
    await ended(scene, 2);
    assert.match(scene.terminal.text(), /the vault is locked/);
    assert.equal(scene.sts.calls.length, 0);
  });

  test('Ctrl-C at the question ends a slow credential_process at once', async (t) => {
    let path = '';
    const before = (home: Home) => {
      path = gate(home);
      home.writeCredentials(
        `[FoobarAccount]\ncredential_process = exec 3>'${path}'; echo begun >&3; sleep 100; echo\n`,
      );
    };
    const scene = await setUp(t, { program: told, before });
    const life = createReadStream(path);
    const closed = once(life, 'close');
    await once(life, 'data');
    await scene.terminal.waitFor(question);
    scene.terminal.type('\u0003');
    await ended(scene, 130);
    // neither the shell nor what it started is left
    await closed;
  });

  const withProcess = (value: string) => (home: Home) => {
    const line = `mfa_serial = ${bjohnson.serial}`;
    home.writeConfig(readFileSync(home.configPath, 'utf8').replace(line, `${line}\nmfa_process = ${value}`));
    writeFileSync(join(home.path, 'code'), totp(bjohnson.totpSecret));
  };

  test('mfa_process has the terminal for its stdin and its stderr, for a touch or a PIN', async (t) => {
    const value = `printf 'PIN, please: ' >&2; read -r pin; test "$pin" = 4711 && cat "$HOME/code"`;
    const { terminal } = await setUp(t, { before: withProcess(value) });
    await terminal.waitFor('PIN, please: ');
    terminal.type(`4711${enter}`);
    await terminal.waitFor(written);
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    assert.doesNotMatch(terminal.text(), /OTP for/);
  });

  test('Ctrl-C while mfa_process waits stops all, and the file is as it was', async (t) => {
    const value = `printf 'touch the key' >&2; read -r never; echo 287082`;
    const { terminal, untouched } = await setUp(t, { before: withProcess(value) });
    await terminal.waitFor('touch the key');
    terminal.type('\u0003');
    assert.deepEqual(await terminal.exit, { status: null, signal: 'SIGINT' });
    untouched();
  });
});
