// Reads and writes are synchronous: they are few and small, and node:fs alone is loaded by the time Node starts.
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode, UserError } from './errors';
import { type Document, parse } from './sections';

/** The file to write: where it is, and how messages call it. */
export interface Target {
  readonly path: string;
  readonly shown: string;
  /** Sections that it held at the start, and that this run is not to change. */
  readonly others: readonly string[];
}

/** After this a lock is its owner's no longer, and what it left behind is swept. Writing takes a few hundredths of a second. */
const staleMs = 10_000;

/**
 * Tries whether the file could be replaced, by writing as much beside it, so that a code is not spent on a full disk or
 * a read-only folder. Makes the folder, 0700, where it is missing.
 * @returns notes for the person
 * @throws UserError `file`
 */
export function prepareTarget({ path, shown }: Target): string[] {
  try {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const real = resolveTarget(path, shown);
    const info = fs.statSync(real, { throwIfNoEntry: false });
    const probe = `${real}.refresh-mfa.${randomName()}`;
    try {
      fs.writeFileSync(probe, new Uint8Array((info?.size ?? 0) + 4096), { flag: 'wx', mode: 0o600 });
    } finally {
      remove(probe);
    }
    return info && info.nlink > 1 ? [`${shown} has a second name (a hard link), which will keep the old keys`] : [];
  } catch (error) {
    throw explain(error, shown);
  }
}

/** Links are followed, so that they stay links; one that leads nowhere would be replaced by a file. */
function resolveTarget(path: string, shown: string): string {
  if (fs.existsSync(path)) return fs.realpathSync(path);
  if (fs.lstatSync(path, { throwIfNoEntry: false })) {
    const hint = `make that file, or delete the link (ls -l ${shown} shows where it leads)`;
    throw new UserError('file', `${shown} is a link to a file that is not there`, hint);
  }
  return join(fs.realpathSync(dirname(path)), basename(path));
}

