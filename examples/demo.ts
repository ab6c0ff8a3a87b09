// The whole job in a home folder that goes when this ends, with an STS on this computer: npm run demo
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { TestContext } from 'node:test';
import { devices, makeHome } from '../test/helpers/home';
import { getCallers } from '../test/helpers/network';
import { command, environment, run, type Surroundings } from '../test/helpers/run';
import type { Scene } from '../test/helpers/scene';
import { startSts, totp } from '../test/helpers/sts';
import { whyNot } from '../test/helpers/which';

const { bjohnson } = devices;
const stepMs = 30_000;
const role = /arn:aws:sts::343228764567:assumed-role\/DeveloperRole\//;
const isTerminal = Boolean(
  process.stdin.isTTY && process.stdout.isTTY && process.stderr.isTTY && process.stdout.rows > 2,
);

const config = `[profile foobar]
mfa_serial = ${bjohnson.serial}

[profile baszooDev]
region = eu-central-1
role_arn = arn:aws:iam::343228764567:role/DeveloperRole
source_profile = foobar
`;
const credentials = `[foobar-long-term]
aws_access_key_id = ${bjohnson.accessKeyId}
aws_secret_access_key = ${bjohnson.secretAccessKey}
`;

async function main(): Promise<number> {
  const sts = await startSts();
  sts.addUser(bjohnson);
  // the helper wants nothing of a test but its end
  const home = makeHome({ after: atExit } as TestContext, { config, credentials });
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const env = { TZ: timeZone, TERM: process.env.TERM ?? 'dumb', AWS_PAGER: '' };
  const surroundings = { home, sts, env };
  say('# a throw-away home folder and an STS on this computer: nothing of yours is used');
  try {
    await runShell('cat ~/.aws/config', surroundings);
    const status = await refresh(surroundings);
    if (status !== 0) return status;
    await runShell(String.raw`tail -n 5 ~/.aws/credentials | sed -E 's/(aws.+= .{4}).+/\1…/'`, surroundings);
    return await callAsRole(surroundings);
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

/** Shows a command and what it prints, which it returns. */
async function runShell(line: string, surroundings: Surroundings): Promise<string> {
  say(`$ ${line}`);
  const { stdout, stderr } = await run(['-c', line], { ...surroundings, program: { file: 'sh', args: [] } });
  say(`${stdout}${stderr}`);
  return stdout;
}

/** Runs the tool; the person types the code that the device shows, or it is piped in where there is no terminal. */
async function refresh(surroundings: Surroundings): Promise<number> {
  const { file, args } = command();
  if (!isTerminal) {
    const code = totp(bjohnson.totpSecret);
    say(`$ echo ${code} | refresh-mfa foobar    # no terminal to type at`);
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
 * The code and its seconds, which count down, on the last line of the screen. That line does not scroll meanwhile, so that
 * it cannot meet what the tool writes.
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
  // makes room for it where the cursor is on the last line, and clears what an earlier size of the screen had below
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

/** Calls STS by the role profile, which uses the session, and looks whom STS takes it for. */
async function callAsRole(surroundings: Surroundings & Scene): Promise<number> {
  if (whyNot('aws') === false) {
    const line = 'aws --profile baszooDev sts get-caller-identity --query Arn';
    return role.test(await runShell(line, surroundings)) ? 0 : 1;
  }
  say('$ node -e "… fromIni({ profile: \'baszooDev\' }) …"    # no recent aws command here');
  const [arn = ''] = await getCallers(['baszooDev'], surroundings);
  say(`${arn}\n`);
  return role.test(arn) ? 0 : 1;
}

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
