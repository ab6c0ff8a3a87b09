import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Why a test that needs `program` has to be skipped, or false when it is on the PATH. */
export function missing(program: string): string | false {
  return find(program) ? false : `${program} is not installed`;
}

/** Where `program` is on the PATH. */
export function find(program: string): string | undefined {
  const files = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));
  return files.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
