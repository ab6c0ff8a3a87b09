// Writes THIRD-PARTY-LICENSES.md anew, after a runtime package has come, gone or changed: npm run licences
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { licenceList } from './helpers/packages';

writeFileSync(join(__dirname, '../THIRD-PARTY-LICENSES.md'), licenceList());
