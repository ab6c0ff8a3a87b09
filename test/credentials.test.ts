// The one write: whole or not at all, private, and nothing of anybody else's is lost. npm run torture does the same at random.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { prepareTarget, saveCredentials } from '../lib/credentials';
import { UserError } from '../lib/errors';
import { type Document, splice } from '../lib/sections';
import { makeHome } from './helpers/home';
import { run, start } from './helpers/run';
import { keys, makeScene, sessionsIn, simple, typed } from './helpers/scene';
import { missing } from './helpers/which';

const asRoot = process.getuid?.() === 0;
const onWindows = process.platform === 'win32' && 'Windows has no such files';
const old = '# mine\n[a]\nx = 1\n';
const written = `${old}\n[foobar]\nk = v\n`;
const change = (document: Document) => splice(document, 'foobar', { k: 'v' });

function makeTarget(t: TestContext, credentials: string | undefined = old, mode = 0o600) {
  const home = makeHome(t, credentials === '' ? {} : { credentials, mode });
  const folder = dirname(home.credentialsPath);
  const target = { path: home.credentialsPath, shown: '~/.aws/credentials', others: ['a'] };
  return { home, folder, target, lock: `${home.credentialsPath}.refresh-mfa-lock` };
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
  for (const mode of [0o644, 0o640, 0o600, 0o400]) {
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
      const { home, folder, target } = makeTarget(t, '');
      const before = process.umask(umask);
      try {
        await prepareTarget({ ...target, others: [] });
        if (umask === 0o777) chmodSync(folder, 0o700);
        await saveCredentials({ ...target, others: [] }, change);
      } finally {
        process.umask(before);
      }
      assert.equal(home.mode(), 0o600);
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      assert.equal(home.readCredentials(), '[foobar]\nk = v\n');
    });
  }

  test('nothing is opened beside the file that others could read', { skip: missing('strace') }, (t) => {
    const { home, target, folder } = makeTarget(t);
    const trace = join(home.path, 'trace');
    const script =
      "const { saveCredentials } = require(process.argv[1]); saveCredentials(JSON.parse(process.argv[2]), () => 'new')";
    const args = [
      process.execPath,
      '-e',
      script,
      resolve(__dirname, '../dist/lib/credentials.js'),
      JSON.stringify(target),
    ];
    execFileSync('strace', ['-f', '-e', 'trace=mkdir,mkdirat,open,openat,chmod,fchmod', '-o', trace, ...args]);
    const calls = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder) && /O_CREAT|mkdir/.test(line));
    assert.ok(calls.length >= 2, 'a folder and a draft are made');
    for (const call of calls) assert.match(call, /0600\)|0700\)/);
  });

  test("root leaves a user's file to the user, and a new one to the folder's owner", {
    skip: !asRoot && 'only root can',
  }, async (t) => {
    for (const credentials of [old, '']) {
      const { home, target, folder } = makeTarget(t, credentials);
      mkdirSync(folder, { recursive: true });
      execFileSync('chown', ['-R', '12345:12345', home.path]);
      await saveCredentials({ ...target, others: [] }, change);
      assert.equal(statSync(home.credentialsPath).uid, 12345);
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
    assert.equal(home.readCredentials(), written);
  });

  test('a link to a file that does not exist is refused', async (t) => {
    const { home, target, folder } = makeTarget(t, '');
    mkdirSync(folder);
    symlinkSync('/nowhere/credentials', home.credentialsPath);
    await refuses(() => prepareTarget(target), /link to a file that does not exist/, folder);
  });

  test('a second name of the file is pointed out, since it keeps the old keys', async (t) => {
    const { home, target } = makeTarget(t);
    linkSync(home.credentialsPath, join(home.path, 'second'));
    assert.match((await prepareTarget(target)).join(), /second name \(a hard link\)/);
  });
});

