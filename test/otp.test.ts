// Where codes come from, but for the terminal, which is in terminal.test.ts.
import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { UserError } from '../lib/errors';
import type { Setting } from '../lib/files';
import { fixedSource, openPipe, parseTokenCode, processSource } from '../lib/otp';
import type { Runtime } from '../lib/shell';

const env = { PATH: process.env.PATH };
const signal = new AbortController().signal;

async function refusalOf(asked: Promise<unknown>): Promise<readonly string[]> {
  const error: UserError = await asked.then(
    (code) => assert.fail(`a code came: ${code}`),
    (error) => error,
  );
  const { code, message, hints } = error;
  return [code, message, ...hints];
}

describe('--token-code', () => {
  for (const [what, text, code] of [
    ['six digits', '123456', '123456'],
    ['a leading zero', '012345', '012345'],
    ['blanks of all kinds', ' 123\u00a0456\u2003\t\r\n', '123456'],
    ['zero-width characters', '\ufeff123\u200b456\u2060', '123456'],
    ['full-width digits', '１２３４５６', '123456'],
    ['control characters', '\u0015123\u0000456\u007f', '123456'],
    ['the marks of a paste', '\u001b[200~123456\u001b[201~', '123456'],
    ['five digits', '12345', undefined],
    ['seven digits', '1234567', undefined],
    ['a letter', '12345a', undefined],
    ['a sign', '-12345', undefined],
    ['other digits', '١٢٣٤٥٦', undefined],
    ['nothing', '', undefined],
  ] as const) {
    test(`${what}: ${code ? 'taken' : 'refused'}`, async () => {
      if (code) return assert.equal(parseTokenCode(text), code);
      const words = ['usage', '--token-code is not six digits', 'enter the six digits on your device'];
      assert.deepEqual(await refusalOf((async () => parseTokenCode(text))()), words);
    });
  }

  test('it is tried once', async () => {
    const source = fixedSource('123456');
    assert.equal(await source.ask(signal), '123456');
    assert.equal(source.attempts, 1);
  });
});

describe('standard input', () => {
  const pipeOf = (stdin: Readable) => openPipe({ stdin } as unknown as Runtime);
  const hint = 'run it in a terminal, give --token-code, or pipe in one code a line';
  const fed = (...chunks: readonly string[]) => {
    const stdin = new PassThrough();
    for (const chunk of chunks) stdin.write(chunk);
    return stdin;
  };

  test('has a line for each profile, in whatever pieces it comes', async () => {
    const stdin = fed('123');
    const pipe = pipeOf(stdin);
    const first = pipe.source('a').ask(signal);
    for (const piece of ['456\r', '\n 012 345 \n65', '4321']) {
      await new Promise((done) => setImmediate(done));
      stdin.write(piece);
    }
    stdin.end();
    assert.equal(await first, '123456');
    assert.equal(await pipe.source('b').ask(signal), '012345');
    assert.equal(await pipe.source('c').ask(signal), '654321');
    const words = ['usage', 'no code for d: no terminal, and standard input is empty', hint];
    assert.deepEqual(await refusalOf(pipe.source('d').ask(signal)), words);
    assert.equal(pipe.source('d').attempts, 1);
  });

  test('is not looked at before a code is wanted, and let go of in the end', async () => {
    const stdin = fed('123456\n');
    pipeOf(stdin).close();
    assert.equal(stdin.destroyed, false);
    const pipe = pipeOf(stdin);
    await pipe.source('a').ask(signal);
    pipe.close();
    assert.equal(stdin.destroyed, true);
  });

  for (const [what, stdin] of [
    ['a line that is no code', () => fed('12345\n123456\n')],
    ['an empty line', () => fed('\n123456\n')],
    ['what has no end and no lines', () => createReadStream('/dev/zero')],
  ] as const) {
    test(`${what} is refused`, async () => {
      const words = ['usage', 'no code for a: its line on standard input is not six digits', hint];
      assert.deepEqual(await refusalOf(pipeOf(stdin()).source('a').ask(signal)), words);
    });
  }

  test('what cannot be read is as good as empty', async () => {
    const words = ['usage', 'no code for a: no terminal, and standard input is empty', hint];
    assert.deepEqual(await refusalOf(pipeOf(createReadStream('/')).source('a').ask(signal)), words);
  });

  test('is waited for for a minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const asked = refusalOf(pipeOf(fed('1234')).source('a').ask(signal));
    t.mock.timers.tick(59_999);
    t.mock.timers.tick(1);
    assert.deepEqual(await asked, ['usage', 'no code for a: standard input was silent for 60 s', hint]);
  });

  test('is not waited for when nobody wants the code any more', async () => {
    const cancel = new AbortController();
    const asked = pipeOf(fed()).source('a').ask(cancel.signal);
    cancel.abort();
    await assert.rejects(asked, { name: 'AbortError' });
  });
});

