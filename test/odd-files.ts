// npm run odd-files -- --count 4000 --seed 7 --terraform 10: after a refresh botocore, the JS SDK and Terraform take the same keys
// for the profile, and no other profile has changed; else the files were refused before the code. The suite runs a short form.
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
import { type Document, parse, requireAgreement } from '../lib/sections';
import { clear, findReaderNote, write } from '../lib/session';
import { type Answer, askBotocore, findPython } from './helpers/botocore';
import { certainHomes, makeOddHome, type OddHome } from './helpers/odd';
import { Random } from './helpers/random';
import { askTerraform, noTerraform } from './helpers/terraform';

const fresh = makeSession('NEW');
const later = makeSession('LATER, AND LONGER');
const freshKeys = [fresh.accessKeyId, fresh.secretAccessKey, fresh.sessionToken];
const ownKeys = 'aws_access_key_id aws_secret_access_key aws_session_token x_security_token_expires'.split(' ');
const staleKeys = ['aws_security_token', 'expiration'];
/** What we refuse and Python reads, in its own way. */
const controls = /[\0\x1c-\x1f\x85\ufeff]|\r(?!\n)/;

function makeSession(word: string) {
  const [accessKeyId, secretAccessKey, sessionToken] = [`ASIA ${word}`, `secret ${word}`, `token ${word}/+==`];
  return { accessKeyId, secretAccessKey, sessionToken, expires: new Date('2026-11-21T20:31:00Z') };
}

const read = (text: string): Document => parse(Buffer.from(text), '~/.aws/credentials');

/** Undefined where the tool refuses. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

type Made = ReturnType<typeof refresh>;
type Paths = Readonly<{ config: string; credentials: string }>;

/** What the tool makes of both files: whose session it is, with which keys it is asked for, and the text that is written. */
function refresh(home: OddHome) {
  const files = new Files(read(home.config), read(home.credentials), '/home/x/.aws/credentials');
  const identity = attempt(() => requireIdentity(files, requireSession(files, home.session), {}));
  // where there is no session to refresh, the section is written all the same
  const name = identity?.session.name ?? home.session;
  return { files, name, identity, text: attempt(() => write(files.credentials, name, fresh)) };
}

