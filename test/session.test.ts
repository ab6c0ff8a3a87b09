// The schema of the written section: what is written, how it is read back, what is never overwritten.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../lib/errors';
import { type Document, parse } from '../lib/sections';
import {
  checkSession,
  clear,
  findReaderNote,
  hasLongLivedKeys,
  hasSession,
  requireAgreement,
  requireWritable,
  timestamp,
  write,
} from '../lib/session';

const read = (text: string): Document => parse(Buffer.from(text), '~/.aws/credentials');
const id = 'aws_access_key_id = ASIAIOSFODNN7EXAMPLE\n';
const secret = 'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n';
const token = 'aws_session_token = AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT==\n';
const end = 'x_security_token_expires = 2026-11-20T20:31:00Z\n';
const all = id + secret + token + end;
const longLived = id.replace('ASIA', 'AKIA') + secret;
const session = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT==',
  expires: new Date('2026-11-20T20:31:00.789Z'),
};

/** The message of what is thrown, and its hints. */
function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof UserError) return [error.message, ...error.hints].join(' | ');
    throw error;
  }
  return '';
}

describe('the state of a session', () => {
  const now = Date.parse('2026-11-20T12:00:00Z');
  const rows: readonly (readonly [end: string, state: string, secondsLeft?: number])[] = [
    ['2026-11-20T20:31:00Z', 'valid', 30_660],
    ['2026-11-20T12:15:01Z', 'valid', 901],
    ['2026-11-20T12:15:00Z', 'due', 900],
    ['2026-11-20T12:00:01Z', 'due', 1],
    ['2026-11-20T12:00:00Z', 'expired', 0],
    ['1999-12-31T23:59:59Z', 'expired', 0],
    ['2026-11-20T13:00:00.999Z', 'valid', 3600],
    ['2026-11-20T14:00:00+01:00', 'valid', 3600],
    ['2026-11-20T07:30:00-05:30', 'valid', 3600],
    ['2026-11-20t13:00:00z', 'valid', 3600],
    // no end that could be believed
    ['2026-11-20T20:31:00', 'due'],
    ['2026-11-20 20:31:00', 'due'],
    ['2026-11-20', 'due'],
    ['2030', 'due'],
    ['foo 2030', 'due'],
    ['tomorrow', 'due'],
    ['2026-13-20T20:31:00Z', 'due'],
    ['2026-02-30T20:31:00Z', 'due'],
    ['2026-11-20T24:00:00Z', 'due'],
    ['2026-11-20T20:61:00Z', 'due'],
    ['2026-11-20T20:31:00+25:00', 'due'],
    ['2026-11-20T20:31:00Z # local', 'due'],
    ['"2026-11-20T20:31:00Z"', 'due'],
    ['Fri, 20 Nov 2026 20:31:00 GMT', 'due'],
    ['', 'due'],
  ];
  for (const [text, state, secondsLeft] of rows) {
    test(`${state}: ${text}`, () => {
      const section = read(`[x]\n${id}${secret}${token}x_security_token_expires = ${text}\n`).sections.get('x');
      const status = checkSession(section, 900, now);
      assert.deepEqual([status.state, status.secondsLeft], [state, secondsLeft]);
      const expires = secondsLeft === undefined ? undefined : new Date(text);
      assert.deepEqual(status.expires, expires);
    });
  }

  test('never: no section, no token, an empty one', () => {
    for (const text of ['', '[x]\n', `[x]\n${end}`, `[x]\n${id}${secret}`, '[x]\naws_session_token =\n']) {
      const section = read(text).sections.get('x');
      assert.equal(hasSession(section), false);
      assert.deepEqual(checkSession(section, 900, now), { state: 'never', expires: undefined, secondsLeft: undefined });
    }
  });

  test('a token under its old name is one, too', () => {
    const section = read(`[x]\n${id}${secret}${token.replace('session', 'security')}${end}`).sections.get('x');
    assert.equal(checkSession(section, 900, now).state, 'valid');
  });
});

test('the end is written in UTC, to the second', () => {
  assert.equal(timestamp(new Date('2026-11-20T21:31:00.789+01:00')), '2026-11-20T20:31:00Z');
});

