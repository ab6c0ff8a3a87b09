// The short form of `npm run odd-files`, and very large files. SEED=7 in the environment makes others; each seed must hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeHome } from './helpers/home';
import { makeMany } from './helpers/many';
import { run } from './helpers/run';
import { judge } from './odd-files';

test('odd set-ups are read as botocore does, and written so that each reader takes the session', async (t) => {
  const { unreadable, found, written } = await judge(250, Number(process.env.SEED ?? 20261121));
  t.diagnostic(JSON.stringify({ unreadable, found, written }));
  assert.ok(unreadable > 20 && found > 120 && written > found);
});

test('10,000 profiles: names and states reach a pipe whole, and one session is removed', async (t) => {
  const many = makeMany(10_000, () => '2222-02-22T22:22:22Z');
  const home = makeHome(t, many);
  const { stdout } = await run(['--completion', 'names'], { home });
  const names = many.names.flatMap((name) => [name, `${name}-read`, `${name}-write`, `${name}-admin`]);
  assert.deepEqual(stdout.split('\n').slice(0, -1).sort(), names.sort());
  const check = await run(['--check'], { home });
  assert.equal(check.status, 0);
  assert.match(check.stdout, /^(team\d+ +valid +until 2222-02-22 22:22 +\d+ h( \d+ min)? left\n){2500}$/);
  const { status } = await run(['--clear', 'team1234'], { home });
  assert.equal(status, 0);
  assert.equal(home.readCredentials(), many.credentials.replace(/\[team1234\]\n[^[]*/, ''));
});
