// The short form of the campaign: npm run torture
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './helpers/random';
import { scenarios } from './helpers/torture';

for (const scenario of scenarios) {
  test(scenario.name, { skip: scenario.skip() }, async () => {
    const counts = await scenario.run(new Random(7), { rounds: 1, writers: 4, sections: 2, step: 25 });
    assert.ok(Object.values(counts).some((count) => count > 0));
  });
}
