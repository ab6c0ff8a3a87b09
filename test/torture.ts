// The campaign on the one write: npm run torture -- --seed 7 --rounds 20 --writers 50
import { parseArgs } from 'node:util';
import { Random } from './helpers/random';
import { scenarios } from './helpers/torture';

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { seed: text, rounds: text, writers: text, sections: text, only: text } });
  const seed = Number(values.seed ?? Date.now() % 2 ** 32);
  const amounts = {
    rounds: Number(values.rounds ?? 10),
    writers: Number(values.writers ?? 20),
    sections: Number(values.sections ?? 5),
    step: 1,
  };
  process.stdout.write(`--seed ${seed} ${JSON.stringify(amounts)}\n`);
  for (const scenario of scenarios.filter(({ name }) => name.includes(values.only ?? ''))) {
    const skip = scenario.skip();
    const began = performance.now();
    process.stdout.write(`\n${scenario.name}\n`);
    const counts = skip ? { [`skipped: ${skip}`]: '' } : await scenario.run(new Random(seed), amounts);
    for (const [what, count] of Object.entries(counts)) process.stdout.write(`${String(count).padStart(8)}  ${what}\n`);
    process.stdout.write(`${Math.round((performance.now() - began) / 1000)} s\n`);
  }
  process.stdout.write('\nno promise was broken\n');
}

main().catch((error: Error) => {
  process.stderr.write(`a promise is broken: ${error.message}\n`);
  process.exitCode = 1;
});
