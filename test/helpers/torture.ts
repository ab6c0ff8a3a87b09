// Many processes that write the same file, and what may happen to them. Each writer adds sections one by one and says so after each;
// whatever happens, the file is whole, has every section that somebody said was written, once, and nothing of a person's is gone.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random';

/** How much of each; the campaign takes much, the suite little. */
export interface Amounts {
  readonly rounds: number;
  readonly writers: number;
  /** Sections that each writer adds. */
  readonly sections: number;
  /** The disk is full at each so many-th byte. */
  readonly step: number;
}

export interface Scenario {
  /** A sentence: it is the name of a test, too. */
  readonly name: string;
  /** Why it cannot be tried here, or false. */
  skip(): string | false;
  /** @returns what was counted */
  run(random: Random, amounts: Amounts): Promise<Readonly<Record<string, number>>>;
}

const old = '# mine\n[a]\nx = 1\n';
/** What a person may keep beside the file. */
const copies = [
  'credentials.refresh-mfa.bak',
  'credentials.12345',
  'credentials.refresh-mfa-backup/mine',
  'credentials.refresh-mfa.lock',
];

// takes signals as the tool does
const script = `
const { prepareTarget, saveCredentials } = require(process.argv[1]);
const { splice } = require(process.argv[2]);
const { writeSync } = require('node:fs');
process.on('SIGXFSZ', () => {});
process.once('SIGTERM', () => process.kill(process.pid, 'SIGTERM'));
const [target, name, count] = [JSON.parse(process.argv[3]), process.argv[4], Number(process.argv[5])];
(async () => {
  if (!process.env.UNPREPARED) await prepareTarget(target);
  for (let i = 0; i < count; i++) {
    await saveCredentials(target, (document) => splice(document, name + i, { k: name + i }));
    writeSync(1, name + i + '\\n');
    await new Promise(setImmediate);
  }
})().catch((error) => { writeSync(2, error.message + '\\n'); process.exitCode = 1; });`;

interface Writer {
  readonly child: ChildProcess;
  /** The sections that it said it wrote, its errors, and how it ended. */
  readonly done: Promise<{ readonly said: readonly string[]; readonly errors: string; readonly status: number | null }>;
  /** Resolves when it has written its first section, or ended. */
  readonly started: Promise<unknown>;
}

