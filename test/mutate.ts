// Breaks one room in one place at a time, in a copy of the tree, and tells which breaks no test sees:
// npm run mutate -- --room sections --count 40 --seed 7 [--tests sections,cases]
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from './helpers/random';

const root = resolve(__dirname, '..');
const hangMs = 240_000;

interface Mutant {
  readonly what: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Comments, regular expressions, strings and templates (as a whole), numbers, words and operators: what may be changed, and what not. */
const tokens = new RegExp(
  [
    /(?<comment>\/\/.*|\/\*[\s\S]*?\*\/)/,
    /(?<=(?:[(,=:[!&|?{};]|\breturn|=>)\s*)(?<regex>\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*)/,
    /(?<string>'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)/,
    /(?<number>\b\d[\d_]*\b)/,
    /(?<word>\b(?:true|false|some|every)\b)/,
    /(?<operator> (?:&&|\|\||===|!==|<=|>=|[<>+*-]) |!(?=[\w(]))/,
    /(?<condition>\bif \()/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

const pairs = ['&& ||', '=== !==', '< <=', '> >=', '+ -', 'true false', 'some every'].map((pair) => pair.split(' '));
/** By operator or word, what takes its place. */
const swaps = new Map([...pairs, ...pairs.map((pair) => [...pair].reverse()), ['*', '+'], ['!', '']] as [
  string,
  string,
][]);

function findMutants(source: string): Mutant[] {
  const found: Mutant[] = [];
  const add = (what: string, start: number, end: number, text: string) => found.push({ what, start, end, text });
  for (const { groups = {}, index } of source.matchAll(tokens)) {
    const { regex, string, number, condition } = groups;
    const swapped = groups.word ?? groups.operator;
    if (regex) for (const [what, text] of weaken(regex)) add(what, index, index + regex.length, text);
    if (string && string.length > 2 && !/^import\b/.test(lineAt(source, index))) {
      add('empty a string', index, index + string.length, "''");
    }
    if (number) add('change a number', index, index + number.length, String(Number(number.replaceAll('_', '')) + 1));
    if (swapped) {
      const sign = swapped.trim();
      add(`swap ${sign}`, index, index + swapped.length, swapped.replace(sign, swaps.get(sign) ?? sign));
    }
    if (condition) {
      const start = index + condition.length;
      const end = closing(source, start);
      add('negate a condition', start, end, `!(${source.slice(start, end)})`);
    }
  }
  // a statement that is a line of its own
  for (const { index, 0: line } of source.matchAll(
    /^ +(?!const |let |import |type |readonly |static |\}|\/|\*).*;$/gm,
  )) {
    const before = source.slice(0, index).trimEnd().at(-1) ?? '';
    if (/[;{})/]/.test(before) && !/^ +\w+[?]?: /.test(line)) add('drop a statement', index, index + line.length, '');
  }
  return found;
}

/** Variants of a regular expression that match more, or less. */
function weaken(regex: string): [string, string][] {
  const variants: [string, RegExp, string][] = [
    ['+ to *', /(?<=[\w)\].])\+/, '*'],
    ['* to +', /(?<=[\w)\].])\*/, '+'],
    ['drop ^', /^\/\^/, '/'],
    ['drop $', /\$(?=\/[a-z]*$)/, ''],
    ['drop a flag', /(?<=\/)[ims](?=[a-z]*$)/, ''],
    ['drop ?', /(?<=[\w)\]])\?(?![=!<:])/, ''],
  ];
  return variants
    .filter(([, from]) => from.test(regex))
    .map(([what, from, to]) => [`regex: ${what}`, regex.replace(from, to)]);
}

function closing(source: string, start: number): number {
  let depth = 1;
  let at = start;
  for (; depth > 0; at++) depth += source[at] === '(' ? 1 : source[at] === ')' ? -1 : 0;
  return at - 1;
}

function lineAt(source: string, index: number): string {
  const start = source.lastIndexOf('\n', index) + 1;
  return source.slice(start, source.indexOf('\n', index));
}

/** A copy that leaves the tree alone. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'refresh-mfa-mutate-'));
  for (const name of readdirSync(root)) {
    if (!['.git', 'node_modules', 'dist'].includes(name))
      cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Ends at the first test that fails, whose name it returns. */
async function firstFailure(copy: string, file: string): Promise<string | undefined> {
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  const args = ['--import', 'tsx', '--test', '--test-reporter=tap', join('test', file)];
  const child = spawn(process.execPath, args, { cwd: copy, env, stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  let output = '';
  let failed: string | undefined;
  const end = (why: string) => {
    failed ??= why;
    // with all that it has started
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  };
  const late = setTimeout(() => end('no end'), hangMs);
  child.stdout.on('data', (data) => {
    output += data;
    const name = /^ *not ok \d+ - (.*)$/m.exec(output)?.[1];
    if (name !== undefined && failed === undefined) end(name);
  });
  const status = await new Promise<number | null>((done) => child.on('close', done));
  clearTimeout(late);
  return failed ?? (status === 0 ? undefined : 'no test ran');
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { room: text, count: text, seed: text, tests: text } });
  const { room = '', count = '40', seed = '1' } = values;
  const path = room === 'refresh' ? 'refresh.ts' : `lib/${room}.ts`;
  const source = readFileSync(join(root, path), 'utf8');
  const all = readdirSync(__dirname).filter((name) => name.endsWith('.test.ts'));
  const uses = (name: string) => readFileSync(join(__dirname, name), 'utf8').includes(`../lib/${room}'`);
  const near = all
    .filter((name) => name === `${room}.test.ts` || uses(name))
    .sort((a) => (a === `${room}.test.ts` ? -1 : 0));
  const tests = values.tests?.split(',').map((name) => `${name}.test.ts`) ?? [...new Set([...near, 'cases.test.ts'])];

  const copy = copyTree();
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
  const compiles = () => spawnSync(join(copy, 'node_modules/.bin/tsc'), { cwd: copy }).status === 0;
  if (!compiles()) throw new Error('the tree does not compile as it is');
  for (const test of tests) {
    const failure = await firstFailure(copy, test);
    if (failure) throw new Error(`${test} fails as it is: ${failure}`);
  }

  const drawn = new Random(Number(seed)).shuffle(findMutants(source));
  console.log(`${path}: ${drawn.length} places to break, ${count} of them tried, seen by ${tests.join(', ')}`);
  let [killed, survived] = [0, 0];
  for (const { what, start, end, text } of drawn) {
    if (killed + survived >= Number(count)) break;
    writeFileSync(join(copy, path), source.slice(0, start) + text + source.slice(end));
    if (!compiles()) continue;
    const place = `${path}:${source.slice(0, start).split('\n').length}`;
    let failure: string | undefined;
    for (const test of tests) failure ??= await firstFailure(copy, test);
    if (failure === undefined) survived++;
    else killed++;
    const change = `${source.slice(start, end).trim()} -> ${text || 'nothing'}\n          ${lineAt(source, start).trim()}`;
    console.log(failure ? `killed    ${place}  ${what}  (${failure})` : `SURVIVED  ${place}  ${what}: ${change}`);
  }
  console.log(`${path}: ${killed} of ${killed + survived} killed`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