describe('what is written', () => {
  const rows: readonly (readonly [what: string, before: string, after: string])[] = [
    ['a new section', '[a]\nk = v\n', `[a]\nk = v\n\n[x]\n${all}`],
    ['over the last session', `[x]\n${all.replaceAll(/= .*/g, '= OLD')}region = r\n`, `[x]\n${all}region = r\n`],
    ['without the token that botocore would read first', `[x]\n${all}aws_security_token = OLD\n`, `[x]\n${all}`],
    ["without aws-mfa's end, which Starship would read first", `[x]\nexpiration = OLD\n${all}`, `[x]\n${all}`],
    ["with aws-mfa's other keys", `[x]\nassumed_role = False\n${all}`, `[x]\nassumed_role = False\n${all}`],
  ];
  for (const [what, before, after] of rows) {
    test(what, () => {
      const text = write(read(before), 'x', session);
      assert.equal(text, after);
      // the next run writes the same, and can take it away
      assert.equal(write(read(text), 'x', session), after);
      assert.doesNotMatch(clear(read(text), 'x'), /aws_|x_security/);
    });
  }

  test('long-lived keys are no session, whoever sends them: the next run would refuse to overwrite them', () => {
    const answer = { ...session, accessKeyId: 'AKIAIOSFODNN7EXAMPLE' };
    assert.throws(
      () => write(read(''), 'x', answer),
      (error) => error instanceof UserError && error.code === 'aws',
    );
  });
});

describe('clearing', () => {
  const rows: readonly (readonly [what: string, before: string, after: string])[] = [
    ['the section that was written', `[a]\nk = v\n\n[x]\n${all}`, '[a]\nk = v\n'],
    [
      'its keys only',
      `[x]\n${all}region = r\naws_security_token = OLD\n`,
      '[x]\nregion = r\naws_security_token = OLD\n',
    ],
    ['no session', '[x]\nregion = r\n', '[x]\nregion = r\n'],
    ['no section', '[a]\nk = v\n', '[a]\nk = v\n'],
  ];
  for (const [what, before, after] of rows) test(what, () => assert.equal(clear(read(before), 'x'), after));

  test('is refused where the keys are long-lived, or tools disagree', () => {
    assert.equal(
      messageOf(() => clear(read(`[x]\n${longLived}`), 'x')),
      '[x] in ~/.aws/credentials holds long-lived keys | there is no session to clear',
    );
    assert.match(
      messageOf(() => clear(read(`[a]\n[x]#c\n${all}`), 'x')),
      /^ambiguous section header \(~\/\.aws\/credentials:2\)/,
    );
  });
});

