// How long a person waits, beside bare Node, a round trip and `aws`, measured in turns: npm run bench
// What the tests cost, in processor time of bare Nodes: npm run bench -- --suite
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificate } from './helpers/certificate';
import { makeHome } from './helpers/home';
import { makeMany } from './helpers/many';
import { startRelay } from './helpers/relay';
import { command, environment, type Surroundings } from './helpers/run';
import { makeScene, person, type Scene, serial, simple } from './helpers/scene';
import { startSts, totp } from './helpers/sts';
import { terminalMissing } from './helpers/terminal';
import { missing, whyNot } from './helpers/which';

const rounds = 11;
/** What passes each way between the tool and the STS that is far away. */
const farMs = 100;
const bare = { file: process.execPath, args: ['-e', '0'] };

/** What is measured, in milliseconds; beside what, and at most how many times that. */
const rows = [
  { title: 'node -e 0', of: 'node -e 0' },
  { title: 'refresh-mfa foobar: start to question', of: 'node -e 0', aim: 1.2 },
  { title: 'refresh-mfa foobar: Enter to end', of: 'node -e 0', aim: 0.5 },
  { title: 'refresh-mfa foobar --token-code', of: 'node -e 0', aim: 3 },
  { title: 'refresh-mfa --check, 10,000 profiles', of: 'node -e 0', aim: 5 },
  { title: 'a round trip to an STS that is far away', of: 'a round trip to an STS that is far away' },
  { title: 'refresh-mfa foobar: Enter to end, over TLS', of: 'a round trip to an STS that is far away', aim: 1.3 },
  { title: 'aws sts get-session-token --token-code', of: 'refresh-mfa foobar --token-code' },
] as const;
type Title = (typeof rows)[number]['title'];

const code = () => totp(person.totpSecret);

/** From start to end. */
async function timeOf(args: readonly string[], place: Surroundings): Promise<number> {
  const { file, args: first } = place.program ?? command();
  const began = performance.now();
  const child = spawn(file, [...first, ...args], { stdio: 'ignore', env: environment(place) });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${file} ${first.join(' ')} ended with ${status}`);
  return performance.now() - began;
}

/** A run on a terminal, where a person takes longer to type than the tool takes to load the rest. */
async function ask(place: Surroundings & Scene): Promise<{ toQuestion: number; toEnd: number }> {
  const pty = await import('@lydell/node-pty');
  const { file, args } = command();
  const { sts } = place;
  const before = sts.visits.length;
  let [text, toQuestion, entered] = ['', 0, 0];
  const began = performance.now();
  const child = pty.spawn(file, [...args, 'foobar'], { env: environment(place), cols: 100 });
  child.onData(async (data) => {
    text += data;
    if (toQuestion > 0 || !text.includes('OTP for foobar')) return;
    toQuestion = performance.now() - began;
    await sts.until(() => sts.visits.length > before);
    await sleep(1000);
    entered = performance.now();
    child.write(`${code()}\r`);
  });
  const status = await new Promise<number>((done) => child.onExit(({ exitCode }) => done(exitCode)));
  if (status !== 0) throw new Error(`the tool ended with ${status}: ${text}`);
  return { toQuestion, toEnd: performance.now() - entered };
}

/** The same files, and an STS that is `farMs` away. */
async function makeFar(t: TestContext, { home }: Scene): Promise<Surroundings & Scene> {
  const certificate = makeCertificate(home.path);
  const sts = await startSts({ tls: certificate, host: 'localhost' });
  sts.addUser(person);
  t.after(() => sts.close());
  const relay = await startRelay(t, Number(new URL(sts.url).port), farMs);
  const url = `https://localhost:${relay.split(':')[1]}`;
  return { home, sts, env: { AWS_ENDPOINT_URL_STS: url, AWS_CA_BUNDLE: certificate.path } };
}

async function measure(t: TestContext): Promise<Map<Title, number[]>> {
  const scene = await makeScene(t, simple);
  const { sts } = scene;
  const files = makeMany(10_000, () => '2222-02-22T22:22:22Z');
  const many = { home: makeHome(t, files) };
  const login = ['sts', 'get-session-token', '--serial-number', serial];
  const withSource = { AWS_PROFILE: 'foobar-long-term', AWS_DEFAULT_REGION: 'us-east-1' };
  const aws = { ...scene, env: withSource, program: { file: 'aws', args: login } };
  const far = await makeFar(t, scene);
  const noAws = whyNot('aws');
  if (noAws) console.log(`left out: ${noAws}`);

  const times = new Map<Title, number[]>(rows.map(({ title }) => [title, []]));
  const note = (title: Title, ms: number) => {
    times.get(title)?.push(ms);
    sts.forgetCodes();
    far.sts.forgetCodes();
  };
  for (let round = 1; round <= rounds; round++) {
    note('node -e 0', await timeOf([], { ...scene, program: bare }));
    note('refresh-mfa foobar --token-code', await timeOf(['foobar', '--token-code', code()], scene));
    note('refresh-mfa --check, 10,000 profiles', await timeOf(['--check'], many));
    if (!noAws) note('aws sts get-session-token --token-code', await timeOf(['--token-code', code()], aws));
    const { toQuestion, toEnd } = await ask(scene);
    note('refresh-mfa foobar: start to question', toQuestion);
    note('refresh-mfa foobar: Enter to end', toEnd);
    note('a round trip to an STS that is far away', 2 * farMs);
    note('refresh-mfa foobar: Enter to end, over TLS', (await ask(far)).toEnd);
  }
  return times;
}

function median(values: readonly number[] = []): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** User and system time in seconds of all that the shell command starts and waits for. */
function cpuOf(command: string): number {
  const options = { encoding: 'utf8', maxBuffer: 1e9 } as const;
  const { stdout, stderr } = spawnSync('sh', ['-c', `${command} >&2; echo; times`], options);
  if (/^ℹ fail [1-9]/m.test(stderr)) console.log(stderr.replace(/[\s\S]*failing tests:/, 'failing tests:'));
  return [...stdout.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, min, s]) => sum + Number(min) * 60 + Number(s), 0);
}

function measureSuite(): void {
  const bareNode = () => cpuOf(`for i in ${'1 '.repeat(50)}; do "${process.execPath}" -e 0; done`) / 50;
  const [before, began] = [bareNode(), performance.now()];
  const suite = cpuOf('npm test');
  const seconds = (performance.now() - began) / 1000;
  const unit = (before + bareNode()) / 2;
  console.log(`npm test: ${(suite / unit).toFixed(0)} bare Nodes of processor time (aim: 3,000)`);
  console.log(`${suite.toFixed(0)} s of processor, ${seconds.toFixed(0)} s by the clock`);
  console.log(`one node -e 0: ${(unit * 1000).toFixed(0)} ms`);
}

console.log(
  `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model.trim()}`,
);
if (process.argv.includes('--suite')) measureSuite();
else {
  test('how long a person waits', { skip: terminalMissing || missing('openssl') }, async (t) => {
    const times = await measure(t);
    console.log(`medians of ${rounds} rounds`);
    console.table(
      rows.map(({ title, of, ...row }) => {
        const ms = median(times.get(title));
        return { title, ms: ms.toFixed(0), ratio: (ms / median(times.get(of))).toFixed(2), of, ...row };
      }),
    );
  });
}
