// Reads test/cases/*.txt and runs what they tell. The format is described in test/README.md.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { devices, type Home, makeHome } from './home';
import { pathWith } from './programs';
import { command, secretsOf, start } from './run';
import { other, person } from './scene';
import { type Behaviour, type IssuedSession, type LocalSts, startSts, totp, type User, wrongCode } from './sts';
import { findLeaks, isUsual, traced } from './trace';

const root = resolve(__dirname, '../..');
const users: Readonly<Record<string, User>> = { person, other, ...devices };

/** A file as it is laid out, or as it must be afterwards. */
interface FileBlock {
  readonly line: number;
  readonly path: string;
  readonly flags: readonly string[];
  readonly lines: string[];
}

/** One command with all that is told about it. The texts are those of the file, without their marks. */
interface Step {
  readonly line: number;
  readonly command: string;
  /** What the next calls meet. */
  readonly answers: readonly string[];
  readonly input: string[];
  readonly calls: string[];
  readonly stdout: string[];
  readonly stderr: string[];
  /** Sections that must hold the session that STS gave. */
  readonly sessions: string[];
  readonly files: FileBlock[];
  status: number;
}

export interface Case {
  readonly file: string;
  readonly line: number;
  readonly title: string;
  readonly needs: string[];
  /** The shared files, then those of the case itself. */
  readonly files: readonly FileBlock[];
  readonly steps: readonly Step[];
}

