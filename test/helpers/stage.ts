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
import { diff, type Signed } from './diff';
import { devices, type Home, makeHome } from './home';
import { pathWith } from './programs';
import { command, secretsOf, start } from './run';
import { other, person } from './scene';
import { type IssuedSession, type LocalSts, startSts, totp, type User, wrongCode } from './sts';
import { findLeaks, isUsual, traced } from './trace';
import { whyNot } from './which';

const users: Readonly<Record<string, User>> = { person, other, ...devices };

interface Stage {
  readonly now: number;
  readonly home: Home;
  readonly sts: LocalSts;
  readonly PATH: string;
  /** The codes that it gave out, the last one last, and how many were good ones of each user. */
  readonly codes: string[];
  readonly counts: Map<User, number>;
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
  const stage: Stage = { now: Date.now(), home: makeHome(t), sts, PATH, codes: [], counts: new Map(), traces };
  for (const block of one.files) layOut(block, stage);
  for (const step of one.steps) {
    const report = await runStep(step, stage);
    if (report === undefined) continue;
    const error = new Error(`${one.title}\n${report}`);
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
  const kept = lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  const all = kept.map((line) => fill(flags.includes('escapes') ? decode(line) : line, stage));
  const end = flags.includes('CRLF') ? '\r\n' : '\n';
  return all.length === 0 ? '' : `${all.join(end)}${flags.includes('no newline at end') ? '' : end}`;
}

function decode(text: string): string {
  const letters: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n', '\\': '\\' };
  return text.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([trn\\]))/g,
    (_, byte, unit, letter) => letters[letter] ?? String.fromCharCode(Number.parseInt(byte ?? unit, 16)),
  );
}

const units: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, day: 86_400_000 };

/** Replaces the words in braces that stand for one certain text; what is not known yet, and any other brace, stays. */
function fill(text: string, { now, home, sts, codes, counts }: Stage): string {
  return text.replace(/\{([^{}]+)\}/g, (whole, word: string) => {
    const [isTime, sign = '', count = '0', unit = 's'] = /^now(?: ([+-]) (\d+) (s|min|h|day)s?)?$/.exec(word) ?? [];
    if (isTime) return rfc3339(now + Number(`${sign}${count}`) * (units[unit] ?? 0));
    const [isCode, wrong, name = 'person'] = /^(wrong )?code(?: of (\w+))?$/.exec(word) ?? [];
    const user = users[name];
    if (isCode && user) {
      const used = counts.get(user) ?? 0;
      if (!wrong) counts.set(user, used + 1);
      // STS takes these, whatever their order
      codes.push(wrong ? wrongCode(user.totpSecret) : totp(user.totpSecret, [0, 1, -1, -2][used]));
      return codes.at(-1) ?? '';
    }
    const [, kind = '', which] = /^(id|secret|token|end)(?: (\d+))?$/.exec(word) ?? [];
    const session = sts.sessions.at(which === undefined ? -1 : Number(which) - 1);
    const known: Readonly<Record<string, string | undefined>> = {
      'used code': codes.at(-1),
      home: home.path,
      sts: new URL(sts.url).host,
      ...(kind && { [word]: partsOf(session)[kind] }),
    };
    return known[word] ?? whole;
  });
}

function partsOf(session: IssuedSession | undefined): Record<string, string> {
  if (!session) return {};
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = session;
  return { id: accessKeyId, secret: secretAccessKey, token: sessionToken, end: expiration };
}

