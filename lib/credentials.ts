// One write at a time, whole or not at all. A run writes the whole new file in a folder of its own beside the old one. The lock is
// that folder, renamed to a name that all runs share; the rename fails while another run's folder is there with a draft in it.
// Under the lock the old file is compared with what the draft was made from, and the draft is renamed over it. That takes
// microseconds, so a lock that does not change for two seconds belongs to a run that was killed or sleeps: any run may delete its
// draft and go on. A sleeper that wakes up finds no draft to put in place, and starts again.
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemCode, UserError } from './errors';
import { type Document, parse } from './sections';

/** The file to write. */
export interface Target {
  readonly path: string;
  /** As messages name it: `~/.aws/credentials`. */
  readonly shown: string;
  /** Sections that it held at the start, and that this run does not change. */
  readonly others: readonly string[];
}

const pauseMs = 20;
/** A lock is stale after so many pauses without a change: counted, since clocks go on while the machine sleeps. */
const stalePauses = 100;
/** A program that has emptied the file gets so many pauses to fill it again. */
const partialPauses = 150;
/** A folder of ours that is older than this, by the clock of its file system, is litter. */
const litterMs = 60_000;
/** All that our folders ever hold: a draft with the folder's name, or write-file-atomic's temporary file. 2.0.0 had other names. */
const ownFiles = /\.refresh-mfa-\w{6}(\.\d+)?$|^(trial|[0-9a-f]{32}(\.\d+)?)$/;

/**
 * Does all of a write but the last step, so that no code is spent on a full disk, a read-only folder or a lock that cannot be
 * taken. Makes the folder, 0700, where it is missing.
 * @returns notes for the person
 * @throws UserError `file`
 */
export async function prepareTarget(target: Target): Promise<string[]> {
  try {
    fs.mkdirSync(dirname(target.path), { recursive: true, mode: 0o700 });
    const real = requireReal(target);
    const { size = 0, nlink = 1 } = fs.statSync(real, { throwIfNoEntry: false }) ?? {};
    await replace(real, (draft) => fs.writeFileSync(draft, new Uint8Array(size + 4096), { mode: 0o600 }));
    return nlink > 1 ? [`a hard link to ${target.shown} will keep the old keys`] : [];
  } catch (error) {
    throw explain(error, target.shown);
  }
}

/**
 * Replaces the file by `change` of what it holds, mode 0600. If another program writes it meanwhile, `change` is made again on
 * what that wrote.
 * @throws UserError `file`, or what `change` throws; the file is then unchanged
 */
export async function saveCredentials(target: Target, change: (document: Document) => string): Promise<void> {
  try {
    for (let left = 200; left > 0; left--) {
      const real = requireReal(target);
      const { before, after } = await changeWhole(target, real, change);
      if (after.equals(before)) return;
      if (await replace(real, (draft) => writeWhole(draft, after), before)) return;
    }
    throw fileError(`cannot write ${target.shown}: it changes all the time`, 'find the program that writes it');
  } catch (error) {
    throw explain(error, target.shown);
  }
}

/** For the time while the person types. */
export const loadWriter = () => import('write-file-atomic');

/** The file behind all links, so that they stay; it need not exist. */
function requireReal({ path, shown }: Target): string {
  const info = fs.statSync(path, { throwIfNoEntry: false });
  if (info && !info.isFile()) throw fileError(`cannot write ${shown}: not a regular file`, 'name another file');
  if (!info && fs.lstatSync(path, { throwIfNoEntry: false })) {
    throw fileError(`${shown} is a link to a file that does not exist`, `create it or delete the link: ls -l ${shown}`);
  }
  const real = info ? fs.realpathSync(path) : join(fs.realpathSync(dirname(path)), basename(path));
  if (isMountPoint(real)) throw fileError(`cannot replace ${shown}: it is a mount point`, 'mount its folder instead');
  return real;
}

