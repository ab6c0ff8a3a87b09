// One write, whole or not at all. The whole new file is made in a folder of our own, where no other process has a name. That folder,
// renamed to the lock's name, is the lock: it is held while the file is compared with what the draft was made from and replaced,
// which takes no time; so one that stays for two seconds belongs to a run that was killed or sleeps. Whoever removes its draft
// frees the lock; an owner that wakes up then finds no draft to put in place, and starts again.
// Calls are synchronous: they are few and small, and node:fs alone is loaded by the time Node starts.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode, UserError } from './errors';
import { type Document, parse } from './sections';

/** The file to write: where it is, and how messages call it. */
export interface Target {
  readonly path: string;
  readonly shown: string;
  /** Sections that it had at the start, and that this run is not to change. */
  readonly others: readonly string[];
}

const pauseMs = 20;
/** Pauses until a lock that nobody moves is free for all: two seconds. They are counted, since clocks go on while a machine sleeps. */
const stalePauses = 100;
/** Pauses that a program gets to write the rest of a file that it has emptied: three seconds. */
const partialPauses = 150;
/** Drafts of one run; each one that is not the last was in vain because somebody else wrote meanwhile. */
const maxDrafts = 500;
/** A folder that is older than ours by this is left over from a killed run; sweeping one in use costs its owner another draft. */
const leftoverMs = 60_000;

/**
 * Finds what would fail, before a code is spent: a file that is none, a mount point, a folder without room or rights, a lock that
 * cannot be freed. Makes the folder, 0700, where it is missing.
 * @returns notes
 * @throws UserError `file`
 */
export async function prepareTarget({ path, shown }: Target): Promise<string[]> {
  try {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const real = resolveTarget(path, shown);
    const info = fs.statSync(real, { throwIfNoEntry: false });
    if (info && !info.isFile()) throw refuse(`cannot write ${shown}: not a regular file`, `see ls -l ${shown}`);
    if (isMountPoint(real)) throw refuse(`cannot replace ${shown}: it is a mount point`, 'mount its folder instead');
    await freeLock(real);
    const folder = makeFolder(real);
    try {
      fs.writeFileSync(join(folder, 'draft'), new Uint8Array((info?.size ?? 0) + 4096), { mode: 0o600 });
    } finally {
      removeFolder(folder);
    }
    return info && info.nlink > 1 ? [`${shown} has a second name (a hard link), which keeps the old keys`] : [];
  } catch (error) {
    throw explain(error, shown);
  }
}

/**
 * Replaces the file by `change` of what it holds, mode 0600. Where somebody else writes it meanwhile, the change is made anew.
 * @throws UserError `file`, or what `change` throws; the file is then as it was
 */
export async function saveCredentials(target: Target, change: (document: Document) => string): Promise<void> {
  try {
    const real = resolveTarget(target.path, target.shown);
    for (let drafts = 0; drafts < maxDrafts; drafts++) {
      const { before, text } = await changeWhole(real, target, change);
      if (text.equals(before) || (await replace(real, before, text))) return;
    }
    throw refuse(`cannot write ${target.shown}: other programs keep changing it`, 'try again with the next code');
  } catch (error) {
    throw explain(error, target.shown);
  }
}

/** Writing needs it; loaded while the person types. */
export function loadWriter() {
  return import('write-file-atomic');
}

/** Links are followed, so that they stay links; one that leads nowhere would be replaced by a file. */
function resolveTarget(path: string, shown: string): string {
  if (fs.existsSync(path)) return fs.realpathSync(path);
  if (!fs.lstatSync(path, { throwIfNoEntry: false })) return join(fs.realpathSync(dirname(path)), basename(path));
  throw refuse(
    `${shown} is a link to a file that does not exist`,
    `create that file or delete the link (ls -l ${shown})`,
  );
}

function isMountPoint(real: string): boolean {
  const point = real.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const mounts = fs.existsSync('/proc/self/mountinfo') ? fs.readFileSync('/proc/self/mountinfo', 'utf8') : '';
  return mounts.split('\n').some((line) => line.split(' ')[4] === point);
}

/**
 * What the file holds, and what `change` makes of it. Programs that write in place, such as `aws configure set`, empty the file
 * first; so one that lacks a section that it had, or that `change` refuses, is read again for a while before it is taken as it is.
 */
async function changeWhole(real: string, { shown, others }: Target, change: (document: Document) => string) {
  for (let left = partialPauses; ; left--) {
    try {
      const before = readOrEmpty(real);
      const document = parse(before, shown);
      const text = Buffer.from(change(document));
      if (left === 0 || others.every((name) => document.sections.has(name))) return { before, text };
    } catch (error) {
      if (left === 0 || !(error instanceof UserError)) throw error;
    }
    await pause();
  }
}

