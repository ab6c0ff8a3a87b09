// Which profiles get a session, from which keys, and for which roles.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findOnlySession, findSessionNames, findSessions, requireSession } from '../lib/profiles';
import { read, refusal } from './helpers/layout';

/** A role's section. */
const role = (name: string, source?: string) =>
  `[profile ${name}] | role_arn = x/${name} | ${source ? `source_profile = ${source} | ` : ''}`;
const foobar = '[profile foobar] | mfa_serial = SERIAL';
const keys = ' // [foobar-long-term] | KEYS';
const two = '[profile one] | [profile two] // [one-long-term] | KEYS | [two-long-term] | OTHER';
const middle = `${role('leaf', 'mid')}${role('mid', 'foobar')}${keys} | [mid] | OTHER`;
const parts = `${role('leaf', 'mid')}${role('mid', 'low')}credential_process = x | ${role('low', 'foobar')}`;
const lost = role('own', 'own') + role('lost', 'none') + role('bare');
const bare = '[two] | role_arn = x | source_profile = three // [three] | role_arn = x | source_profile = foobar';

describe('the session behind names', () => {
  /** As `session < source: roles`. */
  function show(layout: string, name: string): string {
    const session = requireSession(read(layout), name);
    return `${session.name} < ${session.source}: ${session.roles.join(' ')}`.trim();
  }
  const longTerm = 'foobar < foobar-long-term:';
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, names: string, session: string])[] = [
    [foobar + keys, 'foobar', longTerm], [keys, 'foobar', longTerm],
    [`[profile foobar] | source_profile = K${keys}`, 'foobar', 'foobar < K:'],
    ['[foobar] | source_profile = O // [foobar] | source_profile = K', 'foobar', 'foobar < K:'],
    ['[foobar] | source_profile = K |  SECRET', 'foobar', 'foobar < K:'],
    ['[default] | source_profile = K', 'default', 'default < K:'], [foobar, 'foobar', 'foobar < undefined:'],
    [role('dev', 'foobar') + foobar + keys, 'dev foobar', `${longTerm} dev`],
    [role('a', 'b') + role('b', 'c') + role('c', 'foobar') + keys, 'a b c foobar', `${longTerm} a b c`],
    [`${role('"one"', 'two')}${bare} | ${keys.slice(4)}`, 'one two three foobar', `${longTerm} one two three`],
    [`${role('dev', 'K')}${keys} | [dev] | source_profile = foobar`, 'dev', `${longTerm} dev`],
    // https://github.com/boto/botocore/blob/develop/botocore/credentials.py, _resolve_credentials_from_profile; so do the other SDKs
    [middle, 'leaf', 'mid < undefined: leaf'], [middle, 'mid foobar', `${longTerm} mid`],
    [`${parts}${keys} | [low] | aws_access_key_id = x`, 'leaf low', `${longTerm} leaf mid low`],
    [`${foobar} | ${role('dev', 'foobar')}${lost}${keys}`, 'foobar', `${longTerm} dev`],
    [`${role('leaf', 'mid')}${role('mid')} // [mid] | SESSION | [mid-long-term] | KEYS`, 'leaf', 'mid < mid-long-term: leaf'],
  ];
  for (const [layout, names, session] of rows) {
    for (const name of names.split(' ')) test(`${name}: ${layout}`, () => assert.equal(show(layout, name), session));
  }
});

