// What the tool finds is what botocore would use, and what it writes is read the same by botocore and by AWS's JS SDK.
// Where that is not so on purpose, a rule says why; a rule that is never needed, or a file that none explains, is a failure.
// SEED=7 in the environment asks about other homes; each seed must hold.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { fromIni } from '@aws-sdk/credential-providers';
import { UserError } from '../lib/errors';
import * as profiles from '../lib/profiles';
import { type Document, parse, splice } from '../lib/sections';
import { type Answer, askBotocore, findBotocore, type Settings } from './helpers/botocore';
import type { HomeFiles } from './helpers/home';
import { certainHomes, makeOddHome, type OddHome } from './helpers/odd-home';
import { Random } from './helpers/random';
import { run } from './helpers/run';
import { makeScene, person, typed } from './helpers/scene';

const seed = Number(process.env.SEED ?? 20261121);
const count = 2000;
const python = findBotocore();
const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-differential-'));
const cases: Case[] = [];

before(() => {
  const random = new Random(seed);
  const homes = Array.from({ length: count }, () => makeOddHome(random));
  cases.push(...[...homes, ...certainHomes].map(makeCase));
});
after(() => rmSync(folder, { recursive: true }));

const fresh = {
  aws_access_key_id: 'ASIAIOSFODNN7NEWEXAMPLE',
  aws_secret_access_key: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYNEWSECRETKEY',
  aws_session_token: 'FwoGZXIvYXdzEDoaDH/+NEWTOKENEXAMPLE==',
  x_security_token_expires: '2026-11-21T20:31:00Z',
  aws_security_token: undefined,
};

interface Found {
  readonly session: profiles.SessionProfile;
  readonly identity: profiles.Identity;
}

interface Case extends OddHome {
  readonly index: number;
  readonly folder: string;
  /** Both files as the tool reads them, or why it does not. */
  readonly files: profiles.Files | UserError;
  /** What a refresh of the session would use, or why there is none. */
  readonly found: Found | UserError;
}

