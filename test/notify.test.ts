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

/** A home with a program of its own in `bin`; `calls` gives the bus and the arguments of each call. */
function makeDesk(t: TestContext, program: string, script = standIn) {
  const { path } = makeHome(t);
  const bin = join(path, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, program), `#!/bin/sh\n${script}`, { mode: 0o755 });
  const env = { HOME: path, PATH: `${bin}:/usr/bin:/bin` };
  const lines = () => readFileSync(join(path, 'record'), 'utf8').split('|\n').slice(0, -1);
  return { path, env, calls: () => lines().map((line) => line.split('|')) };
}

// in the body of a notification `<` and `&` are markup, and notify-send takes a backslash for an escape
const bodies = [
  ["a'b", "a'b"],
  ['a<b>&c', 'a&lt;b&gt;&amp;c'],
  ['a\\nb', 'a\\\\nb'],
  ['"; `touch ran`; $(touch ran)"', '"; `touch ran`; $(touch ran)"'],
  ['" & (beep) & "', '" &amp; (beep) &amp; "'],
  ['a\x00b\x1b[2J', 'a b [2J'],
  // longer than an argument may be
  ['&'.repeat(3_000_000), '&amp;'.repeat(1000)],
] as const;

test('Linux: the text is an argument of notify-send, as a notification server shows it', async (t) => {
  const { path, env, calls } = makeDesk(t, 'notify-send');
  for (const [text] of bodies) await notify(text, 'linux', env);
  assert.deepEqual(
    calls(),
    bodies.map(([, body]) => ['none', '--app-name=refresh-mfa', 'refresh-mfa', body]),
  );
  for (const folder of ['.', path]) assert.equal(existsSync(join(folder, 'ran')), false);
});

test('macOS: the text is an argument of osascript, and no part of its script', async (t) => {
  const { env, calls } = makeDesk(t, 'osascript');
  await notify('the session of a"<b>&\\c is due', 'darwin', env, 501);
  const display = 'display notification (item 1 of argv) with title "refresh-mfa"';
  const script = ['-e', 'on run argv', '-e', display, '-e', 'end run'];
  assert.deepEqual(calls(), [['none', ...script, 'the session of a"<b>&\\c is due']]);
});

test('no notifier is no failure, nor is one that fails or hangs', { timeout: 60_000 }, async (t) => {
  for (const script of ['echo cannot connect >&2; exit 1', 'kill -KILL $$']) {
    await notify('due', 'linux', makeDesk(t, 'notify-send', script).env);
  }
  await notify('due', 'linux', { PATH: makeHome(t).path });
  await notify('due', 'win32', {});
  await notify('due', 'linux', makeDesk(t, 'notify-send', 'exec sleep 120').env, undefined, 100);
});

test("the desktop's bus is found where cron does not tell its address", async (t) => {
  const { path, env, calls } = makeDesk(t, 'notify-send');
  const there = join(path, 'there');
  mkdirSync(there);
  const server = createServer().listen(join(there, 'bus'));
  t.after(() => server.close());
  await once(server, 'listening');
  const rows = [
    [1000, { XDG_RUNTIME_DIR: there }, `unix:path=${there}/bus`],
    [1000, { XDG_RUNTIME_DIR: there, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/elsewhere' }, 'unix:path=/elsewhere'],
    [1000, { XDG_RUNTIME_DIR: path }, 'none'],
    [4_000_000, {}, 'none'],
  ] as const;
  for (const [uid, variables] of rows) await notify('due', 'linux', { ...env, ...variables }, uid);
  assert.deepEqual(
    calls().map(([bus]) => bus),
    rows.map(([, , bus]) => bus),
  );
});
