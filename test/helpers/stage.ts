// Runs a case of test/cases in a home of its own, with an STS of its own, and compares.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type Case, type FileBlock, parseAnswer, readCases, type Step } from './cases';
import { diff } from './diff';
import { devices, type Home, makeHome } from './home';
import { pathWith } from './programs';
import { command, secretsOf, start } from './run';
import { keyLines, oldSession, other, person } from './scene';
import { type IssuedSession, type LocalSts, startSts, totp, type User, wrongCode } from './sts';
import { findLeaks, isUsual, traced } from './trace';
import { whyNot } from './which';

const users: Readonly<Record<string, User>> = { person, other, ...devices };

interface Stage {
  readonly now: number;
  readonly home: Home;
  readonly sts: LocalSts;
  readonly PATH: string;
  /** The codes that it gave out, the last one last. */
  readonly codes: string[];
  /** Where each run of the tool leaves what strace saw of it. */
  readonly traces: string | undefined;
}

/** What secrets.test.ts runs under strace. */
export const secretTopics = ['secrets', 'mfa-process'];

/** A test for each case of the topic. */
export function testTopic(topic: string, options: { readonly trace?: boolean } = {}): void {
  describe(topic, { concurrency: 2 }, () => {
    for (const one of readCases(topic)) {
      const skip = one.needs.map(whyNot).find((reason) => reason !== false) ?? false;
      test(one.title, { skip }, (t) => runCase(t, one, options));
    }
  });
}

/** Throws what differs. With `trace`, the tool runs under strace. */
export async function runCase(t: TestContext, one: Case, { trace = false } = {}): Promise<void> {
  const sts = await startSts();
  t.after(() => sts.close());
  for (const user of Object.values(users)) sts.addUser(user);
  const traces = trace ? makeHome(t).path : undefined;
  const { PATH } = pathWith(t, {}, traces ? traced(command(), join(traces, '$$')) : command());
  const stage: Stage = { now: Date.now(), home: makeHome(t), sts, PATH, codes: [], traces };
  for (const block of one.files) layOut(block, stage);
  for (const step of one.steps) {
    const problem = await runStep(step, stage);
    if (problem === undefined) continue;
    const error = new Error(`${one.title}\n${problem}`);
    // its own stack would name this file, and never the case
    error.stack = `${error.message}\n    at ${one.file}:${step.line}`;
    throw error;
  }
}

function layOut({ path, flags, lines }: FileBlock, stage: Stage): void {
  const file = inHome(path, stage);
  rmSync(file, { force: true });
  if (flags.includes('absent')) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, contentOf(flags, lines, stage));
  chmodSync(file, Number.parseInt(behind('mode ', flags) ?? '600', 8));
}

function inHome(path: string, { home }: Stage): string {
  return path.replace(/^~(?=\/)/, home.path);
}

function behind(word: string, flags: readonly string[]): string | undefined {
  return flags.find((flag) => flag.startsWith(word))?.slice(word.length);
}

function contentOf(flags: readonly string[], lines: readonly string[], stage: Stage): string {
  const like = behind('like ', flags);
  if (like !== undefined) return readFileSync(resolve(__dirname, '../..', like), 'utf8');
  const kept = lines.slice(0, lines.findLastIndex((line) => line !== '') + 1).map((line) => `${line}\n`);
  const text = fill(kept.join(''), stage).replace(/\\x([0-9a-f]{2})/g, (_, hex) =>
    Buffer.from(hex, 'hex').toString('latin1'),
  );
  const whole = flags.includes('no newline at end') ? text.slice(0, -1) : text;
  return flags.includes('CRLF') ? whole.replaceAll('\n', '\r\n') : whole;
}

/** Replaces the words in braces that stand for one certain text; what is not known yet, and any other brace, stays. */
function fill(text: string, stage: Stage): string {
  const time = (hours: string) => new Date(stage.now + Number(hours) * 3_600_000).toISOString().replace(/\.\d+/, '');
  return text
    .replace(/\{now \+ (\d+) h\}/g, (_, hours) => time(hours))
    .replace(/\{([a-z ]+?)(?: of (\w+))?(?: (\d+))?\}/g, (whole, word, name = 'person', number = '0') => {
      return meaningOf(word, users[name], Number(number), stage) ?? whole;
    });
}

