// The dialect of the two files, row by row: what the tool makes of each oddity, and what botocore does, asked live.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { UserError } from '../lib/errors';
import * as profiles from '../lib/profiles';
import { type Answer, askBotocore, findBotocore, type Settings } from './helpers/botocore';
import { keys, oldSession, other, otherKeys, person, serial } from './helpers/scene';

/** What a refresh of the profile would use; only those that the row is about. */
interface Found {
  readonly source?: string;
  readonly id?: string;
  readonly secret?: string;
  readonly serial?: string;
  readonly region?: string;
}

/** Where botocore has which value: undefined for none, or for no such section. */
type Value = readonly [
  file: 'config' | 'credentials' | 'configProfiles' | 'profiles',
  section: string,
  key: string,
  value: string | Readonly<Record<string, string>> | undefined,
];

interface Row {
  readonly what: string;
  readonly config?: string | Buffer;
  readonly credentials?: string | Buffer;
  readonly name?: string;
  /** What the tool finds, or the words in which it refuses. */
  readonly tool: Found | RegExp;
  /** What botocore finds, or the file that it refuses as a whole. */
  readonly botocore: readonly Value[] | 'config' | 'credentials';
}

const linked = `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n`;
const held = `[Keys]\n${keys}`;
const { accessKeyId: id, secretAccessKey: secret } = person;
const region = 'region = eu-west-1\n';
const ireland = { region: 'eu-west-1' };
const virginia = { region: 'us-east-1' };
const unreadable = /line \d+: .*, so no aws command can read the file$/;
const disagree = /line \d+: AWS tools disagree whether this is the header of a section$/;

const longTerm = `[foobar-long-term]\n${keys}`;
/** A session of foobar stands under this header. */
const target = (header: string) => ({ config: linked, credentials: `${held}\n${header}\n${oldSession}` });
/** The source's secret key stands in this line. */
const secretLine = (line: string) => ({
  config: linked,
  credentials: `[Keys]\naws_access_key_id = ${id}\n${line}\n`,
});
/** The source's secret key has this value, which both take as it is. */
const literal = (value: string): Row => ({
  what: `the value ${value.length > 40 ? `of ${value.length} letters` : value}`,
  ...secretLine(`aws_secret_access_key = ${value}`),
  tool: { secret: value },
  botocore: [['credentials', 'Keys', 'aws_secret_access_key', value]],
});
/** Both refuse the file with this in it. */
const broken = (what: string, text: string | Buffer): Row => ({
  what,
  config: linked,
  credentials: Buffer.concat([Buffer.from(`${held}\n`), Buffer.from(text)]),
  tool: unreadable,
  botocore: 'credentials',
});