describe('no session behind a name', () => {
  const unknown = (name: string) => `no profile "${name}" in ~/.aws/config or ~/.aws/credentials`;
  const gone = (name: string) => `source_profile "${name}" does not exist (~/.aws/config:3)`;
  const toSet = (name: string, to = 'the session profile') => `set source_profile of ${name} to ${to}`;
  const own = 'role dev is its own source (~/.aws/config:3)';
  const none = [
    'role dev has no source_profile (~/.aws/config:2)',
    'add source_profile = <session profile> to [profile dev]',
  ];
  const names = ['[foobar]', '[foobaz]', '[another]', '[fubar]'].join(' | ');
  const circle = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) => role(name, 'bcdefa'[index])).join('');
  const asIs = 'it needs no refresh: use it as it is';
  const comment = 'move the comment to a line of its own: aws reads it as part of the value';
  const add = 'add [foobar-long-term] with your long-lived keys to ~/.aws/credentials';
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, name: string, ...lines: string[]])[] = [
    [names, 'fobar', unknown('fobar'), 'did you mean foobar or fubar or foobaz?'],
    [foobar, 'FooBar', unknown('FooBar'), 'did you mean foobar?'],
    ['// [acme-long-term]', 'acne', unknown('acne'), 'did you mean acme?'],
    [two, 'else', unknown('else'), 'session profiles: one, two'],
    ['', 'foobar', unknown('foobar'), add, 'add [profile foobar] with mfa_serial to ~/.aws/config'],
    [role('dev'), 'dev', ...none], [role('dev') + role('ops', 'dev'), 'ops', ...none],
    [role('dev', 'dev'), 'dev', own, toSet('dev')],
    [`${role('dev', 'dev')} // [dev] | KEYS`, 'dev', own,
      `move its keys to [<name>-long-term], and ${toSet('dev', '<name>')}`],
    [role('x', 'a') + role('a', 'b') + role('b', 'a'), 'x', 'source_profile loop: a -> b -> a (~/.aws/config:9)',
      toSet('b')],
    [circle, 'a', 'source_profile loop: a -> b -> c -> d -> ... -> a (~/.aws/config:18)', toSet('f')],
    [role('dev', 'fobar') + foobar + keys, 'dev', gone('fobar'), toSet('dev', 'foobar')],
    [role('dev', 'deb') + foobar + keys, 'dev', gone('deb'), toSet('dev', 'foobar')],
    [`${role('dev', 'away')} // [work] | KEYS`, 'dev', gone('away'), toSet('dev', 'work')],
    [role('dev', 'away') + two, 'dev', gone('away'), toSet('dev', '<session profile>')],
    [role('dev', 'foobar # it') + keys, 'dev', 'trailing comment in source_profile (~/.aws/config:3)', comment],
    [role('dev', 'foobar |  SECRET'), 'dev', 'source_profile spans several lines (~/.aws/config:3)',
      'remove the indentation of the next line'],
    [`${role('a')}credential_source = x`, 'a', 'a uses credential_source (~/.aws/config:3)', asIs],
  ];
  for (const [layout, name, ...lines] of rows) {
    test(layout, () => {
      const said = refusal(() => requireSession(read(layout), name));
      assert.deepEqual(said, lines);
    });
  }
});

describe('all session profiles', () => {
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, names: string])[] = [
    ['[profile b] | source_profile = K | [a] | source_profile = K // [c-long-term]', 'b a c'],
    ['[profile a] // [a] | SESSION | [a-long-term] | KEYS', 'a'], ['// [a] | KEYS', ''],
    [`${role('dev', 'a')} // [a] | KEYS | [dev-long-term] | KEYS`, ''],
    ['[a] | source_profile = K | sso_session = x', ''],
    ['[services a] | [sso-session b] | sso_start_url = x', ''],
    ['[DEFAULT] | k = v // [DEFAULT] | KEYS | [-long-term]', ''],
  ];
  for (const [layout, names] of rows) {
    test(layout, () => assert.equal(findSessionNames(read(layout)).join(' '), names));
  }
});

describe('the one profile that has keys and roles, before there is a session profile', () => {
  const work = role('dev', 'work');
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [layout: string, name: string | undefined])[] = [
    [`${work} // [work] | KEYS`, 'work'], [`${work}[profile work] | KEYS`, 'work'],
    [`${work}[profile work] | credential_process = x`, 'work'], [`${work} // [a] | KEYS | [work] | OTHER`, 'work'],
    [`${work}${role('x', 'a')} // [a] | KEYS | [work] | OTHER`, undefined], ['// [work] | KEYS', undefined],
    [`${work} // [work] | SESSION`, undefined], [`${work}[profile work]`, undefined],
  ];
  for (const [layout, name] of rows) test(layout, () => assert.equal(findOnlySession(read(layout)), name));
});

test('thousands of profiles, roles and links take no more than their share', () => {
  const numbers = Array.from({ length: 10_000 }, (_, n) => n);
  const chain = numbers.map((n) => role(`r${n}`, n === 9_999 ? 'foobar' : `r${n + 1}`)).join('');
  const sources = numbers.map((n) => ` | [p${n}-long-term] | KEYS`).join('');
  const files = read(`${chain}${foobar}${keys}${sources}`);
  const guide = read(
    `${numbers.map((n) => role(`r${n}`, `p${n}`)).join('')} // ${sources.replaceAll('-long-term', '')}`,
  );
  const [first, ...others] = findSessions(files);
  assert.deepEqual([first?.name, first?.roles.length, others.length], ['foobar', 10_000, 10_000]);
  assert.equal(requireSession(files, 'r0').name, 'foobar');
  assert.equal(findOnlySession(guide), undefined);
  assert.equal(refusal(() => requireSession(files, 'a name like no other'))[1]?.slice(0, 18), 'session profiles: ');
});
