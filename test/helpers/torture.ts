// What a run may leave behind, whatever happened to it: the old file or the new one, to the byte.
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Home, makeHome } from './home';
import { Random } from './random';
import { type Command, type Result, type Running, start } from './run';
import { keys, other, person, serial } from './scene';
import { type IssuedSession, type LocalSts, startSts, totp } from './sts';

/** How much of each kind; the campaign takes much, the test suite little. */
export interface Amounts {
  readonly kills: number;
  /** Of how many killed runs the next one sits out the ten seconds of the lock that was left. */
  readonly waits: number;
  /** The disk is full at each so many-th byte of the new file. */
  readonly step: number;
  /** Small disks that are filled. */
  readonly disks: number;
  /** How many times all write at once. */
  readonly rounds: number;
  readonly writers: number;
}

/** The state of one campaign. */
export class Torture {
  /** By scenario and by what was counted. */
  readonly counts = new Map<string, Map<string, number>>();
  #random: Random;

  constructor(
    readonly seed: number,
    readonly amounts: Amounts,
    readonly t: Pick<TestContext, 'after'>,
    readonly onStep: (done: number, all: number) => void = () => {},
  ) {
    this.#random = new Random(seed);
  }

  count(scenario: string, what: string, by = 1): void {
    const counts = this.counts.get(scenario) ?? new Map<string, number>();
    this.counts.set(scenario, counts.set(what, (counts.get(what) ?? 0) + by));
  }

  /** Numbers for each of several things, which do not depend on the order in which those come to their turn. */
  randoms(count: number): Random[] {
    return Array.from({ length: count }, () => new Random(this.#random.below(2 ** 32)));
  }

  /** Does `work` for each item, on as many places as keep two processors busy; stops at the first failure. */
  async each<T>(items: readonly T[], work: (item: T, place: Place) => Promise<void>): Promise<void> {
    const waiting = [...items];
    let done = 0;
    const lane = async () => {
      const place = await makePlace(this.t);
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        try {
          await work(item, place);
          this.onStep(++done, items.length);
        } catch (error) {
          waiting.length = 0;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(3, items.length) }, lane));
  }
}

/** What happened to a run, for the person who looks for the reason, and what was found. */
export async function during<T>(moment: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${moment}: ${(error as Error).message}`, { cause: error });
  }
}

/** The files before a run, and what the credentials file is with a session. */
export interface Shape {
  readonly name: string;
  readonly config: string;
  /** Undefined where there is none. */
  readonly old: string | undefined;
  filled(session: IssuedSession): string;
}

const device = `[profile foobar]\nmfa_serial = ${serial}\n`;
const longLived = `# made in March\n[AcmeAccount]
aws_access_key_id = ${other.accessKeyId}
aws_secret_access_key = ${other.secretAccessKey}

[foobar-long-term]
${keys}`;

const stale: IssuedSession = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYOLDSESSION',
  sessionToken: 'IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==',
  expiration: '2026-11-19T20:31:00Z',
};

/** The four lines that a session is, in the order in which they are written to a section that holds none. */
export function sessionLines({ accessKeyId, secretAccessKey, sessionToken, expiration }: IssuedSession): string {
  return `aws_access_key_id = ${accessKeyId}
aws_secret_access_key = ${secretAccessKey}
aws_session_token = ${sessionToken}
x_security_token_expires = ${expiration}
`;
}

export const withoutSection: Shape = {
  name: 'a file without the section',
  config: device,
  old: longLived,
  filled: (session) => `${longLived}\n[foobar]\n${sessionLines(session)}`,
};

export const amid: Shape = {
  name: 'a file with the section amid others',
  config: device,
  old: midst(stale),
  filled: midst,
};

function midst(session: IssuedSession): string {
  return `[foobar]\nregion = eu-central-1\n${sessionLines(session)}# mine\n\n${longLived}# no newline at the end`;
}

const windows: Shape = {
  name: 'a file with CRLF',
  config: device,
  old: midst(stale).replaceAll('\n', '\r\n'),
  filled: (session) => midst(session).replaceAll('\n', '\r\n'),
};

const long: Shape = {
  name: 'a long file',
  config: device,
  old: `${midst(stale)}\n${'# a comment among many others\n'.repeat(20_000)}`,
  filled: (session) => `${midst(session)}\n${'# a comment among many others\n'.repeat(20_000)}`,
};

const none: Shape = {
  name: 'no file',
  config: `${device}\n${longLived}`,
  old: undefined,
  filled: (session) => `[foobar]\n${sessionLines(session)}`,
};

/** The keys are in the config, so that a run gets far without the credentials file. */
export const elsewhere: Shape = { ...amid, name: 'keys in the config', config: `${device}\n${longLived}` };

export const shapes: readonly [Shape, ...Shape[]] = [withoutSection, amid, windows, long, none];

/** A home and an STS of their own, laid anew for each run. */
export interface Place {
  readonly sts: LocalSts;
  readonly home: Home;
  readonly folder: string;
  /** How long a whole run took here, and how long the part of it from the call on. */
  readonly times: { whole: number; called: number };
  lay(shape: Shape, mode?: number): void;
  start(options?: { readonly program?: Command; readonly env?: Readonly<Record<string, string>> }): Running;
  /** The credentials file. */
  read(): Buffer | undefined;
  /** The names beside the two files. */
  litter(): string[];
}

export async function makePlace(t: Pick<TestContext, 'after'>): Promise<Place> {
  const sts = await startSts();
  t.after(() => sts.close());
  sts.addUser(person);
  // all that a helper wants of a test is its end
  const home = makeHome(t as TestContext);
  const folder = dirname(home.credentialsPath);
  return {
    sts,
    home,
    folder,
    times: { whole: 300, called: 50 },
    lay({ config, old }, mode = 0o600) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { mode: 0o700 });
      home.writeConfig(config);
      if (old !== undefined) home.writeCredentials(old, mode);
      whileAnswering(sts);
    },
    start: (options) => start(['foobar', '--token-code', totp(person.totpSecret)], { home, sts, ...options }),
    read: () => (existsSync(home.credentialsPath) ? readFileSync(home.credentialsPath) : undefined),
    litter: () => home.listAws().filter((name) => name !== 'config' && name !== 'credentials'),
  };
}

