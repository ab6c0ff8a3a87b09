// What passes the one door, and that nothing comes back through it. test/cases/streams.txt has the same with real streams.
import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { openStream, type Text } from '../lib/streams';

/** What is printed, as one write. */
function print(text: Text, isTTY: boolean, noColor?: string): string {
  const stdout = Object.assign(new PassThrough({ objectMode: true }), { isTTY });
  openStream(stdout, noColor)(text);
  return String(stdout.read() ?? '');
}

test('control characters become blanks; line ends and tabs stay', () => {
  for (const [text, shown] of [
    ['\x1b]0;title\x07\x1b[2J', ' ]0;title  [2J'],
    ['a\x9b2Jb\x7f\x00\x85', 'a 2Jb   '],
    ['a\tb\r\nc\rd\x0b\x0c\r', 'a\tb\r\nc d   '],
    ['東京 café 😀', '東京 café 😀'],
    ['', ''],
  ] as const) {
    assert.equal(print(text, true), shown);
    assert.equal(print([text], false), shown);
    assert.equal(print([{ text, color: 'red' }], true), `\x1b[31m${shown}\x1b[39m`);
    assert.equal(print([{ text: 'x', color: 'red', plain: text }], false), shown);
  }
});

test('color shows on a terminal, and never under NO_COLOR', () => {
  const [due, expired] = [{ text: 'due', color: 'yellow' } as const, { text: 'expired', color: 'red' } as const];
  const text: Text = [{ text: '✓ ', color: 'green', plain: '' }, 'foobar ', due, expired, '\n'];
  const colored = '\x1b[32m✓ \x1b[39mfoobar \x1b[33mdue\x1b[39m\x1b[31mexpired\x1b[39m\n';
  for (const noColor of [undefined, '']) assert.equal(print(text, true, noColor), colored);
  assert.equal(print(text, true, '1'), 'foobar dueexpired\n');
  assert.equal(print(text, false), 'foobar dueexpired\n');
});

test('a stream that cannot be written is no error, once and again', async () => {
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const closed = new Promise((resolve) => broken.on('close', resolve));
  const print = openStream(broken, undefined);
  print('a\n');
  await closed;
  print('b\n');
  await new Promise(setImmediate);
});
