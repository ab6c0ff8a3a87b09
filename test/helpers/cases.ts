// Reads test/cases/*.txt, whose format test/README.md describes.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Behaviour } from './sts';

const folder = resolve(__dirname, '../cases');

/** A file as it is laid out, or as it must be afterwards. */
export interface FileBlock {
  readonly path: string;
  readonly flags: readonly string[];
  readonly lines: string[];
}

/** One command with all that is told about it. The texts are those of the file, without their marks. */
export interface Step {
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
  readonly files: FileBlock[];
  readonly steps: Step[];
}

/** The topics, which are the names of the files. */
export function caseTopics(): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));
  return names.map((name) => name.slice(0, -'.txt'.length)).sort();
}

/** The cases of a topic; those that $REFRESH_MFA_CASES, a regular expression, finds as `topic: title`, where it is set. */
export function readCases(topic: string): Case[] {
  const wanted = new RegExp(process.env.REFRESH_MFA_CASES ?? '');
  const all = parseCases(readFileSync(join(folder, `${topic}.txt`), 'utf8'), `test/cases/${topic}.txt`);
  return all.filter(({ title }) => wanted.test(`${topic}: ${title}`));
}

const flagPattern = /^(no newline at end|CRLF|escapes|absent|mode [0-7]{3}|like [\w./-]+)$/;

/** The cases of one file; an error names the line that it does not understand. */
export function parseCases(text: string, file: string): Case[] {
  const shared: FileBlock[] = [];
  const cases: Case[] = [];
  let answers: string[] = [];
  let block: FileBlock | undefined;
  for (const [index, whole] of text.split('\n').entries()) {
    const line = index + 1;
    const fail = (problem: string): never => {
      throw new Error(`${file}:${line}: ${problem}: ${whole}`);
    };
    const current = cases.at(-1);
    const step = current?.steps.at(-1);
    const [, mark = '', rest = ''] = /^(---(?= [~/])|##|sts:|needs:|\$) (.*)$/.exec(whole) ?? [];
    if (mark === '') {
      if (block) block.lines.push(whole);
      else if (current && whole !== '') {
        if (!step || answers.length > 0) fail('this is only for after a command');
        else if (!expect(step, whole)) fail('what is this');
      }
      continue;
    }
    block = undefined;
    if (mark === '##') {
      if (cases.some(({ title }) => title === rest)) fail('this title is taken');
      cases.push({ file, line, title: rest, needs: [], files: [...shared], steps: [] });
    } else if (mark === '---') {
      const [, path = '', flags = ''] = /^(.*?)((?: \([^()]*\))*)$/.exec(rest) ?? [];
      block = { path, flags: [...flags.matchAll(/\((.*?)\)/g)].map(([, flag = '']) => flag), lines: [] };
      for (const flag of block.flags) if (!flagPattern.test(flag)) fail(`there is no flag (${flag})`);
      (step ?? current ?? { files: shared }).files.push(block);
    } else if (!current) fail('a case has to begin first, with ## and a title');
    else if (mark === 'needs:') {
      if (step) fail('this stands before the first command');
      current.needs.push(...rest.split(' '));
    } else if (mark === 'sts:') {
      if (!parseAnswer(rest)) fail('the STS does not know this');
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

/** What stands behind `sts:`. */
export function parseAnswer(text: string): Behaviour | undefined {
  const [kind = '', number = '', type = '', ...rest] = text.split(' ');
  if (kind === 'raw') return { kind, status: Number(number), contentType: type, body: rest.join(' ') };
  if (!/^\d{3}$/.test(kind)) return undefined;
  return { kind: 'error', status: Number(kind), code: number, message: [type, ...rest].join(' ') };
}
