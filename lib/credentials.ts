import { randomUUID } from 'node:crypto';
import {
  constants,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode, UserError } from './errors';
import { type Document, parse } from './sections';

/** The file to write: where it is, and how messages call it. */
export interface Target {
  readonly path: string;
  readonly shown: string;
}

/** After this a lock is its owner's no longer, and what it left behind is swept. Writing takes a few hundredths of a second. */
const staleMs = 10_000;

/**
 * Tries whether the file could be replaced, by writing as much beside it, so that a code is not spent on a full disk or
 * a read-only folder. Makes the folder, 0700, where it is missing.
 * @returns notes for the person
 * @throws UserError `file`
 */
export async function checkWritable({ path, shown }: Target): Promise<string[]> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const real = await resolveTarget(path, shown);
    const info = await stat(real).catch(() => undefined);
    const probe = `${real}.refresh-mfa.${randomUUID()}`;
    try {
      await writeFile(probe, new Uint8Array((info?.size ?? 0) + 4096), { flag: 'wx', mode: 0o600 });
    } finally {
      await rm(probe, { force: true });
    }
    return info && info.nlink > 1 ? [`${shown} has a second name (a hard link), which will keep the old keys`] : [];
  } catch (error) {
    throw explain(error, shown);
  }
}

/** Links are followed, so that they stay links; one that leads nowhere would be replaced by a file. */
async function resolveTarget(path: string, shown: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  const dangling = await lstat(path).catch(() => undefined);
  if (dangling)
    throw new UserError(
      'file',
      `${shown} is a link to a file that is not there`,
      `make that file, or delete the link (ls -l ${shown} shows where it leads)`,
    );
  return join(await realpath(dirname(path)), basename(path));
}

/**
 * Replaces the file by `change` of what it holds, whole or not at all, mode 0600. Runs at the same moment take turns, and
 * each reads the file in its turn; if some other program wrote it meanwhile, the change is made anew on what that wrote.
 * @param now the clock, in milliseconds
 * @throws UserError `file`, or what `change` throws; the file is then as it was
 */
export async function saveCredentials(
  { path, shown }: Target,
  change: (document: Document) => string,
  now: () => number,
): Promise<void> {
  try {
    const real = await resolveTarget(path, shown);
    while (!(await withLock(real, now, (lock) => replace(real, shown, change, lock))));
  } catch (error) {
    throw explain(error, shown);
  }
}

interface Lock {
  /** Notes the temporary file, so that a later run can sweep it if this one is killed. */
  note(temporary: string): Promise<void>;
  isHeld(): Promise<boolean>;
}

class Outdated extends Error {}

/** @returns false if somebody else wrote the file, or took the lock, before the new one was in place */
async function replace(
  real: string,
  shown: string,
  change: (document: Document) => string,
  lock: Lock,
): Promise<boolean> {
  const before = await readOrEmpty(real);
  const text = change(parse(before, shown));
  if (Buffer.from(text).equals(before)) return true;
  const fill = async (temporary: string) => {
    await lock.note(temporary);
    // not through a link, nor into a file of wider mode, that somebody has put there under this name
    const handle = await open(temporary, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      await handle.chmod(0o600);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (!(await lock.isHeld()) || !(await readOrEmpty(real)).equals(before)) throw new Outdated();
  };
  try {
    // write-file-atomic takes a short write for a whole one and would put half a file in place when the disk is full;
    // so it writes nothing, and the bytes go in here, where what was not written is an error
    const { default: writeFileAtomic } = await import('write-file-atomic');
    await writeFileAtomic(real, '', { mode: 0o600, tmpfileCreated: fill });
    return true;
  } catch (error) {
    if (error instanceof Outdated) return false;
    throw error;
  }
}

async function readOrEmpty(path: string): Promise<Buffer> {
  return readFile(path).catch((error) => {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
}

/**
 * A lock file beside the credentials file. It holds its owner's random name and, once there is one, the name of the
 * temporary file. An owner that was killed, or sleeps, loses it after `staleMs`; each checks that it still has the lock
 * before it replaces the file.
 */
async function withLock<T>(real: string, now: () => number, work: (lock: Lock) => Promise<T>): Promise<T> {
  const path = `${real}.refresh-mfa.lock`;
  const owner = randomUUID();
  const handle = await acquire(path, owner, now);
  const isHeld = async () => (await readFile(path, 'utf8').catch(() => '')).startsWith(owner);
  try {
    await sweep(real, now);
    return await work({ isHeld, note: async (temporary) => void (await handle.write(`\n${basename(temporary)}`)) });
  } finally {
    await handle.close();
    if (await isHeld()) await rm(path, { force: true });
  }
}

async function acquire(path: string, owner: string, now: () => number): Promise<FileHandle> {
  let seen: string | undefined;
  let since = now();
  for (;;) {
    try {
      return await create(path, owner);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const content = (await readOrEmpty(path)).toString();
    const made = await stat(path).catch(() => undefined);
    if (made === undefined) continue;
    if (content !== seen) {
      seen = content;
      since = now();
    }
    if (now() - made.mtimeMs > staleMs || now() - since > staleMs) await bury(path, content);
    else await sleep(10 + Math.random() * 20);
  }
}

async function create(path: string, owner: string): Promise<FileHandle> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.write(owner);
    return handle;
  } catch (error) {
    await handle.close();
    await rm(path, { force: true });
    throw error;
  }
}

/** Takes a stale lock away. Of several that try, one gets it; if what it got is a new owner's lock, it goes back. */
async function bury(path: string, content: string): Promise<void> {
  const grave = `${path}.${randomUUID()}`;
  try {
    await rename(path, grave);
  } catch {
    return;
  }
  if ((await readFile(grave, 'utf8')) !== content) await link(grave, path).catch(() => {});
  else await sweepTemporary(path.replace(/\.refresh-mfa\.lock$/, ''), content);
  await unlink(grave);
}

/** What killed runs left: probes, and locks that somebody was taking away. Younger ones may be in use. */
async function sweep(real: string, now: () => number): Promise<void> {
  const prefix = `${basename(real)}.refresh-mfa.`;
  for (const name of await readdir(dirname(real))) {
    if (!name.startsWith(prefix) || name === `${prefix}lock`) continue;
    const path = join(dirname(real), name);
    const made = await stat(path).catch(() => undefined);
    if (!made || now() - made.mtimeMs <= staleMs) continue;
    if (name.startsWith(`${prefix}lock.`)) await sweepTemporary(real, await readFile(path, 'utf8').catch(() => ''));
    await rm(path, { force: true });
  }
}

/** The temporary file that a lock names, if it is one of write-file-atomic's beside the credentials file. */
async function sweepTemporary(real: string, lock: string): Promise<void> {
  const name = lock.split('\n')[1];
  if (name && /^\.\d+$/.test(name.slice(basename(real).length)) && name.startsWith(basename(real)))
    await rm(join(dirname(real), name), { force: true });
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