function attempt<T>(work: () => T): T | UserError {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

function paths({ folder }: Pick<Case, 'folder'>) {
  return { config: join(folder, 'config'), credentials: join(folder, 'credentials') };
}

function makeCase(home: OddHome, index: number): Case {
  const own = join(folder, String(index));
  mkdirSync(own);
  const { config, credentials } = paths({ folder: own });
  if (home.config) writeFileSync(config, home.config);
  if (home.credentials) writeFileSync(credentials, home.credentials);
  const env = { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials };
  const files = attempt(() => profiles.readFiles(env, own));
  const found = files instanceof UserError ? files : attempt(() => findIdentity(files, home.session));
  return { ...home, index, folder: own, files, found };
}

function findIdentity(files: profiles.Files, name: string): Found {
  const session = profiles.findSession(files, profiles.findRoles(files), name);
  return { session, identity: profiles.findIdentity(files, session, {}) };
}

/** Shown when a comparison fails; all keys in it are samples. */
function show({ index, session, config, credentials, found }: Case): string {
  const text = (file: Buffer | undefined) => file?.toString('latin1') ?? '(none)';
  const result = found instanceof UserError ? found.message : JSON.stringify(found.identity);
  return `seed ${seed}, file ${index}, ${session}\n-- config\n${text(config)}\n-- credentials\n${text(credentials)}\n-- ${result}`;
}

const rules = {
  'a bare section': "botocore skips the config's [X], where the seed keeps settings",
  'X-long-term': 'botocore knows no such section',
  aws_mfa_device: "botocore knows no such key; it is aws-mfa's",
  'an empty value': 'as good as none, though botocore lets it hide the other file',
  '[profile default]': "goes before [default], as AWS's guide has it; botocore takes the last",
  '[ profile X]': 'is a profile to Go, and none to botocore',
  '[profiles X]': 'is a profile to botocore, and to nothing else',
  'a region of another partition': 'is passed over: the device cannot be used there',
  "the partition's region": 'is used where none is set; botocore has none',
  'a control character': 'Python takes some for blanks or line ends, and JavaScript does not',
  'a comment behind a value': 'belongs to the value for botocore, and not for other SDKs',
  'a value that goes on in the next line': 'belongs to the value for botocore, and not for other SDKs',
  'a header in dispute': 'would be two sections to two readers',
  'a line in dispute': 'would be a key to one reader and a part of another value to the next',
  'a token in [DEFAULT]': 'is what botocore would use in place of the one that is to be written',
  'a role with keys': 'is signed for with those by botocore, where another role is behind it',
  'long-lived keys in the target': 'are never overwritten',
  'its own source': 'would overwrite its long-lived keys',
  'a name in dispute': 'would not be a section to all readers',
  'a value that is none': 'is no region, or no serial number, and would be sent for nothing',
  'half a pair of keys': 'is a mistake to point out, where botocore looks on in the config',
  'a session for a source': 'has a token somewhere, though botocore takes the keys from where there is none',
  'the layout without a session': 'has the keys in the target, where botocore would use them',
} as const;
const sdkRules = {
  'a name the JS SDK drops': 'is a name to botocore: two words',
  "a name of JavaScript's own": 'is lost to the JS SDK, which keeps sections in an ordinary object',
  'a comment glued to a header': 'ends no header for the JS SDK, though it does for botocore and Go',
  'the config in dispute': 'is read otherwise by the JS SDK, and is not written',
  'an indented block':
    'goes on for the JS SDK until a key stands at the margin, and for botocore until one is no deeper',
  '[__proto__]': 'makes the JS SDK drop the whole file, wherever it stands',
} as const;
const used = new Map<string, number>();

function rule(name: keyof typeof rules | keyof typeof sdkRules): void {
  used.set(name, (used.get(name) ?? 0) + 1);
}

function neverUsed(some: Readonly<Record<string, string>>): string[] {
  return Object.keys(some).filter((name) => !used.has(name));
}

/** Whether the target's header, or the next, has a comment without a blank before it. */
function hasGluedComment({ written, name }: Written): boolean {
  const headers = readFileSync(written, 'utf8').match(/^\s*\[.*/gm) ?? [];
  const own = headers.findIndex((header) => header.trimStart().startsWith(`[${name}]`));
  return headers.slice(own, own + 2).some((header) => /\][#;]/.test(header));
}

/** The lines of a section that are in a block for the JS SDK: below an empty value, with nothing but indented keys between. */
function linesInBlock({ lines, sections }: Document, name: string): number[] {
  const found: number[] = [];
  let inBlock = false;
  for (let at = (sections.get(name)?.line ?? lines.length) + 1; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (/^\s*\[/.test(line)) break;
    const value = /^[^=]+=(.*)$/s.exec(line.split(/(?:^|\s)[#;]/)[0] ?? '')?.[1];
    if (value !== undefined) inBlock = value.trim() === '' || (inBlock && /^\s/.test(line));
    if (inBlock) found.push(at);
  }
  return found;
}

/** Whether any key of the session is in such a block. */
function isInBlock({ written, name }: Written): boolean {
  const document = parse(readFileSync(written), written);
  return linesInBlock(document, name).some((at) => freshKeys.some((key) => document.lines[at]?.includes(key)));
}

/** A key may be called `constructor`. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

interface Place {
  /** `foreign` is a header of the config that botocore takes for no profile, or for another section's twin. */
  readonly kind: 'credentials' | 'prefixed' | 'foreign' | 'bare';
  readonly settings: Settings;
}

/** The config's header of a profile: the tool's choice, and botocore's, which is the last. */
function headersOf(answer: Answer, name: string): { chosen: string | undefined; last: string | undefined } {
  const headers = answer.headers.filter(([, profile]) => profile === name).map(([header]) => header);
  const last = headers.findLast((header) => /^(profile|default$)/.test(header));
  assert.deepEqual(own(answer.configProfiles, name), last === undefined ? undefined : answer.config[last]);
  const ours = headers.filter((header) => /^\s*profile[ \t]|^default$/.test(header));
  return { chosen: ours.findLast((header) => header !== 'default') ?? ours.at(-1), last };
}

/** Where a profile's settings are, in the tool's order, as botocore reads them. */
function placesOf(answer: Answer, name: string): Place[] {
  const { chosen, last } = headersOf(answer, name);
  if (chosen !== last) {
    if (last === 'default') rule('[profile default]');
    else if (chosen?.startsWith(' ')) rule('[ profile X]');
    else rule('[profiles X]');
  }
  const found: Place[] = [];
  const add = (kind: Place['kind'], settings: Settings | undefined) => settings && found.push({ kind, settings });
  add('credentials', own(answer.credentials, name));
  if (chosen !== undefined) add(chosen === last ? 'prefixed' : 'foreign', answer.config[chosen]);
  if (chosen !== name) add('bare', own(answer.config, name));
  return found;
}

/** The first that is set. */
function expected(answer: Answer, name: string, key: string): { value: string; kind: Place['kind'] } | undefined {
  for (const { kind, settings } of placesOf(answer, name)) {
    const value = own(settings, key);
    if (!value) continue;
    const merged = own(own(answer.profiles, name) ?? {}, key);
    if (kind === 'bare') rule('a bare section');
    else if (merged === '') rule('an empty value');
    return { value: typeof value === 'string' ? value : '\n', kind };
  }
  return undefined;
}

function partition(region: string): string {
  return region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

function expectedRegion(answer: Answer, names: readonly string[], serial: string): string | undefined {
  const wanted = /^arn:([^:]+):/.exec(serial)?.[1];
  for (const name of names) {
    const found = expected(answer, name, 'region')?.value;
    if (found === undefined) continue;
    if (!wanted || partition(found) === wanted) return found;
    rule('a region of another partition');
  }
  rule("the partition's region");
  return { aws: 'us-east-1', 'aws-cn': 'cn-north-1', 'aws-us-gov': 'us-gov-west-1' }[wanted ?? 'aws'];
}

function expectedSerial(answer: Answer, names: readonly string[]): string | undefined {
  for (const name of names) {
    const found = expected(answer, name, 'mfa_serial')?.value;
    if (found) return found;
    const device = own(own(answer.credentials, name) ?? {}, 'aws_mfa_device');
    if (device) {
      rule('aws_mfa_device');
      return String(device);
    }
  }
  return undefined;
}

function expectedSource(answer: Answer, name: string): string | undefined {
  const link = expected(answer, name, 'source_profile')?.value;
  if (link !== undefined) return link;
  const longTerm = `${name}-long-term`;
  if (placesOf(answer, longTerm).length === 0) return undefined;
  rule('X-long-term');
  return longTerm;
}

function compareFound({ identity, session }: Found, answer: Answer): void {
  const source = expectedSource(answer, session.name);
  assert.equal(identity.source, source, 'the source');
  const names = [session.name, identity.source];
  assert.equal(identity.serial, expectedSerial(answer, [...names, 'default']), 'the serial');
  assert.equal(identity.region, expectedRegion(answer, names, identity.serial), 'the region');
  assert.ok('accessKeyId' in identity.keys);
  const keys = [identity.keys.accessKeyId, identity.keys.secretAccessKey, null];
  const asked = own(answer.asked, identity.source)?.keys;
  const isRole = hasKeys(answer, identity.source);
  if (isRole) rule('a role with keys');
  if (asked?.[0] && asked[1] && !isRole) {
    assert.deepEqual(keys, asked, 'the keys');
    return;
  }
  const [id, secret] = ['aws_access_key_id', 'aws_secret_access_key'].map(
    (key) => expected(answer, identity.source, key)?.value,
  );
  assert.deepEqual(keys, [id, secret, null], 'the keys');
}

/** Each refusal of a profile: what botocore has to say to it, or the rule by which it does not matter. */
const refusals: readonly (readonly [RegExp, (answer: Answer, match: RegExpExecArray, one: Case) => void])[] = [
  [
    /^\[(.+)\] in \S+ line \d+ holds long-lived keys, which are never overwritten$/,
    (answer, [, name = '']) => {
      rule('long-lived keys in the target');
      const target = own(answer.credentials, name) ?? {};
      assert.ok(own(target, 'aws_access_key_id') || own(target, 'aws_secret_access_key'));
    },
  ],
  [
    /^\[DEFAULT\] in \S+ line \d+ has an aws_security_token/,
    (answer) => {
      rule('a token in [DEFAULT]');
      for (const settings of Object.values(answer.credentials))
        assert.ok(Object.hasOwn(settings, 'aws_security_token'));
    },
  ],
  [
    /^"(.*)" is not (?:a region|the serial number or ARN of an MFA device) \(.* line \d+\)$/s,
    (answer, [, value = '']) => {
      rule('a value that is none');
      assert.ok(valuesOf(answer).some((other) => withoutBlankLines(other) === value));
    },
  ],
  [
    /^"(.*)" cannot be the name of a section that all AWS tools read$/,
    (_, [, name = '']) => {
      rule('a name in dispute');
      assert.match(JSON.parse(`"${name}"`), /^\s|\s$|\]|\x7f|\s#|^DEFAULT$/);
    },
  ],
  [
    /^(.+) has no source: no source_profile, and no section \[.*-long-term\] with your long-lived keys$/,
    (answer, [, name = '']) => assert.equal(expectedSource(answer, name), undefined),
  ],
  [
    /^(.+) holds the long-lived keys (?:itself|behind) /,
    (answer, [, name = '']) => {
      rule('the layout without a session');
      assert.equal(expectedSource(answer, name), undefined);
    },
  ],
  [
    /^(.+) is its own source, .* line \d+\)$/,
    (answer, [, name = '']) => {
      rule('its own source');
      assert.equal(expectedSource(answer, name), name);
    },
  ],
  [
    / line \d+ goes on in the next line$/,
    (answer) => {
      rule('a value that goes on in the next line');
      assert.ok(valuesOf(answer).some((value) => value.includes('\n')));
    },
  ],
  [
    / line \d+ has a comment behind it, which aws takes for part of the value$/,
    (answer) => {
      rule('a comment behind a value');
      assert.ok(valuesOf(answer).some((value) => /\s[#;]/.test(value)));
    },
  ],
  [
    /^no MFA device for (.+): no mfa_serial in /,
    (answer, [, name = '']) => {
      const source = expectedSource(answer, name) ?? '';
      assert.equal(expectedSerial(answer, [name, source, 'default']), undefined);
    },
  ],
  [
    /^(?:source_profile of .* line \d+: )?no profile "(.*)" in /,
    (answer, [, name = '']) => assert.deepEqual(placesOf(answer, name), []),
  ],
  [
    /^source_profile goes round in a loop: (.*) \(.* line \d+\)$/,
    (answer, [, loop = '']) => {
      const [first = '', ...others] = loop.split(' -> ');
      others.reduce((name, next) => {
        assert.ok(expected(answer, name, 'role_arn'));
        assert.equal(expected(answer, name, 'source_profile')?.value, next);
        return next;
      }, first);
    },
  ],
  [
    /^the source (.+) has aws_\w+ but no aws_\w+ \(.* line \d+\)$/,
    (answer, [, source = '']) => {
      const [id, secret] = answer.asked[source]?.keys ?? [];
      if (id && secret) rule('half a pair of keys');
    },
  ],
  [
    /^(.+) has a role_arn but no source_profile/,
    (answer, [, name = '']) => {
      assert.ok(expected(answer, name, 'role_arn'));
      assert.equal(expected(answer, name, 'source_profile'), undefined);
    },
  ],
  [
    /^the source (.+) is a role /,
    (answer, [, source = '']) => {
      assert.ok(expected(answer, source, 'role_arn'));
      assert.equal(expected(answer, source, 'aws_access_key_id'), undefined);
    },
  ],
  [
    /^the source (.+) has no keys in /,
    (answer, [, source = '']) => {
      const [id, secret] = answer.asked[source]?.keys ?? [];
      if (!id || !secret) return;
      rule('[profiles X]');
      const { chosen, last } = headersOf(answer, source);
      assert.ok(last !== chosen && /^profile[^ \t]/.test(last ?? ''));
    },
  ],
  [
    /^the source (.+) is itself a session \(.* line \d+\)/,
    (answer, [, source = '']) => {
      if (answer.asked[source]?.keys?.[2]) return;
      rule('a session for a source');
      assert.ok(expected(answer, source, 'aws_session_token') ?? expected(answer, source, 'aws_security_token'));
    },
  ],
  [
    / line (\d+): AWS tools disagree whether this is the header of a section$/,
    (_, [, line], { files }) => {
      rule('a header in dispute');
      const text = (files as profiles.Files).credentials.lines[Number(line) - 1]?.trimEnd() ?? '';
      const agreed = /^\[[^\]]+\](\s+[#;][^\]]*)?$/.test(text) && !/\s[#;].*\]/.test(text);
      assert.ok(text.trimStart().startsWith('[') && !agreed, text);
    },
  ],
  [/ line \d+: AWS tools disagree whether this is a key of \[/, () => rule('a line in dispute')],
];

/** All values of both files. */
function valuesOf({ config, credentials }: Answer): string[] {
  const sections = [...Object.values(config), ...Object.values(credentials)];
  return sections.flatMap((settings) =>
    Object.values(settings).map((value) =>
      typeof value === 'string'
        ? value
        : Object.entries(value)
            .map(([key, inner]) => `\n${key} = ${inner}`)
            .join(''),
    ),
  );
}

/** A blank line inside a value counts for Python alone. */
function withoutBlankLines(value: string): string {
  return value.replace(/\n+/g, '\n');
}

function compareRefusal(one: Case, answer: Answer): void {
  const { found } = one;
  assert.ok(found instanceof UserError);
  assert.equal(found.code, 'config');
  assert.ok(found.hints.length > 0);
  const matching = refusals.filter(([pattern]) => pattern.test(found.message));
  assert.equal(matching.length, 1, `${matching.length} kinds of refusal`);
  for (const [pattern, judge] of matching) {
    const match = pattern.exec(found.message);
    if (match) judge(answer, match, one);
  }
}

/** Of these profiles botocore tells the keys before anything is written. */
function askedBefore({ found, source }: Case): string[] {
  if (!(found instanceof UserError)) return [found.identity.source];
  return [/^the source (.+) (?:has|is) /.exec(found.message)?.[1] ?? source];
}

const isRefused = ({ found }: Case) => found instanceof UserError;
const isInDispute = ({ found }: Case) => found instanceof UserError && /whether this is a key/.test(found.message);
const isReadable = ({ files }: Case) => !(files instanceof UserError);

describe(`botocore, with ${count} homes`, { skip: python === undefined && 'no Python has botocore' }, () => {
  let answers: Answer[] = [];
  const each = <T extends Case>(
    some: readonly T[],
    compare: (one: T, answer: Answer, index: number) => void,
  ): number => {
    for (const [index, one] of some.entries()) {
      const answer = answers[one.index];
      assert.ok(answer);
      try {
        compare(one, answer, index);
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${show(one)}`);
      }
    }
    return some.length;
  };

  before(async () => {
    const questions = cases.map((one) => ({ ...paths(one), profiles: askedBefore(one) }));
    answers = await askBotocore(python ?? '', questions);
  });

  test('files that botocore cannot read are refused with file and line, and others are not', (t) => {
    each(cases, ({ files }, answer) => {
      if (!(files instanceof UserError)) {
        assert.equal(answer.refused, null);
        return;
      }
      const wording = /^~\/(config|credentials) line [1-9]\d*: .*, so no aws command can read the file$/;
      const [, file] = wording.exec(files.message) ?? [];
      assert.ok(file && files.hints.length > 0, files.message);
      if (answer.refused === file) return;
      rule('a control character');
      assert.match(files.message, /: a (control character|byte order mark)/);
    });
    const unreadable = answers.filter((answer) => answer.refused !== null).length;
    t.diagnostic(`${unreadable} cannot be read`);
    assert.ok(unreadable > count / 20);
  });

  test('the source, its keys, the device and the region are those that botocore would use', (t) => {
    const found = cases.filter((one) => !isRefused(one));
    const compared = each(found, (one, answer) => compareFound(one.found as Found, answer));
    t.diagnostic(`${compared} were compared`);
    assert.ok(compared > count * 0.4);
  });

  test('a profile that is refused is one that botocore cannot use either, or a rule says why', (t) => {
    const refused = cases.filter((one) => isReadable(one) && isRefused(one));
    const compared = each(refused, compareRefusal);
    t.diagnostic(`${compared} were compared`);
    assert.ok(compared > count / 10);
  });

  test('what is written is read the same by botocore, and each role behind it is assumed with it', async (t) => {
    const all = writeAll();
    const asked = ({ name, behind }: Written) => [name, ...behind];
    const questions = all.map((one) => ({ ...paths(one), credentials: one.written, profiles: asked(one) }));
    const after = await askBotocore(python ?? '', questions);
    let roles = 0;
    each(all, (one, before, index) => {
      roles += compareWritten(one, before, after[index] as Answer);
    });
    t.diagnostic(`${all.length} were written, ${roles} roles assumed`);
    assert.ok(all.length > count * 0.4 && roles > count * 0.4);
  });

  test('every rule was needed', (t) => {
    for (const [name, times] of used) t.diagnostic(`${times} x ${name}`);
    assert.deepEqual(neverUsed(rules), []);
  });
});

describe(`AWS's JS SDK, with ${count} homes`, () => {
  test('what is written is read the same', async (t) => {
    let same = 0;
    for (const one of writeAll()) {
      const keys = await readWithSdk(one, paths(one).config);
      const lost = lostToSdk(one);
      if (lost) {
        rule(lost);
        assert.notDeepEqual(keys, freshKeys, `${lost} matters no more\n${show(one)}`);
      } else if (isDeepStrictEqual(keys, freshKeys)) {
        same++;
      } else if (hasGluedComment(one)) {
        rule('a comment glued to a header');
      } else if (isInBlock(one)) {
        rule('an indented block');
        const found = await readWithSdk(one, devNull);
        const isNoOther = (value: unknown, index: number) => value === undefined || value === freshKeys[index];
        assert.ok(typeof found === 'string' || found.every(isNoOther), show(one));
      } else {
        assert.deepEqual(await readWithSdk(one, devNull), freshKeys, show(one));
        rule('the config in dispute');
      }
    }
    assert.ok((used.get('the config in dispute') ?? 0) < count / 50);
    t.diagnostic(`${same} were read`);
    assert.ok(same > count * 0.3);
  });

  test('a line that is refused as in dispute is one by which it would misread the session', async () => {
    let misread = 0;
    for (const one of cases) {
      const { files, session, folder } = one;
      if (!isInDispute(one) || files instanceof UserError) continue;
      const [, line] = /line (\d+):/.exec((one.found as UserError).message) ?? [];
      if (linesInBlock(files.credentials, session).includes(Number(line) - 1)) {
        rule('an indented block');
        continue;
      }
      const written = join(folder, 'written');
      writeFileSync(written, splice(files.credentials, session, fresh));
      const keys = await readWithSdk({ ...one, name: session, behind: [], written }, devNull);
      assert.notDeepEqual(keys, freshKeys, show(one));
      misread++;
    }
    assert.ok(misread > 0);
  });

  test('every rule was needed', () => {
    assert.deepEqual(neverUsed(sdkRules), []);
  });
});

/** Processes at a time, which mostly wait. */
const concurrency = 4;

describe('the program itself, with some of the homes', { concurrency }, () => {
  const isPerson = ({ found }: Case) => {
    if (found instanceof UserError) return false;
    const { keys, serial } = found.identity;
    if (!('accessKeyId' in keys) || serial !== person.serial) return false;
    return keys.accessKeyId === person.accessKeyId && keys.secretAccessKey === person.secretAccessKey;
  };
  const present = ({ config, credentials }: Case): HomeFiles => ({
    ...(config && { config }),
    ...(credentials && { credentials }),
  });

  for (let nth = 0; nth < 12; nth++) {
    test(`it sends the keys, the device and the region that were found, and writes that section (${nth + 1})`, async (t) => {
      const one = cases.filter(isPerson)[nth * 20];
      assert.ok(one && !(one.found instanceof UserError));
      const { session, identity } = one.found;
      const { sts, home } = await makeScene(t, present(one));
      const { status, stderr } = await run(['--', one.session], { sts, home, stdin: typed() });
      assert.equal(status, 0, `${stderr}\n${show(one)}`);
      const { accessKeyId, params, region } = sts.calls[0] ?? {};
      assert.deepEqual(
        [accessKeyId, params?.SerialNumber, region],
        [person.accessKeyId, person.serial, identity.region],
      );
      const section = profiles.readFiles({}, home.path).credentials.sections.get(session.name);
      const values = Object.keys(fresh).map((key) => [key, section?.entries.get(key)?.value] as const);
      assert.ok(!(one.files instanceof UserError));
      assert.equal(splice(one.files.credentials, session.name, Object.fromEntries(values)), home.readCredentials());
    });

    test(`it refuses in the same words, calls nobody and leaves every byte (${nth + 1})`, async (t) => {
      const one = cases.filter(isRefused)[nth * 30];
      assert.ok(one?.found instanceof UserError);
      const { sts, home } = await makeScene(t, present(one));
      const { status, stdout, stderr } = await run(['--', one.session], {
        sts,
        home,
        stdin: 'open',
      });
      const [first] = stderr.split('\nrefresh-mfa: hint: ');
      const said = one.found.message.replaceAll(/~\/(config|credentials)/g, '~/.aws/$1');
      assert.deepEqual({ status, stdout, first }, { status: 2, stdout: '', first: `refresh-mfa: error: ${said}` });
      assert.equal(sts.connections, 0);
      assert.deepEqual(home.listAws(), [one.config && 'config', one.credentials && 'credentials'].filter(Boolean));
      if (one.credentials) assert.deepEqual(home.readCredentialsBytes(), one.credentials);
    });
  }
});

const freshKeys = [fresh.aws_access_key_id, fresh.aws_secret_access_key, fresh.aws_session_token];

interface Written extends Case {
  readonly name: string;
  /** The role profiles behind it. */
  readonly behind: readonly string[];
  /** Path of the credentials file with the session in it. */
  readonly written: string;
}

let written: Written[] | undefined;

/** The homes where a refresh would go on, with the session written. */
function writeAll(): Written[] {
  written ??= cases.flatMap((one) => {
    const { files, found, folder } = one;
    if (files instanceof UserError || found instanceof UserError) return [];
    const { name, roles } = found.session;
    const path = join(folder, 'written');
    writeFileSync(path, splice(files.credentials, name, fresh));
    return [{ ...one, name, behind: roles.map((role) => role.name), written: path }];
  });
  return written;
}

/** @returns how many roles botocore assumed with the session */
function compareWritten(one: Written, before: Answer, answer: Answer): number {
  const { name, behind } = one;
  assert.equal(answer.refused, null);
  const { aws_security_token: _, ...others } = own(before.credentials, name) ?? {};
  const { aws_security_token: __, ...values } = fresh;
  const { [name]: ours, ...rest } = answer.credentials;
  const { [name]: ___, ...restBefore } = before.credentials;
  assert.deepEqual(rest, restBefore, 'the other sections');
  assert.deepEqual(ours, { ...inherited(one), ...others, ...values }, 'the section');
  assert.deepEqual(answer.config, before.config);
  assert.deepEqual(answer.asked[name]?.keys, freshKeys, 'the keys');
  let roles = 0;
  for (const role of behind) {
    const links = chain(before, role);
    if (links.some(({ kind }) => kind === 'bare' || kind === 'foreign')) continue;
    const signed = answer.asked[role]?.keys?.[0];
    if (signed !== freshKeys[0] && links.slice(1).some(({ value }) => hasKeys(before, value))) {
      rule('a role with keys');
      continue;
    }
    assert.deepEqual(answer.asked[role]?.keys, freshKeys, `the role ${role}: ${answer.asked[role]?.error}`);
    roles++;
  }
  return roles;
}

/** What [DEFAULT] gives to every section. */
function inherited({ files }: Case): Settings {
  assert.ok(!(files instanceof UserError));
  const entries = files.credentials.sections.get('DEFAULT')?.entries.values() ?? [];
  return Object.fromEntries([...entries].map(({ key, value }) => [key, value]));
}

/** Where each `role_arn` and `source_profile` of a chain stands. */
function chain(answer: Answer, role: string): { value: string; kind: Place['kind'] }[] {
  const arn = expected(answer, role, 'role_arn');
  const link = expected(answer, role, 'source_profile');
  return arn && link ? [arn, link, ...chain(answer, link.value)] : [];
}

/** Whether a role profile has static keys, as botocore sees it. */
function hasKeys(answer: Answer, role: string): boolean {
  const settings = own(answer.profiles, role);
  return (
    settings !== undefined &&
    Object.hasOwn(settings, 'role_arn') &&
    /"aws_(access_key_id|secret_access_key)"/.test(JSON.stringify(settings))
  );
}

async function readWithSdk({ name, written }: Written, configFilepath: string): Promise<unknown[] | string> {
  const roleAssumer = async () => {
    throw new Error('it was taken for a role');
  };
  const options = {
    profile: name,
    filepath: written,
    configFilepath,
    ignoreCache: true,
    roleAssumer,
    mfaCodeProvider: async () => '123456',
  };
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = await fromIni(options)();
    return [accessKeyId, secretAccessKey, sessionToken];
  } catch (error) {
    return (error as Error).message;
  }
}

function lostToSdk({ name, credentials }: Written): keyof typeof sdkRules | undefined {
  if (/^\s*\[(profile )?__proto__\](\s+([#;].*)?)?$/m.test(credentials?.toString() ?? '')) return '[__proto__]';
  if (/^[\w-]+\s(["'])?[\w-@+.%:/]+\1$/.test(name)) return 'a name the JS SDK drops';
  return name in {} ? "a name of JavaScript's own" : undefined;
}