/** @returns false where the file has changed, or another run has taken our lock or our folder */
async function replace(real: string, before: Buffer, text: Buffer): Promise<boolean> {
  const { default: writeFileAtomic } = await loadWriter();
  const lock = lockOf(real);
  const folder = makeFolder(real);
  const draft = join(folder, basename(folder));
  const locked = join(lock, basename(folder));
  try {
    sweep(real, fs.statSync(folder).mtimeMs);
    writeFileAtomic.sync(draft, text, { mode: 0o600 });
    // write-file-atomic takes a short write for a whole one
    if (!fs.readFileSync(draft).equals(text)) throw Object.assign(new Error(), { code: 'ENOSPC' });
    // when root writes, a user's file stays the user's, and so does what a killed run leaves
    const { uid, gid } = fs.statSync(fs.existsSync(real) ? real : dirname(real));
    for (const path of [draft, folder]) quietly(() => fs.chownSync(path, uid, gid));
    await takeLock(real, folder);
    if (!readOrEmpty(real).equals(before)) return false;
    fs.renameSync(locked, real);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && fs.existsSync(dirname(real))) return false;
    throw error;
  } finally {
    removeFolder(folder);
    quietly(() => fs.unlinkSync(locked));
    quietly(() => fs.rmdirSync(lock));
  }
}

function lockOf(real: string): string {
  return `${real}.refresh-mfa-lock`;
}

/** Of a name that nobody else has, also not in another container with the same process id. */
function makeFolder(real: string): string {
  const folder = `${real}.refresh-mfa-${randomBytes(8).toString('hex')}`;
  fs.mkdirSync(folder, { mode: 0o700 });
  // whatever the umask is
  fs.chmodSync(folder, 0o700);
  return folder;
}

/** @throws ENOENT if our folder was swept meanwhile; UserError `file` for a lock that cannot be freed */
async function takeLock(real: string, folder: string): Promise<void> {
  for (let left = maxDrafts; ; left--) {
    try {
      return fs.renameSync(folder, lockOf(real));
    } catch (error) {
      if (left === 0 || systemCode(error) === 'ENOENT') throw error;
    }
    await freeLock(real);
    await pause();
  }
}

/** Waits until the lock is gone or empty, and frees one that stays. */
async function freeLock(real: string): Promise<void> {
  const lock = lockOf(real);
  const stuck = refuse(`${lock} is in the way`, 'remove it, if no other refresh-mfa is running');
  if (fs.lstatSync(lock, { throwIfNoEntry: false })?.isDirectory() === false) throw stuck;
  const [draft] = listNames(lock);
  if (draft === undefined) return;
  for (let left = stalePauses; left > 0; left--) {
    await pause();
    if (listNames(lock)[0] !== draft) return;
  }
  if (draft.startsWith(`${basename(real)}.refresh-mfa-`)) quietly(() => fs.unlinkSync(join(lock, draft)));
  quietly(() => fs.rmdirSync(lock));
  if (listNames(lock)[0] === draft) throw stuck;
}

function listNames(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    // a folder of another user counts as one that holds something
    return systemCode(error) === 'ENOENT' ? [] : ['?'];
  }
}

/** Folders of killed runs. A folder of such a name with something else in it is not ours. */
function sweep(real: string, now: number): void {
  const isOurs = (name: string) => name.startsWith(`${basename(real)}.refresh-mfa-`) && /-[0-9a-f]{16}$/.test(name);
  for (const name of fs.readdirSync(dirname(real)).filter(isOurs)) {
    const folder = join(dirname(real), name);
    const info = fs.lstatSync(folder, { throwIfNoEntry: false });
    if (info?.isDirectory() && now - info.mtimeMs > leftoverMs) removeFolder(folder);
  }
}

/** Ours hold the draft, or what write-file-atomic calls it until it is whole. */
function removeFolder(folder: string): void {
  const isDraft = (name: string) => name === 'draft' || name.startsWith(basename(folder));
  const names = listNames(folder);
  if (!names.every(isDraft)) return;
  for (const name of names) quietly(() => fs.unlinkSync(join(folder, name)));
  quietly(() => fs.rmdirSync(folder));
}

/** For what the next run can do if this one cannot. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {}
}

function readOrEmpty(path: string): Buffer {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

function pause(): Promise<void> {
  return new Promise((resume) => setTimeout(resume, pauseMs * (0.5 + Math.random())));
}

function refuse(what: string, hint: string): UserError {
  return new UserError('file', what, hint);
}

function explain(error: unknown, shown: string): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === '') return error;
  const folder = shown.replace(/[/\\][^/\\]*$/, '');
  const [why, hint] = /^(ENOSPC|EDQUOT|EFBIG)$/.test(code)
    ? ['no space left', 'make room, then use the next code']
    : /^(EACCES|EPERM|EROFS)$/.test(code)
      ? ['its folder is not writable', `see its owner and mode: ls -ld ${folder}`]
      : ['file error', `see whether you can write to ${folder}`];
  return refuse(`cannot write ${shown}: ${why} (${code})`, `${hint}; the file is unchanged`);
}
