// The two files without a disk, as a layout: config // credentials. ` | ` ends a line; KEYS, OTHER and SESSION are the key lines of
// the person, of another user and of a session; SERIAL is the person's device.
import assert from 'node:assert/strict';
import { type ErrorCode, UserError } from '../../lib/errors';
import { Files } from '../../lib/files';
import { parse } from '../../lib/sections';
import { keys, oldSession, otherKeys, serial } from './scene';

const words: Readonly<Record<string, string>> = { KEYS: keys, OTHER: otherKeys, SESSION: oldSession, SERIAL: serial };

export function read(layout: string): Files {
  const [config = '', credentials = ''] = layout.split(/^\/\/ | \/\/ /);
  const document = (text: string, path: string) => {
    const filled = text.replace(/\b(KEYS|OTHER|SESSION|SERIAL)\b/g, (word) => words[word]?.trimEnd() ?? word);
    return parse(Buffer.from(`${filled.replaceAll(' | ', '\n')}\n`), path);
  };
  const path = '/home/jan/.aws/credentials';
  return new Files(document(config, '~/.aws/config'), document(credentials, '~/.aws/credentials'), path);
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
