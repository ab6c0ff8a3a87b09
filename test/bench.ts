// How long a person waits, beside bare Node, one round trip, and what others type, in the same minutes: npm run bench
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
import { missing } from './helpers/which';

const rounds = 11;
const node = process.execPath;
const tool = resolve(__dirname, '../dist/refresh.js');

interface Place extends Surroundings {
  readonly sts: LocalSts;
}

interface Group {
  readonly title: string;
  readonly unit: 'ms' | 'MB';
  /** What the first row is called where the others are compared with it. */
  readonly base: string;
  readonly rows: Map<string, number[]>;
}

const makeGroup = (title: string, unit: 'ms' | 'MB', base: string): Group => ({ title, unit, base, rows: new Map() });
const time = makeGroup('time', 'ms', 'bare node');
const memory = makeGroup('memory at its peak', 'MB', 'bare node');
const distance = makeGroup('over TLS, with an STS that is 100 ms away each way', 'ms', 'one round trip');
const others = makeGroup('what else gets a session from the same STS', 'ms', 'refresh-mfa');

const aims: Readonly<Record<string, string>> = {
  'refresh-mfa foobar: start to question': '1.5',
  'refresh-mfa foobar: Enter to end, without the answer': '1',
  'refresh-mfa foobar: Enter to end': '1.3',
};

function add({ rows }: Group, name: string, value: number): void {
  const values = rows.get(name) ?? [];
  values.push(value);
  rows.set(name, values);
}

/** From start to end, in milliseconds. */
async function timeOf(file: string, args: readonly string[], place: Place): Promise<number> {
  place.sts.forgetCodes();
  const began = performance.now();
  const child = spawn(file, args, { stdio: 'ignore', env: environment(place) });
  const [status] = await once(child, 'exit');
  const ms = performance.now() - began;
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}`);
  return ms;
}

interface Talk {
  readonly file: string;
  readonly args: readonly string[];
  readonly question: string;
  /** Resolves once all is done that is done while a person looks for the code. */
  readonly ready: () => Promise<unknown>;
}

/** A run on a terminal, with the moments when the question was read, and when Enter was typed after a code. */
async function timesOnTerminal({ file, args, question, ready }: Talk, place: Surroundings & { sts: LocalSts }) {
  const pty = await import('@lydell/node-pty');
  place.sts.forgetCodes();
  const times = { began: performance.now(), asked: 0, entered: 0, ended: 0 };
  const child = pty.spawn(file, [...args], { env: environment(place), cols: 100 });
  let text = '';
  child.onData((data) => {
    text += data;
    if (times.asked > 0 || question === '' || !text.includes(question)) return;
    times.asked = performance.now();
    // A person takes longer than all that is loaded meanwhile.
    ready()
      .then(() => sleep(500))
      .then(() => {
        times.entered = performance.now();
        child.write(`${totp(person.totpSecret)}\r`);
      });
  });
  const status = await new Promise<number>((done) => child.onExit(({ exitCode }) => done(exitCode)));
  times.ended = performance.now();
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${text}`);
  return times;
}

const bareNode: Talk = { file: node, args: ['-e', '0'], question: '', ready: async () => {} };

/** The tool's own question; it is ready when the connection is there. */
function ask(sts: LocalSts, then: () => unknown = () => {}): Talk {
  const { visits } = sts;
  const before = visits.length;
  const ready = async () => {
    await sts.until(() => visits.length > before);
    // the answer is still on its way
    await sleep(500);
    then();
  };
  return { file: node, args: [tool, 'foobar'], question: 'OTP for foobar', ready };
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
  let began = 0;
  let ms = 0;
  subscribe('http.server.request.start', () => {
    began = performance.now();
  });
  subscribe('http.server.response.finish', () => {
    ms = performance.now() - began;
  });
  return () => ms;
}

/** Has Node tell its memory at its peak. Linux counts that of the process which it was forked from into `maxRSS`. */
const tellPeak = `
const { readFileSync, writeFileSync } = require('node:fs');
process.on('exit', () => {
  let peak = process.resourceUsage().maxRSS;
  try {
    peak = Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
  } catch {}
  writeFileSync(process.env.PEAK_FILE, String(peak / 1024));
});
`;

