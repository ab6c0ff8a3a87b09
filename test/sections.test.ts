// One file's grammar, by table; and for odd files the promises of `splice` and `unsplice`, each with Python's own reader beside.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../lib/errors';
import { type Document, findAmbiguity, parse, parseNested, splice, unsplice } from '../lib/sections';

const read = (text: string): Document => parse(Buffer.from(text), '~/.aws/credentials');

/** `[a] k="v" l="w" [b]`: all that was read, in the order of the file. */
function show({ sections }: Document): string {
  const entries = [...sections.values()].map(({ name, entries }) =>
    [`[${name}]`, ...[...entries.values()].map(({ key, value }) => `${key}=${JSON.stringify(value)}`)].join(' '),
  );
  return entries.join(' ');
}

describe('what a file is read as', () => {
  const rows: readonly (readonly [what: string, text: string, expected: string])[] = [
    ['an empty file', '', ''],
    ['comments and blank lines', '# one\n\n  ; two\n \t\n', ''],
    ['a section without keys', '[a]\n[b]\nk = v\n', '[a] [b] k="v"'],
    ['no final newline', '[a]\nk = v', '[a] k="v"'],
    ['a header at the end', '[a]', '[a]'],
    ['CRLF', '[a]\r\nk = v\r\n\r\n[b]\r\nk=w\r\n', '[a] k="v" [b] k="w"'],
    ['CRLF and LF', '[a]\r\nk = v\nl = w\r\n', '[a] k="v" l="w"'],
    ['a comment after a header', '[a] # c\nk = v\n[b] ; c\n[c]#c\n[d];c\nl = w\n', '[a] k="v" [b] [c] [d] l="w"'],
    ['words after a header', '[a] b\nk = v\n', '[a] k="v"'],
    ['a second ] after a header', '[a] ; see [b]\nk = v\n', '[a] ; see [b] k="v"'],
    ['an indented first header', '  [a]\nk = v\n', '[a] k="v"'],
    ['blanks inside the brackets', '[ a ]\nk = v\n[a]\nk = w\n', '[ a ] k="v" [a] k="w"'],
    ['odd names', '[a@b/c:d+e%f]\n[two words]\n[größe]\n[x]y]\n', '[a@b/c:d+e%f] [two words] [größe] [x]y]'],
    ['names that differ in case', '[a]\n[A]\n', '[a] [A]'],
    ['upper-case keys', '[a]\nAWS_Access_Key_ID = v\n', '[a] aws_access_key_id="v"'],
    ['colons', '[a]\nk : v\nl:w\nm: a=b\nn= a:b\n', '[a] k="v" l="w" m="a=b" n="a:b"'],
    ['no blanks and many', '[a]\nk=v\nl  \t=\t  w  \n', '[a] k="v" l="w"'],
    ['empty values', '[a]\nk =\nl=\n', '[a] k="" l=""'],
    ['quotes, which stay', '[a]\nk = "v"\nl = \'v\'\n', '[a] k="\\"v\\"" l="\'v\'"'],
    ['comments after a value, which belong to it', '[a]\nk = v # c\nl = v;c\n', '[a] k="v # c" l="v;c"'],
    ['what ini changes', '[a]\nk = true\nm = a\\nb\nn = ==\n', '[a] k="true" m="a\\\\nb" n="=="'],
    ['a token with its padding', '[a]\naws_session_token = FwoG/+ZX==\n', '[a] aws_session_token="FwoG/+ZX=="'],
    ['keys indented alike', '[a]\n  k = v\n  l = w\n', '[a] k="v" l="w"'],
    ['a continuation line', '[a]\nk = v\n  w\nl = x\n', '[a] k="v\\nw" l="x"'],
    ['a deeper key, part of the value above', '[a]\n k = v\n  l = w\n m = x\n', '[a] k="v\\nl = w" m="x"'],
    ['a comment and a blank line inside a value', '[a]\nk = v\n# c\n\n  w\n', '[a] k="v\\nw"'],
    ['a nested block', '[a]\ns3 =\n  x = 5\n  y = path\nl = w\n', '[a] s3="\\nx = 5\\ny = path" l="w"'],
    [
      'a form feed in a block, where botocore ends the line',
      '[a]\ns3 =\n  x = y\f \fz = w\n',
      '[a] s3="\\nx = y\\f \\fz = w"',
    ],
    ['an indented header, part of the value above', '[a]\nk = v\n [b]\n l = w\n', '[a] k="v\\n[b]\\nl = w"'],
    ['an indented header after a header', '[a]\n [b]\nk = v\n', '[a] [b] k="v"'],
    ['[DEFAULT] twice', '[DEFAULT]\nk = v\n[a]\n[DEFAULT]\nl = w\n', '[DEFAULT] k="v" l="w" [a]'],
  ];
  for (const [what, text, expected] of rows) {
    test(what, () => {
      const document = read(text);
      assert.equal(show(document), expected);
      assert.equal(document.lines.join(''), text);
    });
  }

  test('a value of 400,000 lines, each looked at once', { timeout: 60_000 }, () => {
    const document = read(`[a]\ns3 =\n${'  k = v\n'.repeat(400_000)}l = w\n`);
    assert.equal(document.sections.get('a')?.entries.get('s3')?.value.length, 400_000 * 6);
  });

  test('the endpoint in a nested block', () => {
    const document = read('[services s]\nsts =\n  endpoint_url = http://127.0.0.1:4566\n  region = eu-west-1\n');
    const block = document.sections.get('services s')?.entries.get('sts');
    assert.equal(parseNested(block?.value ?? '').endpoint_url, 'http://127.0.0.1:4566');
    assert.deepEqual({ ...parseNested('endpoint_url = http://127.0.0.1:4566') }, {});
  });
});