/** What a word says of the user, or of the session with the number, which is 0 for the last one. */
function meaningOf(word: string, user: User | undefined, number: number, stage: Stage): string | undefined {
  const { home, sts, codes } = stage;
  if (!user) return undefined;
  switch (word) {
    case 'keys':
      return keyLines(user).trimEnd();
    case 'old session':
      return oldSession.trimEnd();
    case 'code': {
      // STS takes these, whatever their order
      const good = [0, 1, -1, -2].map((step) => totp(user.totpSecret, step));
      codes.push(good.find((code) => !codes.includes(code)) ?? 'no code is left');
      return codes.at(-1);
    }
    case 'wrong code':
      codes.push(wrongCode(user.totpSecret));
      return codes.at(-1);
    case 'used code':
      return codes.at(-1);
    case 'home':
      return home.path;
    case 'sts':
      return new URL(sts.url).host;
    default:
      return partsOf(sts.sessions.at(number - 1))[word];
  }
}

function partsOf(session: IssuedSession | undefined): Record<string, string> {
  if (!session) return {};
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = session;
  return { id: accessKeyId, secret: secretAccessKey, token: sessionToken, end: expiration };
}

/** Lines as a case has them. */
type Comparison = readonly [expected: readonly string[], got: readonly string[]];

/** The call that gives `person` a session. */
const usualCall = `? GetSessionToken ${person.accessKeyId} us-east-1 ${person.serial}`;

/** What the command did other than told, or undefined. */
async function runStep(step: Step, stage: Stage): Promise<string | undefined> {
  const { home, sts, PATH } = stage;
  const told = (mark: string) => step.told.filter((line) => line.startsWith(mark));
  const typed = fill(step.command, stage);
  const input = told('<').map((line) => `${fill(line.slice(2), stage)}\n`);
  const sessions = told('+').map((line) => line.slice(2));
  // what is no command of ours may do as it likes
  const mayChange = [...step.files.map(({ path }) => path), ...(sessions.length > 0 ? ['~/.aws/credentials'] : [])];
  const showOthers = () => (/\brefresh-mfa\b/.test(typed) ? showFiles(home, mayChange) : []);
  const before = { others: showOthers(), credentials: readIfThere(home.credentialsPath), calls: sts.calls.length };
  // what STS says may quote the code
  sts.behave(...step.answers.flatMap((answer) => parseAnswer(fill(answer, stage)) ?? []));

  const { done, output } = start(['-c', typed], {
    home,
    sts,
    stdin: input.join('') || 'open',
    env: { PATH, AWS_EC2_METADATA_DISABLED: 'true', AWS_PAGER: '' },
    program: { file: '/bin/sh', args: [] },
    secrets: stage.codes,
    limitMs: 60_000,
  });
  const problem = (error: Error) => ({ ...output(), status: error.message.split('\n')[0] });
  const { status, stdout, stderr } = await done.catch(problem);

  const calls = told('?').length > 0 ? told('?') : sessions.map(() => usualCall);
  const all: Comparison[] = [
    [calls, sts.calls.slice(before.calls).map(callLine)],
    [told('>'), visible(stdout).map((line) => `> ${line}`)],
    [told('!'), visible(stderr).map((line) => `! ${line}`)],
    [told('=').length > 0 ? told('=') : ['= 0'], [`= ${status}`]],
    [[], readLeaks(stage)],
    ...(sessions.length > 0 ? compareSessions(sessions, before.credentials, stage) : []),
    ...step.files.map((block) => compareFile(block, stage)),
    [before.others, showOthers()],
  ];
  const differences = all.flatMap(([expected, got]) => {
    const patterns = expected.map((line) => toPattern(line, stage));
    return diff(expected, patterns, got).map((line) => shorten(line, sts));
  });
  if (differences.length === 0) return undefined;
  return [`$ ${step.command}`, '(-) expected, (+) got', ...differences].join('\n');
}

const loose: Readonly<Record<string, string>> = {
  any: '.*',
  time: '(?:(?:tomorrow|yesterday|\\d{4}-\\d\\d-\\d\\d) )?\\d\\d:\\d\\d',
  left: '(?:less than a minute|\\d+ h|\\d+ min|\\d+ h \\d+ min)',
};

