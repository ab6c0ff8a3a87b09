// One file's grammar, by table. What odd files become is held in test/odd-files.ts, with other readers beside.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Document, parse, parseNested, requireAgreement, splice } from '../lib/sections';
import { refusal } from './helpers/layout';

const read = (text: string): Document => parse(Buffer.from(text), '~/.aws/credentials');

/** `[a] k="v" l="w" [b]`: all that was read, in the order of the file. */
function show({ sections }: Document): string {
  const entries = [...sections.values()].map(({ name, entries }) =>
    [`[${name}]`, ...[...entries.values()].map(({ key, value }) => `${key}=${JSON.stringify(value)}`)].join(' '),
  );
  return entries.join(' ');
}

describe('what a file is read as', () => {
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [text: string, expected: string])[] = [
    ['', ''], ['# one\n\n  ; two\n \t\n', ''], ['[a]\n[b]\nk = v\n', '[a] [b] k="v"'], ['[a]\nk = v', '[a] k="v"'],
    ['[a]', '[a]'], ['[a]\r\nk = v\r\n\r\n[b]\r\nk=w\r\n', '[a] k="v" [b] k="w"'],
    ['[a]\r\nk = v\nl = w\r\n', '[a] k="v" l="w"'],
    ['[a] # c\nk = v\n[b] ; c\n[c]#c\n[d];c\nl = w\n', '[a] k="v" [b] [c] [d] l="w"'], ['[a] b\nk = v\n', '[a] k="v"'],
    ['[a] ; see [b]\nk = v\n', '[a] ; see [b] k="v"'], ['  [a]\nk = v\n', '[a] k="v"'],
    ['[ a ]\nk = v\n[a]\nk = w\n', '[ a ] k="v" [a] k="w"'],
    ['[a@b/c:d+e%f]\n[two words]\n[größe]\n[x]y]\n', '[a@b/c:d+e%f] [two words] [größe] [x]y]'],
    ['[a]\n[A]\n', '[a] [A]'], ['[a]\nAWS_Access_Key_ID = v\n', '[a] aws_access_key_id="v"'],
    ['[a]\nk : v\nl:w\nm: a=b\nn= a:b\n', '[a] k="v" l="w" m="a=b" n="a:b"'],
    ['[a]\nk=v\nl  \t=\t  w  \n', '[a] k="v" l="w"'], ['[a]\nk =\nl=\n', '[a] k="" l=""'],
    ['[a]\nk = "v"\nl = \'v\'\n', '[a] k="\\"v\\"" l="\'v\'"'], ['[a]\nk = v # c\nl = v;c\n', '[a] k="v # c" l="v;c"'],
    ['[a]\nk = true\nm = a\\nb\nn = ==\n', '[a] k="true" m="a\\\\nb" n="=="'],
    ['[a]\naws_session_token = FwoG/+ZX==\n', '[a] aws_session_token="FwoG/+ZX=="'],
    ['[a]\n  k = v\n  l = w\n', '[a] k="v" l="w"'], ['[a]\nk = v\n  w\nl = x\n', '[a] k="v\\nw" l="x"'],
    ['[a]\n k = v\n  l = w\n m = x\n', '[a] k="v\\nl = w" m="x"'], ['[a]\nk = v\n# c\n\n  w\n', '[a] k="v\\nw"'],
    ['[a]\ns3 =\n  x = 5\n  y = path\nl = w\n', '[a] s3="\\nx = 5\\ny = path" l="w"'],
    ['[a]\ns3 =\n  x = y\f \fz = w\n', '[a] s3="\\nx = y\\f \\fz = w"'],
    ['[a]\nk = v\n [b]\n l = w\n', '[a] k="v\\n[b]\\nl = w"'], ['[a]\n [b]\nk = v\n', '[a] [b] k="v"'],
    ['[DEFAULT]\nk = v\n[a]\n[DEFAULT]\nl = w\n', '[DEFAULT] k="v" l="w" [a]'],
  ];
  for (const [text, expected] of rows) {
    test(JSON.stringify(text), () => {
      const document = read(text);
      assert.equal(show(document), expected);
      assert.equal(document.lines.join(''), text);
    });
  }
  test('a value of 400,000 lines, each looked at once', { timeout: 60_000 }, () => {
    const document = read(`[a]\ns3 =\n${'  k = v\n'.repeat(400_000)}l = w\n`);
    assert.equal(document.sections.get('a')?.entries.get('s3')?.value.length, 400_000 * 6);
  });
  test('a value in one line is no nested block', () => {
    assert.deepEqual(parseNested('endpoint_url = http://127.0.0.1:4566'), {});
  });
});

