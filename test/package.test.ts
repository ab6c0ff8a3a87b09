import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { readLock, readPackage, runtimePackages } from './helpers/packages';
import { command } from './helpers/run';
import { licenceList } from './licences';

const root = join(__dirname, '..');

/** The installed copy that is under test, which `.ci/run` has packed and installed without a network. */
const installed = dirname(dirname(command().args[0] ?? ''));
const skip = installed === root && 'the package is tested where .ci/run has installed it';

/** Every file and folder below `folder`, as a path from there. */
const listAll = (folder: string) => readdirSync(folder, { encoding: 'utf8', recursive: true });

describe('the installed package', { skip }, () => {
  test('is started by the command that npm links', () => {
    const printed = execFileSync(join(installed, '../../../bin/refresh-mfa'), ['--version'], { encoding: 'utf8' });
    assert.equal(printed, `${readPackage().version}\n`);
  });

  test('holds one program, what examples has now, the documents for users, and nothing else', () => {
    const examples = readdirSync(join(root, 'examples')).filter((name) => !name.endsWith('.ts'));
    const expected = [
      ...['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'THIRD-PARTY-LICENSES.md', 'package.json'],
      ...['dist', 'dist/refresh.js', 'examples', 'node_modules'],
      ...examples.map((name) => `examples/${name}`),
    ];
    const found = listAll(installed).filter((path) => !path.startsWith('node_modules/'));
    assert.deepEqual(found.sort(), expected.sort());
  });

  test('holds the packages of the lock, in its versions, and no other', () => {
    const manifests = listAll(join(installed, 'node_modules'))
      .map((path) => `node_modules/${path}`)
      .filter((path) => /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path));
    const found = manifests.map((path) => {
      const { version } = JSON.parse(readFileSync(join(installed, path), 'utf8'));
      return `${dirname(path)} ${version}`;
    });
    const locked = runtimePackages().map(([folder, { version }]) => `${folder} ${version}`);
    assert.deepEqual(found.sort(), locked.sort());
  });

  test('holds the text of every licence where the list of licences says', () => {
    const list = readFileSync(join(installed, 'THIRD-PARTY-LICENSES.md'), 'utf8');
    const texts = [...list.matchAll(/`(node_modules\/[^`]+)` \|$/gm)].map(([, path = '']) => path);
    assert.equal(texts.length, runtimePackages().length);
    for (const path of texts) assert.ok(readFileSync(join(installed, path), 'utf8').length > 500, path);
  });
});

test('every runtime package is bundled, so that an installed copy has the tested tree', () => {
  const { bundleDependencies, dependencies } = readPackage();
  assert.deepEqual([...bundleDependencies].sort(), Object.keys(dependencies).sort());
});

test('no runtime package is for one platform, runs a script when installed, or is under a licence that forbids to ship it', () => {
  const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];
  for (const [folder, { os, cpu, libc, optional, hasInstallScript, license = 'none' }] of runtimePackages()) {
    assert.deepEqual([os, cpu, libc, optional, hasInstallScript].filter(Boolean), [], folder);
    assert.ok(permissive.includes(license), `${folder}: ${license}`);
  }
});

test('the lock has a hash for every package, and names no host to take it from', () => {
  for (const [folder, { integrity, resolved }] of readLock()) {
    assert.match(integrity ?? '', /^sha512-/, folder);
    assert.equal(resolved, undefined, folder);
  }
});

test('THIRD-PARTY-LICENSES.md is what npm run licences writes', () => {
  assert.equal(readFileSync(join(root, 'THIRD-PARTY-LICENSES.md'), 'utf8'), licenceList());
});
