// The reminders of examples/, installed by the commands of examples/README.md, as far as this machine has the programs.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, watch, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Home, makeHome } from './helpers/home';
import { command, run } from './helpers/run';
import { keys, oldSession, serial } from './helpers/scene';
import { missing } from './helpers/which';

const folder = resolve(__dirname, '../examples');
const readme = readFileSync(join(folder, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
/** The commands around a phrase, for a profile with another name than the example's. */
const commands = (phrase: string) =>
  (blocks.find((block) => block.includes(phrase)) ?? '').replace(/(profile=|--notify )foobar/, '$1team');
const notifier = process.platform === 'darwin' ? 'osascript' : 'notify-send';

/** A person's computer: the session of `team` has expired, the tool is installed, and what it would notify or start is recorded. */
function makeDesk(t: TestContext, end = '2020-01-15T11:00:00Z'): Home {
  const session = `[team]\n${oldSession}x_security_token_expires = ${end}\n`;
  const home = makeHome(t, {
    config: `[profile team]\nmfa_serial = ${serial}\n`,
    credentials: `[team-long-term]\n${keys}\n${session}`,
  });
  const program = (name: string, text: string) => writeFileSync(join(home.path, 'bin', name), text, { mode: 0o755 });
  const { file, args } = command();
  mkdirSync(join(home.path, 'bin'));
  program('refresh-mfa', `#!/usr/bin/env node\nrequire(${JSON.stringify(realpathSync(args[0] ?? file))});\n`);
  program('npm', '#!/bin/sh\n[ "$*" = "root --global" ] && echo ~/global\n');
  program(notifier, '#!/bin/sh\nfor last; do :; done; echo "$last" > ~/new; mv ~/new ~/notified\n');
  for (const name of ['systemctl', 'launchctl']) program(name, `#!/bin/sh\necho "${name} $*" >> ~/started\n`);
  program('crontab', '#!/bin/sh\n[ "$1" = -l ] && exec cat ~/tab\ncat > ~/new; mv ~/new ~/tab\n');
  mkdirSync(join(home.path, 'global/refresh-mfa'), { recursive: true });
  symlinkSync(folder, join(home.path, 'global/refresh-mfa/examples'));
  return home;
}

const read = (home: Home, name: string) => readFileSync(join(home.path, name), 'utf8');

async function type(home: Home, script: string) {
  const PATH = `${join(home.path, 'bin')}:${dirname(process.execPath)}:${process.env.PATH}`;
  return run([], { home, env: { PATH }, program: { file: 'sh', args: ['-c', script] } });
}

/** What the system would start, with no more of a PATH than it has. */
async function expectReminder(home: Home, words: readonly string[]): Promise<void> {
  const [file = '', ...args] = words;
  assert.deepEqual(words, [process.execPath, join(home.path, 'bin/refresh-mfa'), '--check', '--notify', 'team']);
  const env = { PATH: `${join(home.path, 'bin')}:/usr/bin:/bin` };
  assert.equal((await run(args, { home, env, program: { file, args: [] } })).status, 3);
  assert.equal(read(home, 'notified'), 'the session of team has expired: type refresh-mfa team\n');
}

test("the line of a shell's start-up file speaks only when the session is due", async (t) => {
  const line = commands('refresh-mfa --check --notify foobar\n');
  const valid = await type(makeDesk(t, new Date(Date.now() + 3_600_000).toISOString()), line);
  assert.deepEqual([valid.status, valid.stdout, valid.stderr], [0, '', '']);
  const due = await type(makeDesk(t), line);
  assert.deepEqual([due.status, due.stdout], [3, '']);
  assert.equal(due.stderr, 'refresh-mfa: note: the session of team has expired: type refresh-mfa team\n');
});

test('cron: the line is added to those that are there, reminds, and goes again', async (t) => {
  const home = makeDesk(t);
  writeFileSync(join(home.path, 'tab'), '0 0 1 1 * echo a new year\n');
  const { status, stderr } = await type(home, commands('fill()') + commands('crontab'));
  assert.deepEqual([status, stderr], [0, '']);
  const [own, , line = '', ...more] = read(home, 'tab').split('\n');
  assert.deepEqual(
    [own, line.split(' ').slice(0, 5), more],
    ['0 0 1 1 * echo a new year', ['0', '8-17', '*', '*', '1-5'], ['']],
  );
  await expectReminder(home, line.split(' ').slice(5));
  await type(home, /`(crontab -l \| .*?)`/.exec(readme)?.[1] ?? '');
  assert.equal(read(home, 'tab'), '0 0 1 1 * echo a new year\n');
});

test('systemd: the units are in place, started, and remind', async (t) => {
  const home = makeDesk(t);
  const { status, stderr } = await type(home, commands('fill()') + commands('systemctl'));
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(
    read(home, 'started'),
    'systemctl --user daemon-reload\nsystemctl --user enable --now refresh-mfa.timer\n',
  );
  const service = read(home, '.config/systemd/user/refresh-mfa.service');
  assert.match(service, /^SuccessExitStatus=3$/m);
  assert.match(
    read(home, '.config/systemd/user/refresh-mfa.timer'),
    /^OnCalendar=Mon..Fri 09:00$[\s\S]*^Persistent=true$/m,
  );
  await expectReminder(home, (/^ExecStart=(.*)$/m.exec(service)?.[1] ?? '').split(' '));
  if (missing('systemd-analyze')) return;
  for (const unit of ['refresh-mfa.timer', 'refresh-mfa.service']) {
    const options = {
      env: { PATH: process.env.PATH, HOME: home.path, XDG_RUNTIME_DIR: home.path },
      encoding: 'utf8',
    } as const;
    const verify = ['--user', 'verify', join(home.path, '.config/systemd/user', unit)];
    const { status, stderr } = spawnSync('systemd-analyze', verify, options);
    assert.deepEqual([status, stderr.split('\n').filter((line) => line.includes('refresh-mfa'))], [0, []]);
  }
});

test('launchd: the agent is in place, started, well-formed, and reminds', async (t) => {
  const home = makeDesk(t);
  const { status, stderr } = await type(home, commands('fill()') + commands('launchctl'));
  assert.deepEqual([status, stderr], [0, '']);
  const path = join(home.path, 'Library/LaunchAgents/refresh-mfa.plist');
  assert.equal(read(home, 'started'), `launchctl bootstrap gui/${process.getuid?.()} ${path}\n`);
  const plist = readFileSync(path, 'utf8');
  const [, list = ''] = /<key>ProgramArguments<\/key>\s*<array>([\s\S]*?)<\/array>/.exec(plist) ?? [];
  await expectReminder(
    home,
    [...list.matchAll(/<string>(.*)<\/string>/g)].map((match) => match[1] ?? ''),
  );
  if (!missing('plutil')) execFileSync('plutil', ['-lint', path]);
  if (missing('python3')) return;
  const script = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))';
  const agent = JSON.parse(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }));
  const morning = [1, 2, 3, 4, 5].map((Weekday) => ({ Weekday, Hour: 9, Minute: 0 }));
  assert.deepEqual([agent.Label, agent.RunAtLoad, agent.StartCalendarInterval], ['refresh-mfa', true, morning]);
});

