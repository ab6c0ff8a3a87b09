// A process of its own that writes sections as the tool does, for what must not happen to the process of a test.
import { execFile, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Target } from '../../lib/credentials';

export type Writer = ReturnType<typeof startWriter>;

// takes signals as the tool does
const script = `
const { lib, target, names, isPrepared } = JSON.parse(process.argv[1]);
const { prepareTarget, saveCredentials } = require(lib + '/credentials.js');
const { splice } = require(lib + '/sections.js');
process.on('SIGXFSZ', () => {});
process.once('SIGTERM', () => process.kill(process.pid, 'SIGTERM'));
(async () => {
  if (isPrepared) await prepareTarget(target);
  for (const name of names) {
    await saveCredentials(target, (document) => splice(document, name, { k: name }));
    require('node:fs').writeSync(1, name + '\\n');
    await new Promise(setImmediate);
  }
})().catch((error) => console.error(error.message));`;

/** Writes `[name]` for each name, one after the other, and says so after each; `behind` is what starts it. Never rejects. */
export function startWriter(target: Target, names: readonly string[], behind: readonly string[], isPrepared: boolean) {
  const job = { lib: resolve(__dirname, '../../dist/lib'), target, names, isPrepared };
  const [file = '', ...args] = [...behind, process.execPath, '-e', script, JSON.stringify(job)];
  const running = promisify(execFile)(file, args);
  const end = ({ stdout, stderr }: { stdout: string; stderr: string }) => {
    return { said: stdout.split('\n').slice(0, -1), errors: stderr };
  };
  return { child: running.child, done: running.then(end, end) };
}

/** Whether the command works here. */
export function isPossible(file: string, ...args: readonly string[]): boolean {
  return spawnSync(file, args).status === 0;
}
