// The two files without a disk, as a layout: config // credentials. ` | ` ends a line; words in capitals stand for lines and values,
// and ROLE dev work for a role with its source.
import assert from 'node:assert/strict';
import { type ErrorCode, UserError } from '../../lib/errors';
import { Files } from '../../lib/files';
import { parse } from '../../lib/sections';
import { keys, oldSession, otherKeys, person, serial } from './scene';

export interface Text {
  readonly config: string;
  readonly credentials: string;
}

const printed = { Version: 1, AccessKeyId: person.accessKeyId, SecretAccessKey: person.secretAccessKey };
export const keyCommand = `credential_process = echo '${JSON.stringify(printed)}'`;

const words: Readonly<Record<string, string>> = {
  KEYS: keys.trimEnd(),
  OTHER: otherKeys.trimEnd(),
  SESSION: oldSession.trimEnd(),
  COMMAND: keyCommand,
  SERIAL: serial,
  MFA: `mfa_serial = ${serial}`,
  LONG: 'duration_seconds = 43200',
};

/** The text of the two files; what holds nothing is empty. */
export function write(layout: string): Text {
  const [config = '', credentials = ''] = layout
    .replace(/ROLE (\w+) (\w+)/g, '[profile $1] | role_arn = arn:aws:iam::123456789012:role/$1 | source_profile = $2')
    .replace(/\b(KEYS|OTHER|SESSION|COMMAND|SERIAL|MFA|LONG)\b/g, (word) => words[word] ?? word)
    .split(/^\/\/ | \/\/ /)
    .map((text) => (text === '' ? '' : `${text.replaceAll(' | ', '\n')}\n`));
  return { config, credentials };
}

export function parseText({ config, credentials }: Text): Files {
  const document = (text: string, path: string) => parse(Buffer.from(text), path);
  const path = '/home/jan/.aws/credentials';
  return new Files(document(config, '~/.aws/config'), document(credentials, '~/.aws/credentials'), path);
}

export function read(layout: string): Files {
  return parseText(write(layout));
}

/** The message and the hints of what is thrown. */
export function refusal(action: () => unknown, code: ErrorCode = 'config'): string[] {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.code, code);
    return [error.message, ...error.hints];
  }
  throw new Error('not refused');
}
