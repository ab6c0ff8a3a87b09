// The schema of the written section: what is written, how it is read back, what is never overwritten.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Document, parse } from '../lib/sections';
import { checkSession, clear, findReaderNote, requireWritable, write } from '../lib/session';
import { refusal } from './helpers/layout';

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

describe('the state of a session', () => {
  const now = Date.parse('2026-11-20T12:00:00Z');
  const rows = `2026-11-20T20:31:00Z valid 30660, 2026-11-20T12:15:01Z valid 901, 2026-11-20T12:15:00Z due 900,
    2026-11-20T12:00:01Z due 1, 2026-11-20T12:00:00Z expired 0, 1999-12-31T23:59:59Z expired 0,
    2026-11-20T13:00:00.999Z valid 3600, 2026-11-20T14:00:00+01:00 valid 3600, 2026-11-20T07:30:00-05:30 valid 3600,
    2026-11-20t13:00:00z valid 3600`.split(/,\s+/);
  const check = (text: string) => checkSession(read(text).sections.get('x'), 900, now);
  const until = (end: string) => check(`[x]\n${id}${secret}${token}x_security_token_expires = ${end}\n`);
  for (const row of rows) {
    const [end = '', state, secondsLeft] = row.split(' ');
    test(row, () => {
      assert.deepEqual(until(end), { state, expires: new Date(end), secondsLeft: Number(secondsLeft) });
    });
  }
  const ends = `2026-11-20T20:31:00|2026-11-20 20:31:00|2026-11-20|2030|foo 2030|tomorrow|2026-13-20T20:31:00Z
    2026-02-30T20:31:00Z|2026-11-20T24:00:00Z|2026-11-20T20:61:00Z|2026-11-20T20:31:00+25:00
    2026-11-20T20:31:00Z # local|"2026-11-20T20:31:00Z"|Fri, 20 Nov 2026 20:31:00 GMT|`.split(/\||\n +/);
  for (const end of ends) {
    test(`no end that could be believed: ${end}`, () => {
      assert.deepEqual(until(end), { state: 'due' });
    });
  }
  test('never: no section, no token, an empty one', () => {
    for (const text of ['', '[x]\n', `[x]\n${end}`, `[x]\n${id}${secret}`, '[x]\naws_session_token =\n']) {
      assert.deepEqual(check(text), { state: 'never' });
    }
  });
  test('a token under its old name is one, too', () => {
    assert.equal(check(`[x]\n${id}${secret}${token.replace('session', 'security')}${end}`).state, 'valid');
  });
});

describe('what is written', () => {
  const rows: readonly (readonly [before: string, after: string])[] = [
    ['[a]\nk = v\n', `[a]\nk = v\n\n[x]\n${all}`],
    [`[x]\n${all.replaceAll(/= .*/g, '= OLD')}region = r\n`, `[x]\n${all}region = r\n`],
    [`[x]\n${all}aws_security_token = OLD\n`, `[x]\n${all}`],
    [`[x]\nexpiration = OLD\n${all}`, `[x]\n${all}`],
    [`[x]\nassumed_role = False\n${all}`, `[x]\nassumed_role = False\n${all}`],
  ];
  for (const [before, after] of rows) {
    test(JSON.stringify(before), () => {
      const text = write(read(before), 'x', session);
      assert.equal(text, after);
      // the next run writes the same, and can take it away
      assert.equal(write(read(text), 'x', session), after);
      assert.doesNotMatch(clear(read(text), 'x'), /aws_|x_security/);
    });
  }
  test('long-lived keys are no session, whoever sends them: the next run would refuse to overwrite them', () => {
    const answer = { ...session, accessKeyId: 'AKIAIOSFODNN7EXAMPLE' };
    assert.ok(refusal(() => write(read(''), 'x', answer), 'aws'));
  });
});

describe('clearing', () => {
  test('takes away what was written, and nothing else', () => {
    const cleared = clear(read(`[x]\n${all}region = r\naws_security_token = OLD\n`), 'x');
    assert.equal(cleared, '[x]\nregion = r\naws_security_token = OLD\n');
  });
  test('is refused where the keys are long-lived, or tools disagree', () => {
    const held = refusal(() => clear(read(`[x]\n${longLived}`), 'x'));
    assert.deepEqual(held, ['[x] in ~/.aws/credentials holds long-lived keys', 'there is no session to clear']);
    const [disputed] = refusal(() => clear(read(`[a]\n[x]#c\n${all}`), 'x'));
    assert.equal(disputed, 'ambiguous section header (~/.aws/credentials:2)');
  });
});

