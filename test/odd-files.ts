// npm run odd-files -- --count 4000 --seed 7 --terraform 10: after a refresh botocore, the JS SDK and Terraform take the same keys
// for the profile, and no other profile has changed; else the file was refused before the code. The suite runs a short form.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { fromIni } from '@aws-sdk/credential-providers';
import { UserError } from '../lib/errors';
import { type Files, makeFiles } from '../lib/files';
import { type Identity, requireIdentity } from '../lib/identity';
import { requireSession } from '../lib/profiles';
import { type Document, findAmbiguity, parse } from '../lib/sections';
import { clear, findReaderNote, write } from '../lib/session';
import { type Answer, askBotocore, findPython } from './helpers/botocore';
import { makeOddFile, ownKeys } from './helpers/odd';
import { certainHomes, makeOddHome, type OddHome } from './helpers/odd-home';
import { Random } from './helpers/random';
import { askTerraform, noTerraform } from './helpers/terraform';

const fresh = makeSession('NEW');
const later = makeSession('LATER, AND LONGER');
const freshKeys = [fresh.accessKeyId, fresh.secretAccessKey, fresh.sessionToken];
/** What we refuse and Python reads, in its own way. */
const controls = /[\0\x1c-\x1f\x85\ufeff]|\r(?!\n)/;

function makeSession(word: string) {
  const [accessKeyId, secretAccessKey, sessionToken] = [`ASIA ${word}`, `secret ${word}`, `token ${word}/+==`];
  return { accessKeyId, secretAccessKey, sessionToken, expires: new Date('2026-11-21T20:31:00Z') };
}

function attempt<T>(work: () => T): T | UserError {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

/** Adds what was compared to an error. All keys in it are samples. */
async function explain(shown: object, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    const text = Object.entries(shown).map(([what, value]) => `-- ${what}\n${value}`);
    throw new Error([(error as Error).message, ...text].join('\n'), { cause: error });
  }
}

/** The first keys with which the JS SDK would call AWS for a profile, and whether for a role; null where it finds none. */
async function readWithSdk(profile: string, filepath: string, configFilepath = devNull): Promise<unknown[] | null> {
  let keys: unknown[] | undefined;
  const roleAssumer = async (source: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) => {
    keys ??= [source.accessKeyId, source.secretAccessKey, source.sessionToken, role];
    return source;
  };
  const mfaCodeProvider = async () => '123456';
  try {
    const files = { profile, filepath, configFilepath, ignoreCache: true };
    const found = await fromIni({ ...files, roleAssumer, mfaCodeProvider })();
    return keys ?? [found.accessKeyId, found.secretAccessKey, found.sessionToken];
  } catch {
    return null;
  }
}

const role = 'for a role';

/** The JS SDK drops the whole file for such a header, wherever it stands. */
function isPoisoned(text: string): boolean {
  return /^\s*\[(profile )?__proto__\]/m.test(text);
}

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** As botocore shows it: the keys of [DEFAULT] in every section, nested blocks as records. */
function asBotocore({ sections }: Document): Sections {
  const values = (name: string) =>
    [...(sections.get(name)?.entries.values() ?? [])].map(({ key, value }) => {
      if (!value.startsWith('\n')) return [key, value];
      const lines = value.split(/[\n\v\f\u2028\u2029]/).filter((line) => line.trim() !== '');
      return [
        key,
        Object.fromEntries(
          lines.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)].map((part) => part?.trim())),
        ),
      ];
    });
  const found = [...sections.keys()].filter((name) => name !== 'DEFAULT');
  return Object.fromEntries(found.map((name) => [name, Object.fromEntries([...values('DEFAULT'), ...values(name)])]));
}

/** A blank line inside a value counts for Python; no value that the tool uses can hold one. */
function withoutBlankLines(sections: Sections): Sections {
  return JSON.parse(JSON.stringify(sections).replace(/(\\n)+/g, '\\n'));
}