/** Lets the call that comes next meet `work`; the code is good again, since runs come faster than codes. */
export function whileAnswering(sts: LocalSts, work: () => unknown = () => {}): void {
  sts.meanwhile = () => {
    sts.forgetCodes();
    return work();
  };
}

/** Which of the two the file is, and whether nobody but its owner can read what a run has made. */
export function judge(place: Place, shape: Shape, oldMode: number, sessions: readonly IssuedSession[]): 'old' | 'new' {
  const found = place.read();
  for (const name of place.litter()) {
    const mode = lstatSync(join(place.folder, name)).mode & 0o777;
    if (mode !== 0o600) throw new Error(`${name} beside the file has mode ${mode.toString(8)}`);
  }
  const news = sessions.map((session) => Buffer.from(shape.filled(session)));
  const state = news.some((expected) => found?.equals(expected)) ? 'new' : 'old';
  if (state === 'old' && found?.toString('latin1') !== asLatin1(shape.old)) {
    throw new Error(`the file is neither the old one nor the new one: ${difference(found, shape.old, news[0])}`);
  }
  const mode = found && place.home.mode();
  const wanted = state === 'new' ? 0o600 : oldMode;
  if (mode !== undefined && mode !== wanted) {
    throw new Error(`the ${state} file has mode ${mode.toString(8)}, not ${wanted.toString(8)}`);
  }
  return state;
}

function asLatin1(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text).toString('latin1');
}

/** Where files part, without anything of what is in them. */
export function difference(found: Buffer | undefined, old: string | undefined, filled: Buffer | undefined): string {
  const parts = (expected: Buffer) => {
    const at = expected.findIndex((byte, index) => byte !== found?.[index]);
    return `${expected.length} bytes, other from byte ${at < 0 ? expected.length : at} on`;
  };
  const oldWords = old === undefined ? 'not there' : parts(Buffer.from(old));
  const newWords = filled ? parts(filled) : 'never issued';
  return `${found ? `${found.length} bytes` : 'not there'}; the old one: ${oldWords}; the new one: ${newWords}`;
}

/** Makes what a killed run left look an hour old, so that nobody waits for it. */
export function age(place: Place): void {
  const long = new Date(Date.now() - 3_600_000);
  for (const name of place.litter()) utimesSync(join(place.folder, name), long, long);
}

/** The run after it writes the new file, and sweeps what is old enough. */
export async function runNext(place: Place, shape: Shape): Promise<Result> {
  const old = place.litter().filter((name) => Date.now() - lstatSync(join(place.folder, name)).mtimeMs > 60_000);
  const issued = place.sts.sessions.length;
  let called = 0;
  whileAnswering(place.sts, () => {
    called = performance.now();
  });
  const result = await place.start().done;
  place.times.called = performance.now() - called;
  place.times.whole = result.ms;
  requireDone(result);
  if (judge(place, shape, 0o600, place.sts.sessions.slice(issued)) !== 'new') {
    throw new Error('the next run left the file as it was');
  }
  const left = place.litter().filter((name) => old.includes(name));
  if (left.length > 0) throw new Error(`the next run left ${left.join(', ')}`);
  return result;
}

export function requireDone({ status, signal, stderr }: Result): void {
  if (status !== 0 || stderr !== '') throw new Error(`a run ended with ${status ?? signal}: ${stderr}`);
}

/** That a run failed with one error and a hint, and nothing on stdout. */
export function requireError({ status, signal, stdout, stderr }: Result, pattern: RegExp): void {
  if (status !== 1 || stdout !== '' || !/^refresh-mfa: error: .+\nrefresh-mfa: hint: /.test(stderr)) {
    throw new Error(`a run ended with ${status ?? signal} instead of an error and 1: ${stderr}`);
  }
  if (!pattern.test(stderr)) throw new Error(`the error is not the one that was looked for, ${pattern}: ${stderr}`);
}
