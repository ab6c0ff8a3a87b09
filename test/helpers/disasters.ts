// The disasters of the campaign (npm run torture) and of its short form in the test suite.
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeHome } from './home';
import type { Random } from './random';
import { type Command, command, type environment, type Result, run, start } from './run';
import { type IssuedSession, startSts, totp, type User } from './sts';
import {
  age,
  amid,
  difference,
  during,
  elsewhere,
  judge,
  type Place,
  requireDone,
  requireError,
  runNext,
  type Shape,
  sessionLines,
  shapes,
  type Torture,
  whileAnswering,
  withoutSection,
} from './torture';
import { missing } from './which';

export interface Disaster {
  /** A sentence, since it is the name of a test, too. */
  readonly name: string;
  /** Why it cannot be tried here, or false. */
  skip(): string | false;
  run(torture: Torture): Promise<void>;
}

const asRoot = process.getuid?.() === 0;
const signals = ['SIGKILL', 'SIGTERM', 'SIGHUP'] as const;
const limited = { TSX_DISABLE_CACHE: '1' };

/** The program under test behind another one. */
function behind(file: string, ...args: readonly string[]): Command {
  const program = command();
  return { file, args: [...args, program.file, ...program.args] };
}

/** Why a command cannot be had, or does not succeed, here. */
function refused(what: string, file: string, ...args: readonly string[]): string | false {
  const absent = missing(file);
  if (absent) return absent;
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0 ? false : `${what} is not permitted here`;
}

const namespace = ['--mount', ...(asRoot ? [] : ['--map-root-user'])];

function cannotMount(): string | false {
  const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && mount -t tmpfs tmpfs "$1"';
  return refused('to mount in a namespace of its own', 'unshare', ...namespace, 'sh', '-c', script, 'sh', tmpdir());
}

/** The program where `script` has mounted something, which is gone with it. */
function mounted(script: string): Command {
  return behind('unshare', ...namespace, 'sh', '-c', `${script} && exec "$@"`, 'sh');
}

// ---------------------------------------------------------------------------------------------------------- signals

const killed: Disaster = {
  name: 'runs that are killed at random moments leave the old file or the new one',
  skip: () => (process.platform === 'win32' ? 'Windows has no signals' : false),
  async run(torture) {
    const { kills, waits } = torture.amounts;
    const runs = torture.randoms(kills).map((random, index) => ({ random, index }));
    let waiting = waits;
    await torture.each(runs, async ({ random, index }, place) => {
      const count = (what: string) => torture.count(killed.name, what);
      const signal = signals[index % signals.length] ?? 'SIGKILL';
      const shape = random.pick(shapes);
      const mode = random.pick([0o600, 0o600, 0o644, 0o400]);
      const moment = pickMoment(random, place);
      await during(`run ${index} with ${shape.name}, ${signal} ${moment.words}`, async () => {
        place.lay(shape, mode);
        const { sts } = place;
        const before = { calls: sts.calls.length, sessions: sts.sessions.length };
        const running = place.start();
        let isSent = false;
        const disarm = moment.arm(() => {
          isSent = running.child.kill(signal);
        });
        const result = await running.done;
        disarm();
        const issued = sts.sessions.slice(before.sessions);
        const state = judge(place, shape, mode, issued);
        const isHit = result.signal === signal;
        if (!isHit) {
          requireDone(result);
          if (state === 'old') throw new Error('a run that ended with 0 left the file as it was');
        }
        count('runs');
        count(`${state} file`);
        const phase =
          sts.calls.length === before.calls
            ? 'before STS was called'
            : issued.length === 0
              ? 'before STS had answered'
              : state === 'old'
                ? 'between the answer and the rename'
                : 'after the rename';
        count(`${signal} ${isHit ? phase : isSent ? 'while the run wrote on, or ended' : 'too late'}`);

        const isLocked = existsSync(`${place.home.credentialsPath}.refresh-mfa.lock`);
        if (isLocked) count('left a lock');
        if (place.litter().some((name) => /^credentials\.\d+$/.test(name))) count('left a temporary file');
        if (isLocked && waiting > 0) {
          waiting--;
          const { ms } = await runNext(place, shape);
          if (ms > 30_000) throw new Error(`the next run waited ${Math.round(ms)} ms for the lock`);
          count('next runs that sat out the lock');
        } else {
          age(place);
          await runNext(place, shape);
          if (place.litter().length > 0) throw new Error(`the next run left ${place.litter().join(', ')}`);
          count('next runs at once');
        }
      });
    });
  },
};