describe('a file that aws could not read is refused with its line', () => {
  const noPair = 'not a key = value line';
  const rows: readonly (readonly [what: string, content: string | Buffer, message: string])[] = [
    ['a section twice', '[a]\nk = v\n\n[b]\n[a]\n', 'duplicate section [a] (:5, first in line 1)'],
    ['a key twice', '[a]\nk = v\nl = w\nk = x\n', 'duplicate key k in [a] (:4, first in line 2)'],
    ['in other letters', '[a]\nregion = v\nREGION : w\n', 'duplicate key region in [a] (:3, first in line 2)'],
    [
      'no token is shown',
      `[a]\n${'x'.repeat(40)}==\n${'x'.repeat(40)}==\n`,
      'duplicate key in [a] (:3, first in line 2)',
    ],
    ['in [DEFAULT]', '[DEFAULT]\nk = v\n[DEFAULT]\nk = w\n', 'duplicate key k in [DEFAULT] (:4, first in line 2)'],
    ['a byte order mark', '\ufeff[a]\nk = v\n', 'byte order mark (:1)'],
    ['a byte order mark where two files were joined', '[a]\nk = v\n\ufeff[b]\n', 'byte order mark (:3)'],
    ['a key before any header', '# c\n\nk = v\n[a]\n', 'line before the first [section] (:3)'],
    ['a line without =', '[a]\nk = v\nsecret\n', `${noPair} (:3)`],
    ['a line that begins with =', '[a]\n= v\n', `${noPair} (:2)`],
    ['an empty header', '[a]\n[]\n', `${noPair} (:2)`],
    ['a header that is not closed', '[a]\n[b\n', `${noPair} (:2)`],
    ['a comment with //', '[a]\n// c\n', `${noPair} (:2)`],
    ['a nested line without =', '[a]\ns3 =\n  x = y\n  path\n', `${noPair} (:4)`],
    ['a first nested line without =', '[a]\ns3 =\n\n  path\n', `${noPair} (:4)`],
    ['a line separator in a block, where botocore ends the line', '[a]\ns3 =\n  x = y\u2028z\n', `${noPair} (:3)`],
    ['a form feed in a block', '[a]\ns3 =\n  x = y\n  x\fy = z\n', `${noPair} (:4)`],
    ['a lone CR', '[a]\nk = v\rl = w\n', 'control character U+000D (:2)'],
    ['only CRs, as old Macs wrote', '[a]\rk = v\r', 'control character U+000D (:1)'],
    ['NUL', '[a]\nk = v\0\n', 'control character U+0000 (:2)'],
    ['a blank to Python alone', '[a]\n\n\x1ck = v\n', 'control character U+001C (:3)'],
    ['NEL', '[a]\nk = \x85v\n', 'control character U+0085 (:2)'],
    ['Latin-1', Buffer.from('[a]\n# gr\xf6\xdfe\nk = v\n', 'latin1'), 'not UTF-8 (:2)'],
    ['Latin-1 in the last line', Buffer.from('[a]\r\nk = v\r\n# gr\xf6\xdfe', 'latin1'), 'not UTF-8 (:3)'],
    ['UTF-16', Buffer.from('\ufeff[a]\nk = v\n', 'utf16le'), 'not UTF-8 (:1)'],
  ];
  for (const [what, content, message] of rows) {
    test(what, () => {
      assert.throws(
        () => parse(Buffer.from(content), '~/.aws/config'),
        (error) =>
          error instanceof UserError &&
          error.code === 'config' &&
          error.message === message.replace('(:', '(~/.aws/config:') &&
          error.hints.every((hint) => hint.endsWith(': until then, no aws command can read the file')),
      );
    });
  }
});

