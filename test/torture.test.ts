// The short form of `npm run torture`, always with the same seed.
import { test } from 'node:test';
import { disasters } from './helpers/disasters';
import { Torture } from './helpers/torture';

// the source starts slowly
const share = process.env.REFRESH_MFA_BIN ? 1 : 2;
const amounts = { kills: 24 / share, waits: 0, step: 40 * share, disks: 10, rounds: 1, writers: 10 };

for (const { name, skip, run } of disasters) {
  test(name, { skip: skip() }, async (t) => {
    const torture = new Torture(1, amounts, t);
    await run(torture);
    for (const [what, count] of torture.counts.get(name) ?? []) t.diagnostic(`${count} ${what}`);
  });
}