const rows: readonly Row[] = [
  {
    what: 'a bare section of the config',
    config: `[profile foobar]\nsource_profile = AcmeAccount\n\n[AcmeAccount]\nmfa_serial = ${serial}\n`,
    credentials: `[AcmeAccount]\n${keys}`,
    tool: { source: 'AcmeAccount', serial },
    botocore: [
      ['config', 'AcmeAccount', 'mfa_serial', serial],
      ['profiles', 'AcmeAccount', 'mfa_serial', undefined],
    ],
  },
  {
    what: '[x] and [profile x] in the config',
    config: `[foobar]\nregion = eu-west-2\n\n${linked}${region}`,
    credentials: held,
    tool: ireland,
    botocore: [['profiles', 'foobar', 'region', 'eu-west-1']],
  },
  {
    what: '[profile default] before [default]',
    config: `${linked.replace('foobar', 'default')}${region}\n[default]\nregion = eu-west-2\n`,
    credentials: held,
    name: 'default',
    tool: ireland,
    botocore: [['profiles', 'default', 'region', 'eu-west-2']],
  },
  ...['[profile "foobar"]', "[profile 'foobar']", '[profile  foobar]', '[profile foobar ]', '[profile\tfoobar]'].map(
    (header) => ({
      what: header,
      config: `${header}\n${region}mfa_serial = ${serial}\n`,
      credentials: longTerm,
      tool: { ...ireland, serial, id },
      botocore: [['profiles', 'foobar', 'region', 'eu-west-1'] as const],
    }),
  ),
  {
    what: '[profile "x y"]',
    config: `[profile "my work"]\n${region}mfa_serial = ${serial}\n`,
    credentials: `[my work-long-term]\n${keys}`,
    name: 'my work',
    tool: ireland,
    botocore: [['profiles', 'my work', 'region', 'eu-west-1']],
  },
  {
    what: '[profile x y]',
    config: `[profile my work]\n${region}\n[default]\nmfa_serial = ${serial}\n`,
    credentials: `[my work-long-term]\n${keys}`,
    name: 'my work',
    tool: virginia,
    botocore: [['profiles', 'my work', 'region', undefined]],
  },
  {
    what: '[ profile x ]',
    config: `[ profile foobar ]\n${region}mfa_serial = ${serial}\n`,
    credentials: longTerm,
    tool: ireland,
    botocore: [['profiles', 'foobar', 'region', undefined]],
  },
  {
    what: '[ x ] in the credentials file',
    config: linked,
    credentials: `[ Keys ]\n${keys}`,
    tool: /no profile "Keys"/,
    botocore: [
      ['profiles', 'Keys', 'aws_access_key_id', undefined],
      ['credentials', ' Keys ', 'aws_access_key_id', id],
    ],
  },
  {
    what: '[profile x] in the credentials file',
    config: linked,
    credentials: `[profile Keys]\n${keys}`,
    tool: /no profile "Keys"/,
    botocore: [['profiles', 'Keys', 'aws_access_key_id', undefined]],
  },
  ...['[Keys] # c', '[Keys] ; c', '[Keys]#c', '[Keys];c', '[Keys] junk'].map((header) => ({
    what: `${header} above the source`,
    config: linked,
    credentials: `${header}\n${keys}`,
    tool: { id, secret },
    botocore: [['credentials', 'Keys', 'aws_access_key_id', id] as const],
  })),
  ...['[foobar] # c', '[foobar] ; c', '[foobar]#c', '[foobar];c'].map((header) => ({
    what: `${header} above the target`,
    ...target(header),
    tool: { id, secret },
    botocore: [['credentials', 'foobar', 'aws_access_key_id', 'ASIAIOSFODNN7EXAMPLE'] as const],
  })),
  {
    what: '[foobar] junk above the target',
    ...target('[foobar] junk'),
    tool: disagree,
    botocore: [['credentials', 'foobar', 'aws_access_key_id', 'ASIAIOSFODNN7EXAMPLE']],
  },
  {
    what: '[x] ; see [y] above the target',
    ...target('[foobar] ; see [y]'),
    tool: disagree,
    botocore: [
      ['credentials', 'foobar', 'aws_access_key_id', undefined],
      ['credentials', 'foobar] ; see [y', 'aws_access_key_id', 'ASIAIOSFODNN7EXAMPLE'],
    ],
  },
  {
    what: 'an indented header below a key',
    config: linked,
    credentials: `${held}  [foobar]\n`,
    tool: disagree,
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', `${secret}\n[foobar]`]],
  },
  ..."a.b a/b a@b a:b a+b a%b 1 -x _x a=b a,b a(b) a;b a#b a* a\\b it's ä 日 constructor toString __proto__"
    .split(' ')
    .map((name) => ({
      what: `the name ${name}`,
      config: `[default]\n${region}mfa_serial = ${serial}\n`,
      credentials: `[${name}]\n${oldSession}\n[${name}-long-term]\n${keys}`,
      name,
      tool: { source: `${name}-long-term`, id, serial },
      botocore: [['profiles', name, 'aws_access_key_id', 'ASIAIOSFODNN7EXAMPLE'] as const],
    })),
  {
    what: '[__proto__] beside others',
    config: `${linked}\n[__proto__]\nregion = eu-west-2\n`,
    credentials: `${held}\n[__proto__]\n${otherKeys}`,
    tool: { id, ...virginia },
    botocore: [
      ['profiles', 'Keys', 'aws_access_key_id', id],
      ['profiles', '__proto__', 'aws_access_key_id', other.accessKeyId],
    ],
  },
  {
    what: '[DEFAULT]',
    config: `[DEFAULT]\n${region}\n${linked}`,
    credentials: held,
    tool: ireland,
    botocore: [
      ['profiles', 'foobar', 'region', 'eu-west-1'],
      ['config', 'DEFAULT', 'region', undefined],
    ],
  },
  broken('a section twice', '[a]\n[b]\n[a]\n'),
  broken('a key twice', '[a]\nk = v\nk = w\n'),
  broken('a key twice, in other letters', '[a]\nk = v\nK = w\n'),
  {
    what: 'keys in capitals',
    config: linked,
    credentials: held.replaceAll(/^aws\w+/gm, (key) => key.toUpperCase()),
    tool: { id, secret },
    botocore: [['credentials', 'Keys', 'aws_access_key_id', id]],
  },
  ...[' : ', ':', ': ', '=', '\t=\t'].map((delimiter) => ({
    what: `${JSON.stringify(delimiter)} between key and value`,
    ...secretLine(`aws_secret_access_key${delimiter}${secret}`),
    tool: { secret },
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', secret] as const],
  })),
  {
    what: 'a colon before an equals sign',
    ...secretLine('aws_secret_access_key: a=b'),
    tool: { secret: 'a=b' },
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', 'a=b']],
  },
  ...[' # c', ' ; c', '\t# c'].map((comment) => ({
    what: `${JSON.stringify(comment)} behind a value`,
    ...secretLine(`aws_secret_access_key = ${secret}${comment}`),
    tool: /aws_secret_access_key of \[Keys\] in \S+ line 3 has a comment behind it/,
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', `${secret}${comment}`] as const],
  })),
  ...['v#c', 'v;c', '"v"', "'v'", 'true', 'null', '000123', '%(x)s', '$' + '{HOME}', 'a\\nb', '=abc', 'abc=='].map(
    literal,
  ),
  literal('x'.repeat(2 ** 20)),
  {
    what: 'an empty value in the one file, which hides the other for botocore alone',
    config: `${linked}${region}`,
    credentials: `${held}\n[foobar]\nregion =\n`,
    tool: ireland,
    botocore: [['profiles', 'foobar', 'region', '']],
  },
  {
    what: 'an empty value',
    ...secretLine('aws_secret_access_key ='),
    tool: /the source Keys has aws_access_key_id but no aws_secret_access_key \(.* line 2\)/,
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', '']],
  },
  {
    what: 'a nested block',
    config: `${linked}s3 =\n  region = eu-west-2\n${region}`,
    credentials: held,
    tool: ireland,
    botocore: [
      ['profiles', 'foobar', 's3', { region: 'eu-west-2' }],
      ['profiles', 'foobar', 'region', 'eu-west-1'],
    ],
  },
  {
    what: 'a value that goes on in the next line',
    ...secretLine(`aws_secret_access_key = ${secret}\n  more`),
    tool: /aws_secret_access_key of \[Keys\] in \S+ line 3 goes on in the next line/,
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', `${secret}\nmore`]],
  },
  {
    what: 'all keys indented alike',
    config: linked,
    credentials: held.replaceAll(/^aws/gm, '  aws'),
    tool: { id, secret },
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', secret]],
  },
  {
    what: 'a second key that is indented more',
    config: linked,
    credentials: held.replace('aws_secret', '  aws_secret'),
    tool: /aws_access_key_id of \[Keys\] in \S+ line 2 goes on in the next line/,
    botocore: [['credentials', 'Keys', 'aws_access_key_id', `${id}\naws_secret_access_key = ${secret}`]],
  },
  broken('a line without =', '[a]\nsecret\n'),
  broken('a value without a key', '[a]\n= v\n'),
  { ...broken('a key before any header', ''), credentials: `k = v\n${held}` },
  broken('a comment with //', '// c\n'),
  broken('a comment with rem', 'rem c\n'),
  {
    what: 'comments, indented too, inside a value',
    config: linked,
    credentials: `# c\n  ; c\n[Keys]\naws_access_key_id = ${id}\n  # c\n#c\naws_secret_access_key = ${secret}\n`,
    tool: { id, secret },
    botocore: [['credentials', 'Keys', 'aws_access_key_id', id]],
  },
  { ...broken('a byte order mark', ''), credentials: `\ufeff${held}` },
  ...[
    { what: 'CRLF', credentials: held.replaceAll('\n', '\r\n') },
    { what: 'CRLF and LF', credentials: held.replace('\n', '\r\n') },
    { what: 'no final newline', credentials: held.trimEnd() },
  ].map((row) => ({
    ...row,
    config: linked,
    tool: { id, secret },
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', secret] as const],
  })),
  {
    what: 'a lone CR, which is a line break to botocore and none to others',
    config: linked,
    credentials: held.replaceAll('\n', '\r'),
    tool: /line 1: a control character \(U\+000D\)/,
    botocore: [['credentials', 'Keys', 'aws_secret_access_key', secret]],
  },
  broken('Latin-1 in a comment', Buffer.from('# gr\xf6\xdfe\n', 'latin1')),
  {
    what: 'a profile in both files',
    config: `${linked}${region}\n[profile Keys]\n${otherKeys}`,
    credentials: `${held}\n[foobar]\nregion = eu-north-1\n`,
    tool: { id, region: 'eu-north-1', serial },
    botocore: [
      ['profiles', 'Keys', 'aws_access_key_id', id],
      ['profiles', 'foobar', 'region', 'eu-north-1'],
      ['profiles', 'foobar', 'mfa_serial', serial],
    ],
  },
  {
    what: 'a token in the config beside keys in the credentials file, which botocore leaves out',
    config: `${linked}\n[profile Keys]\naws_session_token = TOKEN\n`,
    credentials: held,
    tool: /the source Keys is itself a session \(\[profile Keys\] in \S+ line 6\)/,
    botocore: [['credentials', 'Keys', 'aws_session_token', undefined]],
  },
];

