// --clear takes away what the tool wrote, to the byte, and nothing else.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import test from 'node:test';
import { run } from './helpers/run';
import { keys, makeScene, oldSession, person, serial, simple } from './helpers/scene';
import { totp } from './helpers/sts';

const originals: readonly [string, string][] = [
  ['with the source only', `[foobar-long-term]\n${keys}`],
  [
    'with comments, other sections and odd blanks',
    `# mine\n\n[ other ]\n  region=eu-west-1 ; kept\n\n\n[foobar-long-term]\n${keys}# the end\n`,
  ],
  ['with CRLF', `[foobar-long-term]\n${keys}`.replaceAll('\n', '\r\n')],
  ['without a newline at its end', `[foobar-long-term]\n${keys}`.trimEnd()],
  ['with a blank line at its end', `[foobar-long-term]\n${keys}\n`],
  [
    'with a section of the same name that holds other keys',
    `[foobar]\n# of mine\nregion = eu-west-1\n\n[foobar-long-term]\n${keys}`,
  ],
  [
    'with a section of the same name at its end that holds a comment',
    `[foobar-long-term]\n${keys}\n[foobar]\n# only this\n`,
  ],
  [
    'with a section of the same name that is indented',
    `[foobar]\n  region = eu-west-1\n  output = json\n[foobar-long-term]\n${keys}`,
  ],
];
for (const [what, original] of originals) {
  test(`a refresh and a --clear leave a file ${what} as it was`, async (t) => {
    const { home, sts } = await makeScene(t, { config: simple.config, credentials: original });
    assert.equal((await run(['-t', totp(person.totpSecret), 'foobar'], { home, sts })).status, 0);
    assert.match(home.readCredentials(), /aws_session_token = /);
    const connections = sts.connections;
    const { status, stdout, stderr } = await run(['--clear', 'foobar'], { home, sts, stdin: 'open' });
    assert.match(stdout, /^foobar: session removed from ~\/\.aws\/credentials; AWS honours it until .*\d\d:\d\d\n$/);
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.equal(home.readCredentials(), original);
    assert.equal(home.mode(), 0o600);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
    assert.equal(sts.connections, connections);
  });
}

test('a refresh and a --clear of the only section there was leave an empty file', async (t) => {
  const { home, sts } = await makeScene(t, {
    config: `[profile foobar]\nmfa_serial = ${serial}\n\n[profile foobar-long-term]\n${keys}`,
  });
  assert.equal((await run(['-t', totp(person.totpSecret), 'foobar'], { home, sts })).status, 0);
  assert.equal((await run(['--clear', 'foobar'], { home, sts })).status, 0);
  assert.equal(home.readCredentials(), '');
});

const end = 'x_security_token_expires = 2020-01-15T11:00:00Z\n';
const session = `${oldSession}${end}`;
const parts: readonly [string, string, string][] = [
  [
    'keys and comments of others stay in the section, where they were',
    `[foobar]\n# first\n${oldSession}region = eu-west-1\n; between\n${end}cli_pager =\n\n[foobar-long-term]\n${keys}`,
    `[foobar]\n# first\nregion = eu-west-1\n; between\ncli_pager =\n\n[foobar-long-term]\n${keys}`,
  ],
  [
    'a header with nothing below it goes',
    `[foobar]\n${session}\n[foobar-long-term]\n${keys}`,
    `\n[foobar-long-term]\n${keys}`,
  ],
  [
    'a header with only a comment below it stays',
    `[foobar-long-term]\n${keys}\n[foobar]\n${session}# note\n`,
    `[foobar-long-term]\n${keys}\n[foobar]\n# note\n`,
  ],
  [
    'other sessions stay',
    `[acme]\n${session}\n[foobar]\n${session}\n[foobar-long-term]\n${keys}`,
    `[acme]\n${session}\n[foobar-long-term]\n${keys}`,
  ],
  [
    'keys spelt in capitals, with colons and without blanks go too',
    `[foobar]\nAWS_ACCESS_KEY_ID:ASIAIOSFODNN7EXAMPLE\nAws_Secret_Access_Key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYOLDSESSION\naws_session_token=IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==\nregion=eu-west-1\n[foobar-long-term]\n${keys}`,
    `[foobar]\nregion=eu-west-1\n[foobar-long-term]\n${keys}`,
  ],
];
for (const [what, before, after] of parts) {
  test(`--clear: ${what}`, async (t) => {
    const { home, sts } = await makeScene(t, { config: simple.config, credentials: before });
    const { status, stderr } = await run(['--clear', 'foobar'], { home, sts });
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.equal(home.readCredentials(), after);
  });
}