/** What an expected line matches; undefined for any lines. */
function toPattern(line: string, stage: Stage): RegExp | undefined {
  if (/^([>!] )?\.\.\.$/.test(line)) return undefined;
  const parts = line.split(/\{(any|time|left)\}/).map((part, index) => {
    return index % 2 === 1 ? loose[part] : fill(part, stage).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`, 's');
}

/** Names the values of the sessions, which nobody could compare; cuts what nobody would read. */
function shorten(line: string, { sessions }: LocalSts): string {
  const pairs = sessions.flatMap((session) => Object.entries(partsOf(session)));
  return pairs.reduce((text, [word, value]) => text.replaceAll(value, `{${word}}`), line).slice(0, 400);
}

/** The secrets that the runs gave to the system where none belongs. */
function readLeaks({ traces, home, sts, codes }: Stage): string[] {
  if (!traces) return [];
  const secrets = new Map(codes.map((code) => [code, 'a code']));
  for (const key of secretsOf({ home, sts }).keys()) if (key.length >= 16) secrets.set(key, 'a key');
  const given = `${readIfThere(home.configPath)}${readIfThere(home.credentialsPath)}`;
  return readdirSync(traces).flatMap((name) => {
    const leaks = findLeaks(join(traces, name), secrets, isUsual, given);
    rmSync(join(traces, name));
    return leaks;
  });
}

function callLine({ action, accessKeyId, region, params }: LocalSts['calls'][number]): string {
  const { SerialNumber, RoleArn, DurationSeconds } = params;
  return ['?', action, accessKeyId, region, SerialNumber ?? RoleArn, DurationSeconds].filter(Boolean).join(' ');
}

const ownKeys = {
  aws_access_key_id: 'id',
  aws_secret_access_key: 'secret',
  aws_session_token: 'token',
  x_security_token_expires: 'end',
};
const ownKey = new RegExp(`^\\s*(${Object.keys(ownKeys).join('|')}|aws_security_token|expiration)\\s*[=:]`, 'i');

/** The sections hold what STS gave last, in that order; all else is there, but for empty lines. */
function compareSessions(names: readonly string[], before: string, { home, sts }: Stage): Comparison[] {
  const sortOut = (text: string) => {
    const own = names.map((name) => [`+ ${name}`]);
    const others = ['--- ~/.aws/credentials, other lines'];
    let section = '';
    for (const line of text.split('\n').map((line) => line.trimEnd())) {
      section = /^\s*\[(.*?)\]/.exec(line)?.[1] ?? section;
      const mine = own[names.indexOf(section)];
      if (mine && ownKey.test(line)) mine.push(line);
      else if (line !== '' && !(mine && line === `[${section}]`)) others.push(line);
    }
    return { own, others };
  };
  const after = sortOut(readIfThere(home.credentialsPath));
  const first = sts.sessions.length - names.length + 1;
  const sessions = names.map((name, index): Comparison => {
    const keys = Object.entries(ownKeys).map(([key, word]) => `${key} = {${word} ${first + index}}`);
    return [[`+ ${name}`, ...keys], after.own[index] ?? []];
  });
  const [mode] = showFile('~/.aws/credentials', home.credentialsPath);
  return [...sessions, [sortOut(before).others, after.others], [['--- ~/.aws/credentials (mode 600)'], [mode ?? '']]];
}

function compareFile({ path, flags, lines }: FileBlock, stage: Stage): Comparison {
  const state = flags.find((flag) => /^(absent|mode )/.test(flag)) ?? 'mode {any}';
  const content = Buffer.from(contentOf(flags, lines, stage)).toString('latin1');
  return [[`--- ${path} (${state})`, ...visible(content)], showFile(path, inHome(path, stage))];
}

/** What is in ~/.aws, but for some of its files. */
function showFiles(home: Home, without: readonly string[]): string[] {
  const paths = home.listAws().map((name) => `~/.aws/${name}`);
  const shown = paths.filter((path) => !without.includes(path));
  return shown.flatMap((path) => showFile(path, path.replace('~', home.path)));
}

function showFile(path: string, file: string): string[] {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return [`--- ${path} (absent)`];
  const link = stat.isSymbolicLink() ? [`link to ${readlinkSync(file)}`] : [];
  const names = stat.isDirectory() ? readdirSync(file) : [];
  const mode = (stat.mode & 0o777).toString(8);
  return [`--- ${path} (mode ${mode})`, ...link, ...names, ...visible(readIfThere(file))];
}

/** A character a byte, so that none is lost. */
function readIfThere(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, 'latin1') : '';
}

/** Its lines, with control characters made visible, and a word where the last one does not end. */
function visible(text: string): string[] {
  const lines = text.split('\n');
  const last = lines.pop();
  if (last) lines.push(`${last}\\ no newline at end`);
  const hex = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return lines.map((line) => line.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, hex));
}