/** Whether it is there or not; fs.rmSync would do, but is slow to load. */
function remove(path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

function randomName(): string {
  return Math.random().toString(36).slice(2);
}

/**
 * Replaces the file by `change` of what it holds, whole or not at all, mode 0600. Runs at the same moment take turns, and
 * each reads the file in its turn; if some other program wrote it meanwhile, the change is made anew on what that wrote.
 * @param now the clock, in milliseconds
 * @throws UserError `file`, or what `change` throws; the file is then as it was
 */
export async function saveCredentials(
  target: Target,
  change: (document: Document) => string,
  now: () => number,
): Promise<void> {
  try {
    const real = resolveTarget(target.path, target.shown);
    while (!(await withLock(real, now, (lock) => replace(real, target, change, lock))));
  } catch (error) {
    throw explain(error, target.shown);
  }
}

/** Writing needs it; called while the person types, it is there by then. */
export function loadWriter() {
  return import('write-file-atomic');
}

interface Lock {
  /** Notes the temporary file, so that a later run can sweep it if this one is killed. */
  note(temporary: string): void;
  isHeld(): boolean;
}

class Outdated extends Error {}

/** @returns false if somebody else wrote the file, or took the lock, before the new one was in place */
async function replace(
  real: string,
  target: Target,
  change: (document: Document) => string,
  lock: Lock,
): Promise<boolean> {
  const { before, text } = await changeWhole(real, target, change);
  if (Buffer.from(text).equals(before)) return true;
  const fill = (temporary: string) => {
    lock.note(temporary);
    // not through a link, nor into a file of wider mode, that somebody has put there under this name
    const file = fs.openSync(temporary, fs.constants.O_WRONLY | (fs.constants.O_NOFOLLOW ?? 0));
    try {
      fs.fchmodSync(file, 0o600);
      fs.writeFileSync(file, text);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    if (!lock.isHeld() || !readOrEmpty(real).equals(before)) throw new Outdated();
  };
  const { default: writeFileAtomic } = await loadWriter();
  try {
    // write-file-atomic takes a short write for a whole one and would put half a file in place when the disk is full;
    // so it writes nothing, and the bytes go in here, where what was not written is an error
    writeFileAtomic.sync(real, '', { mode: 0o600, tmpfileCreated: fill });
    return true;
  } catch (error) {
    // who has lost the lock has lost the temporary file, too
    if (error instanceof Outdated || !lock.isHeld()) return false;
    throw error;
  }
}

/**
 * What the file holds, and what `change` makes of it. Programs that write in place, such as `aws configure set`, empty it
 * first: a file put in its place at that moment would be without the long-lived keys, and what they write then would be
 * lost. So one that lacks a section that it had, or that `change` refuses, is read again for three seconds before it is
 * taken as it is.
 */
async function changeWhole(
  real: string,
  { shown, others }: Target,
  change: (document: Document) => string,
): Promise<{ readonly before: Buffer; readonly text: string }> {
  // counted, since a clock goes on while the machine sleeps
  for (let left = 150; ; left--) {
    try {
      const before = readOrEmpty(real);
      const document = parse(before, shown);
      const text = change(document);
      const isWhole = others.every((name) => document.sections.has(name));
      if (isWhole || left === 0) return { before, text };
    } catch (error) {
      if (left === 0 || !(error instanceof UserError)) throw error;
    }
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

function readOrEmpty(path: string): Buffer {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/**
 * A lock file beside the credentials file. It holds its owner's random name and, once there is one, the name of the
 * temporary file. An owner that was killed, or sleeps, loses it after `staleMs`; each checks that it still has the lock
 * before it replaces the file. Whoever takes the lock away sweeps that temporary file too, so that an owner that wakes up
 * behind its check has nothing to put in place.
 */
async function withLock<T>(real: string, now: () => number, work: (lock: Lock) => Promise<T>): Promise<T> {
  const path = `${real}.refresh-mfa.lock`;
  const owner = randomName();
  const file = await acquire(path, owner, now);
  const isHeld = () => readOrEmpty(path).toString().startsWith(owner);
  try {
    sweep(real, fs.fstatSync(file).mtimeMs);
    return await work({ isHeld, note: (temporary) => void fs.writeSync(file, `\n${basename(temporary)}`) });
  } finally {
    fs.closeSync(file);
    if (isHeld()) remove(path);
  }
}

/** @returns the open lock file */
async function acquire(path: string, owner: string, now: () => number): Promise<number> {
  let seen: string | undefined;
  let since = now();
  for (;;) {
    try {
      return create(path, owner);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const content = readOrEmpty(path).toString();
    const made = fs.statSync(path, { throwIfNoEntry: false });
    if (!made) continue;
    if (content !== seen) {
      seen = content;
      since = now() - Math.max(0, fileSystemNow(path) - made.mtimeMs);
    }
    if (now() - since > staleMs) bury(path, content);
    else await new Promise((resume) => setTimeout(resume, 10 + Math.random() * 20));
  }
}

/** The clock that files are dated by, in milliseconds: on a network drive it is not this machine's. */
function fileSystemNow(lock: string): number {
  const probe = `${lock}.${randomName()}`;
  const file = fs.openSync(probe, 'wx', 0o600);
  try {
    return fs.fstatSync(file).mtimeMs;
  } finally {
    fs.closeSync(file);
    remove(probe);
  }
}

function create(path: string, owner: string): number {
  const file = fs.openSync(path, 'wx', 0o600);
  try {
    fs.writeFileSync(file, owner);
    return file;
  } catch (error) {
    fs.closeSync(file);
    remove(path);
    throw error;
  }
}

/** Takes a stale lock away. Of several that try, one gets it; if what it got is a new owner's lock, it goes back. */
function bury(path: string, content: string): void {
  const grave = `${path}.${randomName()}`;
  try {
    fs.renameSync(path, grave);
  } catch {
    return;
  }
  if (readOrEmpty(grave).toString() === content) {
    sweepTemporary(path.replace(/\.refresh-mfa\.lock$/, ''), content);
  } else {
    try {
      fs.linkSync(grave, path);
    } catch {
      // the next owner was quicker; the one that lost its lock sees that before it replaces the file
    }
  }
  remove(grave);
}

/**
 * What killed runs left: probes, locks that somebody was taking away, and temporary files that were still empty. Younger
 * ones may be in use.
 * @param now the file system's clock, in milliseconds
 */
function sweep(real: string, now: number): void {
  const own = `${basename(real)}.refresh-mfa.`;
  for (const name of fs.readdirSync(dirname(real))) {
    const path = join(dirname(real), name);
    const info =
      isTemporary(real, name) || name.startsWith(own) ? fs.statSync(path, { throwIfNoEntry: false }) : undefined;
    if (!info || name === `${own}lock` || now - info.mtimeMs <= staleMs) continue;
    if (isTemporary(real, name) && info.size > 0) continue;
    if (name.startsWith(`${own}lock.`)) sweepTemporary(real, readOrEmpty(path).toString());
    remove(path);
  }
}

/** Removes the temporary file that a lock names. */
function sweepTemporary(real: string, lock: string): void {
  const name = lock.split('\n')[1] ?? '';
  if (isTemporary(real, name)) remove(join(dirname(real), name));
}

/** Whether write-file-atomic gives its temporary files such names; a person's copy may have one too. */
function isTemporary(real: string, name: string): boolean {
  return name.startsWith(`${basename(real)}.`) && /^\d+$/.test(name.slice(basename(real).length + 1));
}

function explain(error: unknown, shown: string): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === '') return error;
  const unchanged = `cannot write ${shown}, which is as it was`;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new UserError(
      'file',
      `${unchanged}: no space left on the disk (${code})`,
      'make room, then try again with the next code',
    );
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new UserError(
      'file',
      `${unchanged}: its folder may not be written (${code})`,
      `ls -ld ${shown.replace(/[/\\][^/\\]*$/, '')} tells whose it is`,
    );
  if (code === 'EBUSY')
    return new UserError(
      'file',
      `${unchanged}: it cannot be replaced (EBUSY), perhaps because it is mounted into a container by itself`,
      'mount its folder instead of the file',
    );
  return new UserError('file', `${unchanged} (${code})`, 'see that its folder can be written');
}