const python = findBotocore();
const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-dialect-'));
after(() => rmSync(folder, { recursive: true }));

before(() => {
  for (const [index, { config = '', credentials = '' }] of rows.entries()) {
    mkdirSync(join(folder, String(index)));
    writeFileSync(pathsOf(index).config, config);
    writeFileSync(pathsOf(index).credentials, credentials);
  }
});

function pathsOf(index: number) {
  return { config: join(folder, String(index), 'config'), credentials: join(folder, String(index), 'credentials') };
}

type Environment = Readonly<Record<string, string>>;

function find(
  { config, credentials }: ReturnType<typeof pathsOf>,
  name = 'foobar',
  env: Environment = {},
): profiles.Identity {
  const files = profiles.readFiles({ AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials }, folder);
  return profiles.findIdentity(files, profiles.findSession(files, profiles.findRoles(files), name), env);
}

describe('what the tool makes of', () => {
  for (const [index, { what, name, tool }] of rows.entries()) {
    test(what, () => {
      if (tool instanceof RegExp) {
        assert.throws(
          () => find(pathsOf(index), name),
          (error) => error instanceof UserError && error.code === 'config' && tool.test(error.message),
        );
        return;
      }
      const { keys, ...found } = find(pathsOf(index), name);
      assert.ok('accessKeyId' in keys);
      const all: Found = { ...found, id: keys.accessKeyId, secret: keys.secretAccessKey };
      for (const key of Object.keys(tool) as (keyof Found)[]) assert.equal(all[key], tool[key], key);
    });
  }
});

