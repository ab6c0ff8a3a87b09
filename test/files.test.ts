// Which files are read, and which of their sections and values count for a profile.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { makeHeader, readBundle, readFiles } from '../lib/files';
import { type Home, makeHome } from './helpers/home';
import { read, refusal } from './helpers/layout';
import { whyNot } from './helpers/which';

/** The value of `k`, and where it is. */
function findK(layout: string, name = 'foobar'): string | undefined {
  const setting = read(layout).find(name, 'k');
  return setting && `${setting.value} ${setting.where.replace('~/.aws/', '')}`;
}

describe('sections that describe foobar', () => {
  // run through botocore 1.43; it skips the last three
  const same = `[profile foobar], [profile "foobar"], [profile 'foobar'], [profile   foobar], [profile\tfoobar], [profile foo"bar"]`;
  const more =
    '[profile foo\\bar], [profile foobar] # mine, [profile foobar] ; mine, [profile foobar ], [ profile foobar ], [foobar]';
  for (const header of `${same}, ${more}`.split(', ')) {
    test(header, () => assert.equal(findK(`${header} | k = v`), 'v config:2'));
  }
  const others = `[profile foobar'], [profile foobar"], [profile foobar\\], [profile\u00a0foobar], [profile foobar\u00a0]`;
  const another = '[profile foo bar], [profile foobar.dev], [profile FOOBAR], [FOOBAR], [ foobar ], [services foobar]';
  for (const header of `${others}, ${another}`.split(', ')) {
    test(`not ${JSON.stringify(header)}`, () => assert.equal(read(`${header} | k = v`).names.has('foobar'), false));
  }
  test('names of any kind', () => {
    for (const name of 'acme.prod me@corp.example.com team/one größe 日本 constructor __proto__ -x'.split(' ')) {
      assert.deepEqual([...read(`[profile ${name}] // [${name}]`).names], [name]);
      assert.equal(findK(`[profile ${name}] | k = v // [${name}] | l = w`, name), 'v config:2');
      assert.equal(findK(`[profile ${name}] | l = w // [${name}] | k = v`, name), 'v credentials:2');
    }
  });
  test('a header is written so that it is read', () => {
    for (const name of ['my work', 'a"b', "a'b", 'a\\b', 'größe'])
      assert.equal(findK(`${makeHeader(name)} | k = v`, name), 'v config:2');
    const headers = ['foobar', 'default', 'my work'].map(makeHeader);
    assert.equal(headers.join(' '), '[profile foobar] [default] [profile "my work"]');
  });
});

describe('which value counts', () => {
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, value: string | undefined, name?: string])[] = [
    ['[foobar] | k = a | [profile foobar] | k = b', 'b config:4'],
    ['[profile foobar] | x = a | [foobar] | k = b', 'b config:4'],
    ['[profile foobar] | k = a // [foobar] | k = b', 'b credentials:2'],
    ['[foobar] | k = a // [foobar] | k = b', 'b credentials:2'],
    ['[profile foobar] | k = a // [foobar] | x = b', 'a config:2'],
    ['[profile foobar] | k = a // [foobar] | k =', 'a config:2'], ['// [foobar] | k = a', 'a credentials:2'],
    ['[profile foobar] | K:a', 'a config:2'], ['[foobar] | [DEFAULT] | k = a', 'a config:3'],
    ['[DEFAULT] | k = a | [foobar] | k = b', 'b config:4'], ['[DEFAULT] | k = a // [foobar] | x = b', undefined],
    ['// [profile foobar] | k = a', undefined],
    ['[default] | k = a | [profile default] | k = b', 'b config:4', 'default'],
    ['[profile default] | k = b | [default] | k = a', 'b config:2', 'default'],
  ];
  for (const [layout, value, name] of rows) test(layout, () => assert.equal(findK(layout, name), value));
  test('all places, the first to count first, and each once', () => {
    const places = (layout: string, name: string) =>
      read(layout)
        .findSections(name)
        .map((section) => `${section.document.path} [${section.name}]`);
    const all = ['~/.aws/credentials [foobar]', '~/.aws/config [profile foobar]', '~/.aws/config [foobar]'];
    assert.deepEqual(places('[foobar] | [profile foobar] // [foobar]', 'foobar'), all);
    assert.deepEqual(places('[default]', 'default'), ['~/.aws/config [default]']);
  });
  test('names in the order of the files, without [DEFAULT]', () => {
    assert.deepEqual([...read('[DEFAULT] | [profile b] | [a] // [c] | [DEFAULT] | [b]').names], ['b', 'a', 'c']);
  });
});

test('a value of one word has no comment behind it', () => {
  const word = (value: string) => read(`[foobar] | k = ${value}`).find('foobar', 'k')?.requireWord();
  for (const value of ['v', 'v#c', 'v;c', 'two words']) assert.equal(word(value), value);
  for (const value of ['v # c', 'v ; c', 'v\t# c'])
    assert.throws(() => word(value), /^UserError: trailing comment in k /);
});

