// npm run odd-files -- --count 4000 --seed 7 --terraform 10: after a refresh botocore, the JS SDK and Terraform take the same keys
// for the profile, and no other profile has changed; else the file was refused before the code. The suite runs a short form.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { fromIni } from '@aws-sdk/credential-providers';
import { UserError } from '../lib/errors';
import { Files } from '../lib/files';
import { requireIdentity } from '../lib/identity';
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

const read = (text: string): Document => parse(Buffer.from(text), '~/.aws/credentials');

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

type Paths = Readonly<{ config?: string; credentials: string }>;
const role = 'for a role';

/** The first keys with which the JS SDK would call AWS for a profile, and whether for a role; null where it finds none. */
async function readWithSdk(profile: string, { config = devNull, credentials }: Paths): Promise<unknown[] | null> {
  let keys: unknown[] | undefined;
  type Keys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  const list = ({ accessKeyId, secretAccessKey, sessionToken }: Keys) => [accessKeyId, secretAccessKey, sessionToken];
  const roleAssumer = async (source: Keys) => {
    keys ??= [...list(source), role];
    return source;
  };
  const files = { profile, filepath: credentials, configFilepath: config, ignoreCache: true };
  try {
    const found = await fromIni({ ...files, roleAssumer, mfaCodeProvider: async () => '123456' })();
    return keys ?? list(found);
  } catch {
    return null;
  }
}

/** A note says so, or such a header is somewhere. */
const isLostToSdk = (document: Document, name: string): boolean =>
  /^\s*\[(profile )?__proto__\]/m.test(document.lines.join('')) || findReaderNote(document, name) !== undefined;

type Sections = Answer['sections'];

/** As botocore shows it: the keys of [DEFAULT] in every section, nested blocks as records. */
function asBotocore({ sections }: Document): Sections {
  const parts = (line: string) =>
    [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)].map((part) => part?.trim());
  const values = (name: string) =>
    [...(sections.get(name)?.entries.values() ?? [])].map(({ key, value }) => {
      const lines = value.split(/[\n\v\f\u2028\u2029]/).filter((line) => line.trim() !== '');
      return [key, value.startsWith('\n') ? Object.fromEntries(lines.map(parts)) : value];
    });
  const found = [...sections.keys()].filter((name) => name !== 'DEFAULT');
  return Object.fromEntries(found.map((name) => [name, Object.fromEntries([...values('DEFAULT'), ...values(name)])]));
}

/** A blank line inside a value counts for Python; no value that the tool uses can hold one. */
function compare(theirs: Sections, ours: Sections, what: string): void {
  const [first, second] = [theirs, ours].map((sections) => JSON.stringify(sections).replace(/(\\n)+/g, '\\n'));
  assert.deepEqual(JSON.parse(first ?? ''), JSON.parse(second ?? ''), what);
}

/** The lines of the file, the entries of the section, and the other sections, without what is written or removed. */
function outside(document: Document, name: string) {
  const { [name]: _, ...sections } = asBotocore(document);
  const entries = [...(document.sections.get(name)?.entries.values() ?? [])];
  const own = entries.filter(({ key }) => ownKeys.includes(key));
  const text = document.lines.filter((_, line) => !own.some((entry) => entry.line === line)).join('');
  const others = entries.filter((entry) => !own.includes(entry)).map(({ key, value }) => [key, value]);
  // the last lines may lose or gain an ending
  return { text: text.replace(/[\r\n]+$/, ''), others, sections };
}

/** Every byte outside stays; the next session changes only values; clearing takes away what was written. */
function checkText(before: Document, text: string, name: string): void {
  const after = read(text);
  const own = [...(after.sections.get(name)?.entries.values() ?? [])].filter(({ key }) => ownKeys.includes(key));
  const values = own.sort((a, b) => ownKeys.indexOf(a.key) - ownKeys.indexOf(b.key)).map(({ value }) => value);
  assert.deepEqual(values, [...freshKeys, '2026-11-21T20:31:00Z'], 'the session');
  assert.equal(text.endsWith('\n'), before.lines.at(-1)?.endsWith('\n') ?? true, 'the final newline');
  const next = write(after, name, later);
  assert.equal(next, text.replaceAll('NEW', 'LATER, AND LONGER'));
  assert.equal(write(read(next), name, fresh), text);
  const cleared = clear(after, name);
  const left = read(cleared);
  if (before.sections.has(name)) assert.deepEqual(outside(after, name), outside(before, name));
  else assert.equal(cleared, before.lines.join(''));
  if (left.sections.has(name)) assert.deepEqual(outside(left, name), outside(after, name), 'cleared');
  else assert.deepEqual(outside(left, name).sections, outside(after, name).sections, 'cleared');
}

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

/** Credentials files alone, as odd as they come. */
export async function judgeFiles(count: number, seed: number) {
  const random = new Random(seed);
  const files = Array.from({ length: count }, (_, index) => {
    const { text, name } = makeOddFile(random);
    const document = attempt(() => read(text));
    const written = document instanceof UserError ? document : attempt(() => write(document, name, fresh));
    return { index, text, name, document, written };
  });
  return inFolder(async (save) => {
    const paths = files.map(({ index, text, written }) => ({
      before: { credentials: save(`${index}`, text) },
      after: { credentials: typeof written === 'string' ? save(`${index}-after`, written) : devNull },
    }));
    const questions = paths.flatMap(({ before, after }) => [before, after]);
    const answers = python ? await askBotocore(python.file, questions) : [];
    for (const { index, text, name, document, written } of files) {
      await explain({ file: `${index} of seed ${seed}, [${name}]`, text: JSON.stringify(text), written }, async () => {
        const [theirs, reread] = answers.slice(2 * index, 2 * index + 2);
        if (controls.test(text)) assert.ok(document instanceof UserError);
        else if (theirs) checkReading(theirs, document);
        if (document instanceof UserError || written instanceof UserError) return;
        checkText(document, written, name);
        if (reread) compare(reread.sections, asBotocore(read(written)), 'what was written, to botocore');
        const { before, after } = paths[index] as (typeof paths)[0];
        for (const other of new Set([name, ...document.sections.keys()])) {
          const keys = await readWithSdk(other, after);
          if (other !== name) assert.deepEqual(keys, await readWithSdk(other, before), `the JS SDK, [${other}]`);
          else if (keys || !isLostToSdk(document, name)) assert.deepEqual(keys, freshKeys, 'the JS SDK');
        }
      });
    }
    const unreadable = files.filter(({ document }) => document instanceof UserError).length;
    const written = files.filter((file) => typeof file.written === 'string').length;
    return { unreadable, written, refused: count - unreadable - written };
  });
}

