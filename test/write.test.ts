import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCallers } from './helpers/caller';
import { devices, type Home, makeHome } from './helpers/home';
import { type Command, command, type Result, run, start } from './helpers/run';
import { type LocalSts, startSts, totp, type User } from './helpers/sts';
import { missing } from './helpers/which';

const asRoot = process.getuid?.() === 0;

async function setUp(t: TestContext): Promise<{ sts: LocalSts; home: Home }> {
  const sts = await startSts();
  t.after(() => sts.close());
  sts.addUser(devices.bjohnson);
  return { sts, home: makeHome(t, { config, credentials: seed }) };
}

/** The arguments of a refresh of foobar; once for each STS, since a code is good once. */
function foobar(): string[] {
  return ['foobar', '--token-code', totp(devices.bjohnson.totpSecret)];
}

function assertDone({ status, stderr }: Result): void {
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
}

/** What the refresh wrote to [foobar], to put into an expected file; that the STS issued it is looked at here. */
function written(text: string, sts: LocalSts): { id: string; secret: string; token: string; expires: string } {
  const section = text.slice(text.search(/^\[foobar\]/m));
  const value = (key: string) => new RegExp(`^\\s*${key}\\s*=\\s*(\\S*)`, 'm').exec(section)?.[1] ?? '';
  const found = {
    id: value('aws_access_key_id'),
    secret: value('aws_secret_access_key'),
    token: value('aws_session_token'),
    expires: value('x_security_token_expires'),
  };
  assert.match(found.id, /^ASIA[A-Z2-7]{16}$/);
  assert.match(found.expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(sts.secrets.has(found.secret) && sts.secrets.has(found.token), 'the STS issued them');
  return found;
}

function section(text: string, sts: LocalSts): string {
  const { id, secret, token, expires } = written(text, sts);
  return `[foobar]
aws_access_key_id = ${id}
aws_secret_access_key = ${secret}
aws_session_token = ${token}
x_security_token_expires = ${expires}
`;
}

/** The file with the session's values left out, whoever they belong to. */
function masked(text: string): string {
  return text
    .replace(/^(aws_access_key_id = ASIA).*/gm, '$1')
    .replace(/^(aws_access_key_id = ASIA\naws_secret_access_key = ).*/gm, '$1')
    .replace(/^(aws_session_token = |x_security_token_expires = ).*/gm, '$1');
}

const seed = `[AcmeAccount]
aws_access_key_id = NOTETHISISNOTREALKEY
aws_secret_access_key = ANDTHISISNOTEITHERavalidKEY+Butpleasetry

[foobar-long-term]
aws_access_key_id = THISISNOTAREALKEYYES
aws_secret_access_key = SPOILERALERTThisKeyISNOTVALIDJustExample
`;

const oldSession = `[foobar]
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_session_token = AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT==
x_security_token_expires = 2026-11-19T20:31:00Z
`;

const config = `[profile foobar]
mfa_serial = arn:aws:iam::789012347890:mfa/bjohnson
`;

/** Keys and device in a config elsewhere, so that ~/.aws need not be there. */
async function setUpElsewhere(t: TestContext) {
  const { sts, home } = await setUp(t);
  rmSync(dirname(home.credentialsPath), { recursive: true });
  const elsewhere = join(home.path, 'elsewhere');
  writeFileSync(elsewhere, `${config}\n${seed}`);
  return { sts, home, env: { AWS_CONFIG_FILE: elsewhere } };
}

/** The program under test behind a shell command, such as a limit. */
function behind(shell: string): Command {
  const { file, args } = command();
  return { file: '/bin/sh', args: ['-c', `${shell} && exec "$@"`, 'sh', file, ...args] };
}

describe('what is written', () => {
  test('the new section follows what was there, which stays to the byte', async (t) => {
    const { sts, home } = await setUp(t);
    assertDone(await run(foobar(), { home, sts }));
    const text = home.readCredentials();
    assert.equal(text, `${seed}\n${section(text, sts)}`);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });

  test('a file with CRLF, comments and keys of other tools changes in the session values alone', async (t) => {
    const { sts, home } = await setUp(t);
    const before = `; keys of the office\r
[AcmeAccount]   # not mine\r
aws_access_key_id = NOTETHISISNOTREALKEY\r
aws_secret_access_key = ANDTHISISNOTEITHERavalidKEY+Butpleasetry\r
\r
[foobar] ; each morning\r
# the session\r
region=eu-central-1\r
AWS_SESSION_TOKEN=old\r
aws_security_token = older\r
aws_access_key_id   = ASIAIOSFODNN7EXAMPLE\r
\r
# grüße 日本\r
[foobar-long-term]\r
aws_access_key_id : THISISNOTAREALKEYYES\r
aws_secret_access_key : SPOILERALERTThisKeyISNOTVALIDJustExample\r
s3 =\r
  max_queue_size = 5`;
    home.writeCredentials(before);
    assertDone(await run(foobar(), { home, sts }));
    const text = home.readCredentials();
    const { id, secret, token, expires } = written(text, sts);
    const after = `; keys of the office\r
[AcmeAccount]   # not mine\r
aws_access_key_id = NOTETHISISNOTREALKEY\r
aws_secret_access_key = ANDTHISISNOTEITHERavalidKEY+Butpleasetry\r
\r
[foobar] ; each morning\r
# the session\r
region=eu-central-1\r
aws_session_token=${token}\r
aws_access_key_id   = ${id}\r
aws_secret_access_key = ${secret}\r
x_security_token_expires = ${expires}\r
\r
# grüße 日本\r
[foobar-long-term]\r
aws_access_key_id : THISISNOTAREALKEYYES\r
aws_secret_access_key : SPOILERALERTThisKeyISNOTVALIDJustExample\r
s3 =\r
  max_queue_size = 5`;
    assert.equal(text, after);
  });

  test('an indented section gets lines that are indented alike, or botocore would glue them together', async (t) => {
    const { sts, home } = await setUp(t);
    const indented = seed.replace(/^aws/gm, '    aws');
    home.writeCredentials(`[foobar]\n    region = eu-central-1\n\n${indented}`);
    assertDone(await run(foobar(), { home, sts }));
    const text = home.readCredentials();
    const lines = section(text, sts)
      .replace(/^\[foobar\]\n/, '')
      .replace(/^(?=.)/gm, '    ');
    assert.equal(text, `[foobar]\n    region = eu-central-1\n${lines}\n${indented}`);
  });
});

describe('who may read it', () => {
  test('a file that others could read is 0600 afterwards', async (t) => {
    const { sts, home } = await setUp(t);
    home.writeCredentials(seed, 0o644);
    assertDone(await run(foobar(), { home, sts }));
    assert.equal(home.mode(), 0o600);
  });

  test('a file that only its owner could read can be written, and is 0600 afterwards', async (t) => {
    const { sts, home } = await setUp(t);
    home.writeCredentials(seed, 0o400);
    assertDone(await run(foobar(), { home, sts }));
    assert.equal(home.mode(), 0o600);
  });

  test('a new file is 0600 in a folder that is 0700, whatever the umask', async (t) => {
    const { sts, home, env } = await setUpElsewhere(t);
    assertDone(await run(foobar(), { home, sts, env, program: behind('umask 000') }));
    assert.equal(home.mode(), 0o600);
    assert.equal(statSync(dirname(home.credentialsPath)).mode & 0o777, 0o700);
    const text = home.readCredentials();
    assert.equal(text, section(text, sts));
    assert.deepEqual(home.listAws(), ['credentials']);
  });

  test('nothing that comes and goes beside the file can be read by others, whatever the umask', async (t) => {
    const { sts, home } = await setUp(t);
    // long enough for the writing to take its time
    home.writeCredentials(`${seed}\n${'# a comment among many others\n'.repeat(60_000)}`);
    const folder = dirname(home.credentialsPath);
    const modes = new Map<string, number>();
    const watcher = watch(folder, () => {
      for (const name of readdirSync(folder)) {
        const mode = lstatSync(join(folder, name), { throwIfNoEntry: false })?.mode;
        if (mode !== undefined) modes.set(`${name} ${(mode & 0o777).toString(8)}`, mode & 0o077);
      }
    });
    t.after(() => watcher.close());
    assertDone(await run(foobar(), { home, sts, program: behind('umask 000') }));
    assert.deepEqual(
      [...modes].filter(([, mode]) => mode !== 0),
      [],
    );
    assert.ok(modes.size > 2, [...modes.keys()].join(', '));
  });
});

describe('links', () => {
  test('a symlink stays one, and the file that it leads to is written', async (t) => {
    const { sts, home } = await setUp(t);
    const dotfiles = join(home.path, 'dotfiles');
    mkdirSync(dotfiles);
    renameSync(home.credentialsPath, join(dotfiles, 'aws-credentials'));
    chmodSync(join(dotfiles, 'aws-credentials'), 0o644);
    symlinkSync('../dotfiles/aws-credentials', home.credentialsPath);
    assertDone(await run(foobar(), { home, sts }));
    assert.equal(readlinkSync(home.credentialsPath), '../dotfiles/aws-credentials');
    const text = home.readCredentials();
    assert.equal(text, `${seed}\n${section(text, sts)}`);
    assert.equal(home.mode(), 0o600);
    assert.deepEqual(readdirSync(dotfiles), ['aws-credentials']);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });

  test('~/.aws itself may be a symlink', async (t) => {
    const { sts, home } = await setUp(t);
    const folder = dirname(home.credentialsPath);
    renameSync(folder, join(home.path, 'dotfiles'));
    symlinkSync('dotfiles', folder);
    assertDone(await run(foobar(), { home, sts }));
    assert.equal(readlinkSync(folder), 'dotfiles');
    const text = home.readCredentials();
    assert.equal(text, `${seed}\n${section(text, sts)}`);
  });

  test('a symlink to a file that is not there is refused before the code is asked for, and stays', async (t) => {
    const { sts, home, env } = await setUpElsewhere(t);
    mkdirSync(dirname(home.credentialsPath));
    symlinkSync('../gone/credentials', home.credentialsPath);
    const { status, stdout, stderr } = await run(['foobar'], { home, sts, env, stdin: 'open' });
    assert.deepEqual({ status, stdout, calls: sts.calls }, { status: 1, stdout: '', calls: [] });
    assert.match(
      stderr,
      /^refresh-mfa: error: ~\/\.aws\/credentials is a link to a file that is not there\nrefresh-mfa: hint: /,
    );
    assert.equal(readlinkSync(home.credentialsPath), '../gone/credentials');
    assert.deepEqual(home.listAws(), ['credentials']);
    assert.equal(existsSync(join(home.path, 'gone')), false);
  });

  test('a second name of the file is pointed out, since it keeps the old keys', async (t) => {
    const { sts, home } = await setUp(t);
    const second = join(home.path, 'second');
    linkSync(home.credentialsPath, second);
    const { status, stderr } = await run(foobar(), { home, sts });
    const note =
      'refresh-mfa: note: ~/.aws/credentials has a second name (a hard link), which will keep the old keys\n';
    assert.deepEqual({ status, stderr }, { status: 0, stderr: note });
    assert.equal(readFileSync(second, 'utf8'), seed);
    const text = home.readCredentials();
    assert.equal(text, `${seed}\n${section(text, sts)}`);
  });
});

describe('a file that cannot be written', () => {
  test('a read-only folder is refused before the code is asked for', {
    skip: asRoot && 'root may write to a read-only folder',
  }, async (t) => {
    const { sts, home } = await setUp(t);
    chmodSync(dirname(home.credentialsPath), 0o500);
    const { status, stdout, stderr } = await run(['foobar'], { home, sts, stdin: 'open' });
    assert.deepEqual({ status, stdout, calls: sts.calls }, { status: 1, stdout: '', calls: [] });
    assert.match(stderr, /^refresh-mfa: error: cannot write ~\/\.aws\/credentials.* \(EACCES\)\nrefresh-mfa: hint: /);
    assert.equal(home.readCredentials(), seed);
  });

  test('a folder that is a file is refused before the code is asked for', async (t) => {
    const { sts, home, env } = await setUpElsewhere(t);
    writeFileSync(dirname(home.credentialsPath), 'not a folder\n');
    const { status, stdout, stderr } = await run(['foobar'], { home, sts, env, stdin: 'open' });
    assert.deepEqual({ status, stdout, calls: sts.calls }, { status: 1, stdout: '', calls: [] });
    assert.match(stderr, /^refresh-mfa: error: .*~\/\.aws\/credentials/);
    assert.equal(readFileSync(dirname(home.credentialsPath), 'utf8'), 'not a folder\n');
  });

  // in blocks of 512 bytes; the seed's file is one, and beside it is tried whether it could grow by eight
  const limits = [
    { blocks: 0, when: 'nothing can be written' },
    { blocks: 8, when: 'it could not grow' },
  ];
  for (const { blocks, when } of limits) {
    test(`a full disk, where ${when}, is told before the code is asked for`, async (t) => {
      const { sts, home } = await setUp(t);
      const { status, stdout, stderr } = await run(['foobar'], { ...limited(home, sts, blocks), stdin: 'open' });
      assert.deepEqual({ status, stdout, calls: sts.calls }, { status: 1, stdout: '', calls: [] });
      assert.match(
        stderr,
        /^refresh-mfa: error: cannot write ~\/\.aws\/credentials, which is as it was: no space left/,
      );
      assertUntouched(home);
    });
  }

  test('behind the name of no profile: both are told, and the exit status is that of the first', async (t) => {
    const { sts, home } = await setUp(t);
    const { status, stderr } = await run(['nosuch', 'foobar'], { ...limited(home, sts, 0), stdin: 'open' });
    assert.match(stderr, /^refresh-mfa: error: no profile "nosuch"[\s\S]*^refresh-mfa: error: cannot write /m);
    assert.equal(status, 2);
    assertUntouched(home);
  });

  test('a disk that is full only when the new file is written leaves the old one', async (t) => {
    const { sts, home } = await setUp(t);
    sts.tokenShape = () => 'FwoG'.repeat(2000);
    const { status, stdout, stderr } = await run(foobar(), limited(home, sts, 10));
    assert.deepEqual({ status, stdout, calls: sts.calls.length }, { status: 1, stdout: '', calls: 1 });
    assert.match(stderr, /^refresh-mfa: error: cannot write ~\/\.aws\/credentials, which is as it was: no space left/);
    assertUntouched(home);
  });

  test('a limit that the new file fits into is none', async (t) => {
    const { sts, home } = await setUp(t);
    assertDone(await run(foobar(), limited(home, sts, 10)));
  });

  function limited(home: Home, sts: LocalSts, blocks: number) {
    // the loader of the sources would write to its cache
    const env = { TSX_DISABLE_CACHE: '1' };
    return { home, sts, env, program: behind(`ulimit -f ${blocks}`) };
  }

  const cannotMount =
    process.platform !== 'linux' || !asRoot ? 'only root on Linux may mount a small disk' : missing('mount');
  for (const filled of [true, false]) {
    const when = filled ? 'before the code is asked for' : 'while the new file is written';
    test(`a small disk that is full ${when} leaves the old file`, { skip: cannotMount }, async (t) => {
      const { sts, home } = await setUp(t);
      const disk = mkdtempSync(join(tmpdir(), 'refresh-mfa-disk-'));
      if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk]).status !== 0) {
        rmSync(disk, { recursive: true });
        t.skip('mount -t tmpfs is not permitted here');
        return;
      }
      t.after(() => {
        spawnSync('umount', [disk]);
        rmSync(disk, { recursive: true });
      });
      const path = join(disk, 'credentials');
      writeFileSync(path, seed, { mode: 0o600 });
      // four pages in all: one for the file, one for the lock
      if (filled) writeFileSync(join(disk, 'filler'), new Uint8Array(8192));
      else sts.tokenShape = () => 'FwoG'.repeat(2500);
      const env = { AWS_SHARED_CREDENTIALS_FILE: path };
      const options = filled ? { home, sts, env, stdin: 'open' as const } : { home, sts, env };
      const { status, stdout, stderr } = await run(filled ? ['foobar'] : foobar(), options);
      assert.deepEqual({ status, stdout, calls: sts.calls.length }, { status: 1, stdout: '', calls: filled ? 0 : 1 });
      assert.match(stderr, /^refresh-mfa: error: cannot write .*: no space left on the disk \(ENOSPC\)\n/);
      assert.equal(readFileSync(path, 'utf8'), seed);
      assert.deepEqual(readdirSync(disk), filled ? ['credentials', 'filler'] : ['credentials']);
    });
  }
});

