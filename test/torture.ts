// Thousands of disasters, each of which has to leave the old file or the new one: npm run torture -- --seed 7 --runs 2000
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { disasters } from './helpers/disasters';
import { Torture } from './helpers/torture';

const cleanups: (() => unknown)[] = [];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
      runs: { type: 'string', default: '2000' },
      only: { type: 'string', default: '' },
    },
  });
  const [seed, kills] = [Number(values.seed), Number(values.runs)];
  if (!Number.isInteger(seed) || !Number.isInteger(kills)) throw new Error('--seed and --runs take whole numbers');
  // what is built starts much faster than the source
  process.env.REFRESH_MFA_BIN ??= resolve(__dirname, '../dist/refresh.js');
  if (!existsSync(process.env.REFRESH_MFA_BIN)) throw new Error('there is nothing to run yet: npm run build');
  process.stdout.write(`seed ${seed}, ${kills} runs to be killed, ${process.env.REFRESH_MFA_BIN}\n`);

  const began = performance.now();
  let shown = 0;
  for (const disaster of disasters) {
    if (!disaster.name.includes(values.only)) continue;
    const amounts = { kills, waits: 6, step: 1, disks: 100, rounds: 3, writers: 50 };
    const t = { after: (clean: () => unknown) => void cleanups.push(clean) };
    const torture = new Torture(seed, amounts, t, (done, all) => {
      if (!process.stderr.isTTY || performance.now() - shown < 200) return;
      shown = performance.now();
      process.stderr.write(`\r\u001b[K${disaster.name}: ${done} of ${all}`);
    });
    const start = performance.now();
    const skip = disaster.skip();
    try {
      if (!skip) await disaster.run(torture);
    } catch (error) {
      const what = (error as Error).message;
      throw new Error(`a promise is broken with seed ${seed}\n${disaster.name}\n${what}`, { cause: error });
    } finally {
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
      for (const clean of cleanups.splice(0)) await clean();
    }
    const counts = [...(torture.counts.get(disaster.name) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    const seconds = Math.round((performance.now() - start) / 1000);
    const lines = counts.map(([what, count]) => `${String(count).padStart(8)}  ${what}\n`);
    process.stdout.write(`\n${disaster.name}${skip ? '' : ` (${seconds} s)`}\n`);
    process.stdout.write(skip ? `          skipped: ${skip}\n` : lines.join(''));
  }
  process.stdout.write(`\nno promise was broken in ${Math.round((performance.now() - began) / 1000)} s\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