/** The cases of one file; an error names the line that it does not understand. */
export function parseCases(text: string, file: string): Case[] {
  const shared: FileBlock[] = [];
  const cases: (Omit<Case, 'steps'> & { files: FileBlock[]; steps: Step[] })[] = [];
  let answers: string[] = [];
  let block: FileBlock | undefined;
  for (const [index, text_] of text.split('\n').entries()) {
    const line = index + 1;
    const fail = (problem: string): never => {
      throw new Error(`${file}:${line}: ${problem}: ${text_}`);
    };
    const current = cases.at(-1);
    const step = current?.steps.at(-1);
    const [, mark = '', rest = ''] =
      /^(---(?= [~/])|##(?= )|sts:(?= )|needs:(?= )|\$(?= ))(?: (.*))?$/.exec(text_) ?? [];
    if (mark === '') {
      if (block) block.lines.push(text_);
      else if (current && text_ !== '') {
        if (!step || answers.length > 0) fail('this is only for after a command');
        else if (!expect(step, text_)) fail('what is this');
      }
      continue;
    }
    block = undefined;
    if (mark === '##') {
      if (cases.some(({ title }) => title === rest)) fail('this title is taken');
      cases.push({ file, line, title: rest, needs: [], files: [...shared], steps: [] });
      answers = [];
    } else if (mark === '---') {
      const [, path = '', flags = ''] = /^(.*?)((?: \([^()]*\))*)$/.exec(rest) ?? [];
      block = { line, path, flags: [...flags.matchAll(/\((.*?)\)/g)].map(([, flag = '']) => flag), lines: [] };
      for (const flag of block.flags) if (!flagPattern.test(flag)) fail(`there is no flag (${flag})`);
      (step ?? current ?? { files: shared }).files.push(block);
    } else if (!current) fail('a case has to begin first, with ## and a title');
    else if (mark === 'needs:') {
      if (step) fail('this stands before the first command');
      current.needs.push(...rest.split(/\s+/));
    } else if (mark === 'sts:') {
      if (!parseBehaviour(rest)) fail('the STS does not know this');
      answers.push(rest);
    } else {
      const empty = { input: [], calls: [], stdout: [], stderr: [], sessions: [], files: [] };
      current.steps.push({ line, command: rest, answers, ...empty, status: 0 });
      answers = [];
    }
  }
  for (const { title, line, steps } of cases) {
    if (steps.length === 0) throw new Error(`${file}:${line}: this case has no command: ${title}`);
  }
  return cases;
}

/** Adds a line of what a command reads, says or does. */
function expect(step: Step, text: string): boolean {
  const [, mark = '', rest = ''] = /^([<?>!=+])(?: (.*))?$/.exec(text) ?? [];
  const lists = { '<': step.input, '?': step.calls, '>': step.stdout, '!': step.stderr, '+': step.sessions };
  if (mark === '=' && /^\d+$/.test(rest)) step.status = Number(rest);
  else if (mark in lists) lists[mark as keyof typeof lists].push(rest);
  else return false;
  return true;
}

const flagPattern = /^(no newline at end|CRLF|escapes|absent|mode [0-7]{3}|like [\w./-]+)$/;

function parseBehaviour(text: string): Behaviour | undefined {
  const [, kind = '', number = '', code = '', rest = ''] = /^(\S+)(?: (\S+)(?: (\S+)(?: (.*))?)?)?$/.exec(text) ?? [];
  if (/^(silent|drop|drop-after|throttle|empty|partial)$/.test(text)) return { kind: text } as Behaviour;
  if (text === 'answer') return { kind: 'delay', ms: 0 };
  if (text === '500' || text === '503') return { kind: 'status', status: text === '500' ? 500 : 503 };
  if (kind === 'delay') return { kind, ms: Number(number) };
  if (kind === 'html') return { kind, status: Number(number) };
  if (kind === 'raw') return { kind, status: Number(number), contentType: code, body: rest };
  if (/^\d{3}$/.test(kind)) {
    return { kind: 'error', status: Number(kind), code: number, message: [code, rest].filter(Boolean).join(' ') };
  }
  return undefined;
}

/** What a run of a case knows. */
interface Stage {
  readonly now: number;
  readonly home: Home;
  readonly sts: LocalSts;
  /** The codes that it gave out, the last one last. */
  readonly codes: string[];
  readonly counts: Map<User, number>;
  /** Where each run of the tool leaves what strace saw of it. */
  readonly traces: string | undefined;
}

/** Runs a case in a home of its own, with an STS of its own; throws what differs. With `trace`, the tool runs under strace. */
export async function runCase(t: TestContext, one: Case, { trace = false } = {}): Promise<void> {
  const sts = await startSts();
  t.after(() => sts.close());
  for (const user of Object.values(users)) sts.addUser(user);
  const home = makeHome(t);
  const traces = trace ? makeHome(t).path : undefined;
  const stage: Stage = { now: Date.now(), home, sts, codes: [], counts: new Map(), traces };
  for (const block of one.files) layOut(block, stage);
  const { PATH } = pathWith(t, {}, traces ? traced(command(), join(traces, '$$')) : command());
  for (const step of one.steps) {
    const report = await runStep(step, stage, PATH);
    if (report !== undefined) throw failure(`${one.title}\n${report}`, `${one.file}:${step.line}`);
  }
}

/** Its own stack would name the runner, and never the case. */
function failure(message: string, place: string): Error {
  const error = new Error(message);
  error.stack = `${message}\n    at ${place}`;
  return error;
}

function layOut({ path, flags, lines }: FileBlock, stage: Stage): void {
  const file = inHome(path, stage);
  rmSync(file, { force: true });
  if (flags.includes('absent')) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, contentOf(flags, lines, stage));
  chmodSync(file, Number.parseInt(modeIn(flags) ?? '600', 8));
}

function contentOf(flags: readonly string[], lines: readonly string[], stage: Stage): string | Buffer {
  const like = flags.find((flag) => flag.startsWith('like '))?.slice('like '.length);
  if (like !== undefined) return readFileSync(join(root, like));
  const escaped = flags.includes('escapes');
  const all = trimmed(lines).map((line) => fill(escaped ? decode(line) : line, stage));
  const end = flags.includes('CRLF') ? '\r\n' : '\n';
  return all.length === 0 ? '' : `${all.join(end)}${flags.includes('no newline at end') ? '' : end}`;
}

function trimmed(lines: readonly string[]): readonly string[] {
  return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
}

function modeIn(flags: readonly string[]): string | undefined {
  return flags.find((flag) => flag.startsWith('mode '))?.slice('mode '.length);
}

function inHome(path: string, { home }: Stage): string {
  return path.replace(/^~(?=\/)/, home.path);
}

function decode(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([trn\\]))/g, (_, byte, unit, letter) =>
    letter
      ? ({ t: '\t', r: '\r', n: '\n' }[letter as string] ?? letter)
      : String.fromCharCode(Number.parseInt(byte ?? unit, 16)),
  );
}

const units: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, day: 86_400_000 };