describe('what is not overwritten', () => {
  const held = ['[x] in ~/.aws/credentials holds long-lived keys', 'for what to do: refresh-mfa x'];
  const twin = (name: string, line: number) => {
    return [`[${name}] is [x] to some AWS tools (~/.aws/credentials:${line})`, 'delete or rename it'];
  };
  const plain = 'AWS tools read it differently: write plain [name] from column 1, and nothing after it';
  const header = (line: number) => [`ambiguous section header (~/.aws/credentials:${line})`, plain];
  const rule = 'AWS tools read it differently: start all keys of [x] in column 1, each with its value in one line';
  const line = (line: number) => [`ambiguous line (~/.aws/credentials:${line})`, rule];
  const forAll = 'delete it: aws would use it for every profile';
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [text: string, refused?: string[]])[] = [
    [`[a]\n[x]\n${longLived}`, held], [`[x]\n${id}`, held], [`[x]\n${secret}`, held], [`[x]\n${id}${secret}`, held],
    [`[x]\n${id}${secret}aws_session_token =\n`, held], [`[x]\n${longLived}${token}`, held],
    [`[x]\n${longLived.replace(/AKIA\w+/, '"$&"')}${token}`, held],
    [`[x]\n${longLived}${token.replace('session', 'security')}`, held], [`[x]\n${all}`],
    [`[x]\n${id}${secret}${token.replace('session', 'security')}`], [`[x]\n${token}`], ['[x]\nregion = r\n'],
    ['[x]\naws_access_key_id =\naws_secret_access_key =\n'], [''], [`[x-long-term]\n${longLived}`],
    [`[x]\n${all}[b];c\n${longLived}`, header(6)], [`[x]\n${all}region = r\n  role_arn = r\n`, line(7)],
    [`[x]\n${all}  more\n`, line(5)], [`[x]\n${all}[ x ]\n${longLived}`, twin(' x ', 6)],
    [`[a]\n[ x]\n${longLived}`, twin(' x', 2)], [`[profile  x]\n${longLived}`, twin('profile  x', 1)],
    [`[x]\n${all}[profile "x"]\n`, twin('profile "x"', 6)],
    [`[x]\n${all}[profile y]\n[ z ]\n[profiles x]\n[profile x y]\n["x"]\n`],
    ['[DEFAULT]\naws_security_token = T\n[x]\n', ['[DEFAULT] has an aws_security_token (~/.aws/credentials:2)', forAll]],
    ['[DEFAULT]\naws_session_token = T\nregion = r\n[x]\n'],
  ];
  for (const [text, refused] of rows) {
    test(JSON.stringify(text), () => {
      const work = () => requireWritable(read(text), 'x');
      if (refused) assert.deepEqual(refusal(work), refused);
      else work();
    });
  }
  const disputed = ['', ' x', 'x ', 'a]b', 'a[b]', 'a #b', 'a;b', 'a#b', 'a\tb\x7f', 'a\x1bb'];
  for (const name of [...disputed, 'DEFAULT', '__proto__', 'profile x']) {
    test(`a section for the name ${JSON.stringify(name)}, which some tools read as another`, () => {
      const what = `AWS tools do not agree on the profile name ${JSON.stringify(name)}`;
      const refused = refusal(() => requireWritable(read(''), name));
      assert.deepEqual(refused, [what, 'choose a simpler name']);
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
  const blank = ': blank in the name';
  const reserved = ': a word that JavaScript reserves';
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [name: string, note?: string])[] = [
    ['x'], ['three words more'], ['größe zwei'], ['constructors'], ['two words', blank], ["two 'words'", blank],
    ['constructor', reserved], ['toString', reserved],
  ];
  for (const [name, note] of rows) {
    const expected = note && `JavaScript tools can't use ${name}${note}`;
    test(`${name}${note ?? ''}`, () => assert.equal(findReaderNote(read(''), name), expected));
  }
  test('[__proto__], which ends their reading', () => {
    const note = (text: string) => findReaderNote(read(text), 'x')?.replace(/.* can't read ~\/.aws\/credentials: /, '');
    assert.equal(note('[a]\n[__proto__]\n'), 'rename [__proto__] (line 2)');
    assert.equal(note('[profile __proto__]\n'), 'rename [profile __proto__] (line 1)');
    for (const text of [`[x]\n${all}`, `[x]\n  ${all.replaceAll('\n', '\n  ')}`]) assert.equal(note(text), undefined);
  });
});