describe('what is not overwritten', () => {
  const held = '[x] in ~/.aws/credentials holds long-lived keys';
  const twin = 'is [x] to some AWS tools (~/.aws/credentials';
  const header = 'ambiguous section header (~/.aws/credentials';
  const line = 'ambiguous line (~/.aws/credentials';
  const rows: readonly (readonly [what: string, text: string, message?: string])[] = [
    ['long-lived keys', `[a]\n[x]\n${longLived}`, held],
    ['an id alone', `[x]\n${id}`, held],
    ['a secret alone', `[x]\n${secret}`, held],
    ['keys without a token', `[x]\n${id}${secret}`, held],
    ['keys with an empty token', `[x]\n${id}${secret}aws_session_token =\n`, held],
    ['a long-lived id beside a token', `[x]\n${longLived}${token}`, held],
    ['the same in quotes', `[x]\n${longLived.replace(/AKIA\w+/, '"$&"')}${token}`, held],
    ['the same with the old token', `[x]\n${longLived}${token.replace('session', 'security')}`, held],
    ['but a session', `[x]\n${all}`],
    ['but an expired one of another tool', `[x]\n${id}${secret}${token.replace('session', 'security')}`],
    ['but a token alone', `[x]\n${token}`],
    ['but other keys', '[x]\nregion = r\n'],
    ['but empty keys', '[x]\naws_access_key_id =\naws_secret_access_key =\n'],
    ['but nothing', ''],
    ['but a section beside long-lived keys', `[x-long-term]\n${longLived}`],
    ['a header that tools read differently', `[x]#c\n${all}`, `${header}:1)`],
    ['the next header', `[x]\n${all}[b];c\n${longLived}`, `${header}:6)`],
    ['the same name with blanks', `[x]\n${all}[ x ]\n${longLived}`, `[ x ] ${twin}:6)`],
    ['the same alone', `[a]\n[ x]\n${longLived}`, `[ x] ${twin}:2)`],
    ['the same name with a prefix', `[profile  x]\n${longLived}`, `[profile  x] ${twin}:1)`],
    ['a prefix and quotes', `[x]\n${all}[profile "x"]\n`, `[profile "x"] ${twin}:6)`],
    ['but the prefix and blanks of others', `[x]\n${all}[profile y]\n[ z ]\n[profiles x]\n[profile x y]\n["x"]\n`],
    ['a name that is longer to some', `[x] ; see [y]\n${longLived}`, `${header}:1)`],
    ['a header in a value', `[x]\nregion = r\n  [b]\n`, `${header}:3)`],
    ['a key in a value', `[x]\n${all}region = r\n  role_arn = r\n`, `${line}:7)`],
    ['a value of two lines', `[x]\n${all}  more\n`, `${line}:5)`],
    ['keys that the block above takes in', `[x]\n  s3 =\n    a = b\n  ${all.replaceAll('\n', '\n  ')}`, `${line}:4)`],
    [
      'a token for all',
      `[DEFAULT]\naws_security_token = T\n[x]\n`,
      '[DEFAULT] has an aws_security_token (~/.aws/credentials:2)',
    ],
    ['but other keys for all', `[DEFAULT]\naws_session_token = T\nregion = r\n[x]\n`],
  ];
  for (const [what, text, message = ''] of rows) {
    test(what, () => {
      const [found = ''] = messageOf(() => requireWritable(read(text), 'x')).split(' | ');
      assert.equal(found, message);
      assert.equal(hasLongLivedKeys(read(text).sections.get('x')), message === held);
    });
  }

  test('but what others read in the config is looked at as well', () => {
    const config = (text: string) => () => requireAgreement(parse(Buffer.from(text), '~/.aws/config'), 'profile x');
    assert.match(
      messageOf(config('[profile x]\nk = v\n[profile y]#c\n')),
      /^ambiguous section header \(~\/.aws\/config:3\)/,
    );
    assert.match(messageOf(config('[profile x]\nk = v\n  role_arn = r\n')), /^ambiguous line \(~\/.aws\/config:3\)/);
    assert.equal(messageOf(config('[profile x] # c\nk = v\ns3 =\n  l = w\n[profile y]\n[profile z]#c\n')), '');
  });

  test('each refusal says what to do', () => {
    const hints = [
      ...new Set(rows.map(([, text]) => messageOf(() => requireWritable(read(text), 'x')).split(' | ')[1])),
    ];
    assert.deepEqual(hints, [
      'for what to do: refresh-mfa x',
      undefined,
      'AWS tools read it differently: write plain [name] from column 1, and nothing after it',
      'delete or rename it',
      'AWS tools read it differently: start all keys of [x] in column 1, each with its value in one line',
      'delete it: aws would use it for every profile',
    ]);
  });

  for (const name of [
    '',
    ' x',
    'x ',
    'a]b',
    'a[b]',
    'a #b',
    'a;b',
    'a#b',
    'a\tb\x7f',
    'a\x1bb',
    'DEFAULT',
    '__proto__',
    'profile x',
  ]) {
    test(`a section for the name ${JSON.stringify(name)}, which some tools read as another`, () => {
      assert.equal(
        messageOf(() => requireWritable(read(''), name)),
        `AWS tools do not agree on the profile name ${JSON.stringify(name)} | choose a simpler name`,
      );
    });
  }

  const names =
    "default a.b a@b a/b:c+d-e%f,g x=y it's größe 日本 constructor -x %(a)s $HOME a(b)* a\\b two_words".split(' ');
  for (const name of [...names, 'two words', 'profiles x']) {
    test(`but one for the name ${name}`, () => {
      const text = write(read(''), name, session);
      assert.equal(text, `[${name}]\n${all}`);
      assert.equal(write(read(text), name, session), text);
    });
  }
});

describe('a session that some tools do not find', () => {
  const rows: readonly (readonly [name: string, text: string, note?: string])[] = [
    ['x', `[x]\n${all}`],
    ['x', `[x]\n  ${all.replaceAll('\n', '\n  ')}`],
    ['x', '[a]\n[__proto__]\n', "JavaScript tools can't read ~/.aws/credentials: rename [__proto__] (line 2)"],
    [
      'x',
      '[profile __proto__]\n',
      "JavaScript tools can't read ~/.aws/credentials: rename [profile __proto__] (line 1)",
    ],
    ['two words', '', "JavaScript tools can't use two words: blank in the name"],
    ["two 'words'", '', "JavaScript tools can't use two 'words': blank in the name"],
    ['three words more', ''],
    ['größe zwei', ''],
    ['constructor', '', "JavaScript tools can't use constructor: a word that JavaScript reserves"],
    ['toString', '', "JavaScript tools can't use toString: a word that JavaScript reserves"],
    ['constructors', ''],
  ];
  for (const [name, text, note] of rows) {
    test(`${name}: ${note ?? 'none'}`, () => assert.equal(findReaderNote(read(text), name), note));
  }
});
