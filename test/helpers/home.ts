import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import type { LocalSts, User } from './sts';

export interface HomeFiles {
  readonly config?: string | Buffer;
  readonly credentials?: string | Buffer;
}

/** The users of the two long-lived keys in examples/credentials, with the devices that examples/config names. */
export const devices = {
  bob: {
    accessKeyId: 'NOTETHISISNOTREALKEY',
    secretAccessKey: 'ANDTHISISNOTEITHERavalidKEY+Butpleasetry',
    userArn: 'arn:aws:iam::123456781234:user/bob',
    serial: 'arn:aws:iam::123456781234:mfa/bob',
    totpSecret: Buffer.from('the device on the desk of bob'),
  },
  bjohnson: {
    accessKeyId: 'THISISNOTAREALKEYYES',
    secretAccessKey: 'SPOILERALERTThisKeyISNOTVALIDJustExample',
    userArn: 'arn:aws:iam::789012347890:user/bjohnson',
    serial: 'arn:aws:iam::789012347890:mfa/bjohnson',
    totpSecret: Buffer.from('the telephone of bjohnson'),
  },
} as const satisfies Record<string, User>;

export type Home = ReturnType<typeof makeHome>;

/** Makes a home folder that goes when the test ends; `~/.aws` exists only once one of its files was written. */
export function makeHome(t: TestContext, files: HomeFiles = {}) {
  // resolved, since macOS's temporary folder is behind a symlink and messages name paths
  const path = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'refresh-mfa-')));
  const aws = join(path, '.aws');
  t.after(() => fs.rmSync(path, { recursive: true, force: true }));
  const configPath = join(aws, 'config');
  const credentialsPath = join(aws, 'credentials');
  const write = (file: string, content: string | Buffer) => {
    fs.mkdirSync(aws, { recursive: true, mode: 0o700 });
    fs.writeFileSync(file, content);
    // the umask has no say here
    fs.chmodSync(file, 0o600);
  };
  const home = {
    path,
    configPath,
    credentialsPath,
    readCredentials: () => fs.readFileSync(credentialsPath, 'utf8'),
    writeConfig: (content: string | Buffer) => write(configPath, content),
    writeCredentials: (content: string | Buffer) => write(credentialsPath, content),
    /** The permission bits of the credentials file. */
    mode: () => fs.statSync(credentialsPath).mode & 0o777,
    /** The names in `~/.aws`, sorted; none when it does not exist. */
    listAws: () => (fs.existsSync(aws) ? fs.readdirSync(aws).sort() : []),
  };
  if (files.config !== undefined) home.writeConfig(files.config);
  if (files.credentials !== undefined) home.writeCredentials(files.credentials);
  return home;
}

/** A home with the two files of examples/, whose two users the STS then knows. */
export function seedHome(t: TestContext, sts: LocalSts): Home {
  for (const user of Object.values(devices)) sts.addUser(user);
  const read = (name: string) => fs.readFileSync(resolve(__dirname, '../../examples', name));
  return makeHome(t, { config: read('config'), credentials: read('credentials') });
}
