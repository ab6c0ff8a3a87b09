// Who may import whom, read off the import lines.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { describe, test } from 'node:test';

const root = resolve(__dirname, '..');
const leaves = ['errors', 'sections', 'command'];
/** Each may take types from those before it, and values from the leaves alone. */
const stages = ['args', 'profiles', 'otp', 'sts', 'credentials', 'check', 'report', 'notify', 'completion'];

interface Import {
  readonly from: string;
  /** False when it is erased by the compiler. */
  readonly value: boolean;
}

interface Source {
  readonly name: string;
  /** Without comments. */
  readonly text: string;
  readonly imports: readonly Import[];
}

const files = [join(root, 'refresh.ts'), ...readdirSync(join(root, 'lib')).map((file) => join(root, 'lib', file))];
const sources = files.map(readSource);
const lib = sources.filter(({ name }) => name !== 'refresh');

function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
  const imports = [...text.matchAll(/^(?:import|export)\s(?:([^;'"]*?)\sfrom\s+)?['"]([^'"]+)['"]/gm)].map(
    ([, names = '', from = '']) => ({ from, value: hasValue(names) }),
  );
  const calls = [...text.matchAll(/(typeof\s+)?\b(?:import|require)\(\s*['"]([^'"]+)['"]/g)].map(
    ([, type, from = '']) => ({ from, value: type === undefined }),
  );
  return { name: basename(path, '.ts'), text, imports: [...imports, ...calls] };
}

function hasValue(names: string): boolean {
  if (/^type\s/.test(names)) return false;
  const braced = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1];
  if (braced === undefined) return true;
  return braced.split(',').some((name) => name.trim() !== '' && !/^type\s/.test(name.trim()));
}

/** The module of ours that it names, or undefined for packages and Node's own. */
function ours({ from }: Import): string | undefined {
  return from.startsWith('.') ? basename(from) : undefined;
}

function packageOf({ from }: Import): string | undefined {
  if (from.startsWith('.') || isBuiltin(from)) return undefined;
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/');
}

function users(name: string): string[] {
  return sources.filter(({ imports }) => imports.some((one) => packageOf(one) === name)).map((source) => source.name);
}

test('every file of lib is a leaf or a stage', () => {
  assert.deepEqual(lib.map(({ name }) => name).sort(), [...leaves, ...stages].sort());
});

describe('a leaf imports leaves before it and nothing else of ours', () => {
  for (const { name, imports } of lib.filter((source) => leaves.includes(source.name))) {
    test(name, () => {
      const before = leaves.slice(0, leaves.indexOf(name));
      assert.deepEqual(
        imports.map(ours).filter((other) => other !== undefined && !before.includes(other)),
        [],
      );
    });
  }
});

describe('a stage imports values from leaves, and types from leaves and the stages before it', () => {
  for (const { name, imports } of lib.filter((source) => stages.includes(source.name))) {
    test(name, () => {
      const before = [...leaves, ...stages.slice(0, stages.indexOf(name))];
      for (const one of imports) {
        const other = ours(one);
        if (other === undefined) continue;
        assert.ok(before.includes(other), `${name} imports ${other}, which is not before it`);
        assert.ok(!one.value || leaves.includes(other), `${name} imports a value of ${other}`);
      }
    });
  }
});

test('refresh.ts imports every stage, and nothing imports refresh.ts', () => {
  const wired = sources.find(({ name }) => name === 'refresh')?.imports.map(ours) ?? [];
  assert.deepEqual(
    stages.filter((stage) => !wired.includes(stage)),
    [],
  );
  assert.deepEqual(
    lib.filter(({ imports }) => imports.some((one) => ours(one) === 'refresh')).map(({ name }) => name),
    [],
  );
});

describe('npm packages', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    test(`${name} is imported by exactly one file`, () => {
      assert.equal(users(name).length, 1, users(name).join(', '));
    });
  }

  test('nothing is imported that package.json does not name', () => {
    const used = new Set(sources.flatMap(({ imports }) => imports.flatMap((one) => packageOf(one) ?? [])));
    assert.deepEqual([...used].sort(), Object.keys(dependencies).sort());
  });

  test("Node's own modules are called by their full name", () => {
    const short = sources.flatMap(({ imports }) =>
      imports.filter(({ from }) => isBuiltin(from) && !/^node:/.test(from)),
    );
    assert.deepEqual(short, []);
  });
});

describe('what only refresh.ts does', () => {
  for (const [what, pattern] of [
    ['use process', /(?<![\w.$'"])process\s*[.[?](?!\w*['"])|\bglobalThis\b|\bfrom ['"](node:)?process['"]/],
    ['look for the home folder', /\bhomedir\b|node:os['"]/],
    ['read the clock', /\bDate\.now\(|\bnew Date\(\s*\)|\bperformance\b|\bhrtime\b/],
  ] as const) {
    for (const { name, text } of lib) {
      test(`lib/${name}.ts does not ${what}`, () => {
        assert.equal(pattern.exec(text)?.[0], undefined);
      });
    }
  }
});

/** Nothing can be relied on behind an error that nobody caught, so there, and only there, the process is ended. */
const lastWord = /^process\.on\('uncaughtException', .*\n {2}stderr\(.*\n {2}process\.exit\(1\);\n\}\);$/m;

describe('what no file does', () => {
  for (const [what, pattern] of [
    ['export a default', /^export\s+default\b|\bas default\b/m],
    ['end the process', /\bprocess\.(exit|abort|reallyExit)\b/],
    ['print past the streams that refresh.ts hands out', /\bconsole\./],
  ] as const) {
    for (const { name, text } of sources) {
      test(`${name}.ts does not ${what}`, () => {
        assert.equal(pattern.exec(text.replace(lastWord, ''))?.[0], undefined);
      });
    }
  }

  for (const { name, text } of lib) {
    test(`lib/${name}.ts keeps no state between calls`, () => {
      assert.equal(/^(?:export )?(?:let|var)\b.*$/m.exec(text)?.[0], undefined);
    });
  }
});
