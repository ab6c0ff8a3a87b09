// The packages that an installed copy runs with, as the lock names them, and what THIRD-PARTY-LICENSES.md says of them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

export interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly hasInstallScript?: boolean;
}

export function readPackage(): {
  readonly version: string;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bundleDependencies: readonly string[];
  readonly repository?: { readonly url?: string };
} {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

/** All packages of the lock by their folder, such as `node_modules/ini`. */
export function readLock(): ReadonlyMap<string, Locked> {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return new Map(Object.entries<Locked>(packages).filter(([folder]) => folder !== ''));
}

/** Those of the lock that are not there for the development alone. */
export function runtimePackages(): ReadonlyMap<string, Locked> {
  return new Map([...readLock()].filter(([, { dev, devOptional }]) => !dev && !devOptional));
}

function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** The file with a package's licence, or undefined where it has none. */
function licenceFile(folder: string): string | undefined {
  const path = join(root, folder);
  const name = existsSync(path) ? readdirSync(path).find((file) => /^licen[cs]e(\.(md|txt))?$/i.test(file)) : undefined;
  return name && posix.join(folder, name);
}

/** What THIRD-PARTY-LICENSES.md has to hold. */
export function licenceList(): string {
  const all = [...runtimePackages()];
  const rows = all.map(([folder, { version, license }]) => {
    const scope = posix.dirname(nameOf(folder));
    const kin = all.filter(([other, locked]) => posix.dirname(nameOf(other)) === scope && locked.license === license);
    const text =
      licenceFile(folder) ?? (scope === '.' ? undefined : kin.map(([other]) => licenceFile(other)).find(Boolean));
    if (!license || !text) throw new Error(`${folder} has no licence, or no text of it: look into it by hand`);
    return `| \`${nameOf(folder)}\` | ${version} | ${license} | \`${text}\` |\n`;
  });
  return `# Third-party licences

refresh-mfa itself is under the MIT licence, whose text is in the file LICENSE. Its package carries the ${rows.length} packages below, as
they were published, and each is under a licence of its own. The last column names the file with its text, in the installed
package; where a package came without one, that is the file of another package of the same authors under the same licence.

\`npm run licences\` writes this list from package-lock.json.

| package | version | licence | text |
| --- | --- | --- | --- |
${rows.join('')}`;
}
