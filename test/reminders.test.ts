// The reminders of examples/, installed by the commands of examples/README.md, as far as this machine has the programs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { makeHome } from './helpers/home';
import { pathWith } from './helpers/programs';
import { command, run } from './helpers/run';
import { keys, oldSession, serial } from './helpers/scene';
import { missing } from './helpers/which';

const examples = resolve(__dirname, '../examples');
const readme = readFileSync(join(examples, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
/** The commands around a phrase, for a profile with another name than the example's. */
const commands = (phrase: string) =>
  (blocks.find((block) => block.includes(phrase)) ?? '').replace(/(profile=|--notify )foobar/, '$1team');

/** What these are told is recorded; `crontab` works as the real one does. */
const scripts = {
  npm: '[ "$*" = "root --global" ] && echo ~/global',
  [process.platform === 'darwin' ? 'osascript' : 'notify-send']: 'for last; do :; done; echo "$last" > ~/notified',
  systemctl: 'echo "systemctl $*" >> ~/started',
  launchctl: 'echo "launchctl $*" >> ~/started',
  crontab: '[ "$1" = -l ] && exec cat ~/tab; cat > ~/new; mv ~/new ~/tab',
};

/** A person's computer, on which the session of `team` has expired and the tool is installed. */
function makeDesk(t: TestContext, end = '2020-01-15T11:00:00Z') {
  const session = `[team]\n${oldSession}x_security_token_expires = ${end}\n`;
  const home = makeHome(t, {
    config: `[profile team]\nmfa_serial = ${serial}\n`,
    credentials: `[team-long-term]\n${keys}\n${session}`,
  });
  const { folder, PATH } = pathWith(t, scripts);
  const { file, args } = command();
  // for Node, as what npm links
  writeFileSync(join(folder, 'refresh-mfa'), `#!/usr/bin/env node\nrequire(${JSON.stringify(args[0] ?? file)});\n`);
  mkdirSync(join(home.path, 'global/refresh-mfa'), { recursive: true });
  symlinkSync(examples, join(home.path, 'global/refresh-mfa/examples'));
  const type = (script: string) => run([], { home, env: { PATH }, program: { file: 'sh', args: ['-c', script] } });
  return {
    path: home.path,
    read: (name: string) => readFileSync(join(home.path, name), 'utf8'),
    type,
    async install(phrase: string): Promise<void> {
      const { status, stderr } = await type(commands('fill()') + commands(phrase));
      assert.deepEqual([status, stderr], [0, '']);
    },
    /** What the system is to start, which has no more of a PATH. */
    reminder: `${process.execPath} ${folder}/refresh-mfa --check --notify team`,
    systemPath: `${folder}:/usr/bin:/bin`,
  };
}

test("the line of a shell's start-up file speaks only when the session is due", async (t) => {
  const line = commands('refresh-mfa --check --notify foobar\n');
  const valid = await makeDesk(t, new Date(Date.now() + 3_600_000).toISOString()).type(line);
  assert.deepEqual([valid.status, valid.stdout, valid.stderr], [0, '', '']);
  const due = await makeDesk(t).type(line);
  assert.deepEqual([due.status, due.stdout], [3, '']);
  assert.equal(due.stderr, 'refresh-mfa: note: the session of team has expired: type refresh-mfa team\n');
});

test('cron: the line is added to those that are there, reminds, and goes again', async (t) => {
  const { path, read, type, install, reminder, systemPath } = makeDesk(t);
  const own = '0 0 1 1 * echo a new year\n';
  writeFileSync(join(path, 'tab'), own);
  await install('crontab');
  assert.equal(read('tab').replace(/^#.*\n/m, ''), `${own}0 8-17 * * 1-5 ${reminder}\n`);
  assert.equal((await type(`PATH=${systemPath} ${reminder}`)).status, 3);
  assert.equal(read('notified'), 'the session of team has expired: type refresh-mfa team\n');
  await type(/`(crontab -l \| .*?)`/.exec(readme)?.[1] ?? '');
  assert.equal(read('tab'), own);
});

test('systemd: the units are in place and started', async (t) => {
  const { read, type, install, reminder } = makeDesk(t);
  await install('systemctl');
  assert.equal(read('started'), 'systemctl --user daemon-reload\nsystemctl --user enable --now refresh-mfa.timer\n');
  const [service, timer] = ['service', 'timer'].map((kind) => read(`.config/systemd/user/refresh-mfa.${kind}`));
  assert.ok(service?.includes(`\nExecStart=${reminder}\n`));
  assert.match(service ?? '', /^SuccessExitStatus=3$/m);
  assert.match(timer ?? '', /^OnCalendar=Mon..Fri 09:00$[\s\S]*^Persistent=true$/m);
  if (missing('systemd-analyze')) return;
  const verify = 'XDG_RUNTIME_DIR=~ systemd-analyze --user verify ~/.config/systemd/user/*';
  const { status, stderr } = await type(verify);
  assert.deepEqual([status, stderr.match(/^.*refresh-mfa.*$/gm)], [0, null]);
});

test('launchd: the agent is in place, started and well-formed', { skip: missing('python3') }, async (t) => {
  const { path, read, install, reminder } = makeDesk(t);
  await install('launchctl');
  const plist = join(path, 'Library/LaunchAgents/refresh-mfa.plist');
  assert.equal(read('started'), `launchctl bootstrap gui/${process.getuid?.()} ${plist}\n`);
  if (!missing('plutil')) execFileSync('plutil', ['-lint', plist]);
  const script = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))';
  assert.deepEqual(JSON.parse(execFileSync('python3', ['-c', script, plist], { encoding: 'utf8' })), {
    Label: 'refresh-mfa',
    ProgramArguments: reminder.split(' '),
    RunAtLoad: true,
    StartCalendarInterval: [1, 2, 3, 4, 5].map((Weekday) => ({ Weekday, Hour: 9, Minute: 0 })),
  });
});
