// --check --notify, and the examples that let cron, launchd and systemd run it.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { notify } from '../lib/notify';
import { type Home, makeHome } from './helpers/home';
import { command, run } from './helpers/run';
import { keys, oldSession, simple } from './helpers/scene';
import { missing } from './helpers/which';

const notifier = process.platform === 'darwin' ? 'osascript' : 'notify-send';
const barePath = '/usr/bin:/bin';

function section(name: string, end: string): string {
  return `\n[${name}]\n${oldSession}${end}`;
}

function endsIn(seconds: number): string {
  return `x_security_token_expires = ${new Date(Date.now() + seconds * 1000).toISOString()}\n`;
}

const valid = section('foobar', endsIn(5 * 3600));
const expired = section('foobar', 'x_security_token_expires = 2020-01-15T11:00:00Z\n');

/** A home with a session section, and in `bin` a stand-in for the notifier. */
function makeDesk(t: TestContext, sections: string, script = standIn): Home {
  const home = makeHome(t, { ...simple, credentials: `${simple.credentials}${sections}` });
  addProgram(home, notifier, script);
  return home;
}

function addProgram(home: Home, name: string, script: string): void {
  const bin = join(home.path, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}`, { mode: 0o755 });
}

/** Adds its bus, its PATH and its arguments to a record, whole at once so that a watcher never meets a half. */
const standIn = `{ cat "$HOME/record" 2>/dev/null
printf '%s\\0' "\${DBUS_SESSION_BUS_ADDRESS-none}" "$PATH" "$#" "$@"; } > "$HOME/record.new"
mv "$HOME/record.new" "$HOME/record"
echo noise; echo noise >&2
`;

interface Notification {
  readonly bus: string;
  readonly path: string;
  readonly args: readonly string[];
}

function notifications(home: Home): Notification[] {
  const record = join(home.path, 'record');
  if (!existsSync(record)) return [];
  const words = readFileSync(record, 'utf8').split('\0').slice(0, -1);
  const all: Notification[] = [];
  while (words.length > 0) {
    const [bus = '', path = '', count] = words.splice(0, 3);
    all.push({ bus, path, args: words.splice(0, Number(count)) });
  }
  return all;
}

/** The PATH of cron, with the stand-in before all. */
function bareEnv(home: Home): Record<string, string> {
  return { PATH: `${join(home.path, 'bin')}:${barePath}` };
}

/** How the notifier of this platform is called; `body` is as notification servers want it. */
function argsFor(text: string, body = text): string[] {
  if (process.platform === 'darwin') return osascriptArgs(text);
  return ['--app-name=refresh-mfa', 'refresh-mfa', body];
}

function osascriptArgs(text: string): string[] {
  const display = 'display notification (item 1 of argv) with title "refresh-mfa"';
  return ['-e', 'on run argv', '-e', display, '-e', 'end run', text];
}

for (const name of ['foobar', 'dev']) {
  test(`a valid session, asked for as ${name}: not a word, no notification, exit 0`, async (t) => {
    const home = makeDesk(t, valid);
    home.writeConfig(
      `${simple.config}[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/dev\nsource_profile = foobar\n`,
    );
    const { status, stdout, stderr } = await run(['--check', '--notify', name], {
      home,
      env: bareEnv(home),
      stdin: 'open',
    });
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
    assert.deepEqual(notifications(home), []);
  });
}

const dues: readonly [string, string, readonly string[], string][] = [
  ['has expired', expired, [], 'the session of foobar has expired: type refresh-mfa foobar'],
  [
    'is about to end',
    section('foobar', endsIn(300)),
    [],
    'the session of foobar is about to end: type refresh-mfa foobar',
  ],
  [
    'ends before the evening',
    valid,
    ['--within', '9h'],
    'the session of foobar is about to end: type refresh-mfa foobar',
  ],
  ['was never made', '', [], 'the session of foobar is not there yet: type refresh-mfa foobar'],
];
for (const [what, sections, args, text] of dues) {
  test(`a session that ${what}: one notification and one line on stderr, exit 3, nothing asked`, async (t) => {
    const home = makeDesk(t, sections);
    const before = home.readCredentialsBytes();
    const { status, stdout, stderr } = await run(['--check', '--notify', ...args, 'foobar'], {
      home,
      env: bareEnv(home),
      stdin: 'open',
    });
    assert.equal(stdout, '');
    assert.equal(stderr, `refresh-mfa: note: ${text}\n`);
    assert.equal(status, 3);
    assert.deepEqual(
      notifications(home).map(({ args }) => args),
      [argsFor(text)],
    );
    assert.deepEqual(home.readCredentialsBytes(), before);
  });
}

test('several sessions that are due make one notification, without those that are valid', async (t) => {
  const others = `\n[acme-long-term]\n${keys}\n[spare-long-term]\n${keys}${section('spare', endsIn(5 * 3600))}`;
  const home = makeDesk(t, `${expired}${others}`);
  home.writeConfig(`${simple.config}\n[profile acme]\nmfa_serial = arn:aws:iam::123456789012:mfa/phone\n`);
  const { status, stderr } = await run(['--check', '--notify'], { home, env: bareEnv(home) });
  const text = 'the sessions of foobar, acme are due: type refresh-mfa foobar acme';
  assert.equal(stderr, `refresh-mfa: note: ${text}\n`);
  assert.equal(status, 3);
  assert.deepEqual(
    notifications(home).map(({ args }) => args),
    [argsFor(text)],
  );
});

const noDesktop: readonly [string, string | undefined][] = [
  ['there is no notifier', undefined],
  ['the notifier fails', 'echo cannot connect >&2; exit 1\n'],
  ['the notifier is killed', 'kill -KILL $$\n'],
];
for (const [what, script] of noDesktop) {
  test(`where ${what}, the line on stderr is the reminder, and that is no failure`, async (t) => {
    const home = makeDesk(t, expired, script);
    const PATH = script === undefined ? join(home.path, 'nothing') : bareEnv(home).PATH;
    const { status, stdout, stderr } = await run(['--check', '--notify', 'foobar'], { home, env: { PATH: `${PATH}` } });
    assert.equal(stdout, '');
    assert.equal(stderr, 'refresh-mfa: note: the session of foobar has expired: type refresh-mfa foobar\n');
    assert.equal(status, 3);
  });
}

test("the desktop's bus is found where cron does not tell its address", async (t) => {
  const home = makeDesk(t, expired);
  const there = join(home.path, 'there');
  const socket = join(there, 'bus');
  mkdirSync(there);
  const server = createServer().listen(socket);
  t.after(() => server.close());
  await once(server, 'listening');
  const environments = [
    { XDG_RUNTIME_DIR: there },
    { XDG_RUNTIME_DIR: there, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/elsewhere' },
    { XDG_RUNTIME_DIR: home.path },
  ];
  for (const env of environments) {
    await run(['--check', '--notify', 'foobar'], { home, env: { ...bareEnv(home), ...env } });
  }
  assert.deepEqual(
    notifications(home).map(({ bus }) => bus),
    [`unix:path=${socket}`, 'unix:path=/elsewhere', 'none'],
  );
});

// In the body of a notification `<` and `&` are markup, and notify-send takes a backslash for an escape.
const names: readonly [string, string, string, string][] = [
  ["a'b", `'a'\\''b'`, "a'b", `'a'\\\\''b'`],
  ['a<b>&c', `'a<b>&c'`, 'a&lt;b&gt;&amp;c', `'a&lt;b&gt;&amp;c'`],
  ['a\\nb', `'a\\nb'`, 'a\\\\nb', `'a\\\\nb'`],
  ['$(touch ran)', `'$(touch ran)'`, '$(touch ran)', `'$(touch ran)'`],
  ['"; `touch ran`; "', `'"; \`touch ran\`; "'`, '"; `touch ran`; "', `'"; \`touch ran\`; "'`],
  ['" & (beep) & "', `'" & (beep) & "'`, '" &amp; (beep) &amp; "', `'" &amp; (beep) &amp; "'`],
];
for (const [name, word, nameInBody, wordInBody] of names) {
  test(`a profile called ${name} is shown as it is and runs nothing`, async (t) => {
    const home = makeDesk(t, `\n[${name}-long-term]\n${keys}`);
    const { status, stderr } = await run(['--check', '--notify', name], { home, env: bareEnv(home) });
    const text = `the session of ${name} is not there yet: type refresh-mfa ${word}`;
    const body = `the session of ${nameInBody} is not there yet: type refresh-mfa ${wordInBody}`;
    assert.equal(stderr, `refresh-mfa: note: ${text}\n`);
    assert.equal(status, 3);
    assert.deepEqual(
      notifications(home).map(({ args }) => args),
      [argsFor(text, body)],
    );
    assert.equal(existsSync(join(home.path, 'ran')), false);
    // a shell makes one word of what is to be typed, and it is the name
    assert.equal(execFileSync('/bin/sh', ['-c', `printf '%s\n' ${word}`], { encoding: 'utf8' }), `${name}\n`);
  });
}

test('macOS: the text is an argument of osascript, and no part of its script', async (t) => {
  const home = makeDesk(t, '');
  addProgram(home, 'osascript', standIn);
  const text = 'the session of a"<b>&\\c is due';
  await notify(text, 'darwin', 501, { ...bareEnv(home), HOME: home.path });
  assert.deepEqual(
    notifications(home).map(({ args }) => args),
    [osascriptArgs(text)],
  );
});

function example(name: string): string {
  return readFileSync(resolve(__dirname, '../examples', name), 'utf8');
}

/** The example's command with the two paths as they are here: the program under test, by absolute paths. */
function installed(words: readonly string[]): string[] {
  assert.deepEqual(words.slice(0, 2), ['/usr/local/bin/node', '/usr/local/bin/refresh-mfa']);
  const { file, args } = command();
  return [file, ...args, ...words.slice(2)];
}

/** The lines of a unit file without its comments, as `section key` and value. */
function unitSettings(name: string): Map<string, string> {
  const settings = new Map<string, string>();
  let section = '';
  for (const line of example(name).split('\n')) {
    const [, header, key, value] = /^(?:\[(\w+)\]|(\w+)=(.*))$/.exec(line) ?? [];
    if (header) section = header;
    else if (key) settings.set(`${section} ${key}`, value ?? '');
    else assert.match(line, /^(#.*)?$/);
  }
  return settings;
}

function cronLine(): string {
  const lines = example('crontab')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(lines.length, 1);
  return lines[0] ?? '';
}

type PropertyList = string | number | boolean | readonly PropertyList[] | { readonly [key: string]: PropertyList };

/** As much of Apple's format as an agent needs; what is not well-formed is an error. */
function parsePropertyList(xml: string): PropertyList {
  const text = xml.replace(/<!--(.*?)-->/gs, (_, comment: string) => {
    assert.doesNotMatch(comment, /--|-$/, 'two hyphens may not stand in a comment');
    return '';
  });
  const tokens = text.match(/<[^>]*>|[^<]+/g)?.filter((token) => token.trim() !== '') ?? [];
  const next = () => tokens.shift() ?? '';
  const expect = (token: string) => assert.equal(next(), token);
  const content = (tag: string) => {
    const value = next();
    expect(`</${tag}>`);
    return value.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  };
  const value = (tag = next()): PropertyList => {
    if (tag === '<true/>' || tag === '<false/>') return tag === '<true/>';
    if (tag === '<string>') return content('string');
    if (tag === '<integer>') return Number(content('integer'));
    const list: PropertyList[] = [];
    if (tag === '<array>') {
      for (let inner = next(); inner !== '</array>'; inner = next()) list.push(value(inner));
      return list;
    }
    assert.equal(tag, '<dict>');
    const entries: [string, PropertyList][] = [];
    for (let inner = next(); inner !== '</dict>'; inner = next()) {
      assert.equal(inner, '<key>');
      entries.push([content('key'), value()]);
    }
    return Object.fromEntries(entries);
  };
  expect('<?xml version="1.0" encoding="UTF-8"?>');
  expect('<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">');
  expect('<plist version="1.0">');
  const root = value();
  expect('</plist>');
  assert.deepEqual(tokens, []);
  return root;
}

const morning = [1, 2, 3, 4, 5].map((Weekday) => ({ Weekday, Hour: 9, Minute: 0 }));
const words = ['/usr/local/bin/node', '/usr/local/bin/refresh-mfa', '--check', '--notify', 'foobar'];

test('the launchd agent runs the reminder at log-in and on the mornings of working days', () => {
  assert.deepEqual(parsePropertyList(example('refresh-mfa.plist')), {
    Label: 'refresh-mfa',
    ProgramArguments: words,
    RunAtLoad: true,
    StartCalendarInterval: morning,
  });
});

test('the launchd agent is a property list to others too', { skip: missing('python3') }, () => {
  const script = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
  const json = execFileSync('python3', ['-c', script], { input: example('refresh-mfa.plist'), encoding: 'utf8' });
  assert.deepEqual(JSON.parse(json), parsePropertyList(example('refresh-mfa.plist')));
});

test('the launchd agent passes plutil', { skip: missing('plutil') }, () => {
  execFileSync('plutil', ['-lint', resolve(__dirname, '../examples/refresh-mfa.plist')]);
});

test('the systemd timer makes up for a morning missed, and a session that is due is no failure of its service', () => {
  assert.deepEqual(Object.fromEntries(unitSettings('refresh-mfa.timer')), {
    'Unit Description': 'Reminder of an AWS session that is due, in the morning',
    'Timer OnCalendar': 'Mon..Fri 09:00',
    'Timer Persistent': 'true',
    'Install WantedBy': 'timers.target',
  });
  assert.deepEqual(Object.fromEntries(unitSettings('refresh-mfa.service')), {
    'Unit Description': 'Reminder of an AWS session that is due',
    'Service Type': 'oneshot',
    'Service ExecStart': words.join(' '),
    'Service SuccessExitStatus': '3',
  });
});

test('systemd takes the timer and its service', { skip: missing('systemd-analyze') }, (t) => {
  const { path } = makeHome(t);
  const service = example('refresh-mfa.service').replace(words.slice(0, 2).join(' '), installed(words).join(' '));
  writeFileSync(join(path, 'refresh-mfa.service'), service);
  writeFileSync(join(path, 'refresh-mfa.timer'), example('refresh-mfa.timer'));
  for (const unit of ['refresh-mfa.timer', 'refresh-mfa.service']) {
    const { status, stderr } = spawnSync('systemd-analyze', ['--user', 'verify', join(path, unit)], {
      env: { PATH: process.env.PATH, HOME: path, XDG_RUNTIME_DIR: path },
      encoding: 'utf8',
    });
    assert.deepEqual(
      stderr.split('\n').filter((line) => line.includes('refresh-mfa')),
      [],
    );
    assert.equal(status, 0, stderr);
  }
});

const examples: readonly [string, () => readonly string[]][] = [
  ['crontab line', () => cronLine().split(' ').slice(5)],
  ['systemd service', () => (unitSettings('refresh-mfa.service').get('Service ExecStart') ?? '').split(' ')],
  [
    'launchd agent',
    () => {
      const { ProgramArguments } = parsePropertyList(example('refresh-mfa.plist')) as { ProgramArguments: string[] };
      return ProgramArguments;
    },
  ],
];
for (const [what, find] of examples) {
  test(`the command of the ${what} reminds with no more of a PATH than cron's`, async (t) => {
    const home = makeDesk(t, expired);
    const [file = '', ...args] = installed(find());
    const { status } = await run(args, { home, env: bareEnv(home), program: { file, args: [] } });
    assert.equal(status, 3);
    assert.equal(notifications(home).length, 1);
  });
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Puts a crontab in place of the user's own until the test ends. */
function installCrontab(t: TestContext, content: string): void {
  const { status, stdout: own } = spawnSync('crontab', ['-l'], { encoding: 'utf8' });
  t.after(() => {
    if (status === 0) execFileSync('crontab', ['-'], { input: own });
    else execFileSync('crontab', ['-r']);
  });
  execFileSync('crontab', ['-'], { input: content });
}

/** Starts a cron daemon that ends with the test; where one runs already, the new one ends at once by itself. */
function startCron(t: TestContext): void {
  const daemon = spawn('cron', ['-f'], { stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  t.after(async () => {
    daemon.kill();
    await ended;
  });
}

const noCron = missing('cron') || missing('crontab') || (process.getuid?.() !== 0 && 'only root may start cron');

test('the crontab line reminds under a real cron, within the minute', { skip: noCron }, async (t) => {
  const home = makeDesk(t, expired);
  const line = cronLine();
  const time = line.split(' ').slice(0, 5).join(' ');
  const there = words.slice(0, 2).join(' ');
  const here = installed(words).slice(0, -3).map(shellQuoted).join(' ');
  assert.ok(line.startsWith(`${time} ${there} `), line);
  const everyMinute = line.replace(time, '* * * * *').replace(there, here);
  assert.doesNotMatch(everyMinute, /%/);

  const signal = AbortSignal.timeout(180_000);
  const changes = watch(home.path);
  t.after(() => changes.close());
  installCrontab(t, `HOME=${home.path}\nPATH=${bareEnv(home).PATH}\nMAILTO=""\n${everyMinute}\n`);
  startCron(t);
  while (notifications(home).length === 0) await once(changes, 'change', { signal });

  const text = 'the session of foobar has expired: type refresh-mfa foobar';
  assert.deepEqual(
    notifications(home).map(({ path, args }) => ({ path, args })),
    [{ path: bareEnv(home).PATH, args: argsFor(text) }],
  );
});