class Place {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'refresh-mfa-')));
  readonly file = join(this.folder, 'credentials');

  constructor() {
    writeFileSync(this.file, old, { mode: 0o600 });
    for (const copy of copies) {
      mkdirSync(join(this.folder, copy, '..'), { recursive: true });
      writeFileSync(join(this.folder, copy), copy);
    }
  }

  start(name: string, count: number, behind: readonly string[] = []): Writer {
    const lib = (room: string) => resolve(__dirname, `../../dist/lib/${room}.js`);
    const target = JSON.stringify({ path: this.file, shown: '~/.aws/credentials', others: ['a'] });
    const args = [process.execPath, '-e', script, lib('credentials'), lib('sections'), target, name, String(count)];
    const [program = '', ...rest] = [...behind, ...args];
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let errors = '';
    const started = new Promise((fulfil) => child.stdout?.once('data', fulfil).once('end', fulfil));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const done = new Promise<Awaited<Writer['done']>>((fulfil, reject) => {
      child.on('error', reject);
      child.on('close', (status) => fulfil({ said: stdout.split('\n').slice(0, -1), errors, status }));
    });
    return { child, done, started };
  }

  /** @param unsaid how many sections may be there that nobody lived to tell of */
  check(said: readonly string[], unsaid = 0): void {
    const text = readFileSync(this.file, 'utf8');
    const names = [...text.matchAll(/^\[(.+)\]$/gm)].map(([, name = '']) => name).slice(1);
    const whole = old + names.map((name) => `\n[${name}]\nk = ${name}\n`).join('');
    if (text !== whole) throw new Error('the file is not whole');
    if (new Set(names).size < names.length) throw new Error('a section is there twice');
    const lost = said.filter((name) => !names.includes(name));
    if (lost.length > 0) throw new Error(`lost: ${lost}`);
    if (names.length > said.length + unsaid) throw new Error('there are sections that nobody wrote');
    const mode = statSync(this.file).mode & 0o777;
    if (mode !== 0o600) throw new Error(`the file has mode ${mode.toString(8)}`);
    for (const copy of copies) {
      if (readFileSync(join(this.folder, copy), 'utf8') !== copy) throw new Error(`${copy} is gone`);
    }
    for (const name of this.litter()) {
      if ((statSync(join(this.folder, name)).mode & 0o777) !== 0o700) throw new Error(`others can read ${name}`);
    }
  }

  /** What runs left. */
  litter(): string[] {
    const isOurs = (name: string) => /-(\w{6}|lock)$/.test(name) && !copies.some((copy) => copy.startsWith(name));
    return readdirSync(this.folder).filter(isOurs);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function requireDone({ errors, status }: Awaited<Writer['done']>): void {
  if (status !== 0) throw new Error(`a writer failed: ${errors}`);
}

async function inPlaces(rounds: number, work: (place: Place, round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const place = new Place();
    try {
      await work(place, round);
    } finally {
      place.remove();
    }
  }
}

// no SIGHUP: under nohup it is ignored
const signals = ['SIGKILL', 'SIGTERM'] as const;
const noSignals = () => process.platform === 'win32' && 'Windows has no signals';

const killed: Scenario = {
  name: 'a writer that is killed leaves a whole file, and the next one works at once or after the lock has gone stale',
  skip: noSignals,
  async run(random, { rounds, writers }) {
    const counts = { killed: 0, 'with a lock left': 0, 'with a folder left': 0 };
    await inPlaces(rounds * writers, async (place, round) => {
      const writer = place.start('p', 1000);
      await writer.started;
      await sleep(random.below(60));
      writer.child.kill(signals[round % signals.length]);
      const { said } = await writer.done;
      place.check(said, 1);
      const left = place.litter();
      counts.killed++;
      if (left.some((name) => name.endsWith('lock'))) counts['with a lock left']++;
      if (left.some((name) => !name.endsWith('lock'))) counts['with a folder left']++;
      const next = await place.start('next', 1).done;
      requireDone(next);
      place.check([...said, ...next.said], 1);
    });
    return counts;
  },
};

/** Writers at once; `meddle` may stop or kill some. Those that were not killed must have written all. */
async function crowd(place: Place, writers: readonly Writer[], meddle: (writer: Writer) => Promise<boolean>) {
  const fates = await Promise.all(writers.map(meddle));
  const ends = await Promise.all(writers.map(({ done }) => done));
  ends.filter((_, index) => !fates[index]).forEach(requireDone);
  const said = ends.flatMap((end) => end.said);
  place.check(said, fates.filter(Boolean).length);
  return said.length;
}

function makeCrowd(
  name: string,
  skip: Scenario['skip'],
  behind: readonly string[],
  meddle: (writer: Writer, random: Random) => Promise<boolean>,
): Scenario {
  return {
    name,
    skip,
    async run(random, { rounds, writers, sections }) {
      let written = 0;
      await inPlaces(rounds, async (place) => {
        const all = Array.from({ length: writers }, (_, index) => place.start(`p${index}-`, sections, behind));
        written += await crowd(place, all, (writer) => meddle(writer, random));
      });
      return { 'sections written': written };
    },
  };
}

const alive = async () => false;

async function stop({ child, started }: Writer, random: Random): Promise<boolean> {
  const [wait, length] = [random.below(100), 2_500 + random.below(1_500)];
  if (random.chance(0.5)) return false;
  await started;
  await sleep(wait);
  child.kill('SIGSTOP');
  // longer than a lock stays its owner's
  await sleep(length);
  child.kill('SIGCONT');
  return false;
}

async function kill({ child, started }: Writer, random: Random): Promise<boolean> {
  const [wait, isSpared] = [random.below(300), random.chance(0.5)];
  if (isSpared) return false;
  await started;
  await sleep(wait);
  return child.kill('SIGKILL');
}

const inContainer = ['unshare', '--pid', '--fork'];
const noContainer = () =>
  spawnSync('unshare', ['--pid', '--fork', 'true']).status !== 0 && 'unshare --pid is not permitted here';

const foreign: Scenario = {
  name: 'writers at once end with an error where the lock is not ours to take, and work once it is gone',
  skip: () => process.platform === 'win32' && 'Windows has no such files',
  async run(_, { rounds, writers, sections }) {
    const makes = ['echo mine >"$0"', 'ln -s /nowhere "$0"', 'mkfifo "$0"', 'mkdir "$0" && echo mine >"$0/mine"'];
    const counts = { refused: 0, 'sections written': 0 };
    await inPlaces(rounds, async (place, round) => {
      const lock = `${place.file}.refresh-mfa-lock`;
      spawnSync('sh', ['-c', makes[round % makes.length] ?? '', lock]);
      const list = () => String(spawnSync('ls', ['-lR', place.folder]).stdout);
      const before = list();
      const startAll = () => Array.from({ length: writers }, (_, index) => place.start(`p${index}-`, sections));
      for (const { said, errors, status } of await Promise.all(startAll().map(({ done }) => done))) {
        if (status !== 1 || said.length > 0 || !/refresh-mfa-lock is in the way/.test(errors)) {
          throw new Error(`a writer ended with ${status}: ${errors}`);
        }
        counts.refused++;
      }
      if (list() !== before) throw new Error('something changed');
      rmSync(lock, { recursive: true });
      counts['sections written'] += await crowd(place, startAll(), alive);
    });
    return counts;
  },
};

const full: Scenario = {
  name: 'a disk that is full at any byte of the new file leaves the old one',
  skip: () => spawnSync('prlimit', ['--fsize=1000', 'true']).status !== 0 && 'there is no prlimit',
  async run(_, { step }) {
    const size = `${old}\n[p0]\nk = p0\n`.length;
    const counts = { 'old file': 0, 'new file': 0 };
    await inPlaces(1, async (place) => {
      for (let limit = 1; limit <= size + step; limit += step) {
        writeFileSync(place.file, old);
        const { said, errors } = await place.start('p', 1, ['env', 'UNPREPARED=1', 'prlimit', `--fsize=${limit}`]).done;
        if (said.length === 0 && !/no space left/.test(errors)) throw new Error(`at byte ${limit}: ${errors}`);
        if (said.length > 0 && limit < size) throw new Error(`at byte ${limit}: written all the same`);
        place.check(said);
        counts[said.length > 0 ? 'new file' : 'old file']++;
      }
    });
    return counts;
  },
};

export const scenarios: readonly Scenario[] = [
  killed,
  makeCrowd('writers at once lose nothing', () => false, [], alive),
  makeCrowd('writers at once that are stopped for longer than a lock lives lose nothing', noSignals, [], stop),
  makeCrowd('writers at once of which half are killed lose nothing that was written', noSignals, [], kill),
  makeCrowd('writers at once with one process id, as in containers, lose nothing', noContainer, inContainer, alive),
  foreign,
  full,
];