/** By the table that Linux has. */
function isMountPoint(path: string): boolean {
  const table = '/proc/self/mountinfo';
  const escaped = path.replace(/[ \t\n\\]/g, (blank) => `\\${blank.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const mounts = fs.existsSync(table) ? fs.readFileSync(table, 'utf8') : '';
  return mounts.split('\n').some((line) => line.split(' ')[4] === escaped);
}

/**
 * What the file holds, and what `change` makes of it. Programs that write in place, such as `aws configure set`, empty the file
 * first, and a file put in place then would be without the long-lived keys. So one that lacks sections, or that `change` refuses,
 * is read again for three seconds before it is taken as it is.
 */
async function changeWhole({ shown, others }: Target, real: string, change: (document: Document) => string) {
  for (let left = partialPauses; ; left--) {
    try {
      const before = readOrEmpty(real);
      const document = parse(before, shown);
      const after = Buffer.from(change(document));
      if (left === 0 || others.every((name) => document.sections.has(name))) return { before, after };
    } catch (error) {
      if (left === 0 || !(error instanceof UserError)) throw error;
    }
    await pause(pauseMs);
  }
}

/** Whatever is no file counts as empty: a FIFO would never end. */
function readOrEmpty(path: string): Buffer {
  return fs.statSync(path, { throwIfNoEntry: false })?.isFile() ? fs.readFileSync(path) : Buffer.alloc(0);
}

/**
 * Replaces the file by what `write` writes, if it still holds `before`. Without `before` this is a trial: nothing is replaced.
 * @returns false where nothing was replaced: another run or program was faster, or deleted the draft while this run slept
 */
async function replace(real: string, write: (draft: string) => unknown, before?: Buffer): Promise<boolean> {
  const lock = `${real}.refresh-mfa-lock`;
  const folder = fs.mkdtempSync(`${real}.refresh-mfa-`);
  // no other run's draft has this name, so a run that slept never takes another's
  const name = basename(folder);
  try {
    // the umask may have taken our own rights
    fs.chmodSync(folder, 0o700);
    attempt(() => sweep(folder));
    await write(join(folder, name));
    // what root makes in a person's folder is the person's
    const { uid, gid } = fs.statSync(fs.existsSync(real) ? real : dirname(real));
    for (const made of [join(folder, name), folder]) attempt(() => fs.lchownSync(made, uid, gid));
    await takeLock(folder, lock);
    if (!before || !readOrEmpty(real).equals(before)) return false;
    fs.renameSync(join(lock, name), real);
    return true;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return false;
  } finally {
    attempt(() => fs.unlinkSync(join(lock, name)));
    attempt(() => fs.rmdirSync(lock));
    attempt(() => clear(folder));
  }
}

async function writeWhole(path: string, content: Buffer): Promise<void> {
  const { default: writeFileAtomic } = await loadWriter();
  try {
    writeFileAtomic.sync(path, content, { mode: 0o600 });
  } catch (error) {
    // some file systems refuse fsync
    if (!/^(EINVAL|ENOSYS|ENOTSUP|EPERM)$/.test(systemCode(error))) throw error;
    writeFileAtomic.sync(path, content, { mode: 0o600, fsync: false });
  }
  // write-file-atomic does not notice short writes
  if (!fs.readFileSync(path).equals(content)) throw Object.assign(new Error(), { code: 'ENOSPC' });
}

/**
 * Renames the folder to the lock, so that no other run can replace the file. Waits while others have it; frees a stale one.
 * @throws UserError `file` for one that cannot be freed; ENOENT where our folder was swept
 */
async function takeLock(folder: string, lock: string): Promise<void> {
  for (let [seen, count] = ['', 0]; ; count++) {
    try {
      return fs.renameSync(folder, lock);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw error;
      const info = fs.lstatSync(lock, { throwIfNoEntry: false });
      const holder = `${info?.ino} ${info?.mtimeMs}`;
      if (holder !== seen) [seen, count] = [holder, 0];
      const hint = 'move it away; the credentials file is unchanged';
      if (count > stalePauses + 5) throw fileError(`${lock} is in the way (${systemCode(error)})`, hint);
      // another run may take it before this one; then it has changed
      if (count > stalePauses) attempt(() => clear(lock));
    }
    await pause(pauseMs);
  }
}

/** A living run whose folder is swept makes another one. */
function sweep(own: string): void {
  for (const name of fs.readdirSync(dirname(own))) {
    const path = join(dirname(own), name);
    const isOurs = path.length === own.length && path.startsWith(own.slice(0, -6));
    attempt(() => isOurs && fs.statSync(own).mtimeMs - fs.lstatSync(path).mtimeMs > litterMs && clear(path));
  }
}

/** Deletes a folder of ours; throws, and leaves it as it is, where anything else is in it. */
function clear(folder: string): void {
  const names = fs.lstatSync(folder).isDirectory() ? fs.readdirSync(folder) : [];
  const files = names.every((name) => ownFiles.test(name)) ? names : [];
  for (const name of files) attempt(() => fs.unlinkSync(join(folder, name)));
  fs.rmdirSync(folder);
}

/** For what other users, systems and runs may make fail. */
function attempt(work: () => unknown): void {
  try {
    work();
  } catch {}
}

const fileError = (what: string, hint: string) => new UserError('file', what, hint);

function explain(error: unknown, shown: string): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === '') return error;
  const [why, hint] = /^(ENOSPC|EDQUOT|EFBIG)$/.test(code)
    ? ['no space left', 'make room, then try again with the next code']
    : /^(EACCES|EPERM|EROFS)$/.test(code)
      ? ['not permitted', `see the owner and mode of its folder: ls -ld ${dirname(shown)}`]
      : ['file error', `see whether ${dirname(shown)} is a folder that you can write to`];
  return fileError(`cannot write ${shown}: ${why} (${code})`, `${hint}; the file is unchanged`);
}
