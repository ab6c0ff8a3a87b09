// SEED=7 in the environment makes other odd files; each seed must hold.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { UserError } from '../lib/errors';
import { type Document, findMisread, parse, parseNested, splice, unsplice } from '../lib/sections';
import { type OddFile, oddFiles, ownKeys } from './helpers/odd';
import { missing } from './helpers/which';

const shown = '~/.aws/credentials';
const read = (text: string): Document => parse(Buffer.from(text), shown);

/** Sections with their values, in the file's order. */
function contents(document: Document): [string, Record<string, string>][] {
  return [...document.sections.values()].map(({ name, entries }) => [
    name,
    Object.fromEntries([...entries.values()].map(({ key, value }) => [key, value])),
  ]);
}

describe('what a file is read as', () => {
  const rows: readonly (readonly [string, string, [string, Record<string, string>][]])[] = [
    ['an empty file', '', []],
    ['a file of comments and blank lines', '# one\n\n  ; two\n \t\n', []],
    [
      'a section without keys',
      '[a]\n[b]\nk = v\n',
      [
        ['a', {}],
        ['b', { k: 'v' }],
      ],
    ],
    ['no final newline', '[a]\nk = v', [['a', { k: 'v' }]]],
    ['a header at the end of the file', '[a]', [['a', {}]]],
    [
      'CRLF',
      '[a]\r\nk = v\r\n\r\n[b]\r\nk=w\r\n',
      [
        ['a', { k: 'v' }],
        ['b', { k: 'w' }],
      ],
    ],
    ['CRLF and LF in one file', '[a]\r\nk = v\nl = w\r\n', [['a', { k: 'v', l: 'w' }]]],
    [
      'a comment behind a header',
      '[a] # c\nk = v\n[b] ; c\n[c]#c\n[d];c\nl = w\n',
      [
        ['a', { k: 'v' }],
        ['b', {}],
        ['c', {}],
        ['d', { l: 'w' }],
      ],
    ],
    ['words behind a header', '[a] b\nk = v\n', [['a', { k: 'v' }]]],
    ['a second ] behind a header', '[a] ; see [b]\nk = v\n', [['a] ; see [b', { k: 'v' }]]],
    ['an indented first header', '  [a]\nk = v\n', [['a', { k: 'v' }]]],
    [
      'blanks inside the brackets',
      '[ a ]\nk = v\n[a]\nk = w\n',
      [
        [' a ', { k: 'v' }],
        ['a', { k: 'w' }],
      ],
    ],
    [
      'names as odd as they come',
      '[a.b]\n[a@b/c:d+e%f,g]\n[two words]\n[größe]\n[__proto__]\n[constructor]\n',
      [
        ['a.b', {}],
        ['a@b/c:d+e%f,g', {}],
        ['two words', {}],
        ['größe', {}],
        ['__proto__', {}],
        ['constructor', {}],
      ],
    ],
    [
      'names that differ in case',
      '[a]\n[A]\n',
      [
        ['a', {}],
        ['A', {}],
      ],
    ],
    ['upper-case keys', '[a]\nAWS_Access_Key_ID = v\n', [['a', { aws_access_key_id: 'v' }]]],
    [
      'a colon for the equals sign',
      '[a]\nk : v\nl:w\nm: a=b\nn= a:b\n',
      [['a', { k: 'v', l: 'w', m: 'a=b', n: 'a:b' }]],
    ],
    ['no blanks and many blanks', '[a]\nk=v\nl  \t=\t  w  \n', [['a', { k: 'v', l: 'w' }]]],
    ['a value that is empty', '[a]\nk =\nl=\n', [['a', { k: '', l: '' }]]],
    [
      'values that other readers would change',
      '[a]\nk = "v"\nl = \'v\'\nm = v # c\nn = v;c\no = true\np = %(k)s\nq = a\\nb\nr = ==\n',
      [['a', { k: '"v"', l: "'v'", m: 'v # c', n: 'v;c', o: 'true', p: '%(k)s', q: 'a\\nb', r: '==' }]],
    ],
    ['a token with its padding', '[a]\naws_session_token = FwoG/+ZX==\n', [['a', { aws_session_token: 'FwoG/+ZX==' }]]],
    ['all keys indented alike', '[a]\n  k = v\n  l = w\n', [['a', { k: 'v', l: 'w' }]]],
    ['a line that goes on in the next one', '[a]\nk = v\n  w\nl = x\n', [['a', { k: 'v\nw', l: 'x' }]]],
    [
      'a deeper key, which is part of the value above',
      '[a]\n k = v\n  l = w\n m = x\n',
      [['a', { k: 'v\nl = w', m: 'x' }]],
    ],
    ['a comment and a blank line inside a value', '[a]\nk = v\n# c\n\n  w\n', [['a', { k: 'v\nw' }]]],
    [
      'a nested block',
      '[a]\ns3 =\n  max_queue_size = 5\n  addressing_style = path\nl = w\n',
      [['a', { s3: '\nmax_queue_size = 5\naddressing_style = path', l: 'w' }]],
    ],
    [
      'an indented header behind a key, which is part of the value',
      '[a]\nk = v\n [b]\n l = w\n',
      [['a', { k: 'v\n[b]\nl = w' }]],
    ],
    [
      'an indented header behind a header',
      '[a]\n [b]\nk = v\n',
      [
        ['a', {}],
        ['b', { k: 'v' }],
      ],
    ],
    [
      '[DEFAULT] twice',
      '[DEFAULT]\nk = v\n[a]\n[DEFAULT]\nl = w\n',
      [
        ['DEFAULT', { k: 'v', l: 'w' }],
        ['a', {}],
      ],
    ],
  ];
  for (const [what, text, expected] of rows) {
    test(what, () => {
      const document = read(text);
      assert.deepEqual(contents(document), expected);
      assert.equal(document.lines.join(''), text);
    });
  }

  test('indented headers are remembered with the section whose value they are part of', () => {
    const document = read('[a]\nk = v\n  [b]\n  l = w\n');
    assert.deepEqual(document.hidden, [{ name: 'b', line: 2, section: 'a' }]);
  });

  test('the endpoint in a nested block can be looked up', () => {
    const document = read('[services s]\nsts =\n  endpoint_url = http://127.0.0.1:4566\n  region = eu-west-1\n');
    const block = document.sections.get('services s')?.entries.get('sts');
    assert.equal(parseNested(block?.value ?? '').endpoint_url, 'http://127.0.0.1:4566');
    assert.deepEqual({ ...parseNested('endpoint_url = http://127.0.0.1:4566') }, {});
  });
});