/** @returns how many homes could not be read, were refused, and were written; and from how many Terraform took keys */
export async function judge(count: number, seed: number, terraform = 0) {
  const random = new Random(seed);
  const homes = [...certainHomes, ...Array.from({ length: count }, () => makeOddHome(random))];
  const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-odd-'));
  const save = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  try {
    const all = homes.map((home, index) => {
      const made = attempt(() => refresh(home));
      const before = { config: save(`${index}-config`, home.config), credentials: save(`${index}`, home.credentials) };
      const written = made?.text === undefined ? devNull : save(`${index}-after`, made.text);
      return { home, made, identity: made?.identity, before, after: { ...before, credentials: written } };
    });
    const python = findPython();
    const questions = all.flatMap(({ identity, before, after }) => [
      { ...before, profiles: identity && [identity.session.name, identity.source] },
      { ...after, profiles: identity && [identity.session.name, ...identity.session.roles] },
    ]);
    const answers = python ? await askBotocore(python.file, questions) : [];
    for (const [index, { home, made, before, after }] of all.entries()) {
      const [theirs, reread] = answers.slice(2 * index);
      await explain({ home: `${index} of seed ${seed}`, ...home }, async () => {
        checkReading(home, made, theirs);
        if (made?.text === undefined) return;
        checkText(made.files.credentials, made.text, made.name);
        if (theirs && reread) checkBotocore(made, theirs, reread);
        await checkSdk(made, before, after);
      });
    }
    const some = all.filter(({ identity }) => identity).slice(0, terraform);
    const byTerraform = some.map(({ identity, after }) => ({ ...after, profile: identity?.session.name ?? '' }));
    const { taken, output } = await askTerraform(byTerraform);
    for (const [at, keys] of taken.entries()) {
      const expected = { id: fresh.accessKeyId, token: fresh.sessionToken };
      await explain({ ...some[at]?.home, output }, () => keys && assert.deepEqual(keys, expected, 'Terraform'));
    }
    const unreadable = all.filter(({ made }) => !made).length;
    const written = all.filter(({ made }) => made?.text !== undefined).length;
    const found = all.filter(({ identity }) => identity).length;
    return { unreadable, written, found, byTerraform: taken.filter(Boolean).length };
  } finally {
    rmSync(folder, { recursive: true });
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

function checkReading({ config, credentials }: OddHome, made: Made | undefined, theirs: Answer | undefined): void {
  if (controls.test(config) || controls.test(credentials)) assert.equal(made, undefined);
  else if (theirs && made) {
    assert.equal(theirs.refused, null, 'botocore cannot read it');
    compare(theirs.sections, asBotocore(made.files.credentials), 'what was read, to botocore');
  } else if (theirs) {
    // what is wrong with a block in [DEFAULT] shows only in the sections that it is copied into
    assert.ok(theirs.refused || Object.keys(theirs.sections).length === 0, 'botocore can read it');
  }
}

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

/** Every byte outside stays; the next session changes only values; clearing takes away what was written. */
function checkText(before: Document, text: string, name: string): void {
  const after = read(text);
  const values = ownKeys.map((key) => after.sections.get(name)?.entries.get(key)?.value);
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

/** The lines of the file, the entries of the section, and the other sections, without what is written or removed. */
function outside(document: Document, name: string) {
  const { [name]: _, ...sections } = asBotocore(document);
  const entries = [...(document.sections.get(name)?.entries.values() ?? [])];
  const own = entries.filter(({ key }) => [...ownKeys, ...staleKeys].includes(key));
  const text = document.lines.filter((_, line) => !own.some((entry) => entry.line === line)).join('');
  const others = entries.filter((entry) => !own.includes(entry)).map(({ key, value }) => [key, value]);
  // the last lines may lose or gain an ending
  return { text: text.replace(/[\r\n]+$/, ''), others, sections };
}

function checkBotocore({ files, identity, name, text }: Made, before: Answer, after: Answer): void {
  compare(after.sections, asBotocore(read(`${text}`)), 'what was written, to botocore');
  const { [name]: _, ...rest } = before.sections;
  const { [name]: __, ...restAfter } = after.sections;
  assert.deepEqual(restAfter, rest, 'the other sections');
  // a plain Python is not asked
  const asked = Object.hasOwn(before.asked, name) ? before.asked[name] : undefined;
  if (!identity || !asked) return;
  for (const user of [name, ...identity.session.roles]) {
    assert.deepEqual(after.asked[user]?.keys ?? (user === name ? null : freshKeys), freshKeys, `botocore, ${user}`);
  }
  const { keys, region, serial, source } = identity;
  const theirs = before.asked[source]?.keys;
  const ours = 'accessKeyId' in keys && [keys.accessKeyId, keys.secretAccessKey, null];
  // a source that is a role, too, lends its own keys and calls with those of the role
  if (theirs && ours && !files.find(source, 'role_arn')) assert.deepEqual(ours, theirs, 'the keys');
  // of these two botocore alone takes the last one
  if (['default', 'profile default'].every((header) => files.config.sections.has(header))) return;
  if (asked.serial) assert.equal(serial, asked.serial, 'the device');
  // regions outside the device's partition are ignored
  const isUsable = asked.region?.startsWith('cn-') === serial.startsWith('arn:aws-cn:') || !serial.startsWith('arn:');
  if (asked.region && isUsable) assert.equal(region, asked.region, 'the region');
}

const role = 'for a role';

/** The first keys with which the JS SDK would call AWS for a profile, and whether for a role; null where it finds none. */
async function readWithSdk(profile: string, { config, credentials }: Paths): Promise<unknown[] | null> {
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

async function checkSdk({ files, name, identity }: Made, before: Paths, after: Paths): Promise<void> {
  // a header of the config, which is not written, may give the profile keys that are not its own
  const header = files.prefixed.get(name)?.name;
  const isAgreed = header === undefined || attempt(() => requireAgreement(files.config, header) ?? true);
  const config = identity && isAgreed ? after.config : devNull;
  const found = await readWithSdk(name, { ...after, config });
  const text = files.credentials.lines.join('');
  // a note says so, or such a header is somewhere
  const isLost = /^\s*\[(profile )?__proto__\]/m.test(text) || findReaderNote(files.credentials, name) !== undefined;
  const isRole = !identity && /role_arn/i.test(text);
  if (!isRole && (found || !isLost)) assert.deepEqual(found, freshKeys, 'the JS SDK');
  // a role takes what its source takes, a session or none
  const source = await readWithSdk(name, before);
  for (const other of files.names) {
    if (other === name) continue;
    const [old, now] = [await readWithSdk(other, before), await readWithSdk(other, after)];
    const isSame = isDeepStrictEqual(old?.slice(0, 3), source?.slice(0, 3));
    const isBehind = isSame && isDeepStrictEqual(now, [...freshKeys, role]);
    if (!isBehind) assert.deepEqual(now, old, `the JS SDK, ${other}`);
  }
}

async function main(): Promise<void> {
  const number = (usual: string) => ({ type: 'string', default: usual }) as const;
  const { values } = parseArgs({ options: { count: number('4000'), seed: number('1'), terraform: number('0') } });
  if (!findPython()?.hasBotocore) console.log('botocore is not asked: no Python has it');
  console.log(await judge(Number(values.count), Number(values.seed), noTerraform ? 0 : Number(values.terraform)));
}

if (require.main === module) void main();