describe('a file that aws could not read is refused with its line', () => {
  const noPair = 'not a key = value line';
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [content: string | Buffer, message: string])[] = [
    ['[a]\nk = v\n\n[b]\n[a]\n', 'duplicate section [a] (:5, first in line 1)'],
    ['[a]\nk = v\nl = w\nk = x\n', 'duplicate key k in [a] (:4, first in line 2)'],
    ['[a]\nregion = v\nREGION : w\n', 'duplicate key region in [a] (:3, first in line 2)'],
    [`[a]\n${'x'.repeat(40)}==\n${'x'.repeat(40)}==\n`, 'duplicate key in [a] (:3, first in line 2)'],
    ['[DEFAULT]\nk = v\n[DEFAULT]\nk = w\n', 'duplicate key k in [DEFAULT] (:4, first in line 2)'],
    ['\ufeff[a]\nk = v\n', 'byte order mark (:1)'], ['[a]\nk = v\n\ufeff[b]\n', 'byte order mark (:3)'],
    ['# c\n\nk = v\n[a]\n', 'line before the first [section] (:3)'], ['[a]\nk = v\nsecret\n', `${noPair} (:3)`],
    ['[a]\n= v\n', `${noPair} (:2)`], ['[a]\n[]\n', `${noPair} (:2)`], ['[a]\n[b\n', `${noPair} (:2)`],
    ['[a]\n// c\n', `${noPair} (:2)`], ['[a]\ns3 =\n  x = y\n  path\n', `${noPair} (:4)`],
    ['[a]\ns3 =\n\n  path\n', `${noPair} (:4)`], ['[a]\ns3 =\n  x = y\u2028z\n', `${noPair} (:3)`],
    ['[a]\ns3 =\n  x = y\n  x\fy = z\n', `${noPair} (:4)`], ['[a]\nk = v\rl = w\n', 'control character U+000D (:2)'],
    ['[a]\rk = v\r', 'control character U+000D (:1)'], ['[a]\nk = v\0\n', 'control character U+0000 (:2)'],
    ['[a]\n\n\x1ck = v\n', 'control character U+001C (:3)'], ['[a]\nk = \x85v\n', 'control character U+0085 (:2)'],
    [Buffer.from('[a]\n# gr\xf6\xdfe\nk = v\n', 'latin1'), 'not UTF-8 (:2)'],
    [Buffer.from('[a]\r\nk = v\r\n# gr\xf6\xdfe', 'latin1'), 'not UTF-8 (:3)'],
    [Buffer.from('\ufeff[a]\nk = v\n', 'utf16le'), 'not UTF-8 (:1)'],
  ];
  for (const [content, message] of rows) {
    test(JSON.stringify(String(content)), () => {
      const [said, hint = ''] = refusal(() => parse(Buffer.from(content), '~/.aws/config'));
      assert.equal(said, message.replace('(:', '(~/.aws/config:'));
      assert.match(hint, /: until then, no aws command can read the file$/);
    });
  }
});

const values = { id: 'I', key: 'K', token: 'T==', end: 'E' };
const own = [...Object.keys(values), 'stale'];
const takeOut = (text: string) => splice(read(text), 'x', {}, own);
const all = 'id = I\nkey = K\ntoken = T==\nend = E\n';
const crlf = (text: string) => text.replaceAll('\n', '\r\n');
const indent = (text: string) => text.replaceAll(/^(?=.)/gm, '  ');
const open = (text: string) => text.replace(/\r?\n$/, '');