describe('a file that no aws command could read is refused with its line', () => {
  const rows: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['a section twice', '[a]\nk = v\n\n[b]\n[a]\n', /credentials line 5: \[a\] is there twice \(first in line 1\)/],
    ['a key twice', '[a]\nk = v\nl = w\nk = x\n', /line 4: k is there twice in \[a\] \(first in line 2\)/],
    ['a key twice in other letters', '[a]\nregion = v\nREGION : w\n', /line 3: region is there twice in \[a\]/],
    ['a key twice in the two parts of [DEFAULT]', '[DEFAULT]\nk = v\n[DEFAULT]\nk = w\n', /line 4: k is there twice/],
    ['a byte order mark', '\ufeff[a]\nk = v\n', /line 1: a byte order mark/],
    [
      'a byte order mark further down, where two files were joined',
      '[a]\nk = v\n\ufeff[b]\n',
      /line 3: a byte order mark/,
    ],
    ['a key before any header', '# c\n\nk = v\n[a]\n', /line 3: a line before the first \[section\]/],
    ['a line without =', '[a]\nk = v\nsecret\n', /line 3: a line that is no key = value/],
    ['a line that begins with =', '[a]\n= v\n', /line 2: a line that is no key = value/],
    ['an empty header', '[a]\n[]\n', /line 2: a line that is no key = value/],
    ['a header that is not closed', '[a]\n[b\n', /line 2: a line that is no key = value/],
    ['a comment with //', '[a]\n// c\n', /line 2: a line that is no key = value/],
    ['a nested block with a line without =', '[a]\ns3 =\n  x = y\n  path\n', /line 4: a line that is no key = value/],
    ['a nested block that begins without =', '[a]\ns3 =\n\n  path\n', /line 4: a line that is no key = value/],
    [
      'a nested block with a line separator, at which botocore ends the line',
      '[a]\ns3 =\n  x = y\u2028z\n',
      /line 3: a line that is no key = value/,
    ],
    ['a nested block with a form feed', '[a]\ns3 =\n  x = y\n  x\fy = z\n', /line 4: a line that is no key = value/],
    ['a lone CR', '[a]\nk = v\rl = w\n', /line 2: a control character \(U\+000D\)/],
    ['only CRs, as old Macs wrote', '[a]\rk = v\r', /line 1: a control character \(U\+000D\)/],
    ['a CR at the end', '[a]\nk = v\r', /line 2: a control character \(U\+000D\)/],
    ['NUL', '[a]\nk = v\0\n', /line 2: a control character \(U\+0000\)/],
    ['a separator that Python takes for a blank', '[a]\n\n\x1ck = v\n', /line 3: a control character \(U\+001C\)/],
    ['NEL, which Python takes for a blank', '[a]\nk = \x85v\n', /line 2: a control character \(U\+0085\)/],
    ['Latin-1', Buffer.from('[a]\n# gr\xf6\xdfe\nk = v\n', 'latin1'), /line 2: bytes that are not UTF-8/],
    [
      'Latin-1 in the last line',
      Buffer.from('[a]\r\nk = v\r\n# gr\xf6\xdfe', 'latin1'),
      /line 3: bytes that are not UTF-8/,
    ],
    ['UTF-16', Buffer.from('\ufeff[a]\nk = v\n', 'utf16le'), /line 1: bytes that are not UTF-8/],
  ];
  for (const [what, content, message] of rows) {
    test(what, () => {
      assert.throws(
        () => parse(Buffer.from(content), shown),
        (error) => error instanceof UserError && error.code === 'config' && message.test(error.message),
      );
    });
  }
});