function checkReading({ refused, sections }: Answer, document: Document | UserError): void {
  // what is wrong with a block in [DEFAULT] shows only in the sections that it is copied into
  if (document instanceof UserError) assert.ok(refused || Object.keys(sections).length === 0, 'botocore can read it');
  else {
    assert.equal(refused, null, 'botocore cannot read it');
    compare(sections, asBotocore(document), 'what was read, to botocore');
  }
}

/** Both files: whose session it is and with which keys it is asked for, what is written, and what each reader takes afterwards. */
export async function judgeHomes(count: number, seed: number, terraform = 0) {
  const random = new Random(seed);
  const homes = [...Array.from({ length: count }, () => makeOddHome(random)), ...certainHomes].map((home, index) => {
    const files = attempt(() => new Files(read(home.config), read(home.credentials), '/home/x/.aws/credentials'));
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
    const { taken, output } = await askTerraform(some.map(({ after, name }) => ({ ...after, profile: name })));
    for (const [at, { name, index }] of some.entries()) {
      const expected = { id: fresh.accessKeyId, token: fresh.sessionToken };
      const check = () => taken[at] && assert.deepEqual(taken[at], expected);
      await explain({ home: `${index} of seed ${seed}, [${name}]`, output }, check);
    }
    return { written: asked.length, refused: homes.length - asked.length, byTerraform: taken.filter(Boolean).length };
  });
}

type Refreshed = ReturnType<typeof refresh>;

/** With the text of the credentials file that holds the session. */
function refresh(files: Files, profile: string) {
  const session = requireSession(files, profile);
  const identity = requireIdentity(files, session, {});
  const text = write(files.credentials, session.name, fresh);
  return { files, identity, name: session.name, source: identity.source, roles: session.roles, text };
}

function checkBotocore({ identity, name, source, roles }: Refreshed, before: Answer, after: Answer): void {
  assert.equal(before.refused ?? after.refused, null, 'botocore can read the files');
  const { [name]: _, ...rest } = before.sections;
  const { [name]: __, ...restAfter } = after.sections;
  assert.deepEqual(restAfter, rest, 'the other sections');
  assert.deepEqual(after.asked[name]?.keys, freshKeys, 'botocore');
  for (const role of roles) {
    assert.deepEqual(after.asked[role]?.keys ?? freshKeys, freshKeys, `botocore, role ${role}`);
  }
  const { keys, region, serial } = identity;
  const theirs = before.asked[source]?.keys;
  const ours = 'accessKeyId' in keys && [keys.accessKeyId, keys.secretAccessKey, null];
  if (theirs && ours) assert.deepEqual(ours, theirs, 'the keys');
  const asked = before.asked[name];
  if (asked?.serial) assert.equal(serial, asked.serial, 'the device');
  // regions outside the device's partition are ignored
  const isUsable = asked?.region?.startsWith('cn-') === serial.startsWith('arn:aws-cn:') || !serial.startsWith('arn:');
  if (asked?.region && isUsable) assert.equal(region, asked.region, 'the region');
}

async function checkSdk({ files, name, before, after }: Refreshed & Record<'before' | 'after', Paths>): Promise<void> {
  const keys = await readWithSdk(name, after);
  // a header of the config, which is not written, may give the profile keys that are not its own
  const header = files.prefixed.get(name)?.name;
  const isDisputed = header !== undefined && findAmbiguity(files.config, header, []) !== undefined;
  const found = isDisputed ? await readWithSdk(name, { credentials: after.credentials }) : keys;
  if (found || !isLostToSdk(files.credentials, name)) assert.deepEqual(found, freshKeys, 'the JS SDK');
  // a role takes what its source takes, a session or none
  const source = await readWithSdk(name, before);
  for (const other of files.names) {
    if (other === name) continue;
    const [old, now] = [await readWithSdk(other, before), await readWithSdk(other, after)];
    const isSame = isDeepStrictEqual(old?.slice(0, 3), source?.slice(0, 3));
    const isRole = isSame && isDeepStrictEqual(now, [...freshKeys, role]);
    if (!isRole) assert.deepEqual(now, old, `the JS SDK, ${other}`);
  }
}

async function main(): Promise<void> {
  const number = (usual: string) => ({ type: 'string', default: usual }) as const;
  const { values } = parseArgs({ options: { count: number('4000'), seed: number('1'), terraform: number('0') } });
  const [count, seed, terraform] = [Number(values.count), Number(values.seed), Number(values.terraform)];
  if (!python?.hasBotocore) console.log('botocore is not asked: no Python has it');
  console.log('files', await judgeFiles(count, seed));
  console.log('homes', await judgeHomes(count, seed, noTerraform ? 0 : terraform));
}

if (require.main === module) void main();