describe('mfa_process', () => {
  const notes: string[] = [];
  const sourceOf = (value: string, now = () => 0) => {
    const setting = { value, where: '~/.aws/config:3' } as Setting;
    return processSource(setting, env, { now, printNote: (note) => notes.push(note) });
  };

  for (const [what, output] of [
    ['the code and no newline', '287082'],
    ['a name before it, as ykman does', 'Amazon Web Services:bob@example.com  287082\n'],
    ['JSON', '{"otp":"287082","seconds":12}\n'],
    ['longer and shorter numbers beside it', '1234567 12345\n287082\n20260101T000000\n'],
  ] as const) {
    test(`the one six-digit group is taken from ${what}`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-otp-'));
      t.after(() => rmSync(folder, { recursive: true }));
      writeFileSync(join(folder, 'output'), output);
      const source = sourceOf(`cat '${folder}/output'; # touch it`);
      assert.equal(await source.ask(signal), '287082');
      assert.equal(source.attempts, 2);
    });
  }

  for (const [command, came] of [
    ['true', 'printed no six-digit codes'],
    ["echo '12345 1234567 123 456 a123456'", 'printed no six-digit codes'],
    ['echo 287082 359152', 'printed 2 six-digit codes'],
    ['echo 287082; exit 3', 'ended with status 3'],
    ['echo 287082; kill -KILL $$', 'was ended by SIGKILL'],
    ['yes 287082', 'printed more than 1 MiB'],
  ] as const) {
    test(`${command}: ${came}`, async () => {
      const words = ['config', `mfa_process ${came} (~/.aws/config:3)`, 'run it by hand: it should print one code'];
      assert.deepEqual(await refusalOf(sourceOf(command).ask(signal)), words);
    });
  }

  test('has a minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let words: readonly string[] | undefined;
    refusalOf(sourceOf('exec sleep 100').ask(signal)).then((lines) => {
      words = lines;
    });
    for (; !words; t.mock.timers.tick(1000)) await new Promise((done) => setImmediate(done));
    assert.equal(words[1], 'mfa_process did not end within 60 s (~/.aws/config:3)');
  });

  test('is asked again when the device shows a new code, which it does every half minute of the clock', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let isOver = false;
    const waiting = sourceOf('true', () => 1_000_000_000_000 + 17_600)
      .next?.(signal)
      .then(() => {
        isOver = true;
      });
    // that was 11:46:57.6 of a minute that begins with a step at 11:46:40
    assert.deepEqual(notes.splice(0), ['asking mfa_process again in 3 s, when there is a new code']);
    t.mock.timers.tick(2_399);
    await new Promise((done) => setImmediate(done));
    assert.equal(isOver, false);
    t.mock.timers.tick(1);
    await waiting;
  });

  test('does not wait when nobody wants the code any more', async () => {
    await assert.rejects(sourceOf('true').next?.(AbortSignal.abort()) ?? Promise.resolve(), { name: 'AbortError' });
  });
});
