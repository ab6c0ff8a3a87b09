// The schema of the section that is written: its keys and values, how they are read back, and what is never overwritten.
import { UserError } from './errors';
import { DEFAULTS, type Document, findAmbiguity, readHeaders, type Section, splice, unsplice } from './sections';

/** What STS grants. */
export interface Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expires: Date;
}

/** `due` also where the end of the session is not recorded; `never` where there is no session. */
export type State = 'valid' | 'due' | 'expired' | 'never';

export interface Status {
  readonly state: State;
  readonly expires: Date | undefined;
  /** Whole seconds until `expires`, 0 when it is past. */
  readonly secondsLeft: number | undefined;
}

/** The keys that are written, in this order. */
export const sessionKeys = [
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'x_security_token_expires',
];
export const tokenKeys = ['aws_session_token', 'aws_security_token'];

/** Removed on the way: botocore reads the first before aws_session_token, Starship the second before our end. */
const staleKeys = ['aws_security_token', 'expiration'];
const ownKeys = [...sessionKeys, ...staleKeys];

export function hasSession(section: Section | undefined): boolean {
  return tokenKeys.some((key) => section?.entries.get(key)?.value);
}

/** A token beside an AKIA id changes nothing: the keys are long-lived. */
export function hasLongLivedKeys(section: Section | undefined): boolean {
  const id = section?.entries.get('aws_access_key_id')?.value;
  const secret = section?.entries.get('aws_secret_access_key')?.value;
  return Boolean(id || secret) && (!hasSession(section) || isLongLived(id ?? ''));
}

function isLongLived(id: string): boolean {
  return /^["']?AKIA/i.test(id);
}

/** Judged by what the file says alone; `within` is in seconds, `now` in milliseconds. */
export function checkSession(section: Section | undefined, within: number, now: number): Status {
  if (!hasSession(section)) return { state: 'never', expires: undefined, secondsLeft: undefined };
  const expires = parseTimestamp(section?.entries.get('x_security_token_expires')?.value ?? '');
  if (!expires) return { state: 'due', expires, secondsLeft: undefined };
  const secondsLeft = Math.max(0, Math.floor((expires.getTime() - now) / 1000));
  return { state: secondsLeft === 0 ? 'expired' : secondsLeft <= within ? 'due' : 'valid', expires, secondsLeft };
}

/** RFC 3339 in UTC, to the second. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** RFC 3339 with its zone: anything else that Date takes, it takes for local time or guesses. */
function parseTimestamp(text: string): Date | undefined {
  const match = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.exec(text);
  const date = new Date(text);
  if (!match || Number.isNaN(date.getTime())) return undefined;
  // Date takes February 30 for March 2
  return new Date(`${match[1]}T00:00Z`).toISOString().startsWith(match[1] ?? '') ? date : undefined;
}

/**
 * Long-lived keys are never overwritten, and nothing is written where AWS tools would not agree on the result.
 * @throws UserError `config`
 */
export function requireWritable(credentials: Document, name: string): void {
  const { path, sections } = credentials;
  if (!isPlain(name)) {
    const hint = 'rename it: no # ; ] or control characters, no blanks at the ends';
    throw new UserError('config', `AWS tools do not agree on the profile name ${JSON.stringify(name)}`, hint);
  }
  requireAgreement(credentials, name);
  const inherited = sections.get(DEFAULTS)?.entries.get('aws_security_token');
  if (inherited) {
    const hint = `delete that line: aws would use it instead of the session of ${name}`;
    throw new UserError('config', `aws_security_token in [${DEFAULTS}] (${path}:${inherited.line + 1})`, hint);
  }
  if (!hasLongLivedKeys(sections.get(name))) return;
  const hint = `rename that section to [${name}-long-term]: refresh-mfa never overwrites long-lived keys`;
  throw new UserError('config', `[${name}] in ${path} holds long-lived keys`, hint);
}

/** Whether every reader takes the header `[name]` for this name. */
function isPlain(name: string): boolean {
  return (
    name !== DEFAULTS &&
    !/[\]\x00-\x1f\x7f-\x9f]/.test(name) &&
    readHeaders(`[${name}]`)
      .slice(0, 3)
      .every((read) => read === name)
  );
}

function requireAgreement(credentials: Document, name: string): void {
  const found = findAmbiguity(credentials, name, ownKeys);
  if (!found) return;
  const where = `${credentials.path}:${found.line + 1}`;
  const [message, hint] = found.isHeader
    ? ['ambiguous section header', `write it as [${name}], from column 1, with nothing behind the ]`]
    : [`ambiguous line in [${name}]`, 'start the keys of that section in column 1, each with its value in one line'];
  throw new UserError('config', `${message} (${where})`, `${hint}: AWS tools read it differently`);
}

/**
 * The file's text with the session in its section.
 * @throws UserError as `requireWritable`; `aws` for keys that the next run would refuse to overwrite
 */
export function write(credentials: Document, name: string, session: Session): string {
  requireWritable(credentials, name);
  if (isLongLived(session.accessKeyId)) throw new UserError('aws', 'STS answered with long-lived keys, not a session');
  return splice(credentials, name, {
    aws_access_key_id: session.accessKeyId,
    aws_secret_access_key: session.secretAccessKey,
    aws_session_token: session.sessionToken,
    x_security_token_expires: timestamp(session.expires),
    ...Object.fromEntries(staleKeys.map((key) => [key, undefined])),
  });
}

/**
 * The file's text without the session: what `write` wrote, and nothing else.
 * @throws UserError `config` where long-lived keys would go, or AWS tools do not agree on the section
 */
export function clear(credentials: Document, name: string): string {
  const section = credentials.sections.get(name);
  if (hasLongLivedKeys(section)) {
    const where = `${credentials.path}:${(section?.line ?? 0) + 1}`;
    throw new UserError(
      'config',
      `[${name}] holds long-lived keys, not a session (${where})`,
      'there is nothing to clear',
    );
  }
  requireWritable(credentials, name);
  return unsplice(credentials, name, sessionKeys);
}

/** Which tools do not find the session, though none takes other keys for it. */
export function findReaderNote(credentials: Document, name: string): string | undefined {
  const { path, lines, sections } = credentials;
  const poison = lines.findIndex((text) => /^\s*\[(profile\s)?__proto__\]\s*(\s[#;]|$)/.test(text));
  if (poison >= 0) return `JavaScript tools ignore ${path}: [__proto__] in line ${poison + 1}`;
  if (name in {} || /^[\w-]+\s(["']?)[\w@+.%:/-]+\1$/.test(name)) {
    return `JavaScript tools can't use ${name}: ${name in {} ? 'a reserved word' : 'blank in the name'}`;
  }
  const [first] = sections.get(name)?.entries.values() ?? [];
  if (first && /^[ \t]/.test(lines[first.line] ?? '')) {
    return `Terraform and other Go tools can't use ${name}: indented keys (${path}:${first.line + 1})`;
  }
  return undefined;
}
