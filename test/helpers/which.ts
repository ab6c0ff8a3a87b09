import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Why a test that needs `program` has to be skipped, or false when it is on the PATH. */
export function missing(program: string): string | false {
  const found = (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)));
  return found ? false : `${program} is not installed`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
