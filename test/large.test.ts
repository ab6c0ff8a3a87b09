// 10,000 profiles and 5,000 sections, as a script makes them that lists all accounts of an organisation.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { checkSession, findNotes } from '../lib/check';
import { UserError } from '../lib/errors';
import * as profiles from '../lib/profiles';
import { checkJson, checkLines } from '../lib/report';
import { splice, unsplice } from '../lib/sections';
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

/** What the commands do with files of any size; `home` holds those that were read. */
const work: Readonly<Record<string, (files: profiles.Files, home: string) => unknown>> = {
  'reading the files': (_, home) => profiles.readFiles({}, home),
  'finding all sessions': (files) => profiles.findSessions(files),
  'reporting all sessions': (files) => {
    const all = profiles.findSessions(files).map((session) => checkSession(session, 900, 0));
    return [checkLines(all, 0, false), checkJson(all, findNotes)];
  },
  'listing the names': (files) => [profiles.findNames(files), profiles.findSessionNames(files)],
  'finding what a refresh needs': (files) =>
    profiles.findIdentity(files, profiles.findSession(files, profiles.findRoles(files), 'team7-admin'), {}),
  'offering names that are close to a wrong one': (files) =>
    assert.throws(() => profiles.findSession(files, profiles.findRoles(files), 'taem7-admin'), UserError),
  'writing a section': ({ credentials }) =>
    splice(credentials, 'team7', { aws_session_token: 'AQoEXAMPLE', new: 'line' }),
  'removing a section': ({ credentials }) => unsplice(credentials, 'team7', profiles.sessionKeys),
};

/** Microseconds of processor time: the least of a few tries, since whatever else goes on only ever adds to it. */
function cost(t: TestContext, count: number, each: (files: profiles.Files, home: string) => unknown): number {
  const home = makeHome(
    t,
    makeMany(count, () => past),
  ).path;
  const files = profiles.readFiles({}, home);
  const tries = Array.from({ length: 9 }, () => {
    const before = process.cpuUsage();
    each(files, home);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  });
  return Math.min(...tries);
}

for (const [name, each] of Object.entries(work)) {
  test(`${name} takes about ten times as long for ten times the profiles, and not a hundred times`, (t) => {
    const [small, large] = [cost(t, 1_000, each), cost(t, 10_000, each)];
    t.diagnostic(`${(large / small).toFixed(1)} times`);
    assert.ok(large < 30 * small, `${large} µs and ${small} µs`);
  });
}
