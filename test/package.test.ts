import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { devices, seedHome } from './helpers/home';
import { licenceList, readLock, readPackage, runtimePackages } from './helpers/packages';
import { command, run } from './helpers/run';
import { typed } from './helpers/scene';
import { startSts } from './helpers/sts';

const root = join(__dirname, '..');

/** The installed copy that is under test, which `.ci/run` has packed and installed without a network. */
const installed = dirname(dirname(command().args[0] ?? ''));
const skip = installed === root && 'the package is tested where .ci/run has installed it';

/** Every package below `folder`, by its own folder there, with its version. */
function installedIn(folder: string): [string, string][] {
  const modules = join(folder, 'node_modules');
  return readdirSync(modules, { encoding: 'utf8', recursive: true })
    .filter((path) => /^(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path))
    .map((path): [string, string] => {
      const { version } = JSON.parse(readFileSync(join(modules, path), 'utf8'));
      return [`node_modules/${path.replace(/\/package\.json$/, '')}`, version];
    })
    .sort();
}

describe('the installed package', { skip }, () => {
  test('refreshes a session by the command that npm links', async (t) => {
    const sts = await startSts();
    t.after(() => sts.close());
    const home = seedHome(t, sts);
    const program = { file: join(installed, '../../../bin/refresh-mfa'), args: [] };
    const result = await run(['foobar'], { home, sts, program, stdin: typed(devices.bjohnson) });
    assert.equal(result.status, 0, result.stderr);
    assert.match(home.readCredentials(), /^\[foobar\]\naws_access_key_id = ASIA/m);
  });

  test('holds what is needed, in the versions of the lock, and nothing else', () => {
    const wanted = ['dist/refresh.js', 'dist/lib/sts.js', 'examples/config', 'README.md', 'LICENSE'];
    assert.deepEqual(
      wanted.filter((name) => !existsSync(join(installed, name))),
      [],
    );
    const unwanted = ['refresh.ts', 'lib', 'test', '.ci', '.github', 'examples/demo.ts'];
    assert.deepEqual(
      unwanted.filter((name) => existsSync(join(installed, name))),
      [],
    );
    const locked = [...runtimePackages()].map(([path, { version }]): [string, string] => [path, version]).sort();
    assert.deepEqual(installedIn(installed), locked);
  });

  test('holds the text of every licence where the list of licences says', () => {
    const list = readFileSync(join(installed, 'THIRD-PARTY-LICENSES.md'), 'utf8');
    const texts = [...list.matchAll(/`(node_modules\/[^`]+)` \|$/gm)].map(([, path = '']) => path);
    assert.equal(texts.length, runtimePackages().size);
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
