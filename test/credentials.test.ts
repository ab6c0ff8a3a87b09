// The one write: whole or not at all, private, and nothing of anybody else's is lost. torture.test.ts does the same at random.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareTarget, saveCredentials, type Target } from '../lib/credentials';
import { UserError } from '../lib/errors';
import { type Document, splice } from '../lib/sections';
import { makeHome } from './helpers/home';
import { command, run } from './helpers/run';
import { keys, makeScene, simple, typed } from './helpers/scene';
import { straceMissing } from './helpers/trace';
import { missing } from './helpers/which';
import { isPossible, startWriter } from './helpers/writer';

const asRoot = process.getuid?.() === 0;
const onWindows = process.platform === 'win32' && 'Windows has no such files';
/** Another user, who need not exist. */
const stranger = '12345';
const asStranger = ['setpriv', '--reuid', stranger, '--clear-groups'];
const noStranger = asRoot ? missing('setpriv') : 'only root can become another user';
/** Runs what follows in a namespace, where it may mount. */
const namespace: readonly [string, ...string[]] = ['unshare', '--mount', ...(asRoot ? [] : ['--map-root-user'])];
const noMounts = !isPossible(...namespace, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt') && 'to mount is not permitted here';

const old = '# mine\n[a]\nx = 1\n';
const added = '[foobar]\nk = foobar\n';
const written = `${old}\n${added}`;
const change = (document: Document) => splice(document, 'foobar', { k: 'foobar' });
/** As a run would name its draft. */
const draft = 'credentials.refresh-mfa-Ab3xYz';
const longAgo = new Date(Date.now() - 3_600_000);

function makeTarget(t: TestContext, credentials = old, mode = 0o600) {
  const home = makeHome(t, { credentials });
  fs.chmodSync(home.credentialsPath, mode);
  const folder = dirname(home.credentialsPath);
  const target = { path: home.credentialsPath, shown: '~/.aws/credentials', others: ['a'] };
  return { home, folder, target, lock: `${home.credentialsPath}.refresh-mfa-lock` };
}

/** Without a file, and nothing that has to stay in it. */
function makeEmpty(t: TestContext) {
  const made = makeTarget(t);
  fs.rmSync(made.home.credentialsPath);
  return { ...made, target: { ...made.target, others: [] } };
}

/** Writes in a process that was started by other programs; what it printed as an error. */
async function writeBehind(target: Target, behind: readonly string[], isPrepared = true): Promise<string> {
  return (await startWriter(target, ['foobar'], behind, isPrepared).done).errors;
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 6000; !condition(); left--) {
    if (left === 0) throw new Error('it never happened');
    await sleep(10);
  }
}