/** The lines of the file, or the entries of a section, without what is written or removed. */
function outside({ lines, sections }: Document, name: string) {
  const entries = [...(sections.get(name)?.entries.values() ?? [])];
  const own = entries.filter(({ key }) => ownKeys.includes(key)).map(({ line }) => line);
  // the last lines may lose or gain an ending
  const text = lines
    .filter((_, line) => !own.includes(line))
    .join('')
    .replace(/[\r\n]+$/, '');
  return { text, others: entries.filter(({ key }) => !ownKeys.includes(key)).map(({ key, value }) => [key, value]) };
}

function others(document: Document, name: string): Sections {
  const { [name]: _, ...rest } = asBotocore(document);
  return rest;
}

/** Every byte outside stays; the next session changes only values; clearing takes away what was written. */
function checkText(before: Document, text: string, name: string): void {
  const after = parse(Buffer.from(text), '');
  assert.deepEqual(others(after, name), others(before, name), 'the other sections');
  const values = [...(after.sections.get(name)?.entries ?? [])].flatMap(([key, { value }]) =>
    ownKeys.includes(key) ? [[key, value]] : [],
  );
  const [aws_access_key_id, aws_secret_access_key, aws_session_token] = freshKeys;
  const x_security_token_expires = '2026-11-21T20:31:00Z';
  assert.deepEqual(Object.fromEntries(values), {
    aws_access_key_id,
    aws_secret_access_key,
    aws_session_token,
    x_security_token_expires,
  });
  assert.equal(text.endsWith('\n'), before.lines.at(-1)?.endsWith('\n') ?? true, 'the final newline');
  const next = write(after, name, later);
  assert.equal(next, text.replaceAll('NEW', 'LATER, AND LONGER'));
  assert.equal(write(parse(Buffer.from(next), ''), name, fresh), text);
  const cleared = clear(after, name);
  const left = parse(Buffer.from(cleared), '');
  assert.deepEqual(others(left, name), others(after, name), 'the other sections, cleared');
  assert.deepEqual(outside(left, name).others, outside(after, name).others, 'the section, cleared');
  if (left.sections.has(name)) assert.equal(outside(left, name).text, outside(after, name).text);
  if (before.sections.has(name)) assert.deepEqual(outside(after, name), outside(before, name));
  else assert.equal(cleared, before.lines.join(''));
}

export type Counts = Readonly<Record<string, number>>;

