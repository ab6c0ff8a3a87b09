// Commands of the person's own: what comes of them, and that none outlives its welcome.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Limits, readCommand } from '../lib/shell';

const { PATH } = process.env;
/** In a process group of its own, which nothing of the tests' own terminal reaches. */
const limits: Limits = { signal: new AbortController().signal, kill: process.kill };

describe('what a command prints, and how it ends', () => {
  for (const [command, stdout, problem] of [
    ["printf '%s' \"a # b; c = 'd' $ONLY\" # the rest is a comment", "a # b; c = 'd' this", undefined],
    ['echo "$HOME"', '\n', undefined],
    ['cat', '', undefined],
    ['echo to the terminal >&2', '', undefined],
    ['echo 287082; exit 3', '287082\n', 'ended with status 3'],
    ['kill -KILL $$', '', 'was ended by SIGKILL'],
    ["head -c 1000000 /dev/zero | tr '\\0' a", 'a'.repeat(1_000_000), undefined],
  ] as const) {
    test(command, async () => {
      assert.deepEqual(await readCommand(command, { PATH, ONLY: 'this' }, limits), { stdout, problem });
    });
  }

  test('a process that it leaves behind does not hold it up, though that holds the pipe', async (t) => {
    const began = performance.now();
    const { stdout, problem } = await readCommand('sleep 100 & echo $!', { PATH }, limits);
    t.after(() => process.kill(Number(stdout)));
    assert.equal(problem, undefined);
    assert.ok(performance.now() - began < 50_000);
  });
});

describe('a command that does not end by itself is ended', { timeout: 90_000 }, () => {
  for (const [problem, work, seconds] of [
    ['printed more than 1 MiB', 'yes', 60],
    ['did not end within 0.5 s', 'echo 287082; sleep 1000', 0.5],
    ['was cancelled', 'sleep 1000', 60],
  ] as const) {
    test(`with all that it started: ${problem}`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-shell-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const fifo = join(folder, 'life');
      execFileSync('mkfifo', [fifo]);
      const life = createReadStream(fifo);
      const [begun, ended] = [once(life, 'data'), once(life, 'close')];
      const cancel = new AbortController();
      const command = `exec 3>'${fifo}'; echo begun >&3; (${work}); echo over`;
      const running = readCommand(command, { PATH }, { ...limits, seconds, signal: cancel.signal });
      await begun;
      if (problem === 'was cancelled') cancel.abort();
      assert.equal((await running).problem, problem);
      await ended;
    });
  }

  test('when nobody has ever wanted it', async () => {
    const { problem } = await readCommand('sleep 1000', { PATH }, { ...limits, signal: AbortSignal.abort() });
    assert.equal(problem, 'was cancelled');
  });

  test('also where it shares the process group of the tool', async () => {
    const { problem } = await readCommand('exec sleep 1000', { PATH }, { signal: limits.signal, seconds: 0.5 });
    assert.equal(problem, 'did not end within 0.5 s');
  });
});
