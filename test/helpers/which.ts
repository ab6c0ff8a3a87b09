import { spawnSync } from 'node:child_process';

/** Why a test that needs `program` has to be skipped, or false when it is on the PATH. */
export function missing(program: string): string | false {
  return find(program) ? false : `${program} is not installed`;
}

/** The same for a word of a case's `needs:` line: a program, or what else there has to be. */
export function whyNot(word: string): string | false {
  switch (word) {
    case 'nonroot':
      return process.getuid?.() === 0 && 'root may do anything';
    case 'linux':
      return process.platform !== 'linux' && 'this is for Linux only';
    case 'aws':
      return missing('aws') || oldAws();
    default:
      return missing(word);
  }
}

/** Older ones know no AWS_ENDPOINT_URL_STS and would call the real STS. */
function oldAws(): string | false {
  const { stdout } = spawnSync('aws', ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /^aws-cli\/(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return Number(minor) >= (major === '1' ? 29 : 13) ? false : 'the aws command is of before 2023';
}

/** Where `program` is on the PATH. */
export function find(program: string): string | undefined {
  const { stdout } = spawnSync('/bin/sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' });
  return stdout.trim() || undefined;
}