interface Moment {
  readonly words: string;
  /** Has the signal sent at that moment, unless what it returns is called before. */
  arm(send: () => void): () => void;
}

/** A quarter anywhere, a quarter from the call on, half of them as the folder changes, which is when the file is written. */
function pickMoment(random: Random, place: Place): Moment {
  const kind = random.next();
  if (kind < 0.25) {
    const ms = random.next() * place.times.whole * 1.1;
    return {
      words: `${ms.toFixed(1)} ms after the start`,
      arm(send) {
        const timer = setTimeout(send, ms);
        return () => clearTimeout(timer);
      },
    };
  }
  if (kind < 0.5) {
    const ms = random.next() * place.times.called * 1.1;
    const isSilent = random.chance(0.25);
    return {
      words: `${ms.toFixed(1)} ms after the call${isSilent ? ', which was not answered' : ''}`,
      arm(send) {
        let timer: NodeJS.Timeout | undefined;
        whileAnswering(place.sts, () => {
          timer = setTimeout(send, ms);
          return isSilent ? new Promise(() => {}) : undefined;
        });
        return () => clearTimeout(timer);
      },
    };
  }
  const changes = 1 + random.below(8);
  const ms = random.next() * 0.4;
  // before the call, it is tried whether the file could be written
  const isTrial = random.chance(0.2);
  return {
    words: `${ms.toFixed(2)} ms after change ${changes} of the folder from the ${isTrial ? 'start' : 'call'} on`,
    arm(send) {
      let seen = 0;
      let isCalled = isTrial;
      whileAnswering(place.sts, () => {
        isCalled = true;
      });
      const watcher = watch(place.folder, () => {
        if (!isCalled || ++seen !== changes) return;
        // no timer is as exact
        for (const end = performance.now() + ms; performance.now() < end; );
        send();
      });
      return () => watcher.close();
    },
  };
}

// -------------------------------------------------------------------------------------------------------- full disks

const limitedFile: Disaster = {
  name: 'a disk that is full at any byte of the new file leaves the old one',
  skip: () => refused('to limit the size of files', 'prlimit', '--fsize=4096:', 'true'),
  async run(torture) {
    const count = (what: string) => torture.count(limitedFile.name, what);
    const size = Buffer.byteLength(withoutSection.filled(sample));
    const offsets = Array.from({ length: size + 3 }, (_, offset) => offset);
    const tried = offsets.filter((offset) => offset % torture.amounts.step === 0 || Math.abs(offset - size) < 2);
    await torture.each(tried, async (offset, place) => {
      await during(`full at byte ${offset} of ${size}`, async () => {
        const { sts } = place;
        // as long as the sample's
        sts.tokenShape = () => sample.sessionToken;
        place.lay(withoutSection);
        const issued = sts.sessions.length;
        const { child, done } = place.start({ env: limited });
        // before, it is tried whether there is room at all
        whileAnswering(sts, () => setLimit(child.pid ?? 0, offset));
        const result = await done;
        const sessions = sts.sessions.slice(issued);
        requireWritten(place, withoutSection, result, sessions, offset >= size, /no space left on the disk/);
        count('runs');
        count(offset >= size ? 'new file, where it fits' : 'old file, with an error');
        await runNext(place, withoutSection);
        count('next runs');
      });
    });
  },
};

const sample: IssuedSession = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2Vj0000000000==',
  expiration: '2026-11-19T20:31:00Z',
};