describe('what botocore makes of', { skip: python === undefined && 'no Python has botocore' }, () => {
  let answers: Answer[] = [];
  before(async () => {
    const questions = rows.map(({ tool }, index) => ({
      ...pathsOf(index),
      profiles: tool instanceof RegExp ? [] : ['Keys'],
    }));
    answers = await askBotocore(python ?? '', questions);
  });

  for (const [index, { what, tool, botocore }] of rows.entries()) {
    test(what, () => {
      const answer = answers[index];
      assert.ok(answer);
      if (typeof botocore === 'string') {
        assert.equal(answer.refused, botocore);
        return;
      }
      assert.equal(answer.refused, null);
      for (const [file, section, key, value] of botocore) {
        const sections: Answer[typeof file] = answer[file];
        const settings: Settings | undefined = Object.hasOwn(sections, section) ? sections[section] : undefined;
        assert.deepEqual(
          settings && Object.hasOwn(settings, key) ? settings[key] : undefined,
          value,
          `${key} of ${section}`,
        );
      }
      if (tool instanceof RegExp || tool.secret === undefined) return;
      assert.equal(answer.asked.Keys?.keys?.[1], tool.secret);
    });
  }
});

describe('the environment', { skip: python === undefined && 'no Python has botocore' }, () => {
  let files = pathsOf(0);
  before(() => {
    files = { config: join(folder, 'config'), credentials: join(folder, 'credentials') };
    writeFileSync(files.config, `${linked}${region}`);
    writeFileSync(files.credentials, held);
  });

  test('the tool reads AWS_REGION and then AWS_DEFAULT_REGION, botocore the latter alone', async () => {
    const both = { AWS_REGION: 'eu-north-1', AWS_DEFAULT_REGION: 'eu-south-1' };
    const environments = [both, { AWS_REGION: 'eu-north-1' }, { AWS_DEFAULT_REGION: 'eu-south-1' }];
    const ours = environments.map((env) => find(files, 'foobar', env).region);
    assert.deepEqual(ours, ['eu-north-1', 'eu-north-1', 'eu-south-1']);
    const questions = environments.map((env) => ({ ...files, profiles: ['foobar'], env }));
    const theirs = (await askBotocore(python ?? '', questions)).map(({ asked }) => asked.foobar?.region);
    assert.deepEqual(theirs, ['eu-south-1', 'eu-west-1', 'eu-south-1']);
  });

  for (const { path, isFollowed } of [
    { path: '~/credentials', isFollowed: true },
    { path: '$HOME/credentials', isFollowed: false },
  ]) {
    test(`${path} is followed by botocore, and ${isFollowed ? '' : 'not '}by the tool`, async () => {
      const question = { config: files.config, credentials: path, profiles: ['Keys'], env: { HOME: folder } };
      const [answer] = await askBotocore(python ?? '', [question]);
      assert.equal(answer?.asked.Keys?.keys?.[0], id);
      if (isFollowed) assert.equal(find({ ...files, credentials: path }).source, 'Keys');
      // it says where it looked
      else
        assert.throws(
          () => find({ ...files, credentials: path }),
          /no profile "Keys" in \S+ or \S*\/\$HOME\/credentials$/,
        );
    });
  }
});