const session = {
  aws_access_key_id: 'ASIAIOSFODNN7EXAMPLE',
  aws_secret_access_key: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  aws_session_token: 'AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT==',
  x_security_token_expires: '2026-11-20T20:31:00Z',
  aws_security_token: undefined,
};
const sessionKeys = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token', 'x_security_token_expires'];

const id = 'aws_access_key_id = ASIAIOSFODNN7EXAMPLE';
const secret = 'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const token = 'aws_session_token = AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT==';
const expires = 'x_security_token_expires = 2026-11-20T20:31:00Z';
const all = `${id}\n${secret}\n${token}\n${expires}\n`;

describe('where the session is written', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['a file that is empty', '', `[foobar]\n${all}`],
    ['a file without the section: at the end, behind a blank line', '[a]\nk = v\n', `[a]\nk = v\n\n[foobar]\n${all}`],
    ['a file that ends without a newline: still none', '[a]\nk = v', `[a]\nk = v\n\n[foobar]\n${all.slice(0, -1)}`],
    [
      'a file that ends with a blank line: behind one more, to know by',
      '[a]\nk = v\n\n',
      `[a]\nk = v\n\n\n[foobar]\n${all}`,
    ],
    ['a file with CRLF', '[a]\r\nk = v\r\n', `[a]\r\nk = v\r\n\r\n[foobar]\r\n${all.replaceAll('\n', '\r\n')}`],
    [
      'a file with CRLF that ends without one',
      '[a]\r\nk = v',
      `[a]\r\nk = v\r\n\r\n[foobar]\r\n${all.replaceAll('\n', '\r\n').slice(0, -2)}`,
    ],
    ['a file whose last section is indented', '[a]\n    k = v\n', `[a]\n    k = v\n\n[foobar]\n${all}`],
    [
      'a file with names that only look alike',
      '[foobar2]\n[ foobar ]\n[profile foobar]\n[FOOBAR]\n',
      `[foobar2]\n[ foobar ]\n[profile foobar]\n[FOOBAR]\n\n[foobar]\n${all}`,
    ],
    ['a section without keys', '[foobar]\n[b]\nk = v\n', `[foobar]\n${all}[b]\nk = v\n`],
    [
      'a section without keys at the end, no newline',
      '[b]\nk = v\n[foobar]',
      `[b]\nk = v\n[foobar]\n${all.slice(0, -1)}`,
    ],
    [
      'a section without keys before an indented header',
      '[foobar]\n  [b]\n  k = v\n',
      `[foobar]\n${all.replace(/^/gm, '  ').slice(0, -2)}  [b]\n  k = v\n`,
    ],
    ['a section with comments only', '[foobar] # mine\n# one\n\n# two\n', `[foobar] # mine\n${all}# one\n\n# two\n`],
    [
      'a section with other keys: behind them',
      '[foobar]\nregion = eu-west-1\n\n# b follows\n[b]\nk = v\n',
      `[foobar]\nregion = eu-west-1\n${all}\n# b follows\n[b]\nk = v\n`,
    ],
    [
      'a section with indented keys: indented alike',
      '[foobar]\n\tregion = eu-west-1\n\toutput = json\n\n[b]\n',
      `[foobar]\n\tregion = eu-west-1\n\toutput = json\n\t${all.trimEnd().replaceAll('\n', '\n\t')}\n\n[b]\n`,
    ],
    [
      'a section that ends with a nested block: behind the block',
      '[foobar]\ns3 =\n  max_queue_size = 5\n  addressing_style = path\n[b]\n',
      `[foobar]\ns3 =\n  max_queue_size = 5\n  addressing_style = path\n${all}[b]\n`,
    ],
    [
      'a section at the end, no newline: still none',
      '[b]\n[foobar]\nregion = eu-west-1',
      `[b]\n[foobar]\nregion = eu-west-1\n${all.slice(0, -1)}`,
    ],
    [
      'a section at the end, CRLF, no newline',
      '[foobar]\r\nregion = eu-west-1',
      `[foobar]\r\nregion = eu-west-1\r\n${all.replaceAll('\n', '\r\n').slice(0, -2)}`,
    ],
    [
      'an old session: in its place',
      `[a]\nk = v\n[foobar]\naws_access_key_id = ASIAOLD\naws_secret_access_key = OLD\naws_session_token = OLD==\nx_security_token_expires = 2026-11-19T20:31:00Z\n[b]\n`,
      `[a]\nk = v\n[foobar]\n${all}[b]\n`,
    ],
    [
      'an old session in another order, with other keys and comments between',
      '[foobar]\n# morning\naws_session_token = OLD\nregion = eu-west-1\naws_secret_access_key = OLD\n\nx_security_token_expires = OLD\n; evening\naws_access_key_id = OLD\noutput = json\n',
      `[foobar]\n# morning\n${token}\nregion = eu-west-1\n${secret}\n\n${expires}\n; evening\n${id}\noutput = json\n`,
    ],
    [
      'an old session without its end: behind the last of its keys',
      '[foobar]\naws_access_key_id = OLD\naws_secret_access_key = OLD\naws_session_token = OLD\nregion = eu-west-1\n',
      `[foobar]\n${all}region = eu-west-1\n`,
    ],
    [
      'blanks around = are kept',
      '[foobar]\naws_access_key_id=OLD\naws_secret_access_key  =  OLD\n  aws_session_token\t=OLD\n'.replace(
        '  aws_session',
        'aws_session',
      ),
      `[foobar]\naws_access_key_id=${session.aws_access_key_id}\naws_secret_access_key  =  ${session.aws_secret_access_key}\naws_session_token\t=${session.aws_session_token}\n${expires}\n`,
    ],
    ['blanks behind a value go with it', '[foobar]\naws_access_key_id = OLD  \t\n', `[foobar]\n${all}`],
    [
      'upper-case keys, which the JS SDK would not find, are put right',
      '[foobar]\nAWS_ACCESS_KEY_ID = OLD\nAws_Secret_Access_Key=OLD\n',
      `[foobar]\n${id}\naws_secret_access_key=${session.aws_secret_access_key}\n${token}\n${expires}\n`,
    ],
    [
      'a colon, which the JS SDK would not take, is put right',
      '[foobar]\naws_access_key_id : OLD\naws_secret_access_key: OLD=\n',
      `[foobar]\n${id}\naws_secret_access_key= ${session.aws_secret_access_key}\n${token}\n${expires}\n`,
    ],
    [
      'values that hold = and :',
      '[foobar]\naws_session_token = a=b:c==\naws_access_key_id = OLD\naws_secret_access_key = O:L=D\nx_security_token_expires = 2026-11-19T20:31:00Z\n',
      `[foobar]\n${token}\n${id}\n${secret}\n${expires}\n`,
    ],
    [
      'a value that went on in the next line',
      '[foobar]\naws_session_token = OLD\n  OLDER\nregion = eu-west-1\n',
      `[foobar]\n${token}\n${id}\n${secret}\n${expires}\nregion = eu-west-1\n`,
    ],
    [
      'empty values',
      '[foobar]\naws_access_key_id =\naws_secret_access_key = \naws_session_token=\nx_security_token_expires =\n',
      `[foobar]\naws_access_key_id =${session.aws_access_key_id}\n${secret}\naws_session_token=${session.aws_session_token}\nx_security_token_expires =${session.x_security_token_expires}\n`,
    ],
    [
      'aws_security_token, which botocore reads first, goes',
      `[foobar]\naws_access_key_id = OLD\naws_security_token = OLD\naws_session_token = OLD\n[b]\naws_security_token = OTHER\n`,
      `[foobar]\n${id}\n${token}\n${secret}\n${expires}\n[b]\naws_security_token = OTHER\n`,
    ],
    [
      'aws_security_token goes from the end, too, and in any letters',
      '[b]\n[foobar]\naws_session_token = OLD\nAWS_SECURITY_TOKEN : OLD',
      `[b]\n[foobar]\n${token}\n${id}\n${secret}\n${expires}`,
    ],
    ['aws_security_token as the only key', '[foobar]\naws_security_token = OLD\n', `[foobar]\n${all}`],
    [
      'CRLF in an old session',
      '[foobar]\r\naws_session_token = OLD\r\nregion = eu-west-1\r\n',
      `[foobar]\r\n${token}\r\n${id}\r\n${secret}\r\n${expires}\r\nregion = eu-west-1\r\n`,
    ],
    [
      'a line keeps its own ending where they are mixed',
      '[foobar]\r\naws_access_key_id = OLD\naws_secret_access_key = OLD\r\n',
      `[foobar]\r\n${id}\n${secret}\r\n${token}\r\n${expires}\r\n`,
    ],
    [
      'keys of the same name in sections before and behind',
      '[a]\naws_session_token = A\n[foobar]\naws_session_token = OLD\n[b]\naws_session_token = B\n',
      `[a]\naws_session_token = A\n[foobar]\n${token}\n${id}\n${secret}\n${expires}\n[b]\naws_session_token = B\n`,
    ],
    [
      'a comment behind the header of the section before',
      '[AcmeAccount]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n[foobar] # temporary\naws_access_key_id = OLD\n',
      `[AcmeAccount]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n[foobar] # temporary\n${all}`,
    ],
    [
      'a commented-out key stays',
      '[foobar]\n#aws_session_token = OLD\n;aws_access_key_id = OLD\nregion = eu-west-1\n',
      `[foobar]\n#aws_session_token = OLD\n;aws_access_key_id = OLD\nregion = eu-west-1\n${all}`,
    ],
  ];
  for (const [what, before, after] of rows) {
    test(what, () => assert.equal(splice(read(before), 'foobar', session), after));
  }
});

