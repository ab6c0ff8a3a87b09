// What must hold before a tag is released. The release workflow runs it; GitHub sets the two variables.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPackage } from './helpers/packages';

/** What stands against the release of `tag` from the GitHub repository `owner/name`, with what to do about it. */
export function findProblems(
  tag: string,
  repository: string,
  { version, repository: written }: Pick<ReturnType<typeof readPackage>, 'version' | 'repository'>,
  changelog: string,
): string[] {
  const url = `git+https://github.com/${repository}.git`;
  const problems: string[] = [];
  if (tag !== `v${version}`) {
    problems.push(`the tag is ${tag}, and package.json has version ${version}: make the two agree`);
  }
  if (!changelog.includes(`\n## ${version}\n`)) {
    problems.push(`CHANGELOG.md has no chapter "## ${version}": write what is new`);
  }
  if (written?.url !== url) {
    const right = `"repository": { "type": "git", "url": "${url}" }`;
    problems.push(`npm takes no provenance for another repository than package.json names: ${right}`);
  }
  return problems;
}

if (require.main === module) {
  const { GITHUB_REF_NAME = '', GITHUB_REPOSITORY = '' } = process.env;
  const changelog = readFileSync(join(__dirname, '../CHANGELOG.md'), 'utf8');
  const problems = findProblems(GITHUB_REF_NAME, GITHUB_REPOSITORY, readPackage(), changelog);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
