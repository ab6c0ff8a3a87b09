// How long a person waits, beside bare Node, one round trip, and what others type, in the same minutes: npm run bench
// What the tests cost, in processor time of bare Nodes: npm run bench -- --suite
import { spawn, spawnSync } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificate } from './helpers/certificate';
import { type HomeFiles, makeHome } from './helpers/home';
import { makeMany } from './helpers/many';
import { startRelay } from './helpers/relay';
import { environment, type Surroundings } from './helpers/run';
import { person, serial, simple } from './helpers/scene';
import { type LocalSts, startSts, totp } from './helpers/sts';
import { terminalMissing } from './helpers/terminal';
import { missing, whyNot } from './helpers/which';

const rounds = 11;
const node = process.execPath;
const tool = resolve(__dirname, '../dist/refresh.js');
const code = () => totp(person.totpSecret);

interface Row {
  readonly values: number[];
  /** At most so many of the first row. */
  readonly aim: number | undefined;
}

/** By title; each row is compared with the first. */
const tables = new Map<string, { readonly unit: string; readonly base: string; readonly rows: Map<string, Row> }>();

function table(title: string, unit: string, base: string) {
  const rows = new Map<string, Row>();
  tables.set(title, { unit, base, rows });
  return (name: string, value: number, aim?: number) => {
    const row = rows.get(name) ?? { values: [], aim };
    rows.set(name, row);
    row.values.push(value);
  };
}

type Place = Surroundings & { readonly sts: LocalSts };

/** From start to end, in milliseconds. */
async function timeOf(file: string, args: readonly string[], place: Place): Promise<number> {
  place.sts.forgetCodes();
  const began = performance.now();
  const child = spawn(file, args, { stdio: 'ignore', env: environment(place) });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}`);
  return performance.now() - began;
}

/** A run on a terminal: milliseconds to the question, and from Enter to the end. `ready` resolves once the person may type. */
async function talk(
  file: string,
  args: readonly string[],
  question: string,
  ready: () => Promise<unknown>,
  place: Place,
) {
  const pty = await import('@lydell/node-pty');
  place.sts.forgetCodes();
  const times = { began: performance.now(), asked: 0, entered: 0 };
  const child = pty.spawn(file, [...args], { env: environment(place), cols: 100 });
  let text = '';
  child.onData((data) => {
    text += data;
    if (times.asked > 0 || question === '' || !text.includes(question)) return;
    times.asked = performance.now();
    ready().then(() => {
      times.entered = performance.now();
      child.write(`${code()}\r`);
    });
  });
  const status = await new Promise<number>((done) => child.onExit(({ exitCode }) => done(exitCode)));
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${text}`);
  const { began, asked, entered } = times;
  return { toQuestion: asked - began, toEnd: performance.now() - entered, whole: performance.now() - began };
}

/** The tool's own question. A person takes longer than all that is loaded meanwhile. */
function ask(place: Place, then: () => unknown = () => {}) {
  const { sts } = place;
  const before = sts.visits.length;
  const ready = async () => {
    await sts.until(() => sts.visits.length > before);
    await sleep(1000);
    then();
  };
  return talk(node, [tool, 'foobar'], 'OTP for foobar', ready, place);
}

/** What one question and one answer take on a connection that is open already, in milliseconds. */
async function roundTrip(host: string, ca: Buffer): Promise<number> {
  const agent = new Agent({ keepAlive: true, ca });
  let ms = 0;
  for (const _ of ['opens it', 'uses it']) {
    const began = performance.now();
    const [response] = await once(request(`https://${host}`, { agent }).end(), 'response');
    await once(response.resume(), 'end');
    ms = performance.now() - began;
    await sleep(10);
  }
  agent.destroy();
  return ms;
}

/** How long the STS itself takes over each request, which is nothing that the tool could better. */
function watchAnswers(): () => number {
  let [began, ms] = [0, 0];
  subscribe('http.server.request.start', () => {
    began = performance.now();
  });
  subscribe('http.server.response.finish', () => {
    ms = performance.now() - began;
  });
  return () => ms;
}