describe('a line that the JS SDK would believe in place of the session', () => {
  const stale = '  aws_session_token = STALE\n';
  const indented = all.replaceAll(/^(?=.)/gm, '  ');
  const rows: readonly (readonly [string, string, number | undefined])[] = [
    ['in another value below the session', `${all}region = eu-west-1\n${stale}`, 6],
    ['in another value below those that are there', `${id}\nregion = eu-west-1\n# note\n${stale}`, 4],
    ['not a key that the SDK does not read', `${all}region = eu-west-1\n  ${expires}\n`, undefined],
    ['not above the session', `region = eu-west-1\n${stale}${all}`, undefined],
    ['not where all keys of the session will come below it', `region = eu-west-1\n${stale}`, undefined],
    ['in what is a block for botocore alone', `${all}s3 :\n${stale}`, 6],
    ['not in a block', `${all}s3 =\n${stale}`, undefined],
    ['not in an indented block', `${indented}  s3 =\n  ${stale}`, undefined],
    ['not a comment', `${all}region = eu-west-1\n  # aws_session_token = STALE\n`, undefined],
    ['not a key without a value', `${all}region = eu-west-1\n  aws_session_token =\n`, undefined],
    ['not one of keys that are all indented alike', indented, undefined],
    ['not one below an empty value', `region =\n${all}`, undefined],
    ['not one below an empty value, all indented alike', `  region =\n  # note\n${indented}`, undefined],
    ['not one below a block, all indented alike', `  s3 =\n    max_queue_size = 5\n${indented}`, undefined],
  ];
  for (const [what, text, line] of rows) {
    test(what, () => assert.equal(findMisread(read(`[foobar]\n${text}`), 'foobar', sessionKeys), line));
  }
});

