// Where codes come from, but for the terminal, which is in terminal.test.ts.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Setting } from '../lib/files';
import { fixedSource, openPipe, processSource } from '../lib/otp';
import type { Runtime } from '../lib/shell';
import { refusalOf } from './helpers/network';
import { start } from './helpers/run';
import { makeScene, simple, typed } from './helpers/scene';

const end = new AbortController();
const { signal } = end;
// or the minute that a pipe has would hold this process
after(() => end.abort());

test('six digits are a code, whatever a paste puts around them', async () => {
  for (const [text, code] of [
    ['012345', '012345'],
    [' 123\u00a0456\u2003\t\r\n', '123456'],
    ['\ufeff123\u200b456\u2060', '123456'],
    ['１２３４５６', '123456'],
    ['\u0015123\u0000456\u007f', '123456'],
    ['\u001b[200~123456\u001b[201~', '123456'],
  ] as const) {
    assert.equal(await fixedSource(text).ask(signal), code);
  }
  for (const text of ['', '12345', '1234567', '12345a', '-12345', '١٢٣٤٥٦']) {
    assert.throws(() => fixedSource(text), { code: 'usage', message: '--token-code is not six digits' }, text);
  }
  assert.equal(fixedSource('123456').attempts, 1);
});

describe('standard input', () => {
  const pipeOf = (stdin: Readable) => openPipe({ stdin } as unknown as Runtime);
  const refused = (why: string) => {
    const hint = 'run it in a terminal, give --token-code, or pipe in one code a line';
    return ['usage', `no code for foobar: ${why}`, hint];
  };
  const fed = (text: string) => {
    const stdin = new PassThrough();
    stdin.write(text);
    return stdin;
  };

  test('has a line for each profile, in whatever pieces it comes', async () => {
    const stdin = fed('123');
    const sourceOf = pipeOf(stdin);
    const first = sourceOf('one').ask(signal);
    for (const piece of ['456\r', '\n 012 345 \n65', '4321']) {
      await turn();
      stdin.write(piece);
    }
    stdin.end();
    assert.equal(await first, '123456');
    assert.equal(await sourceOf('two').ask(signal), '012345');
    assert.equal(await sourceOf('three').ask(signal), '654321');
    const words = refused('no terminal, and standard input is empty');
    assert.deepEqual(await refusalOf(sourceOf('foobar').ask(signal)), words);
  });

  const noCode = 'its line on standard input is not six digits';
  for (const [what, open, why] of [
    ['a line that is no code', () => fed('12345\n123456\n'), noCode],
    ['an empty line', () => fed('\n123456\n'), noCode],
    ['what has no end and no lines', () => createReadStream('/dev/zero'), noCode],
    ['a folder', () => createReadStream('/'), 'no terminal, and standard input is empty'],
  ] as const) {
    test(`${what} is refused`, async () => {
      assert.deepEqual(await refusalOf(pipeOf(open())('foobar').ask(signal)), refused(why));
    });
  }

  test('has a minute for each line', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const asked = refusalOf(pipeOf(fed('1234'))('foobar').ask(signal));
    t.mock.timers.tick(60_000);
    assert.deepEqual(await asked, refused('standard input was silent for 60 s'));
  });

  test('is not looked at before a code is wanted', () => {
    const stdin = fed('123456\n');
    pipeOf(stdin)('foobar');
    assert.equal(stdin.readableFlowing, null);
    assert.equal(stdin.listenerCount('readable'), 0);
  });

  test('may stay open when all is done', async (t) => {
    const { child, done } = start(['foobar'], { ...(await makeScene(t, simple)), stdin: 'open', limitMs: 50_000 });
    child.stdin?.write(typed());
    assert.equal((await done).status, 0);
  });
});

describe('mfa_process', () => {
  const notes: string[] = [];
  const sourceOf = (value: string, now = () => 0) => {
    const setting = { value, where: '~/.aws/config:3' } as Setting;
    return processSource(setting, { PATH: process.env.PATH }, now, (note) => notes.push(note));
  };

  for (const command of [
    'printf 287082',
    "echo 'Amazon Web Services:bob@example.com  287082'",
    `echo '{"otp":"287082","seconds":12}'`,
    "printf '1234567 12345\n287082\n20260101T000000\n'",
  ]) {
    test(`the one six-digit group is taken from ${command}`, async () => {
      assert.equal(await sourceOf(command).ask(signal), '287082');
    });
  }

  for (const [command, came] of [
    ["echo '12345 1234567 123 456 a123456'", 'printed no six-digit codes'],
    ['echo 287082 359152', 'printed 2 six-digit codes'],
    ['echo 287082; exit 3', 'ended with status 3'],
  ] as const) {
    test(`${command}: ${came}`, async () => {
      const words = ['config', `mfa_process ${came} (~/.aws/config:3)`, 'run it by hand: it should print one code'];
      assert.deepEqual(await refusalOf(sourceOf(command).ask(signal)), words);
    });
  }

  test('is asked again when the device shows a new code, which it does every half minute of the clock', async () => {
    // 11:46:57.6, of a minute that begins with a step at 11:46:40
    const early = sourceOf('true', () => 1_000_000_017_600).next(AbortSignal.abort());
    await assert.rejects(early, { name: 'AbortError' });
    const began = performance.now();
    await sourceOf('true', () => 1_000_000_019_700).next(signal);
    assert.ok(performance.now() - began > 290);
    assert.deepEqual(notes, [
      'asking mfa_process again in 3 s, when there is a new code',
      'asking mfa_process again in 1 s, when there is a new code',
    ]);
  });
});
