// Breaks one room in one place at a time, in a copy of the tree, and tells which breaks no test sees:
// npm run mutate -- --room sections --count 40 --seed 7 [--tests sections,cases]
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { Random } from './helpers/random';

const root = resolve(__dirname, '..');
const hangMs = 300_000;

interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What is no code: comments, import lines, regular expressions, strings and templates. */
const literals = new RegExp(
  [
    /\/\/.*|\/\*[\s\S]*?\*\//,
    /^import .*/,
    /(?<=[(,=:[!&|?{};>]\s*|return )(?<regex>\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*)/,
    /(?<string>'(?:[^'\\\n]|\\.)+'|`(?:[^`\\]|\\.)+`)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gm',
);

/** In a regular expression, one place each. */
const regexBreaks: readonly (readonly [RegExp, string])[] = [
  [/(?<=[\w)\].])\+/, '*'],
  [/(?<=[\w)\].])\*/, '+'],
  [/(?<=[\w)\]])\?(?![=!<:])/, ''],
  [/(?<=^\/)\^/, ''],
  [/\$(?=\/[a-z]*$)/, ''],
  [/(?<=\/)[ims](?=[a-z]*$)/, ''],
];

/** In code, everywhere. */
const codeBreaks: readonly (readonly [RegExp, string])[] = [
  [/!(?=[\w(])/g, ''],
  [/\b\d[\d_]*\b/g, '7'],
  [/\bif \(/g, 'if (true || '],
  [/\bif \(/g, 'if (false && '],
  // a statement that is a line of its own
  [/(?<=[;{})]\n) +(?!const |let |import |type |readonly |static |\w+\??: )\w.*;$/gm, ''],
];
const swappable = /(?<= )(?:&&|\|\||[!=]==|[<>]=?|[+-])(?= )|\b(?:true|false|some|every)\b/g;
const pairs = ['&& ||', '=== !==', '< <=', '> >=', '+ -', 'true false', 'some every'].map((pair) => pair.split(' '));
const swaps = new Map([...pairs, ...pairs.map((pair) => pair.toReversed())] as [string, string][]);

function findMutants(source: string): Mutant[] {
  const found: Mutant[] = [];
  const add = (start: number, old: string, text = '') => found.push({ start, end: start + old.length, text });
  let code = source;
  for (const { 0: literal, index, groups = {} } of source.matchAll(literals)) {
    const { regex = '', string } = groups;
    if (string) add(index, literal, "''");
    for (const [from, to] of regexBreaks) if (from.test(regex)) add(index, literal, regex.replace(from, to));
    code = code.slice(0, index) + literal.replaceAll(/./g, '~') + code.slice(index + literal.length);
  }
  for (const [from, to] of codeBreaks) for (const { 0: old, index } of code.matchAll(from)) add(index, old, to);
  for (const { 0: old, index } of code.matchAll(swappable)) add(index, old, swaps.get(old));
  return found;
}

/** A copy that leaves the tree alone. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'refresh-mfa-mutate-'));
  // some tests run the tool as another user
  chmodSync(copy, 0o755);
  const kept = readdirSync(root).filter((name) => !['.git', 'node_modules', 'dist'].includes(name));
  for (const name of kept) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** The name of the first test that fails, behind which none is run. */
async function findFailure(copy: string, files: readonly string[]): Promise<string | undefined> {
  const args = ['--import', 'tsx', '--test', '--test-reporter=tap', ...files];
  const stdio = ['ignore', 'pipe', 'ignore'] as const;
  const child = spawn(process.execPath, args, { cwd: copy, stdio: [...stdio], detached: true, timeout: hangMs });
  const exit = once(child, 'exit');
  let failure: string | undefined;
  for await (const line of createInterface({ input: child.stdout as Readable })) {
    failure = /^ *not ok \d+ - (.*)$/.exec(line)?.[1];
    if (failure) break;
  }
  if (!failure && (await exit)[0] !== 0) failure = 'no end';
  try {
    // with all that it has started
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // nothing is left of it
  }
  return failure;
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { room: text, count: text, seed: text, tests: text } });
  const { room = '', count = '40', seed = '1' } = values;
  const path = room === 'refresh' ? 'refresh.ts' : `lib/${room}.ts`;
  const source = readFileSync(join(root, path), 'utf8');
  const uses = (name: string) => readFileSync(join(__dirname, name), 'utf8').includes(`../lib/${room}'`);
  const near = readdirSync(__dirname).filter((name) => name.endsWith('.test.ts') && uses(name));
  const tests = values.tests?.split(',').map((name) => `${name}.test.ts`) ?? [...new Set([...near, 'cases.test.ts'])];

  const copy = copyTree();
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
  const files = tests.map((name) => join('test', name));
  const compiles = () => spawnSync('npm', ['run', 'build'], { cwd: copy }).status === 0;
  if (!compiles()) throw new Error('the tree does not compile as it is');
  const failure = await findFailure(copy, files);
  if (failure) throw new Error(`fails as it is: ${failure}`);

  const drawn = new Random(Number(seed)).shuffle(findMutants(source));
  console.log(`${path}: ${drawn.length} places to break, ${count} of them tried, seen by ${tests.join(', ')}`);
  let [killed, survived] = [0, 0];
  for (const { start, end, text } of drawn) {
    if (killed + survived >= Number(count)) break;
    writeFileSync(join(copy, path), source.slice(0, start) + text + source.slice(end));
    // the types have seen it
    if (!compiles()) continue;
    const failure = await findFailure(copy, files);
    if (failure === undefined) survived++;
    else killed++;
    const line = source.slice(0, start).split('\n').length;
    const change = `${path}:${line}  ${source.slice(start, end).trim()} -> ${text.trim() || 'nothing'}`;
    console.log(
      failure ? `killed    ${change}  (${failure})` : `SURVIVED  ${change}\n          ${source.split('\n')[line - 1]}`,
    );
  }
  console.log(`${path}: ${killed} of ${killed + survived} killed`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