async function main(t: TestContext): Promise<void> {
  const sts = await startSts();
  t.after(() => sts.close());
  sts.addUser(person);
  const makePlace = (files: HomeFiles): Place => ({ home: makeHome(t, files), sts });
  const place = makePlace(simple);
  const many = [100, 1_000, 10_000].map((count) => ({
    count: count.toLocaleString('en'),
    place: makePlace(makeMany(count, () => '2222-02-22T22:22:22Z')),
  }));
  const hook = join(place.home.path, 'tell-peak.cjs');
  writeFileSync(hook, tellPeak);
  const peakFile = join(place.home.path, 'peak');
  const withHook: Place = { ...place, env: { NODE_OPTIONS: `--require ${hook}`, PEAK_FILE: peakFile } };
  const peak = () => Number(readFileSync(peakFile, 'utf8'));
  const answerMs = watchAnswers();
  const withCode = (profile: string) => [tool, profile, '--token-code', totp(person.totpSecret)];
  const skipped = [terminalMissing, missing('aws'), missing('openssl')].filter((reason) => reason !== false);
  const listProfiles = ['configure', 'list-profiles'];
  const canList = await timeOf('aws', listProfiles, place).catch(() => undefined);
  const mfaLogin = ['configure', 'mfa-login', '--update-profile', 'other', '--serial-number', serial];
  const canLogIn =
    !missing('aws') &&
    !/Invalid choice/.test(spawnSync('aws', mfaLogin, { input: '', env: environment(place) }).stderr.toString());
  if (!missing('aws')) {
    if (canList === undefined) skipped.push('aws configure list-profiles is not in the aws installed here');
    if (!canLogIn) skipped.push('aws configure mfa-login is not in the aws installed here');
  }
  const withSource: Place = { ...place, env: { AWS_PROFILE: 'foobar-long-term', AWS_DEFAULT_REGION: 'us-east-1' } };
  const getSessionToken = () => [
    'sts',
    'get-session-token',
    '--serial-number',
    serial,
    '--token-code',
    totp(person.totpSecret),
  ];

  const certificate = missing('openssl') ? undefined : makeCertificate(place.home.path);
  const farSts = certificate && (await startSts({ tls: certificate, host: 'localhost' }));
  const relay = farSts && (await startRelay(Number(new URL(farSts.url).port), 100));
  t.after(() => relay?.close());
  t.after(() => farSts?.close());
  farSts?.addUser(person);

  for (let round = 1; round <= rounds; round++) {
    if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${rounds}`);
    add(time, 'node -e 0', await timeOf(node, ['-e', '0'], place));
    add(time, 'refresh-mfa --help', await timeOf(node, [tool, '--help'], place));
    if (!terminalMissing) {
      const bare = await timesOnTerminal(bareNode, place);
      add(time, 'node -e 0, on a terminal', bare.ended - bare.began);
      const { began, asked, entered, ended } = await timesOnTerminal(ask(sts), place);
      add(time, 'refresh-mfa foobar: start to question', asked - began);
      add(time, 'refresh-mfa foobar: Enter to end, without the answer', ended - entered - answerMs());
      add(time, "refresh-mfa foobar: the STS's own answer", answerMs());
    }
    const whole = await timeOf(node, withCode('foobar'), place);
    add(time, 'refresh-mfa foobar --token-code', whole);
    if (!missing('aws')) add(time, 'aws --version', await timeOf('aws', ['--version'], place));
    for (const { count, place } of many) {
      add(time, `refresh-mfa --check, ${count} profiles`, await timeOf(node, [tool, '--check'], place));
    }
    for (const { count, place } of many) {
      add(time, `refresh-mfa team7 --token-code, ${count} profiles`, await timeOf(node, withCode('team7'), place));
    }
    if (canList !== undefined) {
      for (const { count, place } of many) {
        add(time, `aws configure list-profiles, ${count} profiles`, await timeOf('aws', listProfiles, place));
      }
    }

    await timeOf(node, ['-e', '0'], withHook);
    add(memory, 'node -e 0', peak());
    await timeOf(node, [tool, '--help'], withHook);
    add(memory, 'refresh-mfa --help', peak());
    if (!terminalMissing) {
      await timesOnTerminal(ask(sts), withHook);
      add(memory, 'refresh-mfa foobar', peak());
    }
    await timeOf(node, withCode('foobar'), withHook);
    add(memory, 'refresh-mfa foobar --token-code', peak());

    if (certificate && farSts && relay && !terminalMissing) {
      const host = `localhost:${relay.host.split(':')[1]}`;
      const far = {
        home: place.home,
        sts: farSts,
        env: { AWS_ENDPOINT_URL_STS: `https://${host}`, AWS_CA_BUNDLE: certificate.path },
      };
      add(distance, 'one bare round trip', await roundTrip(host, certificate.cert));
      const opened = await timesOnTerminal(ask(farSts), far);
      add(distance, 'refresh-mfa foobar: Enter to end', opened.ended - opened.entered);
      const closed = await timesOnTerminal(
        ask(farSts, () => farSts.hangUp()),
        far,
      );
      add(distance, 'the same where nothing was opened ahead (STS hung up)', closed.ended - closed.entered);
    }

    add(others, 'refresh-mfa foobar --token-code', whole);
    if (!missing('aws'))
      add(others, 'aws sts get-session-token --token-code', await timeOf('aws', getSessionToken(), withSource));
    if (canLogIn && !terminalMissing) {
      const talk: Talk = { file: 'aws', args: mfaLogin, question: 'MFA token code', ready: async () => {} };
      const own = await timesOnTerminal(ask(sts), place);
      add(
        others,
        'refresh-mfa foobar: start to question, and Enter to end',
        own.asked - own.began + own.ended - own.entered,
      );
      const { began, asked, entered, ended } = await timesOnTerminal(talk, withSource);
      add(others, 'aws configure mfa-login: the same', asked - began + ended - entered);
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  process.stdout.write(report(skipped));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(skipped: readonly string[]): string {
  const groups = [time, memory, distance, others].filter(({ rows }) => rows.size > 0);
  const rows = groups.flatMap(({ title, unit, base, rows: all }) => {
    const [first = Number.NaN] = [...all.values()].map(median);
    const lines = [...all].map(([name, values]) => {
      const value = median(values);
      return [name, `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`, (value / first).toFixed(2), aims[name] ?? ''];
    });
    return [['', '', '', ''], [title, 'median', `of ${base}`, 'aim'], ...lines];
  });
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('   '),
  );
  const machine = `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model.trim()}`;
  return [
    `${machine}; medians of ${rounds} interleaved runs`,
    ...skipped,
    ...lines.map((line) => line.trimEnd()),
    '',
  ].join('\n');
}

const cleanups: (() => unknown)[] = [];
// All that the helpers want of a test is its end.
main({ after: (clean: () => unknown) => cleanups.push(clean) } as unknown as TestContext).finally(async () => {
  for (const clean of cleanups) await clean();
});