describe('what clearing a session takes away', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    [
      'the whole section when nothing else is in it',
      `[a]\nk = v\n\n[foobar]\n${all}\n[b]\nk = v\n`,
      '[a]\nk = v\n\n[b]\nk = v\n',
    ],
    ['the whole section at the end', `[a]\nk = v\n\n[foobar]\n${all}`, '[a]\nk = v\n'],
    ['the whole section when it is all there is', `[foobar]\n${all}`, ''],
    ['the whole section between two without blank lines', `[a]\n[foobar]\n${all}[b]\n`, '[a]\n[b]\n'],
    [
      'its four keys where others are left',
      `[foobar]\n${id}\nregion = eu-west-1\n${secret}\n${token}\n${expires}\n[b]\n`,
      '[foobar]\nregion = eu-west-1\n[b]\n',
    ],
    ['its four keys where a comment is left', `[foobar]\n# mine\n${all}[b]\n`, '[foobar]\n# mine\n[b]\n'],
    [
      'its keys, but not a header without which the indented one behind it would be part of the value above',
      `[a]\nk = v\n[foobar]\n  ${token}\n  [b]\n  l = w\n`,
      '[a]\nk = v\n[foobar]\n  [b]\n  l = w\n',
    ],
    [
      'its keys in any letters',
      '[foobar]\nregion = eu-west-1\nAWS_Session_Token : OLD\n',
      '[foobar]\nregion = eu-west-1\n',
    ],
    ['nothing when the section is not there', '[a]\naws_session_token = A\n', '[a]\naws_session_token = A\n'],
    ['nothing when it holds no session', '[foobar]\nregion = eu-west-1\n', '[foobar]\nregion = eu-west-1\n'],
    [
      'nothing but the section with CRLF',
      `[a]\r\nk = v\r\n\r\n[foobar]\r\n${all.replaceAll('\n', '\r\n')}`,
      '[a]\r\nk = v\r\n',
    ],
  ];
  for (const [what, before, after] of rows) {
    test(what, () => assert.equal(unsplice(read(before), 'foobar', sessionKeys), after));
  }
});