/** Replaces the words in braces that stand for one certain text; what is not known yet, and any other brace, stays. */
function fill(text: string, { now, home, sts, codes, counts }: Stage): string {
  return text.replace(/\{([^{}]+)\}/g, (whole, word: string) => {
    const [, sign, count, unit = ''] = /^now(?: ([+-]) (\d+) (s|min|h|day)s?)?$/.exec(word) ?? [];
    if (sign !== undefined) return rfc3339(now + Number(`${sign}${count}`) * (units[unit] ?? 0));
    const [, wrong, name] = /^(wrong )?code(?: of (\w+))?$/.exec(word) ?? [];
    const user = users[name ?? 'person'];
    if (/^(wrong )?code\b/.test(word) && user) {
      const used = counts.get(user) ?? 0;
      if (!wrong) counts.set(user, used + 1);
      // STS takes these, whatever their order
      const code = wrong ? wrongCode(user.totpSecret) : totp(user.totpSecret, [0, 1, -1, -2][used]);
      codes.push(code);
      return code;
    }
    const [, kind, which] = /^(id|secret|token|end)(?: (\d+))?$/.exec(word) ?? [];
    const session = sts.sessions.at(which === undefined ? -1 : Number(which) - 1);
    const values: Readonly<Record<string, string | undefined>> = {
      now: rfc3339(now),
      'used code': codes.at(-1),
      home: home.path,
      sts: new URL(sts.url).host,
      ...(session && kind && { [word]: partOf(session, kind) }),
    };
    return values[word] ?? whole;
  });
}

const kinds = ['id', 'secret', 'token', 'end'];

function partOf(session: IssuedSession, kind: string): string | undefined {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = session;
  return { id: accessKeyId, secret: secretAccessKey, token: sessionToken, end: expiration }[kind];
}