describe('where keys are written; a section that was appended is taken out again, and all is as before', () => {
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [before: string, after: string])[] = [
    ['', `[x]\n${all}`], ['\n', `\n\n[x]\n${all}`], ['[a]\nk = v\n', `[a]\nk = v\n\n[x]\n${all}`],
    ['[a]\ns3 =\n  k = v\n# c\n', `[a]\ns3 =\n  k = v\n# c\n\n[x]\n${all}`],
    ['[a]\nk = v\n  ', `[a]\nk = v\n  \n\n[x]\n${open(all)}`],
    ['[a]\nk = v', `[a]\nk = v\n\n[x]\n${open(all)}`], ['[a]\nk = v\n\n', `[a]\nk = v\n\n\n[x]\n${all}`],
    ['[a]\r\nk = v\r\n', crlf(`[a]\nk = v\n\n[x]\n${all}`)], ['[a]\r\nk = v', open(crlf(`[a]\nk = v\n\n[x]\n${all}`))],
    ['[a]\n    k = v\n', `[a]\n    k = v\n\n[x]\n${all}`], ['[x2]\n[ x ]\n[X]\n', `[x2]\n[ x ]\n[X]\n\n[x]\n${all}`],
    ['[x]\n[b]\n  k = v\n', `[x]\n${all}[b]\n  k = v\n`], ['[b]\nk = v\n[x]', `[b]\nk = v\n[x]\n${open(all)}`],
    ['[x]\n  [b]\n  k = v\n', `[x]\n${indent(all)}  [b]\n  k = v\n`],
    ['[x] # mine\n# one\n\n# two\n', `[x] # mine\n${all}# one\n\n# two\n`],
    ['[x]\nk = v\n\n# b\n[b]\nk = v\n', `[x]\nk = v\n${all}\n# b\n[b]\nk = v\n`],
    ['[x]\n  k = v\n  l = w\n\n[b]\n', `[x]\n  k = v\n  l = w\n${indent(all)}\n[b]\n`],
    ['[x]\ns3 =\n  a = b\n  c = d\n[b]\n', `[x]\ns3 =\n  a = b\n  c = d\n${all}[b]\n`],
    ['[x]\n  k = v\n  s3 =\n    a = b\n', `[x]\n  k = v\n${indent(all)}  s3 =\n    a = b\n`],
    ['[x]\n  k = # c\n  l = w\n', `[x]\n${indent(all)}  k = # c\n  l = w\n`],
    ['[b]\n[x]\nk = v', `[b]\n[x]\nk = v\n${open(all)}`], ['[x]\r\nk = v', open(crlf(`[x]\nk = v\n${all}`))],
    ['[a]\n[x]\nid = 1\nkey = 2\ntoken = 3==\nend = 4\n[b]\n', `[a]\n[x]\n${all}[b]\n`],
    ['[x]\n# c\ntoken = 3\nk = v\nkey = 2\n\nend = 4\nid = 1\n',
      '[x]\n# c\ntoken = T==\nk = v\nkey = K\n\nend = E\nid = I\n'],
    ['[x]\nid = 1\nkey = 2\ntoken = 3\nk = v\n', `[x]\n${all}k = v\n`],
    ['[x]\nid=1\nkey  =  2\ntoken\t=3\n', '[x]\nid=I\nkey  =  K\ntoken\t=T==\nend = E\n'],
    ['[x]\nid = 1  \t\n', `[x]\n${all}`], ['[x]\nID = 1\nKey=2\n', '[x]\nid = I\nkey=K\ntoken = T==\nend = E\n'],
    ['[x]\nid : 1\nkey: 2=\n', '[x]\nid = I\nkey= K\ntoken = T==\nend = E\n'],
    ['[x]\ntoken = a=b:c==\nid = 1\nkey = 2:=3\nend = 4\n', '[x]\ntoken = T==\nid = I\nkey = K\nend = E\n'],
    ['[x]\nid =\nkey = \ntoken=\nend =\n', '[x]\nid =I\nkey = K\ntoken=T==\nend =E\n'],
    ['[x]\nid = 1\nstale = 2\ntoken = 3\n[b]\nstale = 4\n',
      '[x]\nid = I\ntoken = T==\nkey = K\nend = E\n[b]\nstale = 4\n'],
    ['[b]\n[x]\ntoken = 3\nSTALE : 2', open('[b]\n[x]\ntoken = T==\nid = I\nkey = K\nend = E\n')],
    ['[x]\nstale = 2\n', `[x]\n${all}`],
    ['[x]\r\ntoken = 3\r\nk = v\r\n', crlf('[x]\ntoken = T==\nid = I\nkey = K\nend = E\nk = v\n')],
    ['[x]\r\nid = 1\nkey = 2\r\n', '[x]\r\nid = I\nkey = K\r\ntoken = T==\r\nend = E\r\n'],
    ['[a]\nid = A\n[x]\nid = 1\n[b]\nid = B\n', `[a]\nid = A\n[x]\n${all}[b]\nid = B\n`],
    ['[x]\n#id = 1\n;key = 2\nk = v\n', `[x]\n#id = 1\n;key = 2\nk = v\n${all}`],
  ];
  for (const [before, after] of rows) {
    test(JSON.stringify(before), () => {
      const document = read(before);
      assert.equal(splice(document, 'x', values, ['stale']), after);
      if (!document.sections.has('x')) assert.equal(takeOut(after), before);
    });
  }
});