describe('a section that was appended and cleared again leaves the bytes there were', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['an empty file', ''],
    ['a section', '[a]\nk = v\n'],
    ['CRLF', '[a]\r\nk = v\r\n'],
    ['comments only', '# one\n; two\n'],
    ['an indented section', '  [a]\n    k = v\n'],
    ['a nested block at the end', '[a]\ns3 =\n  max_queue_size = 5\n'],
    ['a comment at the end', '[a]\nk = v\n# the end\n'],
    ['a blank line at the end', '[a]\nk = v\n\n'],
    ['a file of one blank line', '\n'],
    ['no final newline', '[a]\nk = v'],
    ['CRLF without the last', '[a]\r\nk = v'],
    ['blanks without a newline at the end', '[a]\nk = v\n  '],
  ];
  for (const [what, text] of rows) {
    test(what, () => {
      const appended = splice(read(text), 'foobar', session);
      assert.notEqual(appended, text);
      assert.equal(unsplice(read(appended), 'foobar', sessionKeys), text);
    });
  }
});

// what the tool reads otherwise than Python does, and so refuses
const refusedByUsAlone = /[\0\x1c-\x1f\x85\ufeff]|\r(?!\n)/;

function tryRead(text: string): Document | undefined {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** The files that can be read and whose section the tool would write. */
function writable(files: readonly OddFile[]): { text: string; name: string; document: Document }[] {
  return files.flatMap(({ text, name }) => {
    const document = tryRead(text);
    const entries = document?.sections.get(name)?.entries;
    // the tool refuses a key that goes on in the next line before it comes to writing
    const goesOn = ownKeys.some((key) => entries?.get(key)?.value.includes('\n'));
    return document && !goesOn ? [{ text, name, document }] : [];
  });
}

const fresh = values('FRESH');
const later = values('LATER, AND LONGER');

function values(word: string) {
  const given = sessionKeys.map((key) => [key, `${word} ${key}=/+==`] as const);
  return { ...Object.fromEntries(given), aws_security_token: undefined } as Record<string, string | undefined>;
}

function split(text: string): string[] {
  return text.split(/(?<=\n)/).filter((line) => line !== '');
}

/** What may not change: all lines but those of the section's own keys, each of which is looked at. */
function outside({ text, name, document }: { text: string; name: string; document: Document }): string[] {
  const lines = split(text);
  const own = [...(document.sections.get(name)?.entries.values() ?? [])].filter(({ key }) => ownKeys.includes(key));
  for (const { key, line } of own) {
    assert.match(lines[line]?.toLowerCase() ?? '', new RegExp(`^\\s*${key}\\s*[=:]`));
    lines[line] = '';
  }
  return lines.filter((line) => line !== '');
}

/** A last line may lose or gain its ending as the lines behind it come and go; an empty one is then gone. */
function open(text: string): string {
  return text.replace(/\r?\n$/, '');
}

describe('four thousand odd files', () => {
  const files = oddFiles(4000, Number(process.env.SEED ?? 20261120));
  const all = writable(files);

  test('most of them can be written, some cannot be read', () => {
    const unreadable = files.filter(({ text }) => !tryRead(text)).length;
    assert.ok(all.length > 3000, `${all.length} can be written`);
    assert.ok(unreadable > 100, `${unreadable} cannot be read`);
    const present = all.filter(({ document, name }) => document.sections.has(name)).length;
    assert.ok(present > 2000 && present < all.length - 500, `${present} of ${all.length} have the section`);
  });

  test('every line outside the keys of the session stays to the byte and in order', () => {
    for (const file of all) {
      const after = splice(file.document, file.name, fresh);
      if (!file.document.sections.has(file.name)) {
        assert.equal(after.slice(0, file.text.length), file.text);
        continue;
      }
      const lines = split(after);
      const kept = lines.filter((line) => !line.includes('FRESH')).join('');
      const before = outside(file).join('');
      const ends = file.text.endsWith('\n');
      const isNewLast = lines.at(-1)?.includes('FRESH');
      assert.equal(!ends && isNewLast ? open(kept) : kept, ends ? before : open(before), JSON.stringify(file.text));
      if (isNewLast) assert.equal(after.endsWith('\n'), ends, 'the final newline, or none');
    }
  });

  test('a section that was appended and cleared again leaves the bytes there were', () => {
    for (const { text, name, document } of all) {
      if (document.sections.has(name)) continue;
      assert.equal(unsplice(read(splice(document, name, fresh)), name, sessionKeys), text);
    }
  });

  test('what is read again is the session and, in all other sections, what was there', () => {
    for (const { text, name, document } of all) {
      const before = contents(document);
      if (!document.sections.has(name)) before.push([name, {}]);
      const expected = before.map(([section, entries]) => {
        if (section !== name) return [section, entries];
        const { aws_security_token: _, ...rest } = { ...entries, ...fresh };
        return [section, rest];
      });
      assert.deepEqual(contents(read(splice(document, name, fresh))), expected, text);
    }
  });

  test('the next session changes nothing but the values', () => {
    for (const { name, document } of all) {
      const first = splice(document, name, fresh);
      const second = splice(read(first), name, later);
      assert.equal(second, first.replaceAll('FRESH', 'LATER, AND LONGER'));
      assert.equal(splice(read(second), name, fresh), first);
    }
  });

  test('clearing takes away the keys of the session and a section that is empty then, and nothing else', () => {
    for (const file of all) {
      const document = read(splice(file.document, file.name, fresh));
      const after = unsplice(document, file.name, sessionKeys);
      const section = document.sections.get(file.name);
      assert.ok(section);
      const others = contents(document).map(([name, entries]) => {
        const left = Object.entries(entries).filter(([key]) => name !== file.name || !sessionKeys.includes(key));
        return [name, Object.fromEntries(left)];
      });
      const stays = contents(read(after)).some(([name]) => name === file.name);
      assert.deepEqual(contents(read(after)), stays ? others : others.filter(([name]) => name !== file.name));

      const kept = document.lines.filter((line) => !line.includes('FRESH'));
      const { line: header } = section;
      const next = kept.findIndex((line, index) => index > header && /^\s*\[/.test(line));
      const left = kept.slice(header + 1, next < 0 ? undefined : next).some((line) => line.trim() !== '');
      // without this header, an indented one behind it would be part of the value above
      const needed = /^\s/.test(kept[next] ?? '');
      assert.equal(stays, left || needed, JSON.stringify(file.text));
      if (!stays) kept.splice(header, 1);
      if (!stays && header > 0 && kept[header - 1]?.trim() === '') kept.splice(header - 1, 1);
      const rest = kept.join('');
      assert.equal(after, file.text.endsWith('\n') ? rest : open(rest), JSON.stringify(file.text));
    }
  });
});

// botocore's raw_config_parse in botocore/configloader.py, with all its rules about nested blocks
const reader = `
import base64, configparser, io, json, sys

def read(data):
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(io.TextIOWrapper(io.BytesIO(data), encoding='utf-8'))
        found = [[name, dict(parser.items(name))] for name in parser.sections()]
        for name, values in found:
            for value in values.values():
                if value.startswith('\\n'):
                    for line in value.splitlines():
                        if line.strip():
                            key, rest = line.split('=', 1)
        return found
    except (configparser.Error, ValueError):
        return None

print(json.dumps([read(base64.b64decode(text)) for text in json.load(sys.stdin)]))
`;

type Reading = [string, Record<string, string>][] | null;

function readWithPython(texts: readonly string[]): Reading[] {
  const input = JSON.stringify(texts.map((text) => Buffer.from(text).toString('base64')));
  const { status, stdout, stderr } = spawnSync('python3', ['-c', reader], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

/** As Python shows it: the keys of [DEFAULT] in every section, and [DEFAULT] itself in none. */
function asPython(document: Document): Reading {
  const found = contents(document);
  const [, defaults] = found.find(([name]) => name === 'DEFAULT') ?? [];
  return found.filter(([name]) => name !== 'DEFAULT').map(([name, entries]) => [name, { ...defaults, ...entries }]);
}

/** A blank line inside a value counts for Python; no value that the tool uses can hold one. */
function withoutBlankLines(reading: Reading): Reading {
  const joined = (entries: Record<string, string>) =>
    Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, value.replace(/\n+/g, '\n')]));
  return reading?.map(([name, entries]) => [name, joined(entries)]) ?? null;
}

describe("Python's RawConfigParser, by which botocore reads", { skip: missing('python3') }, () => {
  const files = oddFiles(4000, Number(process.env.SEED ?? 424242));

  test('it takes and refuses the same files and finds the same sections and values', () => {
    const readings = readWithPython(files.map(({ text }) => text));
    let refused = 0;
    for (const [index, { text }] of files.entries()) {
      const document = tryRead(text);
      if (refusedByUsAlone.test(text)) {
        assert.equal(document, undefined);
        continue;
      }
      const theirs = withoutBlankLines(readings[index] ?? null);
      // what is wrong with a nested block in [DEFAULT] shows only in the sections that it is copied into
      if (theirs?.length === 0 && !document) continue;
      assert.deepEqual(document ? withoutBlankLines(asPython(document)) : null, theirs, JSON.stringify(text));
      if (!document) refused++;
    }
    assert.ok(refused > 50, `${refused} are refused by both`);
  });

  test('it finds the new session, and everything else as before, in what was written', () => {
    const written = writable(files);
    const readings = readWithPython(written.map(({ name, document }) => splice(document, name, fresh)));
    for (const [index, { name, document }] of written.entries()) {
      // the only section that Python shows nowhere by itself
      if (name === 'DEFAULT') continue;
      const before = asPython(document) ?? [];
      if (!document.sections.has(name)) before.push([name, { ...Object.fromEntries(contents(document)).DEFAULT }]);
      const inherited = document.sections.get('DEFAULT')?.entries.get('aws_security_token');
      const expected = before.map(([section, entries]) => {
        if (section !== name) return [section, entries];
        const { aws_security_token: _, ...rest } = { ...entries, ...fresh };
        return [section, inherited ? { ...rest, aws_security_token: inherited.value } : rest];
      });
      assert.deepEqual(withoutBlankLines(readings[index] ?? null), withoutBlankLines(expected as Reading));
    }
  });

  test('it takes the files of the tables that are taken, and of those that are refused only what is said to be', () => {
    const texts = ['[a] # c\nk = v\n', '[a];c\n', '[a]\nk = v\n  w\n', '[a]\nk = v\n [b]\n l = w\n', '  [a]\nk = v\n'];
    for (const [index, reading] of readWithPython(texts).entries())
      assert.deepEqual(asPython(read(texts[index] ?? '')), reading);
    const odd = ['[a]\nk = \x1cv\n', '[a]\nk = v\x85\n', '[a]\nk = v\0\n', '[a]\nk = v\rl = w\n', '[a]\nk = \ufeffv\n'];
    for (const [index, reading] of readWithPython(odd).entries()) {
      assert.notEqual(reading, null, JSON.stringify(odd[index]));
      assert.equal(tryRead(odd[index] ?? ''), undefined);
    }
  });
});