function rfc3339(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Lines of one kind, each shown behind `mark`; below `title`, which is shown where they differ. */
interface Comparison {
  readonly title?: string;
  readonly mark: string;
  readonly expected: readonly string[];
  readonly got: readonly string[];
}

/** A line with `-` where it is missing, `+` where it is too many. */
type Signed = readonly [sign: ' ' | '-' | '+', line: string];

/** What the command did other than told, or undefined. */
async function runStep(step: Step, stage: Stage, PATH: string): Promise<string | undefined> {
  const { home, sts } = stage;
  const typed = fill(step.command, stage);
  const stdin = step.input.length > 0 ? `${step.input.map((line) => fill(line, stage)).join('\n')}\n` : 'open';
  const before = contentsOf(home);
  const credentials = readIfThere(home.credentialsPath);
  const [calls, sessions] = [sts.calls.length, sts.sessions.length];
  // what STS says may quote the code
  sts.behave(...step.answers.flatMap((answer) => parseBehaviour(fill(answer, stage)) ?? []));

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
  const [spoken, asked] = [visible(stdout), visible(stderr)];

  const comparisons: Comparison[] = [
    { mark: '? ', expected: step.calls, got: sts.calls.slice(calls).map(callLine) },
    { mark: '> ', expected: step.stdout, got: spoken },
    { mark: '! ', expected: step.stderr, got: asked },
    { mark: '= ', expected: [String(step.status)], got: [String(status)] },
    { mark: 'strace: ', expected: [], got: readLeaks(stage) },
  ];
  const names = step.sessions.map((name) => fill(name, stage));
  if (names.length > 0) {
    const given = sts.sessions.slice(sessions).slice(-names.length);
    const after = readIfThere(home.credentialsPath);
    for (const [index, name] of names.entries()) {
      const session = given[index];
      const expected = session ? sessionLines(session) : ['a session that STS gave'];
      comparisons.push({ title: `+ ${name}`, mark: '', expected, got: ownLines(after, name) });
    }
    comparisons.push({
      title: '--- ~/.aws/credentials, other lines',
      mark: '',
      expected: otherLines(credentials, names),
      got: otherLines(after, names),
    });
  }
  // what is no command of ours may do as it likes
  if (/\brefresh-mfa\b/.test(typed)) {
    const known = [...step.files.map(({ path }) => path), ...(names.length > 0 ? ['~/.aws/credentials'] : [])];
    comparisons.push(...untouched(before, contentsOf(home), known));
  }
  comparisons.push(...step.files.map((block) => compareFile(block, stage)));

  const results = comparisons.map(({ title, mark, expected, got }) => {
    const patterns = expected.map((line) => toPattern(line, stage));
    const lines = align(expected, patterns, got).map(([sign, line]): Signed => [sign, `${mark}${shorten(line, sts)}`]);
    return {
      lines: title ? [[' ', title] as Signed, ...lines] : lines,
      same: lines.every(([sign]) => sign === ' '),
      title,
    };
  });
  if (results.every(({ same }) => same)) return undefined;
  const told = [`$ ${step.command}`, ...step.input.map((line) => `< ${line}`)].map((line): Signed => [' ', line]);
  const shown = results.filter(({ same, title }) => !(same && title)).flatMap(({ lines }) => lines);
  return ['(-) expected, (+) got', ...[...told, ...shown].map((pair) => pair.join(' ').trimEnd())].join('\n');
}

/** The secrets that the runs gave to the system where none belongs. */
function readLeaks({ traces, home, sts, codes }: Stage): string[] {
  if (!traces) return [];
  const keys = [...secretsOf({ home, sts }).keys()].filter((key) => key.length >= 16);
  const secrets = new Map([
    ...keys.map((key) => [key, 'a key'] as const),
    ...codes.map((code) => [code, 'a code'] as const),
  ]);
  const given = home
    .listAws()
    .map((name) => readIfThere(join(home.path, '.aws', name)))
    .join('\n');
  return readdirSync(traces).flatMap((name) => {
    const leaks = findLeaks(join(traces, name), { secrets, isMeant: isUsual, given });
    rmSync(join(traces, name));
    return leaks;
  });
}

/** Whatever else the command did in ~/.aws. */
function untouched(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>, known: readonly string[]) {
  const paths = [...new Set([...before.keys(), ...after.keys()])].filter((path) => !known.includes(path)).sort();
  return paths.flatMap((path): Comparison[] => {
    const [expected = absent, got = absent] = [before.get(path), after.get(path)];
    return expected === got ? [] : [{ title: `--- ${path}`, mark: '', expected: visible(expected), got: visible(got) }];
  });
}

const absent = 'there is no such file\n';

function compareFile(block: FileBlock, stage: Stage): Comparison {
  const file = inHome(block.path, stage);
  const title = `--- ${block.path}`;
  const mode = modeIn(block.flags);
  const isGone = block.flags.includes('absent');
  const expected = isGone ? absent : contentOf(block.flags, block.lines, stage).toString();
  const got = existsSync(file) ? readFileSync(file, 'utf8') : absent;
  const withMode = mode === undefined ? [] : [`mode ${mode}`];
  const gotMode = mode === undefined || !existsSync(file) ? [] : [`mode ${(statSync(file).mode & 0o777).toString(8)}`];
  return { title, mark: '', expected: [...withMode, ...visible(expected)], got: [...gotMode, ...visible(got)] };
}

function callLine({ action, accessKeyId, region, params }: LocalSts['calls'][number]): string {
  const { SerialNumber, RoleArn, DurationSeconds } = params;
  return [action, accessKeyId, region, SerialNumber ?? RoleArn, DurationSeconds].filter(Boolean).join(' ');
}

function sessionLines(session: IssuedSession): string[] {
  return [
    `aws_access_key_id = ${session.accessKeyId}`,
    `aws_secret_access_key = ${session.secretAccessKey}`,
    `aws_session_token = ${session.sessionToken}`,
    `x_security_token_expires = ${session.expiration}`,
  ];
}

const ownKey =
  /^\s*(aws_access_key_id|aws_secret_access_key|aws_session_token|aws_security_token|x_security_token_expires|expiration)\s*[=:]/i;

function withSection(text: string): { section: string; line: string }[] {
  let section = '';
  return text.split('\n').map((line) => {
    section = /^\s*\[(.*?)\]/.exec(line)?.[1] ?? section;
    return { section, line: line.trimEnd() };
  });
}

/** What the tool writes into the section. */
function ownLines(text: string, name: string): string[] {
  const lines = withSection(text).filter(({ section, line }) => section === name && ownKey.test(line));
  return lines.map(({ line }) => line);
}

/** What the tool has to leave as it is: all that is not its own, but for empty lines and the headers. */
function otherLines(text: string, names: readonly string[]): string[] {
  const isOwn = ({ section, line }: { section: string; line: string }) =>
    names.includes(section) && (ownKey.test(line) || line === `[${section}]`);
  return withSection(text).flatMap((one) => (one.line === '' || isOwn(one) ? [] : [one.line]));
}

/** Every file of ~/.aws by its path, with a link's target for a link. */
function contentsOf(home: Home): Map<string, string> {
  return new Map(
    home.listAws().map((name) => {
      const path = join(home.path, '.aws', name);
      const stat = lstatSync(path);
      const content = stat.isSymbolicLink()
        ? `link to ${readlinkSync(path)}\n${readIfThere(path)}`
        : stat.isDirectory()
          ? `folder with ${readdirSync(path).join(', ')}\n`
          : readIfThere(path);
      return [`~/.aws/${name}`, content];
    }),
  );
}

function readIfThere(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, 'latin1') : '';
}

