import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeHome } from './home';
import { type Command, command } from './run';

/** A shell word, in which `$$` stays the shell's process id. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''").replaceAll('$$', "'$$'")}'`;
}

/** A PATH whose first folder holds `refresh-mfa`, which is the program, and the given shell scripts by name; it goes after the test. */
export function pathWith(
  t: TestContext,
  scripts: Readonly<Record<string, string>> = {},
  { file, args }: Command = command(),
): { folder: string; PATH: string } {
  const folder = makeHome(t).path;
  const all = { 'refresh-mfa': `exec ${[file, ...args].map(quoted).join(' ')} "$@"`, ...scripts };
  for (const [name, script] of Object.entries(all)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return { folder, PATH: `${folder}${delimiter}${process.env.PATH}` };
}
