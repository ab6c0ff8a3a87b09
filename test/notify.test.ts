// One notification, as the desktop's own programs are called. test/cases/check.txt has the command that makes it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { notify } from '../lib/notify';
import { type Home, makeHome } from './helpers/home';

/** Adds the address of its bus and its arguments to a record; talks, though nobody listens. */
const standIn = `printf '%s\\0' "\${DBUS_SESSION_BUS_ADDRESS-none}" "$#" "$@" >> "$HOME/record"
echo noise; echo noise >&2
`;

/** A home with a program of its own in `bin`. */
function makeDesk(t: TestContext, program: string, script = standIn): Home {
  const home = makeHome(t);
  mkdirSync(join(home.path, 'bin'));
  writeFileSync(join(home.path, 'bin', program), `#!/bin/sh\n${script}`, { mode: 0o755 });
  return home;
}

function environment(home: Home): Record<string, string> {
  return { HOME: home.path, PATH: `${join(home.path, 'bin')}:/usr/bin:/bin` };
}

/** The bus and the arguments of each call. */
function calls(home: Home): { readonly bus: string; readonly args: readonly string[] }[] {
  const record = join(home.path, 'record');
  const words = existsSync(record) ? readFileSync(record, 'utf8').split('\0').slice(0, -1) : [];
  const all = [];
  while (words.length > 0) {
    const [bus = '', count] = words.splice(0, 2);
    all.push({ bus, args: words.splice(0, Number(count)) });
  }
  return all;
}

// in the body of a notification `<` and `&` are markup, and notify-send takes a backslash for an escape
const bodies: readonly (readonly [name: string, body: string])[] = [
  ['foobar', 'foobar'],
  ["a'b", "a'b"],
  ['a<b>&c', 'a&lt;b&gt;&amp;c'],
  ['a\\nb', 'a\\\\nb'],
  ['$(touch ran)', '$(touch ran)'],
  ['"; `touch ran`; "', '"; `touch ran`; "'],
  ['" & (beep) & "', '" &amp; (beep) &amp; "'],
  ['a\x00b\x1b[2J', 'a b [2J'],
];

test('Linux: the text is an argument of notify-send, as a notification server shows it', async (t) => {
  const home = makeDesk(t, 'notify-send');
  for (const [name] of bodies) await notify(`the session of ${name} is due`, 'linux', undefined, environment(home));
  assert.deepEqual(
    calls(home).map(({ args }) => args),
    bodies.map(([, body]) => ['--app-name=refresh-mfa', 'refresh-mfa', `the session of ${body} is due`]),
  );
  assert.equal(existsSync('ran'), false);
});

test('macOS: the text is an argument of osascript, and no part of its script', async (t) => {
  const home = makeDesk(t, 'osascript');
  await notify('the session of a"<b>&\\c is due', 'darwin', 501, environment(home));
  const display = 'display notification (item 1 of argv) with title "refresh-mfa"';
  assert.deepEqual(
    calls(home).map(({ args }) => args),
    [['-e', 'on run argv', '-e', display, '-e', 'end run', 'the session of a"<b>&\\c is due']],
  );
});

test('a text that is longer than an argument may be is cut', async (t) => {
  const home = makeDesk(t, 'notify-send');
  await notify('&'.repeat(3_000_000), 'linux', undefined, environment(home));
  assert.deepEqual(
    calls(home).map(({ args }) => args[2]),
    ['&amp;'.repeat(1000)],
  );
});

test('no notifier, or one that fails, is no failure', async (t) => {
  const failing = { fails: 'echo cannot connect >&2; exit 1\n', 'is killed': 'kill -KILL $$\n', 'is no program': '' };
  for (const [what, script] of Object.entries(failing)) {
    const home = makeDesk(t, 'notify-send', script);
    await assert.doesNotReject(notify('due', 'linux', undefined, environment(home)), what);
  }
  const home = makeHome(t);
  await notify('due', 'linux', undefined, { PATH: home.path });
  await notify('due', 'win32', undefined, {});
});

test("the desktop's bus is found where cron does not tell its address", async (t) => {
  const home = makeDesk(t, 'notify-send');
  const there = join(home.path, 'there');
  const socket = join(there, 'bus');
  mkdirSync(there);
  const server = createServer().listen(socket);
  t.after(() => server.close());
  await once(server, 'listening');
  const rows: readonly (readonly [uid: number | undefined, env: Record<string, string>, bus: string])[] = [
    [1000, { XDG_RUNTIME_DIR: there }, `unix:path=${socket}`],
    [1000, { XDG_RUNTIME_DIR: there, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/elsewhere' }, 'unix:path=/elsewhere'],
    [1000, { XDG_RUNTIME_DIR: home.path }, 'none'],
    [4_000_000, {}, 'none'],
    [undefined, { XDG_RUNTIME_DIR: there }, 'none'],
  ];
  for (const [uid, env] of rows) await notify('due', 'linux', uid, { ...environment(home), ...env });
  assert.deepEqual(
    calls(home).map(({ bus }) => bus),
    rows.map(([, , bus]) => bus),
  );
});