describe('where the files are', () => {
  const filled = { config: '[foobar]\n', credentials: '[K]\n' };
  function shown({ path }: Home, env: Readonly<Record<string, string>>): (string | boolean)[] {
    const { config, credentials, credentialsPath, names } = readFiles(env, path);
    return [config.path, credentials.path, relative(path, credentialsPath), ...names];
  }
  test('in ~/.aws, also where the variables are empty', (t) => {
    const home = makeHome(t, filled);
    const usual = ['~/.aws/config', '~/.aws/credentials', '.aws/credentials', 'foobar', 'K'];
    assert.deepEqual(shown(home, {}), usual);
    assert.deepEqual(shown(home, { AWS_CONFIG_FILE: '', AWS_SHARED_CREDENTIALS_FILE: '' }), usual);
  });
  test('where the variables say: ~, variables as botocore expands them, absolute and relative paths', (t) => {
    const home = makeHome(t, filled);
    const folder = join(home.path, 'cloud');
    mkdirSync(folder);
    renameSync(home.configPath, join(folder, 'my config'));
    renameSync(home.credentialsPath, join(folder, 'my $NONE~'));
    const moved = ['~/cloud/my config', '~/cloud/my $NONE~', 'cloud/my $NONE~', 'foobar', 'K'];
    for (const place of ['~/cloud', '$HOME/cloud', `$\{HOME}/cloud`, '$TILDE/cloud', folder, relative('.', folder)]) {
      const files = { AWS_CONFIG_FILE: `${place}/my config`, AWS_SHARED_CREDENTIALS_FILE: `${place}/my $NONE~` };
      assert.deepEqual(shown(home, { HOME: home.path, TILDE: '~', ...files }), moved, place);
    }
  });
  test('outside of home they are shown in full', () => {
    const env = { AWS_CONFIG_FILE: '/none/config', AWS_SHARED_CREDENTIALS_FILE: `${homedir()}-2/keys` };
    const { config, credentials } = readFiles(env, homedir());
    assert.deepEqual([config.path, credentials.path], ['/none/config', `${homedir()}-2/keys`]);
  });
});

describe('what can be read', () => {
  test('nothing there, or /dev/null, is an empty file', (t) => {
    const { path } = makeHome(t);
    assert.equal(readFiles({}, path).names.size, 0);
    symlinkSync('/dev/null', join(path, 'link'));
    const env = { AWS_CONFIG_FILE: '~/link', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
    assert.equal(readFiles(env, path).names.size, 0);
  });
  const move = 'move it away, or name another file';
  const look = 'see its owner and mode: ls -l ~/x';
  const refused: readonly (readonly [why: string, hint: string, make: (path: string) => unknown])[] = [
    [': it is a folder', move, (path) => mkdirSync(path)],
    // a FIFO would block the test, too: test/cases/refuse.txt has one
    [': it is not a regular file', move, (path) => createServer().listen(path).unref()],
    [' (ELOOP)', look, (path) => symlinkSync(path, path)],
    [' (EACCES)', look, (path) => writeFileSync(path, '', { mode: 0 })],
  ];
  for (const [why, hint, make] of refused) {
    test(`not one${why}`, { skip: /EACCES/.test(why) && whyNot('nonroot') }, (t) => {
      const { path } = makeHome(t);
      make(join(path, 'x'));
      for (const variable of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) {
        const lines = refusal(() => readFiles({ [variable]: '~/x' }, path), 'file');
        assert.deepEqual(lines, [`cannot read ~/x${why}`, hint]);
      }
    });
  }
  test('not what no aws command can read', (t) => {
    for (const files of [{ config: '[a]\nmilk\n' }, { credentials: '[a]\nmilk\n' }]) {
      const [file] = Object.keys(files);
      const [what] = refusal(() => readFiles({}, makeHome(t, files).path));
      assert.equal(what, `not a key = value line (~/.aws/${file}:2)`);
    }
  });
});

test('certificate authorities are read from where the path leads', (t) => {
  const { path } = makeHome(t, { config: '[foobar]\n' });
  const pem = '-----BEGIN CERTIFICATE-----\n';
  writeFileSync(join(path, 'my ca.pem'), pem);
  const bundle = (name: string) => readBundle(name, { HOME: path }, path);
  for (const name of ['~/my ca.pem', '$HOME/my ca.pem', join(path, 'my ca.pem')]) assert.equal(bundle(name), pem);
  const hint = 'correct AWS_CA_BUNDLE, or ca_bundle in the config';
  for (const [name, what] of [
    ['~/.aws', 'cannot read the certificate bundle ~/.aws (EISDIR)'],
    ['~/.aws/config', 'no certificate in the bundle ~/.aws/config'],
  ] as const) {
    const said = refusal(() => bundle(name));
    assert.deepEqual(said, [what, hint]);
  }
});