describe('what taking the keys out leaves', () => {
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [before: string, after: string])[] = [
    [`[a]\nk = v\n\n[x]\n${all}\n[b]\n`, '[a]\nk = v\n\n[b]\n'], [`[a]\n[x]\n${all}[b]\n`, '[a]\n[b]\n'],
    ['[x]\nid = 1\nk = v\nkey = 2\n[b]\n', '[x]\nk = v\n[b]\n'], [`[x]\n# mine\n${all}[b]\n`, '[x]\n# mine\n[b]\n'],
    ['[a]\nk = v\n[x]\n  id = 1\n  [b]\n', '[a]\nk = v\n[x]\n  [b]\n'], ['[x]\nk = v\nToken : 3\n', '[x]\nk = v\n'],
    ['[a]\nid = A\n', '[a]\nid = A\n'], ['[x]\nk = v\n', '[x]\nk = v\n'], ['[x]\nid = 1\n[k = v\n', '[x]\n[k = v\n'],
  ];
  for (const [before, after] of rows) {
    test(JSON.stringify(before), () => assert.equal(takeOut(before), after));
  }
});

describe('a line that AWS tools read differently', () => {
  const stale = '  token = STALE\n';
  // The JS SDK sees no comment glued to a header and no colon before a block; Go reads a colon, and takes a name with ; or # for
  // no header. To both, an indented key below an empty value or a block is a key; to Python it is part of the value above.
  // biome-ignore format: several rows a line
  const rows: readonly (readonly [text: string, line?: number, isHeader?: true])[] = [
    [`[a] # c\nk = v\n\n[x] ; c\n${all}s3 =\n${stale}[b]\t#c\n`], [`[a]\n[x]#c\n${all}`, 2, true],
    [`[a]\n[x];c\n${all}`, 2, true], [`[x]\n${all}# c\n[b]#c\n`, 7, true], [`[x]\n${all}[b]\n[c]#c\n`],
    [`[a]\n[b]#c\n[x]\n${all}`], ['[a]\n[b]#c\n[c]\n'], [`[x] junk\n${all}`, 1, true],
    [`[x]\n${all}[b] junk\n`, 6, true], [`[x] ; see [y]\n${all}`, 1, true], [`[x]\n${all}[b] # see [y]\n`],
    [`[x]\n${all}[ b ]\n`], [`[x]\n${all}[b;c]\n`, 6, true], [`[x]\n${all}[b#c]\n`, 6, true],
    [`[x]\n${all}[profile b]\n[X]\n`], [`[x]\n${all}k = v\n  [b]\n`, 7, true], [`[x]\n${all}  [b]\n`, 5],
    ['[a]\nk = v\n  [x]\n', 3, true], [`  [x]\n${indent(all)}  [b]\n`], [`[x]\n${all}[a]\nk = v\n  [b]\n`],
    [`[x]\n${all}k = v\n${stale}`, 7], [`[x]\nk = v\n# c\n${stale}${all}`, 4], [`[x]\nk = v\n  role_arn = r\n`, 3],
    [`[x]\n${all}k = v\n  token : STALE\n`, 7], [`[x]\n${all}k = v\n  # token = STALE\n`],
    [`[x]\n${all}k = v\n  words\n`], [`[x]\n${all}[b]\nk = v\n${stale}`], [`[x]\n${all}s3 =\n${stale}`],
    [`[x]\n${all}s3 :\n${stale}`, 7], [`[x]\n${indent(all)}  s3 =\n  ${stale}`],
    [`[x]\n  s3 =\n    a = b\n${indent(all)}`, 4], [`[x]\n  k =\n  # c\n${indent(all)}`, 4],
    [`[x]\n  k = # c\n${indent(all)}`, 3], [`[x]\n  k :\n${indent(all)}`, 3], [`[x]\nk =\ns3 =\n  a = b\n${all}`],
    [`[x]\n${indent(all)}`], [`[x]\n  id =\n  key =\n  token =\n`], [`[x]\nid = 1\nkey = 2\n  3\n`, 3],
    [`[x]\nid = 1\n${indent('key = 2')}\n`, 2], [`[x]\n${all}s3 =\n[k = v\n${stale}`, 8],
  ];
  for (const [text, line, isHeader] of rows) {
    test(JSON.stringify(text), () => {
      const work = () => requireAgreement(read(text), 'x', own);
      if (line === undefined) return work();
      const what = isHeader ? 'section header' : 'line';
      assert.equal(refusal(work)[0], `ambiguous ${what} (~/.aws/credentials:${line})`);
    });
  }
  test('what is only read need not start in column 1', () => {
    requireAgreement(read(`[x]\n  s3 =\n    a = b\n${indent(all)}`), 'x');
  });
});
