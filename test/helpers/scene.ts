import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Home, type HomeFiles, makeHome } from './home';
import { type LocalSts, startSts, totp, type User } from './sts';

/** The user most tests are about, with AWS's own sample keys. */
export const person: User = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  userArn: 'arn:aws:iam::123456789012:user/bob',
  serial: 'arn:aws:iam::123456789012:mfa/phone',
  totpSecret: Buffer.from('a telephone of the first account'),
};

/** Another user, whose keys or device must not be taken for the first one's. */
export const other: User = {
  accessKeyId: 'AKIAI44QH8DHBEXAMPLE',
  secretAccessKey: 'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY',
  userArn: 'arn:aws:iam::111122223333:user/bob',
  serial: 'arn:aws:iam::111122223333:mfa/token',
  totpSecret: Buffer.from('a token of the second account'),
};

export const { serial } = person;
export const keys = keyLines(person);
export const otherKeys = keyLines(other);

/** A role's session that was written by an earlier run, or by some other tool. */
export const oldSession = `aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYOLDSESSION
aws_session_token = IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==
`;

/** The smallest set-up that works, in the layout that all tools accept. */
export const simple = {
  config: `[profile foobar]\nmfa_serial = ${serial}\n`,
  credentials: `[foobar-long-term]\n${keys}`,
};

export interface Scene {
  readonly sts: LocalSts;
  readonly home: Home;
}

/** An STS that knows the users, and a home with the files, both for as long as the test runs. */
export async function makeScene(t: TestContext, files: HomeFiles, users: readonly User[] = [person]): Promise<Scene> {
  const sts = await startSts();
  t.after(() => sts.close());
  for (const user of users) sts.addUser(user);
  return { sts, home: makeHome(t, files) };
}

/** What a person types, with the end of the line. */
export function typed(user: User = person): string {
  return `${totp(user.totpSecret)}\n`;
}

/** The sections of a credentials file that hold a session. */
export function sessionsIn(path: string): string[] {
  const sections = readFileSync(path, 'utf8').split(/^\[/m);
  const live = sections.filter((section) => /^aws_access_key_id = ASIA[A-Z0-9]{16}\r?$/m.test(section));
  return live.map((section) => section.replace(/\].*/s, ''));
}

/** The two lines of the long-lived keys. */
export function keyLines({ accessKeyId, secretAccessKey }: User): string {
  return `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}
