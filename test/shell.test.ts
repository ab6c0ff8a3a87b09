// Commands of the person's own: what comes of them, and that none outlives its welcome.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type Limits, readCommand } from '../lib/shell';

const { PATH } = process.env;
const signal = new AbortController().signal;
/** In a process group of its own, which nothing of the tests' own terminal reaches. */
const limits: Limits = { signal, kill: process.kill };

describe('what a command prints, and how it ends', () => {
  for (const [command, stdout, problem] of [
    ['echo 287082', '287082\n', undefined],
    ["printf '%s' \"a # b; c = 'd' $ONLY\" # the rest is a comment", "a # b; c = 'd' this", undefined],
    ['echo "$HOME"', '\n', undefined],
    ['cat', '', undefined],
    ['echo to the terminal >&2', '', undefined],
    ['echo 287082; exit 3', '287082\n', 'ended with status 3'],
    ['kill -KILL $$', '', 'was ended by SIGKILL'],
    ['no-such-program-of-ours 2>&-', '', 'ended with status 127'],
  ] as const) {
    test(command, async () => {
      assert.deepEqual(await readCommand(command, { PATH, ONLY: 'this' }, limits), { stdout, problem });
    });
  }

  test('all of what a big one prints arrives', async () => {
    const { stdout, problem } = await readCommand('head -c 1000000 /dev/zero', { PATH }, limits);
    assert.equal(problem, undefined);
    assert.equal(stdout.length, 1_000_000);
  });

  test('a process that it leaves behind does not hold it up, though that holds the pipe', async (t) => {
    const began = performance.now();
    const { stdout, problem } = await readCommand('sleep 100 & echo $!', { PATH }, limits);
    t.after(() => process.kill(Number(stdout)));
    assert.match(stdout, /^\d+\n$/);
    assert.equal(problem, undefined);
    assert.ok(performance.now() - began < 50_000);
  });
});

describe('a command that does not end by itself is ended, with all that it started', { timeout: 90_000 }, () => {
  /** A command of two processes, what they tell, and the end of both. */
  function endless(t: TestContext, work: string) {
    const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-shell-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const fifo = join(folder, 'life');
    execFileSync('mkfifo', [fifo]);
    const life = createReadStream(fifo);
    const [begun, ended] = [once(life, 'data'), once(life, 'close')];
    return { command: `exec 3>'${fifo}'; echo begun >&3; (${work}); echo over`, begun, ended };
  }

  test('when it prints more than 1 MiB', async (t) => {
    const { command, ended } = endless(t, 'yes');
    const { problem } = await readCommand(command, { PATH }, limits);
    assert.equal(problem, 'printed more than 1 MiB');
    await ended;
  });

  test('when its time is over', async (t) => {
    const { command, ended } = endless(t, 'echo 287082; sleep 1000');
    const { problem } = await readCommand(command, { PATH }, { ...limits, seconds: 0.5 });
    assert.equal(problem, 'did not end within 0.5 s');
    await ended;
  });

  test('when nobody wants it any more', async (t) => {
    const { command, begun, ended } = endless(t, 'sleep 1000');
    const cancel = new AbortController();
    const running = readCommand(command, { PATH }, { ...limits, signal: cancel.signal });
    await begun;
    cancel.abort();
    assert.equal((await running).problem, 'was cancelled');
    await ended;
  });

  test('when nobody has ever wanted it', async () => {
    const { problem } = await readCommand('sleep 1000', { PATH }, { ...limits, signal: AbortSignal.abort() });
    assert.equal(problem, 'was cancelled');
  });

  test('also where it shares the process group of the tool', async () => {
    const { problem } = await readCommand('exec sleep 1000', { PATH }, { seconds: 0.5, signal });
    assert.equal(problem, 'did not end within 0.5 s');
  });
});
