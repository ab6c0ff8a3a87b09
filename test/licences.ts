// Writes THIRD-PARTY-LICENSES.md anew, after a runtime package has come, gone or changed: npm run licences
import { readdirSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { runtimePackages } from './helpers/packages';

const root = join(__dirname, '..');

/** What THIRD-PARTY-LICENSES.md has to hold. */
export function licenceList(): string {
  const all = runtimePackages();
  const rows = all.map(([folder, { version, license }]) => {
    const kin = all.filter(([other, locked]) => scopeOf(other) === scopeOf(folder) && locked.license === license);
    const text = [folder, ...kin.map(([other]) => other)].map(findText).find(Boolean);
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

function nameOf(folder: string): string {
  return folder.split('node_modules/').at(-1) ?? '';
}

/** The authors' `@scope`; of a package without one its own name, which no other has. */
function scopeOf(folder: string): string | undefined {
  return nameOf(folder).split('/')[0];
}

/** The file with a package's licence, or undefined where it has none. */
function findText(folder: string): string | undefined {
  const name = readdirSync(join(root, folder)).find((file) => /^licen[cs]e(\.(md|txt))?$/i.test(file));
  return name && posix.join(folder, name);
}

if (require.main === module) writeFileSync(join(root, 'THIRD-PARTY-LICENSES.md'), licenceList());
