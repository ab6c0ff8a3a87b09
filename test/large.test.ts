// 10,000 profiles and 5,000 sections, as a script makes them that lists all accounts of an organisation.
import assert from 'node:assert/strict';
import test from 'node:test';
import { makeHome } from './helpers/home';
import { makeMany } from './helpers/many';
import { run } from './helpers/run';
import { makeScene, person } from './helpers/scene';
import { totp } from './helpers/sts';

const past = '2020-02-02T20:20:20Z';
const future = '2222-02-22T22:22:22Z';

test('--check reports each of 2,500 sessions, in the order of the file', async (t) => {
  const files = makeMany(10_000, (index) => (index % 2 === 0 ? past : future));
  const { status, stdout, stderr } = await run(['--check'], { home: makeHome(t, files) });
  const lines = files.names.map((name, index) =>
    index % 2 === 0
      ? new RegExp(`^${name} +expired +since 2020-02-02 20:20$`)
      : new RegExp(`^${name} +valid +until 2222-02-22 22:22 +\\d+ h( \\d+ min)? left$`),
  );
  const shown = stdout.split('\n');
  assert.equal(shown.length, lines.length + 1);
  for (const [index, line] of lines.entries()) assert.match(shown[index] ?? '', line);
  assert.equal(stderr, '');
  assert.equal(status, 3);
});

test('--check --json names the roles behind each of 2,500 sessions', async (t) => {
  const files = makeMany(10_000, () => future);
  const { status, stdout } = await run(['--check', '--json'], { home: makeHome(t, files) });
  const sessions: readonly { readonly profile: string; readonly roles: readonly string[] }[] =
    JSON.parse(stdout).sessions;
  assert.deepEqual(
    sessions.map(({ profile, roles }) => [profile, ...roles]),
    files.names.map((name) => [name, `${name}-read`, `${name}-write`, `${name}-admin`]),
  );
  assert.equal(status, 0);
});

test('a refresh changes one section among 5,000', async (t) => {
  const files = makeMany(10_000, () => past);
  const { home, sts } = await makeScene(t, files);
  const { status, stdout } = await run(['team1234-admin', '--token-code', totp(person.totpSecret)], { home, sts });
  assert.match(stdout, /^team1234: session until /);
  assert.equal(status, 0);
  const section = /\[team1234\]\n[^[]*/;
  const [written = ''] = section.exec(home.readCredentials()) ?? [];
  assert.doesNotMatch(written, /OLDSESSION|2020-02-02/);
  assert.match(
    written,
    /^\[team1234\]\naws_access_key_id = ASIA\S+\naws_secret_access_key = \S+\naws_session_token = \S+\nx_security_token_expires = \S+Z\n\n$/,
  );
  const [before = ''] = section.exec(files.credentials) ?? [];
  assert.equal(home.readCredentials().replace(written, before), files.credentials);
});

test('--completion names gives each of 10,000 names', async (t) => {
  const files = makeMany(10_000, () => past);
  const { stdout } = await run(['--completion', 'names'], { home: makeHome(t, files) });
  assert.deepEqual(
    stdout.split('\n').slice(0, -1).sort(),
    files.names.flatMap((name) => [name, `${name}-read`, `${name}-write`, `${name}-admin`]).sort(),
  );
});