const values = { id: 'I', key: 'K', token: 'T==', end: 'E', stale: undefined };
const own = Object.keys(values);
const all = 'id = I\nkey = K\ntoken = T==\nend = E\n';
const crlf = (text: string) => text.replaceAll('\n', '\r\n');
const indent = (text: string) => text.replaceAll(/^(?=.)/gm, '  ');
const open = (text: string) => text.replace(/\r?\n$/, '');

describe('where keys are written', () => {
  const rows: readonly (readonly [what: string, before: string, after: string])[] = [
    ['an empty file', '', `[x]\n${all}`],
    ['no such section: at the end, after a blank line', '[a]\nk = v\n', `[a]\nk = v\n\n[x]\n${all}`],
    ['no final newline: still none', '[a]\nk = v', `[a]\nk = v\n\n[x]\n${open(all)}`],
    ['a blank line at the end: after one more', '[a]\nk = v\n\n', `[a]\nk = v\n\n\n[x]\n${all}`],
    ['CRLF', '[a]\r\nk = v\r\n', crlf(`[a]\nk = v\n\n[x]\n${all}`)],
    ['CRLF without the last', '[a]\r\nk = v', open(crlf(`[a]\nk = v\n\n[x]\n${all}`))],
    ['an indented section before', '[a]\n    k = v\n', `[a]\n    k = v\n\n[x]\n${all}`],
    ['names that look alike', '[x2]\n[ x ]\n[X]\n', `[x2]\n[ x ]\n[X]\n\n[x]\n${all}`],
    ['a section without keys', '[x]\n[b]\nk = v\n', `[x]\n${all}[b]\nk = v\n`],
    ['a section without keys at the end, no newline', '[b]\nk = v\n[x]', `[b]\nk = v\n[x]\n${open(all)}`],
    ['no keys, an indented header next', '[x]\n  [b]\n  k = v\n', `[x]\n${indent(all)}  [b]\n  k = v\n`],
    ['comments only', '[x] # mine\n# one\n\n# two\n', `[x] # mine\n${all}# one\n\n# two\n`],
    ['other keys: after them', '[x]\nk = v\n\n# b\n[b]\nk = v\n', `[x]\nk = v\n${all}\n# b\n[b]\nk = v\n`],
    ['indented keys: indented alike', '[x]\n  k = v\n  l = w\n\n[b]\n', `[x]\n  k = v\n  l = w\n${indent(all)}\n[b]\n`],
    ['a block: after it', '[x]\ns3 =\n  a = b\n  c = d\n[b]\n', `[x]\ns3 =\n  a = b\n  c = d\n${all}[b]\n`],
    [
      'an indented block: before it',
      '[x]\n  k = v\n  s3 =\n    a = b\n',
      `[x]\n  k = v\n${indent(all)}  s3 =\n    a = b\n`,
    ],
    ['an indented empty value: before it', '[x]\n  k = # c\n  l = w\n', `[x]\n${indent(all)}  k = # c\n  l = w\n`],
    ['the end of the file, no newline: still none', '[b]\n[x]\nk = v', `[b]\n[x]\nk = v\n${open(all)}`],
    ['the same with CRLF', '[x]\r\nk = v', open(crlf(`[x]\nk = v\n${all}`))],
    ['old values: in their place', '[a]\n[x]\nid = 1\nkey = 2\ntoken = 3==\nend = 4\n[b]\n', `[a]\n[x]\n${all}[b]\n`],
    [
      'another order',
      '[x]\n# c\ntoken = 3\nk = v\nkey = 2\n\nend = 4\nid = 1\n',
      '[x]\n# c\ntoken = T==\nk = v\nkey = K\n\nend = E\nid = I\n',
    ],
    ['a missing one: after the last', '[x]\nid = 1\nkey = 2\ntoken = 3\nk = v\n', `[x]\n${all}k = v\n`],
    ['blanks around = stay', '[x]\nid=1\nkey  =  2\ntoken\t=3\n', '[x]\nid=I\nkey  =  K\ntoken\t=T==\nend = E\n'],
    ['blanks after a value go', '[x]\nid = 1  \t\n', `[x]\n${all}`],
    ['upper case is mended for the JS SDK', '[x]\nID = 1\nKey=2\n', '[x]\nid = I\nkey=K\ntoken = T==\nend = E\n'],
    ['so is a colon', '[x]\nid : 1\nkey: 2=\n', '[x]\nid = I\nkey= K\ntoken = T==\nend = E\n'],
    [
      '= and : in values',
      '[x]\ntoken = a=b:c==\nid = 1\nkey = 2:=3\nend = 4\n',
      '[x]\ntoken = T==\nid = I\nkey = K\nend = E\n',
    ],
    ['empty values', '[x]\nid =\nkey = \ntoken=\nend =\n', '[x]\nid =I\nkey = K\ntoken=T==\nend =E\n'],
    [
      'a key to remove',
      '[x]\nid = 1\nstale = 2\ntoken = 3\n[b]\nstale = 4\n',
      '[x]\nid = I\ntoken = T==\nkey = K\nend = E\n[b]\nstale = 4\n',
    ],
    [
      'at the end, in any letters',
      '[b]\n[x]\ntoken = 3\nSTALE : 2',
      open('[b]\n[x]\ntoken = T==\nid = I\nkey = K\nend = E\n'),
    ],
    ['also as the only key', '[x]\nstale = 2\n', `[x]\n${all}`],
    ['CRLF in it', '[x]\r\ntoken = 3\r\nk = v\r\n', crlf('[x]\ntoken = T==\nid = I\nkey = K\nend = E\nk = v\n')],
    ['mixed endings', '[x]\r\nid = 1\nkey = 2\r\n', '[x]\r\nid = I\nkey = K\r\ntoken = T==\r\nend = E\r\n'],
    ['the same keys around', '[a]\nid = A\n[x]\nid = 1\n[b]\nid = B\n', `[a]\nid = A\n[x]\n${all}[b]\nid = B\n`],
    ['a commented-out key stays', '[x]\n#id = 1\n;key = 2\nk = v\n', `[x]\n#id = 1\n;key = 2\nk = v\n${all}`],
  ];
  for (const [what, before, after] of rows) test(what, () => assert.equal(splice(read(before), 'x', values), after));
});