function rfc3339(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Lines of one kind, each shown behind `mark`; below `title`, which is shown where they differ. */
interface Comparison {
  readonly title?: string;
  readonly mark?: string;
  readonly expected: readonly string[];
  readonly got: readonly string[];
}

/** What the command did other than told, or undefined. */
async function runStep(step: Step, stage: Stage): Promise<string | undefined> {
  const { home, sts, PATH } = stage;
  const typed = fill(step.command, stage);
  const stdin = step.input.length > 0 ? `${step.input.map((line) => fill(line, stage)).join('\n')}\n` : 'open';
  const before = filesOf(home);
  const credentials = readIfThere(home.credentialsPath);
  const [calls, sessions] = [sts.calls.length, sts.sessions.length];
  // what STS says may quote the code
  sts.behave(...step.answers.flatMap((answer) => parseAnswer(fill(answer, stage)) ?? []));

  const { done, output } = start(['-c', typed], {
    home,
    sts,
    stdin,
    env: { PATH, AWS_EC2_METADATA_DISABLED: 'true', AWS_PAGER: '' },
    program: { file: '/bin/sh', args: [] },
    secrets: stage.codes,
    limitMs: 60_000,
  });
  const problem = (error: Error) => ({ ...output(), status: error.message.split('\n')[0] });
  const { status, stdout, stderr } = await done.catch(problem);

  const comparisons: Comparison[] = [
    { mark: '? ', expected: step.calls, got: sts.calls.slice(calls).map(callLine) },
    { mark: '> ', expected: step.stdout, got: visible(stdout) },
    { mark: '! ', expected: step.stderr, got: visible(stderr) },
    { mark: '= ', expected: [String(step.status)], got: [String(status)] },
    { mark: 'strace: ', expected: [], got: readLeaks(stage) },
  ];
  const names = step.sessions.map((name) => fill(name, stage));
  if (names.length > 0) comparisons.push(...compareSessions(names, credentials, sts.sessions.slice(sessions), home));
  // what is no command of ours may do as it likes
  if (/\brefresh-mfa\b/.test(typed)) {
    const told = [...step.files.map(({ path }) => path), ...(names.length > 0 ? ['~/.aws/credentials'] : [])];
    const after = filesOf(home);
    for (const path of [...new Set([...before.keys(), ...after.keys()])].filter((path) => !told.includes(path))) {
      comparisons.push({ title: `--- ${path}`, expected: before.get(path) ?? absent, got: after.get(path) ?? absent });
    }
  }
  comparisons.push(...step.files.map((block) => compareFile(block, stage)));
  return report(step, comparisons, stage);
}

function report(step: Step, comparisons: readonly Comparison[], stage: Stage): string | undefined {
  const results = comparisons.map(({ title, mark = '', expected, got }) => {
    const lines = diff(
      expected,
      expected.map((line) => toPattern(line, stage)),
      got,
    );
    const isSame = lines.every(([sign]) => sign === ' ');
    const shown = lines.map(([sign, line]): Signed => [sign, `${mark}${shorten(line, stage.sts)}`]);
    return { isSame, shown: title === undefined ? shown : isSame ? [] : [[' ', title] as Signed, ...shown] };
  });
  if (results.every(({ isSame }) => isSame)) return undefined;
  const told = [`$ ${step.command}`, ...step.input.map((line) => `< ${line}`)].map((line): Signed => [' ', line]);
  const all = [...told, ...results.flatMap(({ shown }) => shown)];
  return ['(-) expected, (+) got', ...all.map((pair) => pair.join(' ').trimEnd())].join('\n');
}

const loose: Readonly<Record<string, string>> = {
  any: '.*',
  time: '(?:(?:tomorrow|yesterday|\\d{4}-\\d\\d-\\d\\d) )?\\d\\d:\\d\\d',
  left: '(?:less than a minute|\\d+ h|\\d+ min|\\d+ h \\d+ min)',
};

/** What an expected line matches; undefined for any lines. */
function toPattern(line: string, stage: Stage): RegExp | undefined {
  if (line === '...') return undefined;
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
  return [action, accessKeyId, region, SerialNumber ?? RoleArn, DurationSeconds].filter(Boolean).join(' ');
}

const written = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token', 'x_security_token_expires'];
const ownKey = new RegExp(`^\\s*(${written.join('|')}|aws_security_token|expiration)\\s*[=:]`, 'i');

/** The sections hold what STS gave last, in that order; all else is there, but for empty lines. */
function compareSessions(names: readonly string[], before: string, given: readonly IssuedSession[], home: Home) {
  const split = (text: string) => {
    let section = '';
    const lines = text.split('\n').flatMap((line) => {
      section = /^\s*\[(.*?)\]/.exec(line)?.[1] ?? section;
      return line.trim() === '' ? [] : [{ section, line: line.trimEnd() }];
    });
    const isOwn = ({ section, line }: { section: string; line: string }) =>
      names.includes(section) && (ownKey.test(line) || line === `[${section}]`);
    return { own: lines.filter(isOwn), others: lines.filter((one) => !isOwn(one)).map(({ line }) => line) };
  };
  const { own, others } = split(readIfThere(home.credentialsPath));
  const ofNames = names.map((name, index): Comparison => {
    const values = Object.values(partsOf(given.at(index - names.length)));
    const keys = written.map((key, index) => `${key} = ${values[index] ?? 'what STS gave'}`);
    const got = own.filter(({ section, line }) => section === name && ownKey.test(line)).map(({ line }) => line);
    return { title: `+ ${name}`, expected: keys, got };
  });
  const mode = { title: '--- ~/.aws/credentials', expected: ['mode 600'], got: modeOf(home.credentialsPath) };
  return [
    ...ofNames,
    { title: '--- ~/.aws/credentials, other lines', expected: split(before).others, got: others },
    mode,
  ];
}

const absent: readonly string[] = ['there is no such file'];

function compareFile({ path, flags, lines }: FileBlock, stage: Stage): Comparison {
  const file = inHome(path, stage);
  const mode = behind('mode ', flags);
  const isThere = statSync(file, { throwIfNoEntry: false })?.isFile();
  const expected = flags.includes('absent') ? absent : visible(contentOf(flags, lines, stage));
  const got = isThere ? visible(readFileSync(file, 'utf8')) : absent;
  if (mode === undefined || !isThere) return { title: `--- ${path}`, expected, got };
  return { title: `--- ${path}`, expected: [`mode ${mode}`, ...expected], got: [...modeOf(file), ...got] };
}

function modeOf(file: string): string[] {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? [`mode ${(stat.mode & 0o777).toString(8)}`] : [];
}

/** What is in ~/.aws, by its path. */
function filesOf(home: Home): Map<string, readonly string[]> {
  const describe = (path: string) => {
    const stat = lstatSync(path);
    if (stat.isDirectory()) return [`folder with ${readdirSync(path).join(', ')}`];
    return [...(stat.isSymbolicLink() ? [`link to ${readlinkSync(path)}`] : []), ...visible(readIfThere(path))];
  };
  return new Map(home.listAws().map((name) => [`~/.aws/${name}`, describe(join(home.path, '.aws', name))]));
}

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