function assertUntouched(home: Home): void {
  assert.equal(home.readCredentials(), seed);
  assert.equal(home.mode(), 0o600);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
}

// A network drive dates its files by a clock of its own; to a run that compared those dates with this machine's, each lock
// of another would look left behind.
const clocks = [
  ['', 0],
  [', also when they are an hour ahead of the file system', 3_600_000],
] as const;
for (const [what, ahead] of clocks) {
  test(`twenty runs at the same moment write twenty sections and lose nothing${what}`, async (t) => {
    const sts = await startSts();
    sts.clockOffsetMs = ahead;
    t.after(() => sts.close());
    const names = Array.from({ length: 20 }, (_, index) => `user${String(index + 1).padStart(2, '0')}`);
    const users = names.map((name): User => {
      const user = {
        accessKeyId: `AKIAIOSFODNN7E${name.toUpperCase()}`,
        secretAccessKey: `wJalrXUtnFEMI/K7MDENG/bPxRfiCYEX${name}`,
        userArn: `arn:aws:iam::123456789012:user/${name}`,
        serial: `arn:aws:iam::123456789012:mfa/${name}`,
        totpSecret: Buffer.from(`the device of ${name}`),
      };
      sts.addUser(user);
      return user;
    });
    const longTerm = ({ accessKeyId, secretAccessKey }: User, name: string) =>
      `# keys of ${name}\n[${name}-long-term]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
    // half of them have a section already, amid the others
    const credentials = names.map((name, index) => {
      const user = users[index] as User;
      return longTerm(user, name) + (index % 2 === 0 ? oldSession.replace('foobar', name) : '');
    });
    const home = makeHome(t, {
      config: names.map((name, index) => `[profile ${name}]\nmfa_serial = ${users[index]?.serial}\n`).join(''),
      credentials: credentials.join('\n'),
    });

    const clock = join(home.path, 'clock.cjs');
    writeFileSync(clock, `const now = Date.now;\nDate.now = () => now() + ${ahead};\n`);
    const env = { NODE_OPTIONS: `--require ${clock}` };

    const all = names.map((name) => start([name], { home, sts, env, stdin: 'open' }));
    // all have read the file and wait for their code once all have connected
    for (let count = 1; count <= names.length; count++) await sts.until(() => sts.connections >= count);
    for (const [index, { child }] of all.entries()) child.stdin?.end(`${totp((users[index] as User).totpSecret)}\n`);
    for (const { done } of all) assertDone(await done);

    const text = home.readCredentials();
    const blank = masked(oldSession);
    const expected = masked(credentials.join('\n'));
    assert.equal(masked(text).slice(0, expected.length), expected);
    const appended = masked(text)
      .slice(expected.length)
      .split(/(?=\n\[)/);
    const created = names.filter((_, index) => index % 2 === 1);
    assert.deepEqual(
      appended.sort(),
      created.map((name) => `\n${blank.replace('foobar', name)}`),
    );
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
    assert.deepEqual(
      await getCallers(names, { home, sts }),
      users.map(({ userArn }) => userArn),
    );
  });
}

describe('a run that is killed', () => {
  test('while STS answers: the file is as it was, nothing is left, and the next run works', async (t) => {
    const { sts, home } = await setUp(t);
    sts.behave({ kind: 'delay', ms: 60_000 });
    const { child, done } = start(foobar(), { home, sts });
    await sts.until(() => sts.calls.length === 1);
    child.kill('SIGKILL');
    assert.equal((await done).signal, 'SIGKILL');
    assertUntouched(home);
    assertDone(await run(foobar(), { home, sts }));
    const text = home.readCredentials();
    assert.equal(text, `${seed}\n${section(text, sts)}`);
  });

  test('at any moment: the file is the old or the new one, and what is left is private and swept', async (t) => {
    const { sts, home } = await setUp(t);
    const folder = dirname(home.credentialsPath);
    // long enough for the writing to take its time
    const rest = `${seed}\n${'# a comment among many others\n'.repeat(60_000)}`;
    home.writeCredentials(`${oldSession}\n${rest}`);
    const expected = masked(home.readCredentials());
    let killed = 0;
    // counted in changes of the folder, from the start or from the call on
    const moments = [1, 3].map((count) => ({ count, calls: 0 }));
    for (let count = 1; count <= 10; count++) moments.push({ count, calls: 1 });
    for (const { count, calls } of moments) {
      sts.forgetCodes();
      const before = home.readCredentials();
      const called = sts.calls.length + calls;
      const { child, done } = start(foobar(), { home, sts });
      let seen = 0;
      const watcher = watch(folder, () => {
        if (sts.calls.length >= called && ++seen === count) child.kill('SIGKILL');
      });
      if ((await done).signal === 'SIGKILL') killed++;
      watcher.close();
      const left = home.readCredentials();
      assert.equal(masked(left), expected);
      if (left !== before) written(left, sts);

      const long = new Date(Date.now() - 3_600_000);
      for (const name of home.listAws().filter((name) => name !== 'config' && name !== 'credentials')) {
        assert.equal((statSync(join(folder, name)).mode & 0o777).toString(8), '600', name);
        utimesSync(join(folder, name), long, long);
      }
      sts.forgetCodes();
      assertDone(await run(foobar(), { home, sts }));
      assert.equal(masked(home.readCredentials()), expected);
      assert.notEqual(home.readCredentials(), left);
      assert.deepEqual(home.listAws(), ['config', 'credentials'], `after a kill at ${calls}, ${count}`);
    }
    assert.ok(killed > 2, `${killed} were killed`);
  });

  test('or only sleeps, as a laptop does: the next run goes first, and both sections are there', async (t) => {
    const counts = [1, 2, 3, 4, 5, 6, 7, 8];
    const locked = await Promise.all(
      counts.map(async (count) => {
        const { sts } = await setUp(t);
        const home = makeHome(t, {
          config: `${config}\n${config.replace('foobar', 'acme')}`,
          // long enough for the writing to take its time
          credentials: `${seed}${seed.replace('Acme', 'Spare').replace('foobar', 'acme')}${'# a comment among many others\n'.repeat(60_000)}`,
        });
        const expected = home.readCredentials();
        const first = start(foobar(), { home, sts });
        const asleep = new Promise<void>((resolve) => {
          let seen = 0;
          const watcher = watch(dirname(home.credentialsPath), () => {
            if (sts.calls.length === 0 || ++seen < count) return;
            watcher.close();
            first.child.kill('SIGSTOP');
            resolve();
          });
          t.after(() => watcher.close());
        });
        await Promise.race([asleep, first.done]);
        sts.forgetCodes();
        const owned = existsSync(`${home.credentialsPath}.refresh-mfa.lock`);
        const [, ...code] = foobar();
        assertDone(await run(['acme', ...code], { home, sts }));
        first.child.kill('SIGCONT');
        assertDone(await first.done);
        const text = home.readCredentials();
        assert.equal(masked(text).replace(/\n\[(foobar|acme)\]\n(.+\n){4}/g, ''), expected, `stopped at ${count}`);
        assert.match(text, /^\[foobar\]/m);
        assert.match(text, /^\[acme\]/m);
        return owned;
      }),
    );
    assert.ok(locked.includes(true), 'one was stopped while it held the lock');
  });

  test('the empty file of one killed just before it wrote is swept', async (t) => {
    const { sts, home } = await setUp(t);
    const folder = dirname(home.credentialsPath);
    const litter = join(folder, 'credentials.3241960379');
    writeFileSync(litter, '', { mode: 0o600 });
    const long = new Date(Date.now() - 3_600_000);
    utimesSync(litter, long, long);
    assertDone(await run(foobar(), { home, sts }));
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });

  test('files of the person that only look like litter stay', async (t) => {
    const { sts, home } = await setUp(t);
    const folder = dirname(home.credentialsPath);
    const long = new Date(Date.now() - 3_600_000);
    const own = ['credentials.20261119', 'credentials.bak', 'credentials~', 'credentials.lock', 'credentials.refresh'];
    for (const name of own) {
      writeFileSync(join(folder, name), seed);
      utimesSync(join(folder, name), long, long);
    }
    assertDone(await run(foobar(), { home, sts }));
    assert.deepEqual(home.listAws(), ['config', 'credentials', ...own].sort());
    for (const name of own) assert.equal(readFileSync(join(folder, name), 'utf8'), seed);
  });

  const lock = 'credentials.refresh-mfa.lock';
  const owner = '0c1f3a52-5f0e-4a4e-8d0a-6b8f3f6f9d11';
  test('an hour ago, with the lock: the next run takes it at once, and sweeps what the lock names', async (t) => {
    const { sts, home } = await setUp(t);
    const folder = dirname(home.credentialsPath);
    const long = new Date(Date.now() - 3_600_000);
    writeFileSync(join(folder, 'credentials.3241960379'), oldSession, { mode: 0o600 });
    writeFileSync(join(folder, lock), `${owner}\ncredentials.3241960379`, { mode: 0o600 });
    utimesSync(join(folder, lock), long, long);
    // a run that waited would wait for ever by this clock
    const clock = join(home.path, 'clock.cjs');
    writeFileSync(clock, 'const now = Date.now();\nDate.now = () => now;\n');
    assertDone(await run(foobar(), { home, sts, env: { NODE_OPTIONS: `--require ${clock}` } }));
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });

  test('just now, with the lock: the next run waits for ten seconds at most, whatever the date of the lock', async (t) => {
    const now = Date.now();
    const dates = [new Date(now), new Date(now + 86_400_000)];
    await Promise.all(
      dates.map(async (date) => {
        const { sts, home } = await setUp(t);
        writeFileSync(join(dirname(home.credentialsPath), lock), owner, { mode: 0o600 });
        utimesSync(join(dirname(home.credentialsPath), lock), date, date);
        // what the run has slept; how long all else takes is the machine's doing
        const slept = join(home.path, 'slept');
        const timers = join(home.path, 'timers.cjs');
        writeFileSync(
          timers,
          `const later = setTimeout;
let slept = 0;
globalThis.setTimeout = (work, ms, ...rest) => later((...all) => { slept += Math.trunc(ms); work(...all); }, ms, ...rest);
process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(slept)}, String(slept)));
`,
        );
        assertDone(await run(foobar(), { home, sts, env: { NODE_OPTIONS: `--require ${timers}` } }));
        const ms = Number(readFileSync(slept, 'utf8'));
        assert.ok(ms > 0 && ms < 11_000, `${ms} ms were slept`);
        const text = home.readCredentials();
        assert.equal(text, `${seed}\n${section(text, sts)}`);
        assert.deepEqual(home.listAws(), ['config', 'credentials']);
      }),
    );
  });
});

describe('another program that writes the file meanwhile', () => {
  const ways: readonly (readonly [string, (path: string, text: string) => void])[] = [
    ['in place', (path, text) => writeFileSync(path, text)],
    [
      'by putting a new file in its place',
      (path, text) => {
        writeFileSync(`${path}.new`, text);
        renameSync(`${path}.new`, path);
      },
    ],
  ];
  for (const [way, write] of ways) {
    test(`${way}, while STS answers: both changes are kept`, async (t) => {
      const { sts, home } = await setUp(t);
      home.writeCredentials(`${oldSession}\n${seed}`);
      sts.behave({ kind: 'delay', ms: 500 });
      const { done } = start(foobar(), { home, sts });
      await sts.until(() => sts.calls.length === 1);
      const others = '# rotated today\n[acme]\naws_access_key_id = ASIAI44QH8DHBEXAMPLE\n\n';
      write(home.credentialsPath, `${others}${oldSession}region = eu-central-1\n\n${seed}`);
      assertDone(await done);
      const text = home.readCredentials();
      assert.equal(text, `${others}${section(text, sts)}region = eu-central-1\n\n${seed}`);
      assert.equal(home.mode(), 0o600);
    });
  }

  const changed = `${seed}\n[team]\nregion = eu-central-1\n`;
  for (const { first, half } of [
    { first: 'nothing', half: 0 },
    { first: 'half a line', half: changed.indexOf('_secret_access_key') },
    { first: 'some sections', half: changed.indexOf('[foobar-long-term]') },
  ]) {
    test(`by emptying it and filling it again, ${first} at first, as the aws command does: both changes are kept`, async (t) => {
      const { sts, home } = await setUp(t);
      sts.behave({ kind: 'delay', ms: 200 });
      const { done } = start(foobar(), { home, sts });
      await sts.until(() => sts.calls.length === 1);
      const file = openSync(home.credentialsPath, 'w');
      t.after(() => closeSync(file));
      writeSync(file, changed.slice(0, half));
      // by then the new file would be in place
      await Promise.race([done, sleep(800)]);
      writeSync(file, changed.slice(half));
      assertDone(await done);
      const text = home.readCredentials();
      assert.equal(text, `${changed}\n${section(text, sts)}`);
    });
  }

  test('by emptying it for good: the section is all there is', async (t) => {
    const { sts, home } = await setUp(t);
    sts.behave({ kind: 'delay', ms: 200 });
    const { done } = start(foobar(), { home, sts });
    await sts.until(() => sts.calls.length === 1);
    home.writeCredentials('');
    assertDone(await done);
    const text = home.readCredentials();
    assert.equal(text, section(text, sts));
  });

  test('by taking the section away, while STS answers: it is there again', async (t) => {
    const { sts, home } = await setUp(t);
    home.writeCredentials(`${oldSession}\n${seed}`);
    sts.behave({ kind: 'delay', ms: 500 });
    const { done } = start(foobar(), { home, sts });
    await sts.until(() => sts.calls.length === 1);
    home.writeCredentials(seed);
    assertDone(await done);
    const text = home.readCredentials();
    assert.equal(text, `${seed}\n${section(text, sts)}`);
  });

  test('by breaking it, while STS answers: it is left to the person', async (t) => {
    const { sts, home } = await setUp(t);
    sts.behave({ kind: 'delay', ms: 500 });
    const { done } = start(foobar(), { home, sts });
    await sts.until(() => sts.calls.length === 1);
    appendFileSync(home.credentialsPath, '[AcmeAccount]\n');
    const { status, stdout, stderr } = await done;
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
    assert.match(stderr, /^refresh-mfa: error: ~\/\.aws\/credentials line 8: \[AcmeAccount\] is there twice/);
    assert.equal(home.readCredentials(), `${seed}[AcmeAccount]\n`);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  });
});

describe('long-lived keys that are pasted into the section', () => {
  const pasted = `${seed}