/** Has Node tell its memory at its peak; `maxRSS` would count that of the process which it was forked from. */
const tellPeak = `
const { readFileSync, writeFileSync } = require('node:fs');
const tell = () => /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1] / 1024;
process.on('exit', () => writeFileSync(process.env.PEAK_FILE, String(tell())));
`;

async function measure(t: TestContext): Promise<void> {
  const sts = await startSts();
  t.after(() => sts.close());
  sts.addUser(person);
  const makePlace = (files: HomeFiles): Place => ({ home: makeHome(t, files), sts });
  const place = makePlace(simple);
  const many = [100, 1_000, 10_000].map((count) => {
    const files = makeMany(count, () => '2222-02-22T22:22:22Z');
    return { count: `${count.toLocaleString('en')} profiles`, place: makePlace(files) };
  });
  const hook = join(place.home.path, 'tell-peak.cjs');
  const peakFile = join(place.home.path, 'peak');
  writeFileSync(hook, tellPeak);
  const withHook: Place = { ...place, env: { NODE_OPTIONS: `--require ${hook}`, PEAK_FILE: peakFile } };
  const withSource: Place = { ...place, env: { AWS_PROFILE: 'foobar-long-term', AWS_DEFAULT_REGION: 'us-east-1' } };
  const withCode = (profile: string) => [tool, profile, '--token-code', code()];
  const answerMs = watchAnswers();

  const noAws = whyNot('aws');
  const mfaLogin = ['configure', 'mfa-login', '--update-profile', 'other', '--serial-number', serial];
  const login = noAws
    ? undefined
    : spawnSync('aws', mfaLogin, { input: '', env: environment(place) }).stderr.toString();
  const noLogin = noAws || (/Invalid choice/.test(login ?? '') && 'this aws has no configure mfa-login');
  const noTls = missing('openssl') || terminalMissing;
  for (const reason of new Set([terminalMissing, noAws, noLogin, noTls]))
    if (reason) console.log(`left out: ${reason}`);

  const certificate = noTls ? undefined : makeCertificate(place.home.path);
  const farSts = certificate && (await startSts({ tls: certificate, host: 'localhost' }));
  const relay = farSts && (await startRelay(Number(new URL(farSts.url).port), 100));
  t.after(() => Promise.all([relay?.close(), farSts?.close()]));
  farSts?.addUser(person);

  const time = table('time', 'ms', 'bare node');
  const memory = table('memory at its peak', 'MB', 'bare node');
  const distance = table('over TLS, with an STS that is 100 ms away each way', 'ms', 'one round trip');
  const others = table('what else gets a session from the same STS', 'ms', 'refresh-mfa');
  const peakOf = async (name: string, ran: Promise<unknown>) => {
    await ran;
    memory(name, Number(readFileSync(peakFile, 'utf8')));
  };
  for (let round = 1; round <= rounds; round++) {
    if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${rounds}\r`);
    time('node -e 0', await timeOf(node, ['-e', '0'], place));
    time('refresh-mfa --help', await timeOf(node, [tool, '--help'], place));
    if (!terminalMissing) {
      time('node -e 0, on a terminal', (await talk(node, ['-e', '0'], '', async () => {}, place)).whole);
      const { toQuestion, toEnd } = await ask(place);
      time('refresh-mfa foobar: start to question', toQuestion, 1.2);
      time('refresh-mfa foobar: Enter to end, without the answer', toEnd - answerMs(), 0.5);
      time("refresh-mfa foobar: the STS's own answer", answerMs());
      others('refresh-mfa foobar: start to question, and Enter to end', toQuestion + toEnd);
    }
    const whole = await timeOf(node, withCode('foobar'), place);
    time('refresh-mfa foobar --token-code', whole, 3);
    others('refresh-mfa foobar --token-code', whole);
    for (const { count, place } of many) {
      time(
        `refresh-mfa --check, ${count}`,
        await timeOf(node, [tool, '--check'], place),
        count.startsWith('10,') ? 5 : undefined,
      );
      time(`refresh-mfa team7 --token-code, ${count}`, await timeOf(node, withCode('team7'), place));
      const list = ['configure', 'list-profiles'];
      if (!noLogin) time(`aws configure list-profiles, ${count}`, await timeOf('aws', list, place));
    }
    if (process.platform === 'linux') {
      await peakOf('node -e 0', timeOf(node, ['-e', '0'], withHook));
      await peakOf('refresh-mfa --help', timeOf(node, [tool, '--help'], withHook));
      await peakOf('refresh-mfa foobar --token-code', timeOf(node, withCode('foobar'), withHook));
      if (!terminalMissing) await peakOf('refresh-mfa foobar', ask(withHook));
    }
    if (certificate && farSts && relay) {
      const host = `localhost:${relay.host.split(':')[1]}`;
      const env = { AWS_ENDPOINT_URL_STS: `https://${host}`, AWS_CA_BUNDLE: certificate.path };
      const far: Place = { home: place.home, sts: farSts, env };
      distance('one bare round trip', await roundTrip(host, certificate.cert));
      distance('refresh-mfa foobar: Enter to end', (await ask(far)).toEnd, 1.3);
      const closed = await ask(far, () => farSts.hangUp());
      distance('the same where nothing was opened ahead (STS hung up)', closed.toEnd);
    }
    const login = ['sts', 'get-session-token', '--serial-number', serial, '--token-code', code()];
    if (!noAws) others('aws sts get-session-token --token-code', await timeOf('aws', login, withSource));
    if (!noLogin && !terminalMissing) {
      const { toQuestion, toEnd } = await talk('aws', mfaLogin, 'MFA token code', () => sleep(1000), withSource);
      others('aws configure mfa-login: start to question, and Enter to end', toQuestion + toEnd);
    }
  }
  console.log(`medians of ${rounds} interleaved runs`);
}