/** A folder for as long as `work` takes; `save` makes a file in it. */
async function inFolder<T>(work: (save: (name: string, text: string) => string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-odd-'));
  const save = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return work(save).finally(() => rmSync(folder, { recursive: true }));
}

const python = findPython();
const ask = (paths: readonly string[]) =>
  askBotocore(
    python?.file ?? '',
    paths.map((credentials) => ({ credentials })),
  );

/** Credentials files alone, as odd as they come. */
export async function judgeFiles(count: number, seed: number): Promise<Counts> {
  const random = new Random(seed);
  const files = Array.from({ length: count }, (_, index) => {
    const { text, name } = makeOddFile(random);
    const document = attempt(() => parse(Buffer.from(text), '~/.aws/credentials'));
    const written = document instanceof UserError ? document : attempt(() => write(document, name, fresh));
    return { index, text, name, document, written };
  });
  const saved = <T extends { written: string | UserError }>(file: T) => typeof file.written === 'string';
  return inFolder(async (save) => {
    const paths = files.map(({ index, text }) => save(`${index}`, text));
    const before = python ? await ask(paths) : [];
    const writtenPaths = files.map((file) =>
      saved(file) ? save(`${file.index}-written`, file.written as string) : devNull,
    );
    const after = python ? await ask(writtenPaths) : [];
    for (const { index, text, name, document, written } of files) {
      await explain({ file: `${index} of seed ${seed}, [${name}]`, text: JSON.stringify(text), written }, async () => {
        const theirs = before[index];
        if (controls.test(text)) assert.ok(document instanceof UserError);
        // what is wrong with a block in [DEFAULT] shows only in the sections that it is copied into
        else if (theirs && !(document instanceof UserError && Object.keys(theirs.sections).length === 0)) {
          assert.equal(theirs.refused !== null, document instanceof UserError, 'whether it can be read');
          if (!(document instanceof UserError))
            assert.deepEqual(withoutBlankLines(theirs.sections), withoutBlankLines(asBotocore(document)));
        }
        if (document instanceof UserError || written instanceof UserError) return;
        checkText(document, written, name);
        const reread = after[index];
        if (reread)
          assert.deepEqual(
            withoutBlankLines(reread.sections),
            withoutBlankLines(asBotocore(parse(Buffer.from(written), ''))),
          );
        const keys = await readWithSdk(name, writtenPaths[index] ?? '');
        const isLost = keys === null && (findReaderNote(document, name) || isPoisoned(text));
        if (!isLost) assert.deepEqual(keys, freshKeys, 'the JS SDK');
        for (const other of document.sections.keys()) {
          if (other === name) continue;
          assert.deepEqual(
            await readWithSdk(other, writtenPaths[index] ?? ''),
            await readWithSdk(other, paths[index] ?? ''),
            `the JS SDK, [${other}]`,
          );
        }
      });
    }
    const unreadable = files.filter(({ document }) => document instanceof UserError).length;
    const written = files.filter(saved).length;
    return { unreadable, written, refused: count - unreadable - written };
  });
}

/** Both files: whose session it is and with which keys it is asked for, what is written, and what each reader takes afterwards. */
export async function judgeHomes(count: number, seed: number, terraform = 0): Promise<Counts> {
  const random = new Random(seed);
  const homes = [...Array.from({ length: count }, () => makeOddHome(random)), ...certainHomes].map((home, index) => {
    const files = attempt(() => readHome(home));
    const found = files instanceof UserError ? files : attempt(() => refresh(files, home.session));
    return { ...home, index, found };
  });
  return inFolder(async (save) => {
    const asked = homes.flatMap(({ index, config, credentials, found }) => {
      if (found instanceof UserError) return [];
      const before = { config: save(`${index}-config`, config), credentials: save(`${index}`, credentials) };
      return [{ ...found, index, before, after: { ...before, credentials: save(`${index}-after`, found.text) } }];
    });
    const botocore = python?.hasBotocore ? python.file : undefined;
    const questions = asked.flatMap(({ before, after, name, source, roles }) => [
      { ...before, profiles: [name, source] },
      { ...after, profiles: [name, ...roles] },
    ]);
    const answers = botocore ? await askBotocore(botocore, questions) : [];
    for (const [at, one] of asked.entries()) {
      const { config, credentials } = homes[one.index] as OddHome;
      const shown = { home: `${one.index} of seed ${seed}, [${one.name}], roles ${one.roles}`, config, credentials };
      await explain(shown, async () => {
        const [before, after] = answers.slice(2 * at, 2 * at + 2);
        if (before && after) checkBotocore(one, before, after);
        await checkSdk(one);
      });
    }
    const some = asked.slice(0, terraform);
    const { taken, output } =
      some.length === 0
        ? { taken: [], output: '' }
        : await askTerraform(some.map(({ after, name }) => ({ ...after, profile: name })));
    for (const [at, { name, index }] of some.entries()) {
      const expected = { id: fresh.accessKeyId, token: fresh.sessionToken };
      await explain(
        { home: `${index} of seed ${seed}, [${name}]`, output },
        () => taken[at] && assert.deepEqual(taken[at], expected),
      );
    }
    const [byTerraform, refused] = [taken.filter(Boolean).length, homes.length - asked.length];
    return { written: asked.length, refused, byTerraform };
  });
}

function readHome({ config, credentials }: OddHome): Files {
  const [first, second] = [
    parse(Buffer.from(config), '~/.aws/config'),
    parse(Buffer.from(credentials), '~/.aws/credentials'),
  ];
  return makeFiles(first, second, '/home/x/.aws/credentials');
}

interface Refreshed {
  readonly files: Files;
  readonly identity: Identity;
  readonly name: string;
  readonly source: string;
  readonly roles: readonly string[];
  /** The credentials file with the session. */
  readonly text: string;
}

function refresh(files: Files, profile: string): Refreshed {
  const session = requireSession(files, profile);
  const identity = requireIdentity(files, session, {});
  const { name, roles } = session;
  const text = write(files.credentials, name, fresh);
  return { files, identity, name, source: identity.source, roles: roles.map((role) => role.name), text };
}

function checkBotocore({ identity, name, source, roles }: Refreshed, before: Answer, after: Answer): void {
  assert.equal(before.refused ?? after.refused, null, 'botocore can read the files');
  const { [name]: _, ...rest } = before.sections;
  const { [name]: __, ...restAfter } = after.sections;
  assert.deepEqual(restAfter, rest, 'the other sections');
  assert.deepEqual(after.asked[name]?.keys, freshKeys, 'botocore');
  for (const role of roles) {
    const keys = after.asked[role]?.keys;
    if (keys) assert.deepEqual(keys, freshKeys, `botocore, role ${role}`);
  }
  const { keys, region, serial } = identity;
  const theirs = before.asked[source]?.keys;
  if (theirs && 'accessKeyId' in keys)
    assert.deepEqual([keys.accessKeyId, keys.secretAccessKey, null], theirs, 'the keys');
  const asked = before.asked[name];
  if (asked?.serial) assert.equal(serial, asked.serial, 'the device');
  // regions outside the device's partition are ignored
  const isUsable = asked?.region?.startsWith('cn-') === serial.startsWith('arn:aws-cn:') || !serial.startsWith('arn:');
  if (asked?.region && isUsable) assert.equal(region, asked.region, 'the region');
}

async function checkSdk({
  files,
  name,
  before,
  after,
}: Refreshed & Record<'before' | 'after', { config: string; credentials: string }>) {
  const keys = await readWithSdk(name, after.credentials, after.config);
  const isLost =
    keys === null && (findReaderNote(files.credentials, name) || isPoisoned(files.credentials.lines.join('')));
  // a header of the config, which is not written, may give the profile keys that are not its own
  const header = files.prefixed.get(name)?.name;
  const isDisputed = () => header !== undefined && findAmbiguity(files.config, header, []) !== undefined;
  if (!isLost && !isDeepStrictEqual(keys, freshKeys) && isDisputed()) {
    assert.deepEqual(await readWithSdk(name, after.credentials), freshKeys, 'the JS SDK, without the config');
  } else if (!isLost) assert.deepEqual(keys, freshKeys, 'the JS SDK');
  // a role takes what its source takes, a session or none
  const source = await readWithSdk(name, before.credentials, before.config);
  for (const other of files.names) {
    if (other === name) continue;
    const [old, now] = [
      await readWithSdk(other, before.credentials, before.config),
      await readWithSdk(other, after.credentials, after.config),
    ];
    const isSame = isDeepStrictEqual(old?.slice(0, 3), source?.slice(0, 3));
    const isRole = isSame && isDeepStrictEqual(now, [...freshKeys, role]);
    if (!isRole) assert.deepEqual(now, old, `the JS SDK, ${other}`);
  }
}

async function main(): Promise<void> {
  const texts = {
    count: { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
    terraform: { type: 'string', default: '0' },
  } as const;
  const { values } = parseArgs({ options: texts });
  const [count, seed, terraform] = [Number(values.count), Number(values.seed), Number(values.terraform)];
  if (!python?.hasBotocore) console.log('botocore is not asked: no Python has it');
  console.log('files', await judgeFiles(count, seed));
  console.log('homes', await judgeHomes(count, seed, noTerraform ? 0 : terraform));
}

if (require.main === module) void main();