[foobar]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
`;

  function assertRefused({ status, stdout, stderr }: Result, home: Home): void {
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' });
    assert.match(stderr, /^refresh-mfa: error: \[foobar\] in ~\/\.aws\/credentials line 9 holds long-lived keys/);
    assert.equal(home.readCredentials(), pasted);
    assert.deepEqual(home.listAws(), ['config', 'credentials']);
  }

  test('before the run: refused before the code is asked for', async (t) => {
    const { sts, home } = await setUp(t);
    home.writeCredentials(pasted);
    assertRefused(await run(['foobar'], { home, sts, stdin: 'open' }), home);
    assert.equal(sts.calls.length, 0);
  });

  test('while the code is typed: never overwritten', async (t) => {
    const { sts, home } = await setUp(t);
    const { child, done } = start(['foobar'], { home, sts, stdin: 'open' });
    await sts.until(() => sts.connections === 1);
    home.writeCredentials(pasted);
    child.stdin?.end(`${totp(devices.bjohnson.totpSecret)}\n`);
    assertRefused(await done, home);
  });

  test('while STS answers: never overwritten', async (t) => {
    const { sts, home } = await setUp(t);
    sts.behave({ kind: 'delay', ms: 500 });
    const { done } = start(foobar(), { home, sts });
    await sts.until(() => sts.calls.length === 1);
    home.writeCredentials(pasted);
    assertRefused(await done, home);
  });
});
