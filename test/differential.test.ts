// The short form of `npm run odd-files`, and very large files. SEED=7 in the environment makes others; each seed must hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Files } from '../lib/files';
import { findSessions } from '../lib/profiles';
import { type Document, parse } from '../lib/sections';
import { checkSession, write } from '../lib/session';
import { makeHome } from './helpers/home';
import { makeMany } from './helpers/many';
import { run } from './helpers/run';
import { judgeFiles, judgeHomes } from './odd-files';

const seed = Number(process.env.SEED ?? 20261121);

test('odd credentials files are read as botocore does, and written so that each reader sees the same', async (t) => {
  const { unreadable, written, refused } = await judgeFiles(300, seed);
  t.diagnostic(JSON.stringify({ unreadable, written, refused }));
  assert.ok(unreadable > 10 && written > 150 && refused > 30);
});

test('odd set-ups: the keys are those that botocore finds, and what is written is what each reader takes', async (t) => {
  const { written, refused } = await judgeHomes(120, seed);
  t.diagnostic(JSON.stringify({ written, refused }));
  assert.ok(written > 60 && refused > 30);
});

test('10,000 profiles: each of 2,500 sessions has its roles and its state, and one is written', () => {
  const now = Date.parse('2026-11-20T12:00:00Z');
  const many = makeMany(10_000, (index) => (index % 2 === 0 ? '2026-11-20T11:00:00Z' : '2026-11-20T13:00:00Z'));
  const read = (text: string, path: string): Document => parse(Buffer.from(text), path);
  const credentials = read(many.credentials, '~/.aws/credentials');
  const found = findSessions(new Files(read(many.config, '~/.aws/config'), credentials, '/home/x/.aws/credentials'));
  for (const [index, { name, section, roles }] of found.entries()) {
    assert.equal(checkSession(section, 900, now).state, index % 2 === 0 ? 'expired' : 'valid');
    assert.equal(roles.join(' '), `${name}-read ${name}-write ${name}-admin`);
  }
  assert.deepEqual(
    found.map(({ name }) => name),
    many.names,
  );
  const session = { accessKeyId: 'ASIANEW', secretAccessKey: 'S', sessionToken: 'T', expires: new Date(now) };
  const text = write(credentials, 'team1234', session);
  const [before = '', after = ''] = [many.credentials, text].map((all) => /\[team1234\]\n[^[]*/.exec(all)?.[0]);
  assert.match(after, /^\[team1234\]\naws_access_key_id = ASIANEW\naws_secret_access_key = S\naws_session_token = T\n/);
  assert.equal(text.replace(after, before), many.credentials);
});

test('10,000 names reach a pipe whole', async (t) => {
  const many = makeMany(10_000, () => '2222-02-22T22:22:22Z');
  const home = makeHome(t, many);
  const { stdout } = await run(['--completion', 'names'], { home });
  const names = many.names.flatMap((name) => [name, `${name}-read`, `${name}-write`, `${name}-admin`]);
  assert.deepEqual(stdout.split('\n').slice(0, -1).sort(), names.sort());
  const check = await run(['--check'], { home });
  assert.equal(check.status, 0);
  assert.match(check.stdout, /^(team\d+ +valid +until 2222-02-22 22:22 +\d+ h( \d+ min)? left\n){2500}$/);
});
