// The layout that lib/README.md promises, read off the import lines, and the limits of size.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, extname, join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(__dirname, '..');
const read = (...path: readonly string[]) => readFileSync(join(root, ...path), 'utf8');

function readSource(path: string) {
  const whole = read(path);
  const text = whole.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
  const found = text.matchAll(/\b(?:from|import|require\(|import\()\s*['"]([^'"]+)['"]/g);
  return { name: basename(path, '.ts'), whole, text, imports: [...found].map(([, from = '']) => from) };
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

for (const { name, whole, text, imports } of sources) {
  test(`${name}.ts imports rooms above it in that table, does what it may, and is short`, () => {
    const isEntry = name === 'refresh';
    const room = rooms.findIndex((room) => room.name === name);
    const above = (isEntry ? rooms : rooms.slice(1, room)).map((room) => `./${isEntry ? 'lib/' : ''}${room.name}`);
    const below = imports.filter((from) => from.startsWith('.') && !above.includes(from));
    assert.deepEqual(below, []);
    const isPure = rooms[room]?.effect === 'none';
    const patterns = { ...never, ...(!isEntry && onlyEntry), ...(isPure && impure) };
    for (const [what, pattern] of Object.entries(patterns)) assert.equal(pattern.exec(text)?.[0], undefined, what);
    const count = whole.split('\n').length - 1;
    assert.ok(count <= 320, `${count} lines`);
  });
}

test('the entry ends the process once, behind an error that nobody caught', () => {
  assert.equal(entry.text.match(/\bprocess\.(exit|abort|reallyExit)\b/g)?.length, 1);
});

test('each npm package of package.json is imported by one file, and no other is', () => {
  const { dependencies } = JSON.parse(read('package.json'));
  const used = sources.flatMap(({ imports }) => [...new Set(imports)]);
  const packages = used.filter((from) => !from.startsWith('.') && !isBuiltin(from));
  assert.deepEqual(packages.sort(), Object.keys(dependencies).sort());
});

const code = sources.flatMap(({ text }) => text.split('\n')).filter((line) => line.trim() !== '');
const testFiles = readdirSync(__dirname, { encoding: 'utf8', recursive: true }).filter((path) => extname(path) !== '');
const tests = testFiles.flatMap((path) => read('test', path).split('\n').slice(1));
for (const { of, lines, most } of [
  { of: 'code of refresh.ts and lib', lines: code, most: 2150 },
  { of: 'all below test', lines: tests, most: 9500 },
]) {
  test(`the lines of ${of} are at most ${most}`, () => {
    assert.ok(lines.length <= most, `${lines.length} lines`);
  });
}