const noCron = missing('cron') || missing('crontab') || (process.getuid?.() !== 0 && 'only root may start cron');

test('a real cron runs the line, within the minute', { skip: noCron }, async (t) => {
  const home = makeDesk(t);
  await type(home, commands('fill()') + commands('crontab'));
  const line = read(home, 'tab').split('\n')[1]?.replace('0 8-17 * * 1-5', '* * * * *');
  const own = spawnSync('crontab', ['-l'], { encoding: 'utf8' });
  t.after(() => execFileSync('crontab', own.status === 0 ? ['-'] : ['-r'], { input: own.stdout }));
  const settings = `HOME=${home.path}\nPATH=${join(home.path, 'bin')}:/usr/bin:/bin\nMAILTO=""\n`;
  execFileSync('crontab', ['-'], { input: `${settings}${line}\n` });
  const signal = AbortSignal.timeout(180_000);
  const changes = watch(home.path);
  // where one runs already, this one ends at once by itself
  const daemon = spawn('cron', ['-f'], { stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  t.after(async () => {
    changes.close();
    daemon.kill();
    await ended;
  });
  while (!existsSync(join(home.path, 'notified'))) await once(changes, 'change', { signal });
  assert.equal(read(home, 'notified'), 'the session of team has expired: type refresh-mfa team\n');
});