/** User and system time in seconds of all that the shell command starts and waits for. */
function cpuOf(command: string): number {
  const { stdout, stderr } = spawnSync('sh', ['-c', `${command} >&2; echo; times`], {
    encoding: 'utf8',
    maxBuffer: 1e9,
  });
  if (/^ℹ fail [1-9]/m.test(stderr)) console.log(stderr.replace(/[\s\S]*failing tests:/, 'failing tests:'));
  return [...stdout.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, min, s]) => sum + Number(min) * 60 + Number(s), 0);
}

function measureSuite(): void {
  const bare = () => cpuOf(`for i in ${'1 '.repeat(50)}; do "${node}" -e 0; done`) / 50;
  const [before, began] = [bare(), performance.now()];
  const suite = cpuOf('npm test');
  const seconds = (performance.now() - began) / 1000;
  const unit = (before + bare()) / 2;
  console.log(`npm test: ${(suite / unit).toFixed(0)} bare Nodes of processor time (aim: 3,000)`);
  console.log(
    `${suite.toFixed(0)} s of processor, ${seconds.toFixed(0)} s by the clock; one node -e 0: ${(unit * 1000).toFixed(0)} ms`,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(): string {
  const rows = [...tables].flatMap(([title, { unit, base, rows: all }]) => {
    const [first = Number.NaN] = [...all.values()].map(({ values }) => median(values));
    const lines = [...all].map(([name, { values, aim }]) => {
      const value = median(values);
      return [name, `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`, (value / first).toFixed(2), String(aim ?? '')];
    });
    return [['', '', '', ''], [title, 'median', `of ${base}`, 'aim'], ...lines];
  });
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number) => cell[column === 0 ? 'padEnd' : 'padStart'](widths[column] ?? 0);
  return rows.map((row) => `${row.map(pad).join('   ').trimEnd()}\n`).join('');
}

async function main(): Promise<void> {
  console.log(
    `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model.trim()}`,
  );
  if (process.argv.includes('--suite')) return measureSuite();
  const cleanups: (() => unknown)[] = [];
  // all that the helpers want of a test is its end
  const t = { after: (clean: () => unknown) => cleanups.push(clean) } as unknown as TestContext;
  await measure(t).finally(() => Promise.all(cleanups.map((clean) => clean())));
  console.log(report());
}

main();
