// The one write: whole or not at all, private, and nothing of anybody else's is lost. npm run torture does the same at random.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareTarget, saveCredentials, type Target } from '../lib/credentials';
import { UserError } from '../lib/errors';
import { type Document, splice } from '../lib/sections';
import { makeHome } from './helpers/home';
import { command, run, start } from './helpers/run';
import { keys, makeScene, sessionsIn, simple, typed } from './helpers/scene';
import { missing } from './helpers/which';

const asRoot = process.getuid?.() === 0;
const onWindows = process.platform === 'win32' && 'Windows has no such files';
/** Another user, who need not exist. */
const stranger = 12345;
const noStranger = asRoot ? missing('setpriv') : 'only root can become another user';
/** Runs what follows in a namespace, where it may mount. */
const namespace: readonly [string, ...string[]] = ['unshare', '--mount', ...(asRoot ? [] : ['--map-root-user'])];
const noMounts = isPossible(...namespace, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt')
  ? false
  : 'to mount is not permitted here';
const noStrace = isPossible('strace', '-e', 'inject=fsync:error=EINVAL', 'true') ? false : 'strace may not trace here';

function isPossible(file: string, ...args: readonly string[]): boolean {
  return spawnSync(file, args).status === 0;
}

const old = '# mine\n[a]\nx = 1\n';
const written = `${old}\n[foobar]\nk = v\n`;
const change = (document: Document) => splice(document, 'foobar', { k: 'v' });

function makeTarget(t: TestContext, credentials: string | undefined = old, mode = 0o600) {
  const home = makeHome(t, { credentials, mode });
  const folder = dirname(home.credentialsPath);
  const target = { path: home.credentialsPath, shown: '~/.aws/credentials', others: ['a'] };
  return { home, folder, target, lock: `${home.credentialsPath}.refresh-mfa-lock` };
}

/** Without a file, and nothing that has to stay in it. */
function makeEmpty(t: TestContext) {
  const made = makeTarget(t);
  rmSync(made.home.credentialsPath);
  return { ...made, target: { ...made.target, others: [] } };
}

/** A process of its own that writes [name], behind other programs; it prints the error, if any. */
function writer(target: Target, name: string, behind: readonly string[] = []): [string, string[]] {
  const script = `process.on('SIGXFSZ', () => {});
    const [folder, target, name, key] = process.argv.slice(1);
    const { prepareTarget, saveCredentials } = require(folder + '/credentials.js');
    const change = (document) => require(folder + '/sections.js').splice(document, name, { k: key });
    const prepared = process.env.UNPREPARED ? Promise.resolve() : prepareTarget(JSON.parse(target));
    prepared.then(() => saveCredentials(JSON.parse(target), change)).catch((e) => console.log(e.message));`;
  const lib = resolve(__dirname, '../dist/lib');
  const key = name === 'long' ? 'v'.repeat(9000) : 'v';
  const [file = '', ...args] = [...behind, process.execPath, '-e', script, lib, JSON.stringify(target), name, key];
  return [file, args];
}

function writeBehind(target: Target, behind: readonly string[], env: Record<string, string> = {}): string {
  const name = behind.includes('long') ? 'long' : 'foobar';
  const [file, args] = writer(
    target,
    name,
    behind.filter((word) => word !== 'long'),
  );
  const { stdout } = spawnSync(file, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  return stdout;
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 6000; !condition(); left--) {
    if (left === 0) throw new Error('it never happened');
    await sleep(10);
  }
}

/** That it fails with these words, and leaves the file and its neighbors as they were. */
async function refuses(work: () => Promise<unknown>, words: RegExp, folder: string): Promise<void> {
  const list = () => readdirSync(folder).map((name) => `${name} ${lstatSync(join(folder, name)).mtimeMs}`);
  const before = list();
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.code, 'file');
    assert.match(error.message, words);
    assert.equal(error.hints.length, 1);
    return true;
  });
  assert.deepEqual(list(), before);
}