describe('what taking the keys out leaves', () => {
  const rows: readonly (readonly [what: string, before: string, after: string])[] = [
    ['no section when nothing else is in it', `[a]\nk = v\n\n[x]\n${all}\n[b]\n`, '[a]\nk = v\n\n[b]\n'],
    ['no section at the end', `[a]\nk = v\n\n[x]\n${all}`, '[a]\nk = v\n'],
    ['no section when it is all there is', `[x]\n${all}`, ''],
    ['no section between two without blank lines', `[a]\n[x]\n${all}[b]\n`, '[a]\n[b]\n'],
    ['the other keys', '[x]\nid = 1\nk = v\nkey = 2\n[b]\n', '[x]\nk = v\n[b]\n'],
    ['a comment', `[x]\n# mine\n${all}[b]\n`, '[x]\n# mine\n[b]\n'],
    ['a header before an indented one', '[a]\nk = v\n[x]\n  id = 1\n  [b]\n', '[a]\nk = v\n[x]\n  [b]\n'],
    ['nothing of a key in any letters', '[x]\nk = v\nToken : 3\n', '[x]\nk = v\n'],
    ['all when there is no such section', '[a]\nid = A\n', '[a]\nid = A\n'],
    ['all when there are no such keys', '[x]\nk = v\n', '[x]\nk = v\n'],
    ['CRLF', crlf(`[a]\nk = v\n\n[x]\n${all}`), '[a]\r\nk = v\r\n'],
  ];
  for (const [what, before, after] of rows) test(what, () => assert.equal(unsplice(read(before), 'x', own), after));
});

describe('a section that is appended and taken out again leaves the bytes that were there', () => {
  const texts = [
    '',
    '[a]\nk = v\n',
    '[a]\r\nk = v\r\n',
    '# one\n; two\n',
    '  [a]\n    k = v\n',
    '[a]\ns3 =\n  x = 5\n',
    '[a]\nk = v\n# end\n',
    '[a]\nk = v\n\n',
    '\n',
    '[a]\nk = v',
    '[a]\r\nk = v',
    '[a]\nk = v\n  ',
  ];
  for (const text of texts) {
    test(JSON.stringify(text), () => {
      const appended = splice(read(text), 'x', values);
      assert.match(appended, /^\[x\]\r?\nid = I\r?\nkey = K\r?\ntoken = T==\r?\nend = E/m);
      assert.equal(unsplice(read(appended), 'x', own), text);
    });
  }
});

