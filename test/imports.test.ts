// The layout that lib/README.md promises, read off the import lines, and the limits of size.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { describe, test } from 'node:test';

const root = resolve(__dirname, '..');

interface Source {
  readonly name: string;
  readonly lines: number;
  /** Without comments. */
  readonly text: string;
  readonly imports: readonly string[];
}

function readSource(path: string): Source {
  const all = readFileSync(path, 'utf8');
  const text = all.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
  const found = text.matchAll(/\b(?:from|import|require\(|import\()\s*['"]([^'"]+)['"]/g);
  return {
    name: basename(path, '.ts'),
    lines: all.split('\n').length - 1,
    text,
    imports: [...found].map(([, from = '']) => from),
  };
}

const entry = readSource(join(root, 'refresh.ts'));
const lib = readdirSync(join(root, 'lib'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readSource(join(root, 'lib', file)));
const sources = [entry, ...lib];

/** The rooms as the table of lib/README.md lists them, with what each does to the world. */
const rooms = new Map<string, string>();
for (const [, files = '', effects = ''] of readFileSync(join(root, 'lib/README.md'), 'utf8').matchAll(
  /^\| (`\w+\.ts`.*?) \|.*\| (.*) \|$/gm,
)) {
  const all = effects.split('; ');
  for (const [index, [, name = '']] of [...files.matchAll(/`(\w+)\.ts`/g)].entries())
    rooms.set(name, all[index] ?? all[0] ?? '');
}
rooms.delete('refresh');
const order = [...rooms.keys()];

/** Our own modules among the imports. */
function ours({ imports }: Source): string[] {
  return imports.filter((from) => from.startsWith('.')).map((from) => basename(from));
}

/** Packages, without Node's own modules. */
function packages({ imports }: Source): string[] {
  return imports
    .filter((from) => !from.startsWith('.') && !isBuiltin(from))
    .map((from) => /^(@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? '');
}

test('lib/README.md has every room', () => {
  assert.deepEqual(order.toSorted(), lib.map(({ name }) => name).toSorted());
});

for (const source of lib) {
  test(`lib/${source.name}.ts imports rooms above it in that table and nothing else of ours`, () => {
    const above = order.slice(0, order.indexOf(source.name));
    assert.deepEqual(
      ours(source).filter((name) => !above.includes(name)),
      [],
    );
  });
}

test('errors.ts imports nothing', () => {
  assert.deepEqual(lib.find(({ name }) => name === 'errors')?.imports, []);
});

describe('npm packages', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    test(`${name} is imported by one file`, () => {
      const users = sources.filter((source) => packages(source).includes(name));
      assert.equal(users.length, 1, users.map((source) => source.name).join());
    });
  }

  test('those of package.json are all that is imported', () => {
    assert.deepEqual([...new Set(sources.flatMap(packages))].sort(), Object.keys(dependencies).sort());
  });
});

const nothing = [
  ['exports a default', /^export\s+default\b|\bas default\b/m],
  ['prints past the one door', /\bconsole\./],
  ['keeps state between calls', /^(?:export )?(?:let|var)\b.*$/m],
  [
    "calls Node's own modules by a short name",
    /['"](?:fs|os|path|http|https|net|tls|tty|child_process|stream|util)['"]/,
  ],
] as const;
const notLib = [
  ['uses process', /(?<![\w.$'"])process\s*[.[?](?!\w*['"])|\bglobalThis\b|\bfrom ['"](node:)?process['"]/],
  ['looks for the home folder', /\bhomedir\b/],
  ['reads the clock', /\bDate\.now\(|\bnew Date\(\s*\)|\bperformance\b|\bhrtime\b/],
] as const;
const notPure = /['"]node:(?!util|path|buffer)[\w/]+['"]/;

for (const { name, text } of lib) {
  test(`lib/${name}.ts does nothing that only the entry may do`, () => {
    for (const [what, pattern] of [...nothing, ...notLib]) assert.equal(pattern.exec(text)?.[0], undefined, what);
    if (rooms.get(name) === 'none') assert.equal(notPure.exec(text)?.[0], undefined, 'is pure');
  });
}

test('the entry ends the process once, behind an error that nobody caught', () => {
  for (const [what, pattern] of nothing.filter(([what]) => what !== 'keeps state between calls')) {
    assert.equal(pattern.exec(entry.text)?.[0], undefined, what);
  }
  assert.equal(entry.text.match(/\bprocess\.(exit|abort|reallyExit)\b/g)?.length, 1);
});

describe('small enough to be read:', () => {
  for (const { name, lines } of sources) {
    test(`${name}.ts has at most 320 lines`, () => assert.ok(lines <= 320, `${lines} lines`));
  }

  test('refresh.ts and lib have at most 2,150 lines of code', () => {
    const count = sources.flatMap(({ text }) => text.split('\n').filter((line) => line.trim() !== '')).length;
    assert.ok(count <= 2150, `${count} lines`);
  });

  test('all below test has at most 9,500 lines', () => {
    const files = readdirSync(__dirname, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const lines = files.map(
      ({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8').split('\n').length - 1,
    );
    const count = lines.reduce((sum, number) => sum + number);
    assert.ok(count <= 9500, `${count} lines`);
  });
});
