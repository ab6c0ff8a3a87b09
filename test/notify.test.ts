// One notification, as the desktop's own programs are called. test/cases/check.txt has the command that makes it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { notify } from '../lib/notify';
import { makeHome } from './helpers/home';

/** Adds the address of its bus and its arguments to a record, a line a call; talks, though nobody listens. */
const standIn = `{ printf '%s|' "\${DBUS_SESSION_BUS_ADDRESS-none}" "$@"; echo; } >> "$HOME/record"
echo noise; echo noise >&2
`;

interface Desk {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  /** The bus and the arguments of each call. */
  calls(): string[][];
}

/** A home with a program of its own in `bin`. */
function makeDesk(t: TestContext, program: string, script = standIn): Desk {
  const { path } = makeHome(t);
  mkdirSync(join(path, 'bin'));
  writeFileSync(join(path, 'bin', program), `#!/bin/sh\n${script}`, { mode: 0o755 });
  const lines = () => readFileSync(join(path, 'record'), 'utf8').split('|\n').slice(0, -1);
  const env = { HOME: path, PATH: `${join(path, 'bin')}:/usr/bin:/bin` };
  return { path, env, calls: () => lines().map((line) => line.split('|')) };
}

// in the body of a notification `<` and `&` are markup, and notify-send takes a backslash for an escape
const bodies: readonly (readonly [text: string, body: string])[] = [
  ["a'b", "a'b"],
  ['a<b>&c', 'a&lt;b&gt;&amp;c'],
  ['a\\nb', 'a\\\\nb'],
  ['"; `touch ran`; $(touch ran)"', '"; `touch ran`; $(touch ran)"'],
  ['" & (beep) & "', '" &amp; (beep) &amp; "'],
  ['a\x00b\x1b[2J', 'a b [2J'],
  // longer than an argument may be
  ['&'.repeat(3_000_000), '&amp;'.repeat(1000)],
];

test('Linux: the text is an argument of notify-send, as a notification server shows it', async (t) => {
  const { path, env, calls } = makeDesk(t, 'notify-send');
  for (const [text] of bodies) await notify(text, 'linux', undefined, env);
  const expected = bodies.map(([, body]) => ['none', '--app-name=refresh-mfa', 'refresh-mfa', body]);
  assert.deepEqual(calls(), expected);
  for (const folder of ['.', path]) assert.equal(existsSync(join(folder, 'ran')), false);
});

test('macOS: the text is an argument of osascript, and no part of its script', async (t) => {
  const { env, calls } = makeDesk(t, 'osascript');
  await notify('the session of a"<b>&\\c is due', 'darwin', 501, env);
  const display = 'display notification (item 1 of argv) with title "refresh-mfa"';
  const script = ['-e', 'on run argv', '-e', display, '-e', 'end run'];
  assert.deepEqual(calls(), [['none', ...script, 'the session of a"<b>&\\c is due']]);
});

test('no notifier, or one that fails, is no failure', async (t) => {
  const failing = { fails: 'echo cannot connect >&2; exit 1\n', 'is killed': 'kill -KILL $$\n', 'is no program': '' };
  for (const [what, script] of Object.entries(failing)) {
    await assert.doesNotReject(notify('due', 'linux', undefined, makeDesk(t, 'notify-send', script).env), what);
  }
  await notify('due', 'linux', undefined, { PATH: makeHome(t).path });
  await notify('due', 'win32', undefined, {});
});

test("the desktop's bus is found where cron does not tell its address", async (t) => {
  const { path, env, calls } = makeDesk(t, 'notify-send');
  const there = join(path, 'there');
  mkdirSync(there);
  const server = createServer().listen(join(there, 'bus'));
  t.after(() => server.close());
  await once(server, 'listening');
  const rows: readonly (readonly [uid: number | undefined, env: Record<string, string>, bus: string | undefined])[] = [
    [1000, { XDG_RUNTIME_DIR: there }, `unix:path=${there}/bus`],
    [1000, { XDG_RUNTIME_DIR: there, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/elsewhere' }, 'unix:path=/elsewhere'],
    [1000, { XDG_RUNTIME_DIR: path }, 'none'],
    [4_000_000, {}, 'none'],
    [undefined, { XDG_RUNTIME_DIR: there }, 'none'],
  ];
  for (const [uid, variables] of rows) await notify('due', 'linux', uid, { ...env, ...variables });
  const buses = calls().map(([bus]) => bus);
  const expected = rows.map(([, , bus]) => bus);
  assert.deepEqual(buses, expected);
});