/** That it fails with these words, and leaves the file and its neighbors as they were. */
async function refuses(work: () => Promise<unknown>, words: RegExp, folder: string): Promise<void> {
  const names = () => fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const list = () => names().map((name) => `${name} ${fs.lstatSync(join(folder, name)).mtimeMs}`);
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
  for (const [what, mode, umask] of [
    ['of mode 644', 0o644, 0o022],
    ['of mode 400', 0o400, 0o022],
    ['that is new', undefined, 0o000],
    ['that nobody may read', undefined, 0o777],
  ] as const) {
    test(`a file ${what} is 600 afterwards, in a folder that is 700, under umask ${umask.toString(8)}`, async (t) => {
      const { home, folder, target } = mode === undefined ? makeEmpty(t) : makeTarget(t, old, mode);
      if (mode === undefined) fs.rmSync(folder, { recursive: true });
      await prepareTarget(target);
      const before = process.umask(umask);
      try {
        await prepareTarget(target);
        await saveCredentials(target, change);
      } finally {
        process.umask(before);
      }
      assert.equal(home.mode(), 0o600);
      assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
      assert.equal(home.readCredentials(), mode === undefined ? added : written);
      assert.deepEqual(home.listAws(), ['credentials']);
    });
  }

  test('nothing is made beside the file that others could read', { skip: straceMissing }, async (t) => {
    const { home, target, folder } = makeTarget(t);
    const trace = join(home.path, 'trace');
    await writeBehind(target, ['strace', '-f', '-e', 'trace=mkdir,mkdirat,open,openat', '-o', trace]);
    const calls = fs
      .readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${folder}/`) && /O_CREAT|mkdir/.test(line));
    assert.ok(calls.length >= 4, 'two folders, a trial and a draft are made');
    for (const call of calls) assert.match(call, /, 0[67]00\b/);
  });

  test("root leaves a user's file to the user, and a new one to the folder's owner", {
    skip: noStranger,
  }, async (t) => {
    for (const { home, target } of [makeTarget(t), makeEmpty(t)]) {
      execFileSync('chown', ['-R', stranger, home.path]);
      await saveCredentials(target, change);
      assert.deepEqual([fs.statSync(home.credentialsPath).uid, home.mode()], [Number(stranger), 0o600]);
    }
  });
});

describe('links', { skip: onWindows }, () => {
  test('the file may be a symlink, and ~/.aws: they stay, and the file that they lead to is written', async (t) => {
    const { home, target, folder } = makeTarget(t);
    fs.renameSync(home.credentialsPath, join(home.path, 'elsewhere'));
    fs.symlinkSync('../elsewhere', home.credentialsPath);
    fs.renameSync(folder, join(home.path, 'dotfiles'));
    fs.symlinkSync('dotfiles', folder);
    assert.deepEqual(await prepareTarget(target), []);
    await saveCredentials(target, change);
    assert.deepEqual([fs.readlinkSync(folder), fs.readlinkSync(home.credentialsPath)], ['dotfiles', '../elsewhere']);
    assert.equal(fs.readFileSync(join(home.path, 'elsewhere'), 'utf8'), written);
    assert.deepEqual(fs.readdirSync(home.path).sort(), ['.aws', 'dotfiles', 'elsewhere']);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('a hard link is pointed out, since it keeps the old keys', async (t) => {
    const { home, target } = makeTarget(t);
    fs.linkSync(home.credentialsPath, join(home.path, 'second'));
    assert.deepEqual(await prepareTarget(target), ['a hard link to ~/.aws/credentials will keep the old keys']);
  });
});

describe('what cannot be written', { skip: onWindows }, () => {
  for (const [what, make, words] of [
    ['a folder', 'mkdir .aws/credentials', /: not a regular file$/],
    ['a FIFO, which is not waited for', 'mkfifo .aws/credentials', /: not a regular file$/],
    ['a device', 'ln -s /dev/null .aws/credentials', /: not a regular file$/],
    ['a link to nothing', 'ln -s /nowhere/x .aws/credentials', / is a link to a file that does not exist$/],
    ['what lies in a file', 'rmdir .aws && echo mine >.aws', /: file error \((EEXIST|ENOTDIR)\)$/],
  ] as const) {
    test(what, async (t) => {
      const { home, target } = makeEmpty(t);
      execFileSync('sh', ['-c', make], { cwd: home.path });
      for (const work of [() => prepareTarget(target), () => saveCredentials(target, change)]) {
        await refuses(work, words, home.path);
      }
    });
  }

  test('a file in a folder that is not ours to write', { skip: noStranger }, async (t) => {
    const { home, target, folder } = makeTarget(t);
    execFileSync('chmod', ['755', home.path, folder, target.path]);
    const error = 'cannot write ~/.aws/credentials: not permitted (EACCES)\n';
    for (const isPrepared of [true, false]) assert.equal(await writeBehind(target, asStranger, isPrepared), error);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('a mount point, whatever its name', { skip: noMounts }, async (t) => {
    const { home, target, folder } = makeTarget(t);
    const path = join(folder, 'my keys\\1');
    fs.renameSync(home.credentialsPath, path);
    const behind = [...namespace, 'sh', '-c', 'mount --bind "$0" "$0" && exec "$@"', path];
    const error = 'cannot replace ~/.aws/credentials: it is a mount point\n';
    for (const isPrepared of [true, false]) {
      assert.equal(await writeBehind({ ...target, path }, behind, isPrepared), error);
    }
    assert.equal(fs.readFileSync(path, 'utf8'), old);
  });

  test('a file that could not grow; this is told before the code is asked for', async (t) => {
    const { home, sts } = await makeScene(t, simple);
    const { file, args } = command();
    // eight blocks of 512 bytes; the old file needs one, and tried is whether there is room for eight more
    const program = { file: '/bin/sh', args: ['-c', 'ulimit -f 8 && exec "$@"', 'sh', file, ...args] };
    const { status, stdout, stderr } = await run(['foobar'], { home, sts, program, stdin: 'open' });
    assert.match(stderr, /^refresh-mfa: error: cannot write ~\/\.aws\/credentials: no space left \(\w+\)\nhint: .*\n$/);
    assert.deepEqual({ status, stdout, calls: sts.calls }, { status: 1, stdout: '', calls: [] });
    assert.equal(home.readCredentials(), simple.credentials);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });

  test('nothing where a file system knows no fsync and no owners', { skip: straceMissing }, async (t) => {
    const { home, target } = makeTarget(t);
    const trace = join(home.path, 'trace');
    const owners = '?chown,?lchown,?fchown,?fchownat';
    const behind = `strace -f -o ${trace} -e trace=fsync,${owners} -e inject=fsync:error=EINVAL -e inject=${owners}:error=EPERM`;
    assert.equal(await writeBehind(target, behind.split(' ')), '');
    assert.match(fs.readFileSync(trace, 'utf8'), /fsync.*INJECTED[\s\S]*chown.*INJECTED/);
    assert.equal(home.readCredentials(), written);
  });
});

describe('a lock that is not free', { skip: onWindows, concurrency: 4 }, () => {
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
      const words = /^\/.*\/\.aws\/credentials\.refresh-mfa-lock is in the way \(E\w+\)$/;
      await refuses(() => prepareTarget(target), words, folder);
    });
  }

  test("another user's in a sticky folder is told before the code", { skip: noStranger }, async (t) => {
    const { home, target, folder, lock } = makeTarget(t);
    fs.mkdirSync(lock, { mode: 0o700 });
    execFileSync('chown', [stranger, home.path, target.path]);
    execFileSync('chmod', ['1777', folder]);
    assert.equal(await writeBehind(target, asStranger), `${lock} is in the way (EPERM)\n`);
    assert.equal(home.readCredentials(), old);
  });

  test('an empty one is taken, and one with the draft of a run that was killed, whatever its date', async (t) => {
    for (const file of [undefined, draft]) {
      const { home, target, lock } = makeTarget(t);
      fs.mkdirSync(lock);
      if (file) fs.writeFileSync(join(lock, file), 'a session');
      fs.utimesSync(lock, new Date('2100-01-01'), new Date('2100-01-01'));
      await saveCredentials(target, change);
      assert.equal(home.readCredentials(), written);
      assert.deepEqual(home.listAws(), ['credentials']);
    }
  });
});

describe('a run that is stopped or killed', { skip: straceMissing, concurrency: 2 }, () => {
  // a write renames write-file-atomic's file to the draft, its folder to the lock, and the draft to the file
  const renames = '?rename,?renameat,?renameat2';

  /** Starts a writer, and waits until it stops behind one of these calls: the first, the second. */
  async function startStopped(t: TestContext, target: Target, name: string, [calls, count]: readonly [string, number]) {
    const trace = join(dirname(target.path), '..', `trace-${name}`);
    const only = calls === 'close' ? ` -P ${target.path}` : '';
    const behind = `strace -f -o ${trace} -e trace=${calls},rmdir,${renames} -e inject=${calls}:signal=STOP:when=${count}${only}`;
    const { child, done } = startWriter(target, [name], behind.split(' '), false);
    const readTrace = () => (fs.existsSync(trace) ? fs.readFileSync(trace, 'utf8') : '');
    await until(() => readTrace().includes('stopped by SIGSTOP'));
    const pid = Number.parseInt(readTrace(), 10);
    t.after(() => child.exitCode === null && process.kill(pid, 'SIGKILL'));
    const goOn = () => {
      process.kill(pid, 'SIGCONT');
      return done;
    };
    return { readTrace, goOn };
  }

  // it reads the file, and again under the lock
  const compared = ['close', 2] as const;

  for (const [when, call] of [
    ['before it has the lock', [renames, 1]],
    ['while it waits for the lock', [renames, 2]],
    ['when it has the lock', [renames, 2]],
    ['when it has compared', compared],
  ] as const) {
    test(`sleeps ${when}: another run goes first, and both sections are there`, async (t) => {
      const { home, target, folder, lock } = makeTarget(t);
      if (when.includes('waits')) {
        fs.mkdirSync(lock);
        fs.writeFileSync(join(lock, draft), 'a session');
      }
      const slow = await startStopped(t, target, 'slow', call);
      // it sleeps so long that its folder is swept
      for (const name of fs.readdirSync(folder)) fs.utimesSync(join(folder, name), longAgo, longAgo);
      await saveCredentials(target, change);
      assert.equal(home.readCredentials(), written);
      assert.deepEqual(await slow.goOn(), { said: ['slow'], errors: '' });
      assert.equal(home.readCredentials(), `${written}\n[slow]\nk = slow\n`);
      assert.deepEqual(home.listAws(), ['credentials']);
    });
  }

  test("never takes another run's draft for its own", async (t) => {
    const { home, target } = makeTarget(t);
    const first = await startStopped(t, target, 'first', compared);
    const second = await startStopped(t, target, 'second', compared);
    assert.deepEqual(await first.goOn(), { said: ['first'], errors: '' });
    assert.equal(home.readCredentials(), `${old}\n[first]\nk = first\n`);
    assert.deepEqual(await second.goOn(), { said: ['second'], errors: '' });
    assert.equal(home.readCredentials(), `${old}\n[first]\nk = first\n\n[second]\nk = second\n`);
  });

  test('frees a stale lock that another run takes at that moment: it waits for that one', async (t) => {
    const { home, target, folder, lock } = makeTarget(t);
    const put = (name: string) => {
      fs.mkdirSync(join(folder, name));
      fs.writeFileSync(join(folder, name, draft), 'a session');
      fs.renameSync(join(folder, name), lock);
    };
    put('dead');
    const slow = await startStopped(t, target, 'foobar', ['?unlink,?unlinkat', 1]);
    put('living');
    assert.deepEqual(await slow.goOn(), { said: ['foobar'], errors: '' });
    // as long as for any other
    const [, waited = ''] = slow.readTrace().split(/rmdir.*ENOTEMPTY/);
    assert.ok(waited.split(/rename\w*\(/).length > 100, slow.readTrace());
    assert.equal(home.readCredentials(), written);
  });

  for (const [index, when] of ['first', 'second', 'third'].entries()) {
    test(`is killed at the ${when} rename: the file is the old one, and root does not block a user`, async (t) => {
      const { home, target, folder } = makeTarget(t);
      if (asRoot) execFileSync('chown', ['-R', stranger, home.path]);
      const kill = `strace -f -o /dev/null -e trace=${renames} -e inject=${renames}:signal=KILL:when=${index + 1}`;
      await writeBehind(target, ['sh', '-c', 'umask 777; exec "$@"', 'sh', ...kill.split(' ')], false);
      assert.equal(home.readCredentials(), old);
      const [left = '', ...others] = home.listAws().filter((name) => name !== 'credentials');
      assert.deepEqual(others, []);
      assert.equal(left === 'credentials.refresh-mfa-lock', when === 'third');
      assert.equal(fs.statSync(join(folder, left)).mode & 0o777, 0o700);
      if (when !== 'third') fs.utimesSync(join(folder, left), longAgo, longAgo);
      assert.equal(await writeBehind(target, asRoot && !noStranger ? asStranger : []), '');
      assert.equal(home.readCredentials(), written);
      // what root had not yet given to the user can only be left
      if (when !== 'first' || !asRoot) assert.deepEqual(home.listAws(), ['credentials']);
    });
  }
});

test('folders of runs that were killed a minute ago are swept, and nothing else', { skip: onWindows }, async (t) => {
  const { home, target, folder } = makeTarget(t);
  const make = (name: string, files: readonly string[], date = longAgo) => {
    fs.mkdirSync(join(folder, name));
    for (const file of files) fs.writeFileSync(join(folder, name, file), 'x');
    fs.utimesSync(join(folder, name), date, date);
  };
  make('credentialz.refresh-mfa-Ab3xYz', [draft]);
  make('credentials.refresh-mfa-copies-of-mine', []);
  make('credentials.refresh-mfa-backup', ['mine']);
  make('credentials.refresh-mfa-Ab3xY0', [draft, 'mine']);
  make('credentials.refresh-mfa-Ab3xY1', [draft], new Date());
  // the last is the lock of a 1.0.0 that was killed
  const copies = 'bak 12345 refresh-mfa.bak refresh-mfa-1234567 refresh-mfa-123456 refresh-mfa.lock';
  for (const copy of copies.split(' ')) {
    fs.writeFileSync(join(folder, `credentials.${copy}`), 'mine');
    fs.utimesSync(join(folder, `credentials.${copy}`), longAgo, longAgo);
  }
  const list = () => execFileSync('ls', ['-R', folder], { encoding: 'utf8' });
  const before = list();
  make('credentials.refresh-mfa-Ab3xYz', [draft]);
  make('credentials.refresh-mfa-Ab3xY2', [`${draft}.3241960379`]);
  make('credentials.refresh-mfa-Ab3xY3', []);
  await prepareTarget(target);
  assert.equal(list(), before);
  await saveCredentials(target, change);
  assert.equal(list(), before);
  assert.equal(home.readCredentials(), written);
});

describe('another program that writes the file meanwhile', { concurrency: 4 }, () => {
  test('once: both changes are kept', async (t) => {
    const { home, target } = makeTarget(t);
    let turns = 0;
    await saveCredentials(target, (document) => {
      if (turns++ === 0) fs.appendFileSync(target.path, '[b]\ny = 2\n');
      return change(document);
    });
    assert.equal(turns, 2);
    assert.equal(home.readCredentials(), `${old}[b]\ny = 2\n\n${added}`);
  });

  test('all the time: it ends with an error', async (t) => {
    const { home, target } = makeTarget(t);
    const work = saveCredentials(target, (document) => {
      fs.appendFileSync(target.path, '#\n');
      return change(document);
    });
    await assert.rejects(work, /^UserError: cannot write ~\/\.aws\/credentials: it changes all the time$/);
    assert.match(home.readCredentials(), /^# mine\n\[a\]\nx = 1\n(#\n)+$/);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  for (const [how, half] of [
    ['emptied', ''],
    ['written up to a section', '[b]\ny = 2\n'],
    ['written up to half a header', '[b]\ny = 2\n[a'],
  ] as const) {
    test(`a file that is ${how} at first is waited for`, async (t) => {
      const { home, target } = makeTarget(t, half);
      setTimeout(() => fs.writeFileSync(target.path, old), 300);
      await saveCredentials(target, change);
      assert.equal(home.readCredentials(), written);
    });
  }

  test('a file that stays empty is taken as it is', async (t) => {
    const { home, target } = makeTarget(t, '');
    await saveCredentials(target, change);
    assert.equal(home.readCredentials(), added);
  });

  test('a file that stays broken, or that the change refuses, is left alone', async (t) => {
    const broken = makeTarget(t, '[a]\n[a]\n');
    const work = saveCredentials(broken.target, change);
    await assert.rejects(work, /^UserError: duplicate section \[a\] \(~\/\.aws\/credentials:2, first in line 1\)$/);
    assert.equal(broken.home.readCredentials(), '[a]\n[a]\n');
    const { target, folder } = makeTarget(t);
    const refuse = () => assert.fail(new UserError('file', 'refused', 'why'));
    await refuses(() => saveCredentials(target, refuse), /^refused$/, folder);
  });

  test('a change that changes nothing leaves the file as it is', async (t) => {
    const { target, folder } = makeTarget(t, old, 0o644);
    const list = () => execFileSync('ls', ['-li', folder], { encoding: 'utf8' });
    const before = list();
    await saveCredentials(target, () => old);
    assert.equal(list(), before);
  });
});

test('a run never overwrites long-lived keys that are pasted while STS answers', async (t) => {
  const { home, sts } = await makeScene(t, simple);
  const pasted = `${simple.credentials}\n[foobar]\n${keys}`;
  sts.meanwhile = () => home.writeCredentials(pasted);
  const { status, stderr } = await run(['foobar'], { home, sts, stdin: typed() });
  assert.equal(status, 2);
  assert.match(stderr, /^refresh-mfa: error: \[foobar\] in ~\/\.aws\/credentials holds long-lived keys$/m);
  assert.equal(home.readCredentials(), pasted);
});