describe('a line that AWS tools read differently', () => {
  const stale = '  token = STALE\n';
  const rows: readonly (readonly [what: string, text: string, line?: number, isHeader?: true])[] = [
    ['none in a plain file', `[a] # c\nk = v\n\n[x] ; c\n${all}s3 =\n${stale}[b]\t#c\n`],
    ['a comment glued to the header, which the JS SDK does not see', `[a]\n[x]#c\n${all}`, 2, true],
    ['the same with ;', `[a]\n[x];c\n${all}`, 2, true],
    ['a comment glued to the next header', `[x]\n${all}# c\n[b]#c\n`, 7, true],
    ['not to a header further down', `[x]\n${all}[b]\n[c]#c\n`],
    ['not to one further up', `[a]\n[b]#c\n[x]\n${all}`],
    ['to the header that a section to come would follow', '[a]\n[b]#c\n[c]\n'],
    ['words after the header', `[x] junk\n${all}`, 1, true],
    ['words after the next header', `[x]\n${all}[b] junk\n`, 6, true],
    ['a second ] after the header', `[x] ; see [y]\n${all}`, 1, true],
    ['not a second ] after the next header, which is one to all', `[x]\n${all}[b] # see [y]\n`],
    ['not blanks inside the brackets', `[x]\n${all}[ b ]\n`],
    ['a name with ; which is no header to Go', `[x]\n${all}[b;c]\n`, 6, true],
    ['the same with #', `[x]\n${all}[b#c]\n`, 6, true],
    ['not a prefix', `[x]\n${all}[profile b]\n[X]\n`],
    ['an indented header in a value of the section', `[x]\n${all}k = v\n  [b]\n`, 7, true],
    ['an indented header in an own value', `[x]\n${all}  [b]\n`, 5],
    ['an indented header of the section in a value of another', '[a]\nk = v\n  [x]\n', 3, true],
    ['not an indented header that is one to all', `  [x]\n${indent(all)}  [b]\n`],
    ['not one in another value for another section', `[x]\n${all}[a]\nk = v\n  [b]\n`],
    ['a key inside another value', `[x]\n${all}k = v\n${stale}`, 7],
    ['the same above the keys', `[x]\nk = v\n# c\n${stale}${all}`, 4],
    ['any key: it might be a role', `[x]\nk = v\n  role_arn = r\n`, 3],
    ['a key with a colon, which Go reads', `[x]\n${all}k = v\n  token : STALE\n`, 7],
    ['not a comment', `[x]\n${all}k = v\n  # token = STALE\n`],
    ['not words', `[x]\n${all}k = v\n  words\n`],
    ['not in another section', `[x]\n${all}[b]\nk = v\n${stale}`],
    ['not a key of a block', `[x]\n${all}s3 =\n${stale}`],
    ['a block to some, since the JS SDK knows no colon', `[x]\n${all}s3 :\n${stale}`, 7],
    ['not a block among indented keys', `[x]\n${indent(all)}  s3 =\n  ${stale}`],
    ['keys in an indented block to the JS SDK and Go', `[x]\n  s3 =\n    a = b\n${indent(all)}`, 4],
    ['keys below an indented empty value, the same to both', `[x]\n  k =\n  # c\n${indent(all)}`, 4],
    ['the same with a comment for a value', `[x]\n  k = # c\n${indent(all)}`, 3],
    ['the same with a colon, to Go', `[x]\n  k :\n${indent(all)}`, 3],
    ['not keys in column 1 below a block', `[x]\nk =\ns3 =\n  a = b\n${all}`],
    ['not keys indented alike', `[x]\n${indent(all)}`],
    ['not own keys that are empty', `[x]\n  id =\n  key =\n  token =\n`],
    ['an own value of two lines', `[x]\nid = 1\nkey = 2\n  3\n`, 3],
    ['an own value with a key inside', `[x]\nid = 1\n${indent('key = 2')}\n`, 2],
  ];
  for (const [what, text, line, isHeader = false] of rows) {
    test(what, () => {
      const expected = line === undefined ? undefined : { line: line - 1, isHeader };
      assert.deepEqual(findAmbiguity(read(text), 'x', own), expected);
    });
  }
});