describe('who may read it', () => {
  for (const mode of [0o644, 0o600, 0o400]) {
    test(`a file of mode ${mode.toString(8)} is 600 afterwards`, async (t) => {
      const { home, target } = makeTarget(t, old, mode);
      await prepareTarget(target);
      await saveCredentials(target, change);
      assert.equal(home.mode(), 0o600);
      assert.equal(home.readCredentials(), written);
      assert.deepEqual(home.listAws(), ['credentials']);
    });
  }

  for (const umask of [0o000, 0o777]) {
    test(`a new file is 600 in a folder that is 700, under umask ${umask.toString(8)}`, async (t) => {
      const { home, folder, target } = makeEmpty(t);
      rmSync(folder, { recursive: true });
      await prepareTarget(target);
      const before = process.umask(umask);
      try {
        await prepareTarget(target);
        await saveCredentials(target, change);
      } finally {
        process.umask(before);
      }
      assert.equal(home.mode(), 0o600);
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      assert.equal(home.readCredentials(), '[foobar]\nk = v\n');
    });
  }

  test('nothing is made beside the file that others could read', { skip: noStrace }, (t) => {
    const { home, target, folder } = makeTarget(t);
    const trace = join(home.path, 'trace');
    writeBehind(target, ['strace', '-f', '-e', 'trace=mkdir,mkdirat,open,openat', '-o', trace]);
    const calls = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${folder}/`) && /O_CREAT|mkdir/.test(line));
    assert.ok(calls.length >= 4, 'two folders, a trial and a draft are made');
    for (const call of calls) assert.match(call, /0600\)|0700\)/);
  });

  test("root leaves a user's file to the user, and a new one to the folder's owner", {
    skip: noStranger,
  }, async (t) => {
    for (const { home, target } of [makeTarget(t), makeEmpty(t)]) {
      execFileSync('chown', ['-R', `${stranger}:${stranger}`, home.path]);
      await saveCredentials(target, change);
      assert.deepEqual([statSync(home.credentialsPath).uid, home.mode()], [stranger, 0o600]);
    }
  });
});

describe('links', { skip: onWindows }, () => {
  test('a symlink stays one, and the file that it leads to is written', async (t) => {
    const { home, target, folder } = makeTarget(t);
    renameSync(home.credentialsPath, join(home.path, 'elsewhere'));
    symlinkSync('../elsewhere', home.credentialsPath);
    assert.deepEqual(await prepareTarget(target), []);
    await saveCredentials(target, change);
    assert.equal(readlinkSync(home.credentialsPath), '../elsewhere');
    assert.equal(readFileSync(join(home.path, 'elsewhere'), 'utf8'), written);
    assert.deepEqual(readdirSync(folder), ['credentials']);
  });

  test('~/.aws itself may be a symlink', async (t) => {
    const { home, target, folder } = makeTarget(t);
    renameSync(folder, join(home.path, 'dotfiles'));
    symlinkSync('dotfiles', folder);
    await saveCredentials(target, change);
    assert.equal(readlinkSync(folder), 'dotfiles');
    assert.equal(home.readCredentials(), written);
  });

  test('a link to a file that does not exist is refused, and stays', async (t) => {
    const { home, target, folder } = makeEmpty(t);
    symlinkSync('/nowhere/credentials', home.credentialsPath);
    for (const work of [() => prepareTarget(target), () => saveCredentials(target, change)]) {
      await refuses(work, /^~\/\.aws\/credentials is a link to a file that does not exist$/, folder);
    }
  });

  test('a hard link is pointed out, since it keeps the old keys', async (t) => {
    const { home, target } = makeTarget(t);
    linkSync(home.credentialsPath, join(home.path, 'second'));
    assert.deepEqual(await prepareTarget(target), ['a hard link to ~/.aws/credentials will keep the old keys']);
  });
});

describe('what cannot be written', { skip: onWindows }, () => {
  test('a folder, a FIFO and a device are never replaced, nor waited for', async (t) => {
    for (const make of ['mkdir credentials', 'mkfifo credentials', 'ln -s /dev/null credentials']) {
      const { target, folder } = makeEmpty(t);
      execFileSync('sh', ['-c', make], { cwd: folder });
      for (const work of [() => prepareTarget(target), () => saveCredentials(target, change)]) {
        await refuses(work, /^cannot write ~\/\.aws\/credentials: not a regular file$/, folder);
      }
    }
  });

  test('a folder that is not ours to write', { skip: noStranger }, (t) => {
    const { home, target } = makeTarget(t);
    for (const path of [home.path, target.path]) execFileSync('chmod', ['a+rx', path]);
    execFileSync('chmod', ['755', dirname(target.path)]);
    const behind = ['setpriv', '--reuid', String(stranger), '--clear-groups'];
    const error = 'cannot write ~/.aws/credentials: not permitted (EACCES)\n';
    for (const UNPREPARED of ['', '1']) assert.equal(writeBehind(target, behind, { UNPREPARED }), error);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('a folder that is a file', async (t) => {
    const { home, folder, target } = makeEmpty(t);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'mine');
    await refuses(
      () => prepareTarget(target),
      /^cannot write ~\/\.aws\/credentials: file error \(EEXIST\)$/,
      home.path,
    );
    rmSync(folder);
    mkdirSync(folder);
  });

  for (const name of ['credentials', 'my keys\\1']) {
    test(`a file that is a mount point: ${name}`, { skip: noMounts }, (t) => {
      const { home, target, folder } = makeTarget(t);
      renameSync(home.credentialsPath, join(folder, name));
      const behind = [...namespace, 'sh', '-c', 'mount --bind "$0" "$0" && exec "$@"', join(folder, name)];
      for (const UNPREPARED of ['', '1']) {
        const error = writeBehind({ ...target, path: join(folder, name) }, behind, { UNPREPARED });
        assert.equal(error, 'cannot replace ~/.aws/credentials: it is a mount point\n');
      }
      assert.equal(readFileSync(join(folder, name), 'utf8'), old);
    });
  }

  test('a disk that is full, and one that gets full with the new file', { skip: noMounts }, (t) => {
    const { home, target } = makeTarget(t);
    const path = join(home.path, 'disk', 'credentials');
    const script =
      'mount -t tmpfs -o size="$0" tmpfs disk && cp .aws/credentials disk && "$@"; cat disk/* && ls -A disk';
    mkdirSync(dirname(path));
    for (const [size, UNPREPARED] of [
      ['4k', ''],
      ['4k', '1'],
      ['8k', '1'],
    ] as const) {
      const [file, args] = writer({ ...target, path }, 'long', [...namespace, 'sh', '-c', script, size]);
      const env = { ...process.env, UNPREPARED };
      const out = execFileSync(file, args, { cwd: home.path, env, encoding: 'utf8' });
      assert.equal(out, `cannot write ~/.aws/credentials: no space left (ENOSPC)\n${old}credentials\n`);
    }
  });

  // in blocks of 512 bytes, of which the old file needs one; tried is whether it could grow by eight
  for (const [blocks, when] of [
    [0, 'nothing can be written'],
    [8, 'it could not grow'],
  ] as const) {
    test(`a limit where ${when} is told before the code is asked for`, async (t) => {
      const { home, sts } = await makeScene(t, simple);
      const { file, args } = command();
      const program = { file: '/bin/sh', args: ['-c', `ulimit -f ${blocks} && exec "$@"`, 'sh', file, ...args] };
      const { status, stdout, stderr } = await run(['foobar'], { home, sts, program, stdin: 'open' });
      assert.match(
        stderr,
        /^refresh-mfa: error: cannot write ~\/\.aws\/credentials: no space left \(\w+\)\nhint: .*\n$/,
      );
      assert.deepEqual({ status, stdout, calls: sts.calls }, { status: 1, stdout: '', calls: [] });
      assert.equal(home.readCredentials(), simple.credentials);
      assert.deepEqual(home.listAws(), ['config', 'credentials']);
    });
  }

  test('a file system that knows no fsync and no owners is none', { skip: noStrace }, (t) => {
    const { home, target } = makeTarget(t);
    const owners = '?chown,?lchown,?fchown,?fchownat';
    const inject = ['-e', 'inject=fsync:error=EINVAL', '-e', `inject=${owners}:error=EPERM`];
    const trace = join(home.path, 'trace');
    assert.equal(writeBehind(target, ['strace', '-f', '-o', trace, '-e', `trace=fsync,${owners}`, ...inject]), '');
    assert.match(readFileSync(trace, 'utf8'), /fsync.*INJECTED[\s\S]*chown.*INJECTED/);
    assert.equal(home.readCredentials(), written);
  });
});

describe('a lock that is not free', { skip: onWindows, concurrency: 4 }, () => {
  const draft = '0123456789abcdef'.repeat(2);

  for (const [what, make] of [
    ['a file', 'echo mine >"$0"'],
    ['a FIFO', 'mkfifo "$0"'],
    ['a dangling link', 'ln -s /nowhere "$0"'],
    ['a link to a folder', 'mkdir "$0-2" && ln -s "$0-2" "$0"'],
    ['a folder with something else in it', `mkdir "$0" && echo mine >"$0/notes" && echo mine >"$0/${draft}"`],
    ['a folder with a folder in it', `mkdir -p "$0/${draft}/notes"`],
  ] as const) {
    test(`${what} of that name is told before the code, and stays`, async (t) => {
      const { target, folder, lock } = makeTarget(t);
      execFileSync('sh', ['-c', make, lock]);
      const list = () => execFileSync('ls', ['-lR', folder], { encoding: 'utf8' });
      const before = list();
      await refuses(
        () => prepareTarget(target),
        /^\/.*\/\.aws\/credentials\.refresh-mfa-lock is in the way \(E\w+\)$/,
        folder,
      );
      assert.equal(list(), before);
    });
  }

  test("another user's in a sticky folder is told before the code", { skip: noStranger }, (t) => {
    const { home, target, folder, lock } = makeTarget(t);
    execFileSync('chown', ['-R', String(stranger), home.path]);
    execFileSync('chmod', ['1777', folder]);
    mkdirSync(lock, { mode: 0o700 });
    execFileSync('chown', ['0', folder, lock]);
    const error = writeBehind(target, ['setpriv', '--reuid', String(stranger), '--clear-groups']);
    assert.equal(error, `${lock} is in the way (EPERM)\n`);
    assert.equal(home.readCredentials(), old);
  });

  test('an immutable one is told before the code', { skip: !asRoot && 'only root can' }, async (t) => {
    const { target, folder, lock } = makeTarget(t);
    mkdirSync(lock);
    if (!isPossible('chattr', '+i', lock)) return t.skip('this file system has no such attribute');
    t.after(() => spawnSync('chattr', ['-i', lock]));
    await refuses(() => prepareTarget(target), /refresh-mfa-lock is in the way \(EPERM\)$/, folder);
    spawnSync('chattr', ['-i', lock]);
  });

  test('an empty one is taken, and one with the draft of a run that was killed, whatever its date', async (t) => {
    for (const file of [undefined, draft, 'trial']) {
      const { home, target, lock } = makeTarget(t);
      mkdirSync(lock);
      if (file) writeFileSync(join(lock, file), 'a session');
      utimesSync(lock, new Date('2100-01-01'), new Date('2100-01-01'));
      await saveCredentials(target, change);
      assert.equal(home.readCredentials(), written);
      assert.deepEqual(home.listAws(), ['credentials']);
    }
  });

  test('ten writes at once keep all sections', async (t) => {
    const { home, target } = makeTarget(t);
    const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
    await Promise.all(names.map((name) => saveCredentials(target, (document) => splice(document, name, { k: name }))));
    for (const name of names) assert.equal(home.readCredentials().split(`\n[${name}]\nk = ${name}\n`).length, 2);
    assert.deepEqual(home.listAws(), ['credentials']);
  });
});

// a write renames write-file-atomic's file to the draft, its folder to the lock, and the draft to the file
describe('a run that is held up or killed at a rename', { skip: noStrace }, () => {
  const renames = '?rename,?renameat,?renameat2';
  const at = (what: string) => {
    const options = `-f -o /dev/null -e trace=${renames} -e inject=${renames}:${what}`;
    return ['strace', ...options.split(' ')];
  };

  for (const [when, delay] of [
    ['before it has the lock', 'delay_enter=3000000:when=2'],
    ['when it has the lock', 'delay_exit=3000000:when=2'],
    ['when it has compared', 'delay_enter=3000000:when=3'],
  ] as const) {
    test(`sleeps ${when}: another run goes first, and both sections are there`, async (t) => {
      const { home, target } = makeTarget(t);
      const env = { ...process.env, UNPREPARED: '1' };
      const [file, args] = writer(target, 'slow', at(delay));
      const ended = once(spawn(file, args, { env, stdio: 'inherit' }), 'close');
      await until(() => home.listAws().length > 1);
      await saveCredentials(target, change);
      assert.equal(home.readCredentials(), written);
      assert.deepEqual(await ended, [0, null]);
      assert.equal(home.readCredentials(), `${written}\n[slow]\nk = v\n`);
      assert.deepEqual(home.listAws(), ['credentials']);
    });
  }

  test('frees a stale lock that another run takes at that moment: it waits for that one', async (t) => {
    const { home, target, folder, lock } = makeTarget(t);
    const draft = '0123456789abcdef'.repeat(2);
    const put = (at: string) => {
      mkdirSync(join(folder, at));
      writeFileSync(join(folder, at, draft), 'a session');
      renameSync(join(folder, at), lock);
    };
    put('dead');
    const unlinks = '?unlink,?unlinkat';
    const trace = join(home.path, 'trace');
    const options = `-f -o ${trace} -e trace=${unlinks},rmdir -e inject=${unlinks}:delay_exit=1000000:when=1`;
    const [file, args] = writer(target, 'foobar', ['strace', ...options.split(' ')]);
    const ended = once(spawn(file, args, { env: { ...process.env, UNPREPARED: '1' }, stdio: 'inherit' }), 'close');
    await until(() => readdirSync(lock).length === 0);
    put('living');
    await until(() => /rmdir\(.*ENOTEMPTY/.test(readFileSync(trace, 'utf8')));
    assert.equal(home.readCredentials(), old);
    rmSync(lock, { recursive: true });
    assert.deepEqual(await ended, [0, null]);
    assert.equal(home.readCredentials(), written);
  });

  for (const when of [1, 2, 3]) {
    test(`is killed at the ${['first', 'second', 'third'][when - 1]}: the file is the old one, and root does not block a user`, (t) => {
      const { home, target, folder } = makeTarget(t);
      if (asRoot) execFileSync('chown', ['-R', String(stranger), home.path]);
      const umask = ['sh', '-c', 'umask 777; exec "$@"', 'sh'];
      writeBehind(target, [...umask, ...at(`signal=KILL:when=${when}`)], { UNPREPARED: '1' });
      assert.equal(home.readCredentials(), old);
      const left = home.listAws().filter((name) => name !== 'credentials');
      assert.equal(left.length, 1);
      assert.equal(left[0] === 'credentials.refresh-mfa-lock', when === 3);
      assert.equal(statSync(join(folder, left[0] ?? '')).mode & 0o777, 0o700);
      const long = new Date(Date.now() - 3_600_000);
      if (when < 3) utimesSync(join(folder, left[0] ?? ''), long, long);
      const user = asRoot && !noStranger ? ['setpriv', '--reuid', String(stranger), '--clear-groups'] : [];
      assert.equal(writeBehind(target, user), '');
      assert.equal(home.readCredentials(), written);
      // what root had not yet given to the user can only be left
      if (when > 1 || !asRoot) assert.deepEqual(home.listAws(), ['credentials']);
    });
  }
});

describe('what is swept', { skip: onWindows }, () => {
  const long = new Date(Date.now() - 3_600_000);
  const draft = '0123456789abcdef'.repeat(2);

  /** A folder beside the file, an hour old unless it is young. */
  function makeFolder(folder: string, name: string, files: readonly string[], date = long): void {
    mkdirSync(join(folder, name));
    for (const file of files) writeFileSync(join(folder, name, file), 'x');
    utimesSync(join(folder, name), date, date);
  }

  test('the folders of runs that were killed a while ago', async (t) => {
    const { home, target, folder } = makeTarget(t);
    makeFolder(folder, 'credentials.refresh-mfa-Ab3xYz', [draft]);
    makeFolder(folder, 'credentials.refresh-mfa-Ab3xY0', [`${draft}.3241960379`]);
    makeFolder(folder, 'credentials.refresh-mfa-Ab3xY1', ['trial']);
    makeFolder(folder, 'credentials.refresh-mfa-Ab3xY2', []);
    await prepareTarget(target);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('nothing young, nothing of other names, nothing with something else in it', async (t) => {
    const { home, target, folder } = makeTarget(t);
    makeFolder(folder, 'credentials.refresh-mfa-Ab3xYz', [draft], new Date());
    makeFolder(folder, 'credentials.refresh-mfa-backup', ['mine']);
    makeFolder(folder, 'credentials.refresh-mfa-Ab3xY0', [draft, 'mine']);
    makeFolder(folder, 'credentials.refresh-mfa-copies', []);
    renameSync(join(folder, 'credentials.refresh-mfa-copies'), join(folder, 'credentials.refresh-mfa-copies-of-mine'));
    makeFolder(folder, 'config.refresh-mfa-Ab3xYz', [draft]);
    // the last is the lock of a 1.0.0 that was killed
    const copies = ['bak', '12345', 'refresh-mfa.bak', 'refresh-mfa-1234567', 'refresh-mfa-123456', 'refresh-mfa.lock'];
    for (const copy of copies) {
      writeFileSync(join(folder, `credentials.${copy}`), 'mine');
      utimesSync(join(folder, `credentials.${copy}`), long, long);
    }
    const list = () => execFileSync('ls', ['-R', folder], { encoding: 'utf8' });
    const before = list();
    await prepareTarget(target);
    await saveCredentials(target, change);
    assert.equal(list(), before);
    assert.equal(home.readCredentials(), written);
  });
});

describe('another program that writes the file meanwhile', { concurrency: 4 }, () => {
  for (const [how, write] of [
    ['in place', (path: string) => appendFileSync(path, '[b]\ny = 2\n')],
    [
      'by a new file in its place',
      (path: string) => {
        writeFileSync(`${path}.new`, `${old}[b]\ny = 2\n`, { mode: 0o644 });
        renameSync(`${path}.new`, path);
      },
    ],
  ] as const) {
    test(`${how}: both changes are kept`, async (t) => {
      const { home, target } = makeTarget(t);
      let turns = 0;
      await saveCredentials(target, (document) => {
        if (turns++ === 0) write(home.credentialsPath);
        return change(document);
      });
      assert.equal(turns, 2);
      assert.equal(home.readCredentials(), `${old}[b]\ny = 2\n\n[foobar]\nk = v\n`);
      assert.equal(home.mode(), 0o600);
    });
  }

  test('all the time: it ends with an error', async (t) => {
    const { home, target } = makeTarget(t);
    const work = saveCredentials(target, (document) => {
      appendFileSync(home.credentialsPath, '#\n');
      return change(document);
    });
    await assert.rejects(work, /^UserError: cannot write ~\/\.aws\/credentials: it changes all the time$/);
    assert.match(home.readCredentials(), /^# mine\n\[a\]\nx = 1\n(#\n)+$/);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  for (const [how, half] of [
    ['emptied', ''],
    ['half written', '# mi'],
    ['written up to a section', '[b]\ny = 2\n'],
    ['written up to half a header', '[b]\ny = 2\n[a'],
  ] as const) {
    test(`a file that is ${how} at first is waited for`, async (t) => {
      const { home, target } = makeTarget(t);
      writeFileSync(home.credentialsPath, half);
      setTimeout(() => writeFileSync(home.credentialsPath, old), 300);
      await saveCredentials(target, change);
      assert.equal(home.readCredentials(), written);
    });
  }

  test('a file that stays empty is taken as it is', async (t) => {
    const { home, target } = makeTarget(t, '');
    await saveCredentials(target, change);
    assert.equal(home.readCredentials(), '[foobar]\nk = v\n');
  });

  test('a file that stays broken, or that the change refuses, is left alone', async (t) => {
    const broken = makeTarget(t, '[a]\n[a]\n');
    const work = saveCredentials(broken.target, change);
    await assert.rejects(work, /^UserError: duplicate section \[a\] \(~\/\.aws\/credentials:2, first in line 1\)$/);
    assert.equal(broken.home.readCredentials(), '[a]\n[a]\n');
    const { home, target, folder } = makeTarget(t);
    const refuse = () => assert.fail(new UserError('file', 'refused', 'why'));
    await refuses(() => saveCredentials(target, refuse), /^refused$/, folder);
    assert.equal(home.readCredentials(), old);
  });

  test('a change that changes nothing leaves the file as it is', async (t) => {
    const { target, folder } = makeTarget(t, old, 0o644);
    const list = () => execFileSync('ls', ['-li', folder], { encoding: 'utf8' });
    const before = list();
    await saveCredentials(target, () => old);
    assert.equal(list(), before);
  });
});

describe('a whole run', () => {
  test('never overwrites long-lived keys that are pasted while STS answers', async (t) => {
    const { home, sts } = await makeScene(t, simple);
    const pasted = `${simple.credentials}\n[foobar]\n${keys}`;
    sts.meanwhile = () => home.writeCredentials(pasted);
    const { status, stderr } = await run(['foobar'], { home, sts, stdin: typed() });
    assert.equal(status, 2);
    assert.match(stderr, /^refresh-mfa: error: \[foobar\] in ~\/\.aws\/credentials holds long-lived keys$/m);
    assert.equal(home.readCredentials(), pasted);
  });

  test('that is killed while STS answers leaves nothing, and the next one works', async (t) => {
    const { home, sts } = await makeScene(t, simple);
    const running = start(['foobar'], { home, sts, stdin: typed() });
    sts.meanwhile = () => void running.child.kill('SIGKILL');
    assert.equal((await running.done).signal, 'SIGKILL');
    assert.equal(home.readCredentials(), simple.credentials);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
    sts.meanwhile = () => {};
    sts.forgetCodes();
    assert.equal((await run(['foobar'], { home, sts, stdin: typed() })).status, 0);
    assert.deepEqual(sessionsIn(home.credentialsPath), ['foobar']);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });
});