const longLived: readonly [string, string, string][] = [
  ['keys without a token', 'foobar', `[foobar]\n${keys}`],
  ['an AKIA key with a token beside it', 'foobar', `[foobar]\n${keys}aws_session_token = left\n${end}`],
  ['a key of another kind without a token', 'foobar', `[foobar]\naws_access_key_id = NOTETHISISNOTREALKEY\n${end}`],
  ['a secret alone', 'foobar', '[foobar]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n'],
  ['the keys of the source itself', 'foobar-long-term', ''],
];
for (const [what, name, section] of longLived) {
  test(`--clear refuses ${what}: long-lived keys stay`, async (t) => {
    const credentials = `[foobar-long-term]\n${keys}\n${section}`;
    const { home, sts } = await makeScene(t, { config: simple.config, credentials });
    const { status, stdout, stderr } = await run(['--clear', name], { home, sts });
    assert.equal(stdout, '');
    assert.ok(stderr.startsWith(`refresh-mfa: error: [${name}] in ~/.aws/credentials line `), stderr);
    assert.match(stderr, /^[^\n]* holds long-lived keys, which are never overwritten\nrefresh-mfa: hint: /);
    assert.equal(status, 2);
    assert.equal(home.readCredentials(), credentials);
  });
}

const endings: readonly [string, string, string][] = [
  ['that has ended', end, 'it has ended'],
  ['whose end is not recorded', '', 'AWS honours it until it ends'],
  ['that lasts', 'x_security_token_expires = 2222-01-15T11:00:00Z\n', 'AWS honours it until 2222-01-15 11:00'],
];
for (const [what, recorded, said] of endings) {
  test(`--clear of a session ${what} says: ${said}`, async (t) => {
    const credentials = `${simple.credentials}\n[foobar]\n${oldSession}${recorded}`;
    const { home } = await makeScene(t, { config: simple.config, credentials });
    const { status, stdout } = await run(['--clear', 'foobar'], { home });
    assert.equal(stdout, `foobar: session removed from ~/.aws/credentials; ${said}\n`);
    assert.equal(status, 0);
    assert.equal(home.readCredentials(), simple.credentials);
  });
}

test('--clear where there is no session says so, and does not touch the file', async (t) => {
  const { home } = await makeScene(t, { ...simple, mode: 0o640 });
  const before = statSync(home.credentialsPath);
  const { status, stdout, stderr } = await run(['--clear', 'foobar'], { home });
  assert.equal(stdout, 'foobar: no session in ~/.aws/credentials\n');
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.equal(home.readCredentials(), simple.credentials);
  const after = statSync(home.credentialsPath);
  assert.deepEqual([after.ino, after.mtimeMs, after.mode], [before.ino, before.mtimeMs, before.mode]);
});

test('--clear where there is no credentials file makes none', async (t) => {
  const { home } = await makeScene(t, { config: `${simple.config}\n[profile foobar-long-term]\n${keys}` });
  const { status, stdout } = await run(['--clear', 'foobar'], { home });
  assert.equal(stdout, 'foobar: no session in ~/.aws/credentials\n');
  assert.equal(status, 0);
  assert.deepEqual(home.listAws(), ['config']);
});

test('after --clear the session counts as never refreshed, and can be refreshed again', async (t) => {
  const { home, sts } = await makeScene(t, simple);
  await run(['-t', totp(person.totpSecret), 'foobar'], { home, sts });
  const refreshed = home.readCredentials();
  await run(['--clear', 'foobar'], { home });
  const { status, stdout } = await run(['--check', 'foobar'], { home });
  assert.equal(stdout, 'foobar  never refreshed\n');
  assert.equal(status, 3);
  assert.equal((await run(['-t', totp(person.totpSecret, 1), 'foobar'], { home, sts })).status, 0);
  const shape = (text: string) => text.replace(/ = .*/g, '');
  assert.equal(shape(home.readCredentials()), shape(refreshed));
});

test('--clear of several: one that is refused does not keep the next; a role stands for its session', async (t) => {
  const acme = '[profile acme]\nmfa_serial = arn:aws:iam::123456789012:mfa/phone\n';
  const dev = '[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/Dev\nsource_profile = foobar\n';
  const { home } = await makeScene(t, {
    config: `${simple.config}\n${acme}\n${dev}`,
    credentials: `[acme-long-term]\n${keys}\n${simple.credentials}\n[acme]\n${keys}\n[foobar]\n${session}`,
  });
  const { status, stdout, stderr } = await run(['--clear', 'nosuch', 'acme', 'dev'], { home });
  assert.equal(stdout, 'foobar: session removed from ~/.aws/credentials; it has ended\n');
  assert.match(stderr, /^refresh-mfa: error: no profile "nosuch" in /);
  assert.match(stderr, /^refresh-mfa: note: dev uses the session of foobar$/m);
  assert.match(stderr, /^refresh-mfa: error: \[acme\] in .* holds long-lived keys, which are never overwritten$/m);
  assert.equal(status, 2);
  assert.equal(home.readCredentials(), `[acme-long-term]\n${keys}\n${simple.credentials}\n[acme]\n${keys}`);
});
