// The layout that lib/README.md promises, read off the import lines, and the limits of size.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(__dirname, '..');
const read = (...path: readonly string[]) => readFileSync(join(root, ...path), 'utf8');

function readSource(path: string) {
  const whole = read(path);
  const text = whole.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
  const found = text.matchAll(/\b(?:from|import|require\(|import\()\s*['"]([^'"]+)['"]/g);
  const imports = [...found].map(([, from = '']) => from);
  const packages = imports
    .filter((from) => !from.startsWith('.') && !isBuiltin(from))
    .map((from) => /^(@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? '');
  const ours = imports.filter((from) => from.startsWith('.')).map((from) => basename(from));
  return { name: basename(path, '.ts'), whole, text, ours, packages };
}

const entry = readSource('refresh.ts');
const files = readdirSync(join(root, 'lib')).filter((file) => file.endsWith('.ts'));
const lib = files.map((file) => readSource(join('lib', file)));
const sources = [entry, ...lib];

/** The rooms as the table of lib/README.md lists them, with what each does to the world. */
const rooms = [...read('lib/README.md').matchAll(/^\| (`\w+\.ts`.*?) \|.*\| (.*) \|$/gm)].flatMap(
  ([, names = '', effects = '']) => {
    const all = effects.split('; ');
    return [...names.matchAll(/`(\w+)\.ts`/g)].map(([, name = ''], index) => ({ name, effect: all[index] ?? all[0] }));
  },
);

test('lib/README.md has every room', () => {
  assert.deepEqual(rooms.map(({ name }) => name).sort(), sources.map(({ name }) => name).sort());
});

const never = {
  'exports a default': /^export\s+default\b|\bas default\b/m,
  'prints past the one door': /\bconsole\./,
  "calls Node's own modules by a short name": /['"](?:fs|os|path|http|https|net|tls|tty|child_process|stream|util)['"]/,
};
const onlyEntry = {
  'keeps state between calls': /^(?:export )?(?:let|var)\b.*$/m,
  'uses process': /(?<![\w.$'"])process\s*[.[?](?!\w*['"])|\bglobalThis\b|\bfrom ['"](node:)?process['"]/,
  'looks for the home folder': /\bhomedir\b/,
  'reads the clock': /\bDate\.now\(|\bnew Date\(\s*\)|\bperformance\b|\bhrtime\b/,
};
const impure = { 'touches the world': /['"]node:(?!util|path|buffer)[\w/]+['"]/ };

for (const { name, whole, text, ours } of sources) {
  test(`${name}.ts imports rooms above it in that table, does what it may, and is short`, () => {
    const room = rooms.findIndex((room) => room.name === name);
    const above = name === 'refresh' ? rooms : rooms.slice(0, room);
    for (const other of ours)
      assert.ok(
        above.some((room) => room.name === other),
        `imports ${other}`,
      );
    const isPure = rooms[room]?.effect === 'none';
    const patterns = { ...never, ...(name !== 'refresh' && onlyEntry), ...(isPure && impure) };
    for (const [what, pattern] of Object.entries(patterns)) assert.equal(pattern.exec(text)?.[0], undefined, what);
    const count = whole.split('\n').length - 1;
    assert.ok(count <= 320, `${count} lines`);
  });
}

test('errors.ts imports nothing of ours, and the entry ends the process once, behind an error that nobody caught', () => {
  assert.deepEqual(lib.find(({ name }) => name === 'errors')?.ours, []);
  assert.equal(entry.text.match(/\bprocess\.(exit|abort|reallyExit)\b/g)?.length, 1);
});

test('each npm package of package.json is imported by one file, and no other is', () => {
  const { dependencies } = JSON.parse(read('package.json'));
  const users = sources.flatMap(({ packages }) => [...new Set(packages)]);
  assert.deepEqual(users.sort(), Object.keys(dependencies).sort());
});

test('refresh.ts and lib have at most 2,330 lines of code, and are to have fewer', () => {
  const lines = sources.flatMap(({ text }) => text.split('\n')).filter((line) => line.trim() !== '');
  assert.ok(lines.length <= 2330, `${lines.length} lines`);
});

test('all below test has at most 10,000 lines, and is to have fewer', () => {
  const all = readdirSync(__dirname, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const lines = all.flatMap(({ parentPath, name }) =>
    readFileSync(join(parentPath, name), 'utf8').split('\n').slice(1),
  );
  assert.ok(lines.length <= 10_000, `${lines.length} lines`);
});
