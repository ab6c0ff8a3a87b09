// A process of its own that writes sections as the tool does, for what must not happen to the process of a test.
import { execFile, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import type { Target } from '../../lib/credentials';

export type Writer = ReturnType<typeof startWriter>;

// takes signals as the tool does
const script = `
import { prepareTarget, saveCredentials } from './credentials';
import { splice } from './sections';
const { target, names, isPrepared } = JSON.parse(process.argv[1]);
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
const stdin = { contents: script, resolveDir: resolve(__dirname, '../../lib') };
const [built] = buildSync({ stdin, bundle: true, minify: true, platform: 'node', write: false }).outputFiles;

/** Writes `[name]` for each name, one after the other, and says so after each; `behind` is what starts it. Never rejects. */
export function startWriter(target: Target, names: readonly string[], behind: readonly string[], isPrepared: boolean) {
  const job = JSON.stringify({ target, names, isPrepared });
  const [file = '', ...args] = [...behind, process.execPath, '-e', built?.text ?? '', job];
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
