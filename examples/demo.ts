// The main job, whole, on a throw-away home folder and an STS on this computer: npm run demo
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { getCallers } from '../test/helpers/caller';
import { devices, type Home, seedHome } from '../test/helpers/home';
import { command, environment, run, type Surroundings } from '../test/helpers/run';
import { startSts, totp } from '../test/helpers/sts';

const { bjohnson } = devices;
const stepMs = 30_000;
const onTerminal = Boolean(
  process.stdin.isTTY && process.stdout.isTTY && process.stderr.isTTY && process.stdout.rows > 2,
);

async function main(): Promise<number> {
  const sts = await startSts();
  // All that the helper wants of a test is its end.
  const home = seedHome({ after: atExit } as TestContext, sts);
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const env = { TZ: timeZone, TERM: process.env.TERM ?? 'dumb', AWS_PAGER: '' };
  try {
    say('A home folder with the two files of examples/, gone when this ends, and an STS on this computer.\n');
    showSection(home);
    const status = await refresh({ home, sts, env });
    if (status !== 0) return status;
    showSection(home);
    return await callAsRole({ home, sts, env });
  } finally {
    await sts.close();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function atExit(clean: () => void): void {
  process.on('exit', clean);
}

/** What the tool writes, secrets shortened. */
function showSection(home: Home): void {
  say("$ grep -A 4 '^\\[foobar\\]' ~/.aws/credentials");
  const section = home
    .readCredentials()
    .split(/^(?=\[)/m)
    .find((text) => text.startsWith('[foobar]'));
  say(section?.replace(/^(aws_.* = .{4}).*$/gm, '$1…') ?? '(there is no such section yet)\n');
}

/** Runs the real command; the person types the code that the device shows, or it is piped in where there is no terminal. */
async function refresh(surroundings: Surroundings): Promise<number> {
  const { file, args } = command();
  if (!onTerminal) {
    const code = totp(bjohnson.totpSecret);
    say(`$ echo ${code} | refresh-mfa foobar    # there is no terminal to type the device's code at`);
    const { status, stdout, stderr } = await run(['foobar'], { ...surroundings, stdin: `${code}\n` });
    say(`${stdout}${stderr}`);
    return status ?? 1;
  }
  say('$ refresh-mfa foobar');
  const hide = showDevice();
  const tool = spawn(file, [...args, 'foobar'], { stdio: 'inherit', env: environment(surroundings) });
  atExit(() => tool.kill());
  const status = await statusOf(tool);
  hide();
  say('');
  return status;
}

async function statusOf(child: ChildProcess): Promise<number> {
  const [status] = await once(child, 'exit');
  return status ?? 1;
}

/**
 * The code and its seconds, which count down, on the last line of the screen, which does not scroll meanwhile: wherever the
 * tool has its cursor, and whatever it has just written, the two cannot meet.
 */
function showDevice(): () => void {
  const { stdout } = process;
  const lastLine = (text: string) => `\u001b[${stdout.rows};1H${text}\u001b[K`;
  const draw = () => {
    const left = Math.ceil((stepMs - (Date.now() % stepMs)) / 1000);
    const line = `  the device of bjohnson shows ${totp(bjohnson.totpSecret)} (${left} s left)`;
    const restOfScreen = `\u001b[1;${stdout.rows - 1}r`;
    stdout.write(`\u001b7${restOfScreen}${lastLine(line.slice(0, stdout.columns - 1))}\u001b8`);
  };
  // room for it, should the cursor be on the last line; what an earlier size of the screen had below goes
  const fit = () => {
    stdout.write('\u001b7\u001b[r\u001b8\u001bD\u001b[A\u001b[J');
    draw();
  };
  const hide = () => {
    clearInterval(timer);
    stdout.off('resize', fit);
    process.off('exit', hide);
    stdout.write(`\u001b7\u001b[r${lastLine('')}\u001b8`);
  };
  fit();
  const timer = setInterval(draw, 1000);
  stdout.on('resize', fit);
  process.on('exit', hide);
  return hide;
}

/** Whom STS takes a role profile for that uses the session, as the stock tools read it. */
async function callAsRole(surroundings: Surroundings): Promise<number> {
  let shown: string;
  if (canUseAws(surroundings)) {
    const args = ['--profile', 'baszooDev', 'sts', 'get-caller-identity'];
    say(`$ aws ${args.join(' ')}`);
    const { stdout, stderr } = await run(args, { ...surroundings, program: { file: 'aws', args: [] } });
    shown = `${stdout}${stderr}`.trimEnd();
  } else {
    say("$ node -e \"… fromIni({ profile: 'baszooDev' }) …\"    # no aws command of 2023 or later, so AWS's SDK");
    [shown = ''] = await getCallers(['baszooDev'], surroundings);
  }
  say(shown);
  return /arn:aws:sts::343228764567:assumed-role\/DeveloperRole\//.test(shown) ? 0 : 1;
}

/** Older ones know no AWS_ENDPOINT_URL_STS and would call the real STS. */
function canUseAws(surroundings: Surroundings): boolean {
  const { stdout } = spawnSync('aws', ['--version'], { env: environment(surroundings), encoding: 'utf8' });
  const [, major, minor] = /^aws-cli\/(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return Number(minor) >= (major === '1' ? 29 : 13);
}

// What was built is what a person installs; REFRESH_MFA_BIN may name another, and stays empty for the source.
const built = resolve(__dirname, '../dist/refresh.js');
if (existsSync(built)) process.env.REFRESH_MFA_BIN ??= built;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
process.exitCode = 1;
main().then(
  (status) => {
    process.exitCode = status;
  },
  (error) => process.stderr.write(`${error}\n`),
);
