import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { devices, seedHome } from './helpers/home';
import { licenceList, readLock, readPackage, runtimePackages } from './helpers/packages';
import { run } from './helpers/run';
import { startSts, totp } from './helpers/sts';

const root = join(__dirname, '..');

// npm needs its own surroundings (its settings and Node), so it runs in ours.
function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
}

/** Every package below `folder`, by its own folder there, with its version. */
function installedIn(folder: string): Record<string, string> {
  const modules = join(folder, 'node_modules');
  const found = readdirSync(modules, { encoding: 'utf8', recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /^(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path))
    .map((path): [string, string] => {
      const { version } = JSON.parse(readFileSync(join(modules, path), 'utf8'));
      return [`node_modules/${path.replace(/\/package\.json$/, '')}`, version];
    });
  return Object.fromEntries(found.sort());
}

function runtimeVersions(): Record<string, string> {
  const versions = [...runtimePackages()].map(([folder, { version }]): [string, string] => [folder, version]);
  return Object.fromEntries(versions.sort());
}

// npm takes half a minute to pack
const packed = process.env.REFRESH_MFA_BIN
  ? 'the tarball does not depend on REFRESH_MFA_BIN, without which it is tested'
  : false;

describe('the packed tarball', { skip: packed }, () => {
  let folder: string;
  let tarball: string;
  /** Nothing is in the cache and nothing comes from a registry: what it needs it has to bring. */
  let alone: string[];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-pack-'));
    alone = ['--offline', '--cache', join(folder, 'cache'), '--no-audit', '--no-fund'];
    // packed from a copy, since a build in place would pull dist away from under other tests
    const copy = join(folder, 'copy');
    const shipped = readPackage().files.filter((name) => !name.startsWith('!') && name !== 'dist');
    for (const name of ['package.json', 'README.md', 'LICENSE', ...shipped, ...runtimePackages().keys()]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    // npm 10 runs prepare in spite of --ignore-scripts, and here is nothing to build from
    npm(copy, 'pkg', 'delete', 'scripts');
    execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['--project', root, '--outDir', join(copy, 'dist')]);
    npm(copy, 'pack', '--ignore-scripts', '--pack-destination', folder);
    tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('installed in an empty folder without a network, refreshes a session', async (t) => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    writeFileSync(join(empty, 'package.json'), '{ "private": true }');
    npm(empty, 'install', ...alone, tarball);

    const installed = join(empty, 'node_modules', 'refresh-mfa');
    for (const name of ['dist/refresh.js', 'dist/lib/sts.js', 'examples/config', 'README.md', 'LICENSE']) {
      assert.ok(existsSync(join(installed, name)), `${name} is in the package`);
    }
    for (const name of ['refresh.ts', 'lib', 'test', '.ci', '.github', 'examples/demo.ts']) {
      assert.ok(!existsSync(join(installed, name)), `${name} is not in the package`);
    }
    assert.deepEqual(
      Object.keys(installedIn(empty)).filter((path) => !path.startsWith('node_modules/refresh-mfa/')),
      ['node_modules/refresh-mfa'],
    );
    assert.deepEqual(installedIn(installed), runtimeVersions());

    const sts = await startSts();
    t.after(() => sts.close());
    const home = seedHome(t, sts);
    const program = { file: join(empty, 'node_modules', '.bin', 'refresh-mfa'), args: [] };
    const result = await run(['foobar'], { home, sts, program, stdin: `${totp(devices.bjohnson.totpSecret)}\n` });
    assert.equal(result.status, 0, result.stderr);
    assert.match(home.readCredentials(), /^\[foobar\]\naws_access_key_id = ASIA/m);
  });

  test('installed for all projects without a network, is the same tree and runs', async (t) => {
    const prefix = join(folder, 'prefix');
    npm(folder, 'install', '--global', '--prefix', prefix, ...alone, tarball);
    const modules = npm(folder, 'root', '--global', '--prefix', prefix).trim();
    assert.deepEqual(installedIn(join(modules, 'refresh-mfa')), runtimeVersions());

    const sts = await startSts();
    t.after(() => sts.close());
    const home = seedHome(t, sts);
    const program = { file: join(prefix, 'bin', 'refresh-mfa'), args: [] };
    const result = await run(['foobar'], { home, sts, program, stdin: `${totp(devices.bjohnson.totpSecret)}\n` });
    assert.equal(result.status, 0, result.stderr);
  });

  test('holds the text of every licence where the list of licences says', () => {
    const installed = join(folder, 'empty', 'node_modules', 'refresh-mfa');
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

test('no runtime package is bound to a platform or runs a script when installed: one tarball is good for all', () => {
  for (const [folder, { os, cpu, libc, optional, hasInstallScript }] of runtimePackages()) {
    assert.deepEqual([os, cpu, libc, optional, hasInstallScript].filter(Boolean), [], folder);
  }
});

test('the lock has a hash for every package, and names no host to take it from', () => {
  for (const [folder, { integrity, resolved }] of readLock()) {
    assert.match(integrity ?? '', /^sha512-/, folder);
    assert.equal(resolved, undefined, folder);
  }
});

test('every runtime package has a licence that lets it be shipped', () => {
  const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];
  for (const [folder, { license = 'none' }] of runtimePackages()) {
    assert.ok(permissive.includes(license), `${folder}: ${license}`);
  }
});

test('THIRD-PARTY-LICENSES.md is what npm run licences writes', () => {
  assert.equal(readFileSync(join(root, 'THIRD-PARTY-LICENSES.md'), 'utf8'), licenceList());
});
