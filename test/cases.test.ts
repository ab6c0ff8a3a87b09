// The cases of test/cases, each in a home of its own. REFRESH_MFA_CASES picks those whose `file: title` it matches.
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { caseFiles, readCases, runCase } from './helpers/cases';
import { whyNot } from './helpers/which';

const wanted = new RegExp(process.env.REFRESH_MFA_CASES ?? '');

for (const file of caseFiles()) {
  const topic = basename(file, '.txt');
  const cases = readCases(file).filter(({ title }) => wanted.test(`${topic}: ${title}`));
  if (cases.length === 0) continue;
  describe(topic, { concurrency: 2 }, () => {
    for (const one of cases) {
      const skip = one.needs.map(whyNot).find((reason) => reason !== false) ?? false;
      test(one.title, { skip }, (t) => runCase(t, one));
    }
  });
}