describe('what cannot be written is refused before a code is spent', { skip: onWindows }, () => {
  test('a folder, a FIFO and a device in the place of the file', async (t) => {
    for (const make of ['mkdir credentials', 'mkfifo credentials', 'ln -s /dev/null credentials']) {
      const { target, folder } = makeTarget(t, '');
      mkdirSync(folder);
      execFileSync('sh', ['-c', make], { cwd: folder });
      await refuses(() => prepareTarget(target), /^cannot write ~\/\.aws\/credentials: not a regular file$/, folder);
    }
  });

  test('a folder that may not be written', { skip: asRoot && 'root may write everywhere' }, async (t) => {
    const { target, folder } = makeTarget(t);
    chmodSync(folder, 0o500);
    await refuses(() => prepareTarget(target), /its folder is not writable \(EACCES\)/, folder);
  });

  test('a folder that is a file', async (t) => {
    const { home, target, folder } = makeTarget(t, '');
    writeFileSync(folder, 'mine');
    await assert.rejects(prepareTarget(target), /cannot write ~\/\.aws\/credentials: file error/);
    assert.equal(readFileSync(join(home.path, '.aws'), 'utf8'), 'mine');
  });

  const inNamespace = spawnSync('unshare', ['--mount', 'true']).status === 0 ? false : 'to mount is not permitted here';

  /** Runs prepareTarget and saveCredentials where `script` has mounted something; prints the error's message. */
  function inMounted(t: TestContext, script: string): string {
    const { target, folder } = makeTarget(t);
    const code = `const { prepareTarget, saveCredentials } = require(process.argv[1]);
      const target = JSON.parse(process.argv[2]);
      prepareTarget(target).then(() => saveCredentials(target, () => '#'.repeat(9000))).catch((e) => console.log(e.message));`;
    const args = [
      process.execPath,
      '-e',
      code,
      resolve(__dirname, '../dist/lib/credentials.js'),
      JSON.stringify(target),
    ];
    return execFileSync('unshare', ['--mount', 'sh', '-c', `${script}; "$@"; cat credentials`, 'sh', ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
  }

  test('a file that is a mount point', { skip: inNamespace }, (t) => {
    const out = inMounted(t, 'mount --bind credentials credentials');
    assert.equal(out, `cannot replace ~/.aws/credentials: it is a mount point\n${old}`);
  });

  test('a disk that is full, and one that gets full with the new file', { skip: inNamespace }, (t) => {
    const disk = (size: string) =>
      `d=$(mktemp -d); mount -t tmpfs -o size=${size} tmpfs $d; cp credentials $d; mount --bind $d "$PWD"; cd "$PWD"`;
    const full = `cannot write ~/.aws/credentials: no space left (ENOSPC)\n${old}`;
    assert.equal(inMounted(t, disk('4k')), full);
    assert.equal(inMounted(t, disk('12k')), full);
  });

  test('a limit on file sizes', (t) => {
    const { home, target } = makeTarget(t);
    const code =
      'const { saveCredentials } = require(process.argv[1]); process.on("SIGXFSZ", () => {}); saveCredentials(JSON.parse(process.argv[2]), () => "#".repeat(9000)).catch((e) => console.log(e.message))';
    const args = [
      process.execPath,
      '-e',
      code,
      resolve(__dirname, '../dist/lib/credentials.js'),
      JSON.stringify(target),
    ];
    const out = execFileSync('sh', ['-c', 'ulimit -f 8; "$@"', 'sh', ...args], { encoding: 'utf8' });
    assert.equal(out, 'cannot write ~/.aws/credentials: no space left (ENOSPC)\n');
    assert.equal(home.readCredentials(), old);
    assert.deepEqual(home.listAws(), ['credentials']);
  });
});

describe('the lock', { skip: onWindows }, () => {
  const draft = 'credentials.refresh-mfa-0123456789abcdef';

  test('what is no lock of ours is named, at once and before the code', async (t) => {
    for (const make of ['touch $0', 'ln -s /nowhere $0', 'mkfifo $0']) {
      const { target, folder, lock } = makeTarget(t);
      execFileSync('sh', ['-c', make, lock]);
      await refuses(() => prepareTarget(target), /credentials\.refresh-mfa-lock is in the way$/, folder);
    }
  });

  test('one with something of a person in it stays, and is named after two seconds', async (t) => {
    const { target, folder, lock } = makeTarget(t);
    mkdirSync(lock);
    writeFileSync(join(lock, 'notes'), 'mine');
    await refuses(() => prepareTarget(target), /is in the way$/, folder);
    assert.equal(readFileSync(join(lock, 'notes'), 'utf8'), 'mine');
  });

  test('one of a run that was killed is freed, whatever its date', async (t) => {
    const { home, target, lock } = makeTarget(t);
    mkdirSync(lock);
    writeFileSync(join(lock, draft), 'a session');
    utimesSync(lock, new Date('2100-01-01'), new Date('2100-01-01'));
    await saveCredentials(target, change);
    assert.equal(home.readCredentials(), written);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('an empty one is taken at once', async (t) => {
    const { home, target, lock } = makeTarget(t);
    mkdirSync(lock);
    await saveCredentials(target, change);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('ten writes at once keep all sections', async (t) => {
    const { home, target } = makeTarget(t);
    const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
    await Promise.all(names.map((name) => saveCredentials(target, (document) => splice(document, name, { k: name }))));
    for (const name of names) assert.equal(home.readCredentials().split(`\n[${name}]\nk = ${name}\n`).length, 2);
    assert.deepEqual(home.listAws(), ['credentials']);
  });
});

describe('what is swept', { skip: onWindows }, () => {
  const long = new Date(Date.now() - 3_600_000);
  /** A folder beside the file, an hour old if `isOld`. */
  function makeFolder(folder: string, name: string, file: string, isOld: boolean): void {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, file), 'x');
    if (isOld) utimesSync(join(folder, name), long, long);
  }
  const ours = 'credentials.refresh-mfa-0123456789abcdef';

  test('the folder of a run that was killed a while ago', async (t) => {
    const { home, target, folder } = makeTarget(t);
    makeFolder(folder, ours, ours, true);
    await saveCredentials(target, change);
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('nothing young, nothing of other names, nothing with something else in it', async (t) => {
    const { home, target, folder } = makeTarget(t);
    makeFolder(folder, ours, ours, false);
    makeFolder(folder, ours.replace('0', 'f'), 'mine', true);
    makeFolder(folder, 'credentials.refresh-mfa-backup', 'mine', true);
    const copies = [
      'credentials.refresh-mfa.bak',
      'credentials.12345',
      'credentials.refresh-mfa.lock',
      'credentials.bak',
    ];
    for (const name of copies) {
      writeFileSync(join(folder, name), 'mine');
      utimesSync(join(folder, name), long, long);
    }
    const before = home.listAws();
    await saveCredentials(target, change);
    assert.deepEqual(home.listAws(), before);
  });
});

describe('another program that writes the file meanwhile', () => {
  test('with a change of its own: both are kept', async (t) => {
    const { home, target } = makeTarget(t);
    let turns = 0;
    await saveCredentials(target, (document) => {
      if (turns++ === 0) appendFileSync(home.credentialsPath, '[b]\ny = 2\n');
      return change(document);
    });
    assert.equal(turns, 2);
    assert.equal(home.readCredentials(), `${old}[b]\ny = 2\n\n[foobar]\nk = v\n`);
  });

  for (const [how, half] of [
    ['emptied', ''],
    ['half written', '# mi'],
    ['written up to a section', '[b]\ny = 2\n'],
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
    const { home, target } = makeTarget(t, '\n');
    await saveCredentials(target, change);
    assert.equal(home.readCredentials(), '\n\n[foobar]\nk = v\n');
  });

  test('a change that is refused in the end leaves the file alone', async (t) => {
    const { home, target, folder } = makeTarget(t);
    await refuses(
      () => saveCredentials(target, () => assert.fail(new UserError('file', 'refused', 'why'))),
      /^refused$/,
      folder,
    );
    assert.equal(home.readCredentials(), old);
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
    assert.ok(!existsSync(`${home.credentialsPath}.refresh-mfa-lock`));
  });
});
