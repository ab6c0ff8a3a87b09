// How long a person waits, beside bare Node on the same machine in the same minutes: npm run bench
import { spawn } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HomeFiles, makeHome } from './helpers/home';
import { makeMany } from './helpers/many';
import { environment, type Surroundings } from './helpers/run';
import { person, simple } from './helpers/scene';
import { type LocalSts, startSts, totp } from './helpers/sts';
import { terminalMissing } from './helpers/terminal';
import { missing } from './helpers/which';

const rounds = 11;
const node = process.execPath;
const tool = resolve(__dirname, '../dist/refresh.js');
const question = 'OTP for foobar';

interface Place extends Surroundings {
  readonly sts: LocalSts;
}

/** Milliseconds, or megabytes of memory, by the name of the row; the first row of each unit is bare Node's. */
const samples = { ms: new Map<string, number[]>(), MB: new Map<string, number[]>() };

const aims: Readonly<Record<string, string>> = {
  'refresh-mfa foobar: start to question': '1.5',
  'refresh-mfa foobar: Enter to end, without the answer': '1',
};

function add(name: string, value: number, unit: 'ms' | 'MB' = 'ms'): void {
  const values = samples[unit].get(name) ?? [];
  values.push(value);
  samples[unit].set(name, values);
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

/** The same on a terminal, with the moments when the question was read, and when Enter was typed after a code. */
async function timesOnTerminal(args: readonly string[], place: Place) {
  const pty = await import('@lydell/node-pty');
  const { sts } = place;
  const { connections } = sts;
  sts.forgetCodes();
  const times = { began: performance.now(), asked: 0, entered: 0, ended: 0 };
  const child = pty.spawn(node, [...args], { env: environment(place), cols: 100 });
  let text = '';
  child.onData((data) => {
    text += data;
    if (times.asked > 0 || !text.includes(question)) return;
    times.asked = performance.now();
    // A person takes longer than all that is loaded meanwhile.
    sts
      .until(() => sts.connections > connections)
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
  const skipped = [terminalMissing, missing('aws')].filter((reason) => reason !== false);
  const listProfiles = ['configure', 'list-profiles'];
  const canList = await timeOf('aws', listProfiles, place).catch(() => undefined);
  if (!missing('aws') && canList === undefined)
    skipped.push('aws configure list-profiles is not in the aws installed here');

  for (let round = 1; round <= rounds; round++) {
    if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${rounds}`);
    add('node -e 0', await timeOf(node, ['-e', '0'], place));
    add('refresh-mfa --help', await timeOf(node, [tool, '--help'], place));
    if (!terminalMissing) {
      const bare = await timesOnTerminal(['-e', '0'], place);
      add('node -e 0, on a terminal', bare.ended - bare.began);
      const { began, asked, entered, ended } = await timesOnTerminal([tool, 'foobar'], place);
      add('refresh-mfa foobar: start to question', asked - began);
      add('refresh-mfa foobar: Enter to end, without the answer', ended - entered - answerMs());
      add("refresh-mfa foobar: the STS's own answer", answerMs());
    }
    add('refresh-mfa foobar --token-code', await timeOf(node, withCode('foobar'), place));
    if (!missing('aws')) add('aws --version', await timeOf('aws', ['--version'], place));

    await timeOf(node, ['-e', '0'], withHook);
    add('node -e 0', peak(), 'MB');
    await timeOf(node, [tool, '--help'], withHook);
    add('refresh-mfa --help', peak(), 'MB');
    if (!terminalMissing) {
      await timesOnTerminal([tool, 'foobar'], withHook);
      add('refresh-mfa foobar', peak(), 'MB');
    }
    await timeOf(node, withCode('foobar'), withHook);
    add('refresh-mfa foobar --token-code', peak(), 'MB');

    for (const { count, place } of many) {
      add(`refresh-mfa --check, ${count} profiles`, await timeOf(node, [tool, '--check'], place));
    }
    for (const { count, place } of many) {
      add(`refresh-mfa team7 --token-code, ${count} profiles`, await timeOf(node, withCode('team7'), place));
    }
    if (canList === undefined) continue;
    for (const { count, place } of many) {
      add(`aws configure list-profiles, ${count} profiles`, await timeOf('aws', listProfiles, place));
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  process.stdout.write(report(skipped));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(skipped: readonly string[]): string {
  const rows = [['', 'median', 'of bare node', 'aim']];
  for (const [unit, all] of Object.entries(samples)) {
    const [bare = Number.NaN] = [...all.values()].map(median);
    for (const [name, values] of all) {
      const value = median(values);
      const label = unit === 'MB' ? `${name}: memory at its peak` : name;
      rows.push([label, `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`, (value / bare).toFixed(2), aims[label] ?? '']);
    }
  }
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
    '',
    ...lines.map((line) => line.trimEnd()),
    '',
  ].join('\n');
}

const cleanups: (() => unknown)[] = [];
// All that the helpers want of a test is its end.
main({ after: (clean: () => unknown) => cleanups.push(clean) } as unknown as TestContext).finally(async () => {
  for (const clean of cleanups) await clean();
});
