import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { devices, seedHome } from './helpers/home';
import { run } from './helpers/run';
import { startSts, totp } from './helpers/sts';

const root = join(__dirname, '..');

// npm needs its own surroundings (registry, cache), so these two run in ours.
function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
}

test('the packed tarball, installed in an empty folder, refreshes a session', { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-pack-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // packed from a copy, since a build in place would pull dist away from under other tests
  const copy = join(folder, 'copy');
  const empty = join(folder, 'empty');
  mkdirSync(copy);
  mkdirSync(empty);
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'examples']) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['--project', root, '--outDir', join(copy, 'dist')]);
  npm(copy, 'pack', '--ignore-scripts', '--pack-destination', folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  assert.ok(tarball);
  writeFileSync(join(empty, 'package.json'), '{ "private": true }');
  npm(empty, 'install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball));

  const installed = join(empty, 'node_modules', 'refresh-mfa');
  for (const name of ['dist/refresh.js', 'dist/lib/sts.js', 'examples/config', 'README.md', 'LICENSE']) {
    assert.ok(existsSync(join(installed, name)), `${name} is in the package`);
  }
  for (const name of ['refresh.ts', 'lib', 'test', 'node_modules/typescript', '.ci']) {
    assert.ok(!existsSync(join(installed, name)), `${name} is not in the package`);
  }

  const sts = await startSts();
  t.after(() => sts.close());
  const home = seedHome(t, sts);
  const program = { file: join(empty, 'node_modules', '.bin', 'refresh-mfa'), args: [] };
  const result = await run(['foobar'], { home, sts, program, stdin: `${totp(devices.bjohnson.totpSecret)}\n` });
  assert.equal(result.status, 0, result.stderr);
  assert.match(home.readCredentials(), /^\[foobar\]\naws_access_key_id = ASIA/m);
});