function setLimit(pid: number, bytes: number): Promise<unknown> {
  return promisify(execFile)('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
}

/** The new file and status 0, or the old one and an error; nothing beside it either way. */
function requireWritten(
  place: Place,
  shape: Shape,
  result: Result,
  sessions: readonly IssuedSession[],
  isNew: boolean,
  error: RegExp,
): void {
  const state = judge(place, shape, 0o600, sessions);
  if (isNew) requireDone(result);
  else requireError(result, error);
  if (isNew !== (state === 'new')) throw new Error(`the file is the ${state} one`);
  if (place.litter().length > 0) throw new Error(`it left ${place.litter().join(', ')}`);
}

const limitedFromStart: Disaster = {
  name: 'a disk that is full beforehand is told before STS is called',
  skip: limitedFile.skip,
  async run(torture) {
    const count = (what: string) => torture.count(limitedFromStart.name, what);
    const shape = withoutSection;
    // a file as long as the old one and a page more is tried
    const needed = Buffer.byteLength(shape.old ?? '') + 4096;
    const step = torture.amounts.step * 32;
    const sizes = Array.from({ length: needed + 2 }, (_, size) => size);
    const tried = sizes.filter((size) => size % step === 0 || Math.abs(size - needed) < 2);
    await torture.each(tried, async (size, place) => {
      await during(`${size} bytes free, ${needed} needed`, async () => {
        place.lay(shape);
        const calls = place.sts.calls.length;
        const issued = place.sts.sessions.length;
        const program = behind('prlimit', `--fsize=${size}:`);
        const result = await place.start({ program, env: limited }).done;
        const sessions = place.sts.sessions.slice(issued);
        requireWritten(place, shape, result, sessions, size >= needed, /no space left on the disk/);
        if (size < needed && place.sts.calls.length > calls) throw new Error('STS was called');
        count('runs');
        count(size < needed ? 'old file, with an error' : 'new file, where it fits');
        await runNext(place, shape);
        count('next runs');
      });
    });
  },
};

/** A small disk of its own, until the test ends; `enter` starts a program that sees it at `path`, `outside` is where we do. */
async function makeDisk(t: Pick<TestContext, 'after'>, place: Place, size: string) {
  const path = join(place.home.path, 'disk');
  mkdirSync(path, { recursive: true });
  const script = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && echo mounted && exec cat';
  const holder = spawn('unshare', [...namespace, 'sh', '-c', script, 'sh', size, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill());
  await once(holder.stdout, 'data');
  const target = ['--target', String(holder.pid), '--mount', ...(asRoot ? [] : ['--user', '--preserve-credentials'])];
  return {
    path,
    outside: `/proc/${holder.pid}/root${path}`,
    program: behind('nsenter', ...target, '--'),
    remount: (how: string) => execFileSync('nsenter', [...target, '--', 'mount', '-o', `remount,${how}`, path]),
  };
}

const smallDisk: Disaster = {
  name: 'a small disk that fills up while STS answers leaves the old file or takes the new one',
  skip: () => cannotMount() || missing('nsenter'),
  async run(torture) {
    const count = (what: string) => torture.count(smallDisk.name, what);
    const disks = new Map<Place, Awaited<ReturnType<typeof makeDisk>>>();
    const cases = torture.randoms(torture.amounts.disks).map((random, index) => ({ random, index }));
    await torture.each(cases, async ({ random, index }, place) => {
      const disk = disks.get(place) ?? (await makeDisk(torture.t, place, '256k'));
      disks.set(place, disk);
      const free = index % 10;
      const comments = '# a comment among many others\n'.repeat(random.below(800));
      const long: Shape = {
        ...amid,
        old: `${comments}${amid.old}`,
        filled: (session) => `${comments}${amid.filled(session)}`,
      };
      await during(`${long.old?.length} bytes on a disk with ${free} pages left`, async () => {
        place.lay(elsewhere);
        const file = join(disk.outside, 'credentials');
        const filler = join(disk.outside, 'filler');
        rmSync(filler, { force: true });
        writeFileSync(file, long.old ?? '', { mode: 0o600 });
        const issued = place.sts.sessions.length;
        whileAnswering(place.sts, () => fill(filler, free));
        const env = { AWS_SHARED_CREDENTIALS_FILE: join(disk.path, 'credentials') };
        const result = await place.start({ program: disk.program, env }).done;
        const found = readFileSync(file);
        const news = place.sts.sessions.slice(issued).map((session) => Buffer.from(long.filled(session)));
        const names = execFileSync('ls', ['-A', disk.outside], { encoding: 'utf8' });
        if (names !== 'credentials\nfiller\n') throw new Error(`it left ${names.trim().replaceAll('\n', ', ')}`);
        if ((statSync(file).mode & 0o777) !== 0o600) throw new Error('the file is not 0600');
        const isWhole =
          result.status === 0 ? news.some((text) => found.equals(text)) : found.equals(Buffer.from(long.old ?? ''));
        if (!isWhole) {
          throw new Error(`status ${result.status}, and the file is ${difference(found, long.old, news[0])}`);
        }
        if (result.status !== 0) requireError(result, /no space left on the disk \(ENOSPC\)/);
        count('runs');
        count(result.status === 0 ? 'new file, where it fits' : 'old file, with an error');
        rmSync(filler, { force: true });
        whileAnswering(place.sts);
        requireDone(await place.start({ program: disk.program, env }).done);
        if (readFileSync(file, 'utf8') !== long.filled(place.sts.sessions.at(-1) ?? sample)) {
          throw new Error('the next run did not write the new file');
        }
        count('next runs');
      });
    });
    const counts = torture.counts.get(smallDisk.name);
    if (!counts?.has('old file, with an error')) throw new Error('no disk was too small');
    if (!counts?.has('new file, where it fits')) throw new Error('no disk was large enough');
  },
};

/** Takes all room but so many pages. */
function fill(path: string, free: number): void {
  const file = openSync(path, 'w');
  const page = new Uint8Array(4096);
  try {
    for (;;) writeSync(file, page);
  } catch {
    // full
  } finally {
    closeSync(file);
  }
  truncateSync(path, Math.max(0, statSync(path).size - free * page.length));
}

// --------------------------------------------------------------------------------------------------------- obstacles

interface Obstacle {
  readonly what: string;
  readonly skip?: () => string | false;
  readonly shape?: Shape;
  readonly mode?: number;
  readonly program?: (place: Place) => Command;
  /** Puts it in the way: before the run, or while STS answers. */
  put(place: Place): void;
  readonly when: 'before' | 'meanwhile';
  /** Takes it away again, and throws if it is not what was put there. */
  take(place: Place): void;
  /** How long the run has to wait for it, in seconds. */
  readonly waits?: number;
  /** What the run says; without it, the run goes well. */
  readonly error?: RegExp;
}

const nothing = () => {};
const moments = ['before', 'meanwhile'] as const;

function unprivileged(): string | false {
  return asRoot ? refused('to give up the rights of root', 'setpriv', '--bounding-set=-all', 'true') : false;
}

const kept = (place: Place) => join(place.home.path, 'kept');
const lock = (place: Place) => `${place.home.credentialsPath}.refresh-mfa.lock`;

function bindMount(what: string, { home, folder }: Place): string {
  const quoted = (path: string) => `'${path.replaceAll("'", "'\\''")}'`;
  return what === 'file'
    ? `mount --bind ${quoted(home.credentialsPath)} ${quoted(home.credentialsPath)}`
    : `mount --bind ${quoted(folder)} ${quoted(folder)} && mount -o remount,bind,ro ${quoted(folder)}`;
}

const obstacles: readonly Obstacle[] = [
  ...moments.map(
    (when): Obstacle => ({
      what: 'a read-only folder',
      when,
      skip: unprivileged,
      program: () => (asRoot ? behind('setpriv', '--bounding-set=-all') : command()),
      put: ({ folder }) => chmodSync(folder, 0o500),
      take: ({ folder }) => chmodSync(folder, 0o700),
      error: /cannot write .*its folder may not be written \(EACCES\)/,
    }),
  ),
  {
    what: 'a read-only file',
    when: 'before',
    skip: unprivileged,
    program: () => (asRoot ? behind('setpriv', '--bounding-set=-all') : command()),
    mode: 0o400,
    put: nothing,
    take: nothing,
  },
  {
    what: 'a read-only mount',
    when: 'before',
    skip: cannotMount,
    program: (place) => mounted(bindMount('folder', place)),
    put: nothing,
    take: nothing,
    error: /cannot write .*its folder may not be written \(EROFS\)/,
  },
  {
    what: 'a bind-mounted file',
    when: 'before',
    skip: cannotMount,
    program: (place) => mounted(bindMount('file', place)),
    put: nothing,
    take: nothing,
    error: /cannot write .*it cannot be replaced \(EBUSY\)/,
  },
  ...moments.map(
    (when): Obstacle => ({
      what: 'a dangling symlink',
      when,
      shape: elsewhere,
      put: (place) => {
        renameSync(place.home.credentialsPath, kept(place));
        symlinkSync('../gone/credentials', place.home.credentialsPath);
      },
      take: (place) => {
        const { path, credentialsPath } = place.home;
        if (readlinkSync(credentialsPath) !== '../gone/credentials') throw new Error('the link leads elsewhere');
        if (existsSync(join(path, 'gone'))) throw new Error('what the link leads to was made');
        unlinkSync(credentialsPath);
        renameSync(kept(place), credentialsPath);
      },
      error: /~\/\.aws\/credentials is a link to a file that is not there/,
    }),
  ),
  ...moments.map(
    (when): Obstacle => ({
      what: "a directory in the file's place",
      when,
      shape: elsewhere,
      put: (place) => {
        renameSync(place.home.credentialsPath, kept(place));
        mkdirSync(place.home.credentialsPath);
      },
      take: (place) => {
        rmdirSync(place.home.credentialsPath);
        renameSync(kept(place), place.home.credentialsPath);
      },
      error: /cannot (read|write) ~\/\.aws\/credentials.*\(EISDIR\)/,
    }),
  ),
  ...[3_600, 11, -3_600, 0].map(
    (seconds): Obstacle => ({
      what: 'a lock left by a dead process',
      when: seconds === 11 ? 'meanwhile' : 'before',
      waits: seconds > 10 ? 0 : 10,
      put: (place) => {
        const date = new Date(Date.now() - seconds * 1000);
        writeFileSync(join(place.folder, 'credentials.3241960379'), 'half a file', { mode: 0o600 });
        writeFileSync(lock(place), '0r7q1dfjw3k\ncredentials.3241960379', { mode: 0o600 });
        utimesSync(lock(place), date, date);
      },
      take: nothing,
    }),
  ),
];

const blocked: Disaster = {
  name: 'what stands in the way of the file is told or got over, and loses nothing',
  skip: () => (process.platform === 'win32' ? 'Windows has other ways to block a file' : false),
  async run(torture) {
    const possible = obstacles.filter(({ what, skip, waits = 0 }) => {
      if (waits > 0 && torture.amounts.waits === 0) return false;
      const reason = skip?.() ?? false;
      if (reason) torture.count(blocked.name, `skipped: ${what}, since ${reason}`);
      return !reason;
    });
    await torture.each(possible, async (obstacle, place) => {
      const { what, when, shape = amid, mode = 0o600 } = obstacle;
      await during(`${what}, ${when === 'before' ? 'from the start' : 'while STS answers'}`, async () => {
        place.lay(shape, mode);
        const calls = place.sts.calls.length;
        const issued = place.sts.sessions.length;
        if (when === 'before') obstacle.put(place);
        else whileAnswering(place.sts, () => obstacle.put(place));
        const program = obstacle.program?.(place);
        const result = await place.start(program && { program }).done;
        obstacle.take(place);
        const sessions = place.sts.sessions.slice(issued);
        if (judge(place, shape, mode, sessions) !== (obstacle.error ? 'old' : 'new')) {
          throw new Error('the file is not the one that was looked for');
        }
        if (obstacle.error) requireError(result, obstacle.error);
        else requireDone(result);
        // that a file is mounted by itself shows only when it is to be replaced
        const isTold = obstacle.error && when === 'before' && what !== 'a bind-mounted file';
        if (isTold && place.sts.calls.length > calls) throw new Error('STS was called');
        if (place.litter().length > 0) throw new Error(`it left ${place.litter().join(', ')}`);
        await runNext(place, shape);
        torture.count(blocked.name, `${what}: ${obstacle.error ? 'old file, with an error' : 'new file'}`);
      });
    });
  },
};

// ----------------------------------------------------------------------------------------------------- many at once

interface Crowd {
  readonly names: readonly string[];
  readonly users: readonly User[];
}

function makeCrowd(count: number): Crowd {
  const names = Array.from({ length: count }, (_, index) => `user${String(index + 1).padStart(2, '0')}`);
  const users = names.map((name) => ({
    accessKeyId: `AKIAIOSFODNN7E${name.toUpperCase()}`,
    secretAccessKey: `wJalrXUtnFEMI/K7MDENG/bPxRfiCYEX${name}`,
    userArn: `arn:aws:iam::123456789012:user/${name}`,
    serial: `arn:aws:iam::123456789012:mfa/${name}`,
    totpSecret: Buffer.from(`the device of ${name}`),
  }));
  return { names, users };
}

/** What a program other than ours writes: sections of its own, one after the other, since two at once tear the file themselves. */
interface Rival {
  /** Resolves when all are written. */
  write(path: string, sections: readonly string[], surroundings: Parameters<typeof environment>[0]): Promise<void>;
  /** About how long a section takes, in milliseconds. */
  readonly ms: number;
}

const robotToken = (name: string, state: 'old' | 'new') => `${name}-${state}-token`;
const robotSection = (name: string, state: 'old' | 'new') =>
  `[${name}]\naws_session_token = ${robotToken(name, state)}\n`;

const aws: Rival = {
  ms: 600,
  async write(_path, sections, surroundings) {
    for (const name of sections) {
      const args = ['configure', 'set', 'aws_session_token', robotToken(name, 'new'), '--profile', name];
      const { status, stderr } = await run(args, { ...surroundings, program: { file: 'aws', args: [] } });
      if (status !== 0) throw new Error(`aws configure set ended with ${status}: ${stderr}`);
    }
  },
};

/** Writes as `aws configure set` does, but takes its time between emptying the file and filling it. */
function slowHand(random: Random): Rival {
  return {
    ms: 150,
    async write(path, sections) {
      for (const name of sections) {
        const text = readFileSync(path, 'utf8').replace(robotSection(name, 'old'), robotSection(name, 'new'));
        const file = openSync(path, 'w');
        await sleep(random.below(150));
        writeSync(file, text);
        closeSync(file);
        await sleep(random.below(150));
      }
    },
  };
}

async function writeAtOnce(
  torture: Torture,
  name: string,
  random: Random,
  writers: number,
  rival?: Rival,
): Promise<void> {
  const count = (what: string, by = 1) => torture.count(name, what, by);
  // each fifth writer is the other program
  const sections = Array.from({ length: rival ? writers / 5 : 0 }, (_, index) => `robot${index}`);
  const { names, users } = makeCrowd(writers - sections.length);
  const sts = await startSts();
  torture.t.after(() => sts.close());
  for (const user of users) sts.addUser(user);
  const longLived = users.map(
    ({ accessKeyId, secretAccessKey }, index) =>
      `# keys of ${names[index]}\n[${names[index]}-long-term]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
  );
  const oldSession = (name: string) => `[${name}]\n${sessionLines(sample)}`;
  // half of the sections are there already
  const parts = names.map((name, index) => (longLived[index] ?? '') + (index % 2 === 0 ? oldSession(name) : ''));
  const home = makeHome(torture.t as TestContext, {
    config: names.map((name, index) => `[profile ${name}]\nmfa_serial = ${users[index]?.serial}\n`).join(''),
    credentials: [...parts, ...sections.map((name) => robotSection(name, 'old'))].join('\n'),
  });
  const all = names.map((name) => start([name], { home, sts, stdin: 'open' }));
  // all have read the file and wait for their code once all have connected
  for (let connected = 1; connected <= names.length; connected++) await sts.until(() => sts.connections >= connected);
  const rivals = rival?.write(home.credentialsPath, sections, { home, sts });
  const ended = await Promise.all(
    all.map(async ({ child, done }, index) => {
      if (rival) await sleep(random.next() * rival.ms * sections.length);
      child.stdin?.end(`${totp((users[index] as User).totpSecret)}\n`);
      return done;
    }),
  );
  await rivals;

  count('runs of refresh-mfa', names.length);
  if (rival) count('writes of the other program', sections.length);
  const text = home.readCredentials();
  const rest = { text };
  const takeOut = (piece: string) => {
    const pieces = rest.text.split(piece);
    if (pieces.length === 2) rest.text = pieces.join('\n');
    return pieces.length - 1;
  };
  for (const [index, block] of longLived.entries()) {
    if (takeOut(block) !== 1) throw new Error(`the long-lived keys of ${names[index]} are not there as they were`);
  }
  for (const [index, name] of names.entries()) {
    const sessions = sts.sessions.filter((session) => takeOut(`[${name}]\n${sessionLines(session)}`) === 1);
    const isOld = takeOut(oldSession(name)) === 1;
    const { status, stderr } = ended[index] as Result;
    if (sessions.length > 1 || (isOld && sessions.length > 0)) throw new Error(`[${name}] is there twice`);
    if (status !== 0 && !/^refresh-mfa: error: /.test(stderr))
      throw new Error(`${name} ended with ${status}: ${stderr}`);
    if (status !== 0) count(`runs with an error: ${stderr.split('\n')[0]}`);
    else if (sessions.length === 1) count('sections written');
    else count('sections written, then lost under the other program');
  }
  for (const name of sections) {
    const isNew = takeOut(robotSection(name, 'new')) === 1;
    if (!isNew && takeOut(robotSection(name, 'old')) !== 1) throw new Error(`[${name}] is not there`);
    count(isNew ? 'writes of the other program that stayed' : 'writes of the other program that were lost');
  }
  if (rest.text.trim() !== '') throw new Error(`the file holds ${rest.text.trim().length} bytes that nobody wrote`);
  if (home.mode() !== 0o600) throw new Error(`the file has mode ${home.mode().toString(8)}`);
  if (home.listAws().length !== 2) throw new Error(`left behind: ${home.listAws().join(', ')}`);
  const lost = torture.counts.get(name)?.get('sections written, then lost under the other program');
  if (!rival && lost) throw new Error(`${lost} sections were lost`);

  sts.forgetCodes();
  const [first = ''] = names;
  const code = totp((users[0] as User).totpSecret);
  requireDone(await run([first, '--token-code', code], { home, sts }));
  if (!home.readCredentials().includes(`[${first}]\n${sessionLines(sts.sessions.at(-1) ?? sample)}`)) {
    throw new Error('the next run did not write its section');
  }
  count('next runs');
  if (missing('aws')) return;
  // botocore judges
  const args = ['configure', 'get', 'aws_access_key_id', '--profile', `${first}-long-term`];
  const read = await run(args, { home, sts, program: { file: 'aws', args: [] } });
  if (read.stdout.trim() !== users[0]?.accessKeyId)
    throw new Error(`the aws command cannot read the file: ${read.stderr}`);
  count('files that the aws command reads');
}

function atOnce(name: string, skip: () => string | false, rivalOf: (random: Random) => Rival | undefined): Disaster {
  return {
    name,
    skip,
    async run(torture) {
      const { rounds, writers } = torture.amounts;
      for (const [round, random] of torture.randoms(rounds).entries()) {
        await during(`round ${round}`, () => writeAtOnce(torture, name, random, writers, rivalOf(random)));
        torture.onStep(round + 1, rounds);
      }
    },
  };
}

export const disasters: readonly Disaster[] = [
  killed,
  limitedFile,
  limitedFromStart,
  smallDisk,
  blocked,
  atOnce(
    'runs that write at once all keep their sections',
    () => false,
    () => undefined,
  ),
  atOnce(
    'runs and aws configure set at once never tear the file',
    () => missing('aws'),
    () => aws,
  ),
  atOnce(
    'a program that empties the file and takes its time to fill it costs no long-lived keys',
    () => false,
    slowHand,
  ),
];