/** Its lines, with control characters made visible, and a word where the last one does not end. */
function visible(text: string): string[] {
  const lines = text.split('\n');
  const last = lines.pop();
  if (last) lines.push(`${last}\\ no newline at end`);
  return lines.map((line) =>
    line.replace(
      /[\x00-\x08\x0b-\x1f\x7f]/g,
      (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
    ),
  );
}

const loose: Readonly<Record<string, string>> = {
  any: '.*',
  time: '(?:(?:tomorrow|yesterday|\\d{4}-\\d\\d-\\d\\d) )?\\d\\d:\\d\\d',
  left: '(?:less than a minute|\\d+ h|\\d+ min|\\d+ h \\d+ min)',
};

/** What an expected line matches; undefined for any lines. */
function toPattern(line: string, stage: Stage): RegExp | undefined {
  if (line === '...') return undefined;
  const parts = line.split(/(\{(?:any|time|left)\})/).map((part, index) => {
    if (index % 2 === 1) return loose[part.slice(1, -1)];
    return fill(part, stage).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`, 's');
}

/** The fewest lines that are missing (-) or too many (+). */
function align(
  expected: readonly string[],
  patterns: readonly (RegExp | undefined)[],
  got: readonly string[],
): Signed[] {
  const costs = Array.from({ length: expected.length + 1 }, () => new Array<number>(got.length + 1).fill(0));
  const cost = (i: number, j: number) => costs[i]?.[j] ?? Number.POSITIVE_INFINITY;
  const matches = (i: number, j: number) => i < expected.length && j < got.length && patterns[i]?.test(got[j] ?? '');
  const isAny = (i: number) => i < expected.length && patterns[i] === undefined;
  for (let i = expected.length; i >= 0; i--) {
    for (let j = got.length; j >= 0; j--) {
      if (i === expected.length && j === got.length) continue;
      const choices = isAny(i) ? [cost(i + 1, j), cost(i, j + 1)] : [cost(i + 1, j) + 1, cost(i, j + 1) + 1];
      if (matches(i, j)) choices.push(cost(i + 1, j + 1));
      (costs[i] ?? [])[j] = Math.min(...choices);
    }
  }
  const lines: Signed[] = [];
  for (let i = 0, j = 0; i < expected.length || j < got.length; ) {
    if (matches(i, j) && cost(i, j) === cost(i + 1, j + 1)) {
      lines.push([' ', expected[i++] ?? '']);
      j++;
    } else if (isAny(i)) {
      if (cost(i, j) === cost(i + 1, j)) lines.push([' ', expected[i++] ?? '']);
      else if (j++ < 12) lines.push([' ', `... ${got[j - 1]}`]);
    } else if (i < expected.length && cost(i, j) === cost(i + 1, j) + 1) lines.push(['-', expected[i++] ?? '']);
    else lines.push(['+', got[j++] ?? '']);
  }
  return lines;
}

/** Names the values of the sessions, which nobody could compare; cuts what nobody would read. */
function shorten(line: string, { sessions }: LocalSts): string {
  const pairs = sessions.flatMap((session) => kinds.map((kind) => [partOf(session, kind) ?? '', `{${kind}}`] as const));
  return pairs.reduce((text, [value, word]) => text.replaceAll(value, word), line).slice(0, 400);
}

/** Where the cases are, from the root of the repository. */
export function caseFiles(): string[] {
  const folder = join(root, 'test/cases');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => relative(root, join(folder, name)));
}

export function readCases(file: string): Case[] {
  return parseCases(readFileSync(join(root, file), 'utf8'), file);
}
