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

/** One command with all that is told about it. */
export interface Step {
  readonly line: number;
  readonly command: string;
  /** What the next calls meet. */
  readonly answers: readonly string[];
  /** What it reads, says and does: lines with their marks. */
  readonly told: string[];
  readonly files: FileBlock[];
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

const flagPattern = /^(no newline at end|CRLF|absent|mode [0-7]{3}|like [\w./-]+)$/;

/** The cases of one file; an error names the line that it does not understand. */
export function parseCases(text: string, file: string): Case[] {
  const shared: FileBlock[] = [];
  const cases: Case[] = [];
  let answers: string[] = [];
  let block: FileBlock | undefined;
  for (const [index, whole] of text.split('\n').entries()) {
    const line = index + 1;
    const problem = (what: string) => new Error(`${file}:${line}: ${what}: ${whole}`);
    const current = cases.at(-1);
    const step = current?.steps.at(-1);
    const [, mark, rest = ''] = /^(---(?= [~/])|##|sts:|needs:|\$) (.*)$/.exec(whole) ?? [];
    if (mark) block = undefined;
    if (block) block.lines.push(whole);
    else if (mark === '##') {
      if (cases.some(({ title }) => title === rest)) throw problem('this title is taken');
      cases.push({ file, line, title: rest, needs: [], files: [...shared], steps: [] });
    } else if (mark === '---') {
      const [, path = '', flags = ''] = /^(.*?)((?: \([^()]*\))*)$/.exec(rest) ?? [];
      block = { path, flags: [...flags.matchAll(/\((.*?)\)/g)].map(([, flag = '']) => flag), lines: [] };
      for (const flag of block.flags) if (!flagPattern.test(flag)) throw problem(`there is no flag (${flag})`);
      (step ?? current ?? { files: shared }).files.push(block);
    } else if (current && mark === 'needs:') current.needs.push(...rest.split(' '));
    else if (current && mark === 'sts:') {
      if (!parseAnswer(rest)) throw problem('the STS does not know this');
      answers.push(rest);
    } else if (current && mark === '$') {
      current.steps.push({ line, command: rest, answers, told: [], files: [] });
      answers = [];
    } else if (step && /^([<?>!+]( |$)|= \d+$)/.test(whole)) step.told.push(whole.length === 1 ? `${whole} ` : whole);
    else if (current && whole !== '') throw problem('what is this');
  }
  for (const { title, line, steps } of cases) {
    if (steps.length === 0) throw new Error(`${file}:${line}: this case has no command: ${title}`);
  }
  return cases;
}

/** What stands behind `sts:`. */
export function parseAnswer(text: string): Behaviour | undefined {
  const [whole, status, code = '', message = ''] = /^(\d{3}) (\w+) (.*)$/.exec(text) ?? [];
  return whole ? { kind: 'error', status: Number(status), code, message } : undefined;
}
