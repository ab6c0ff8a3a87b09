// The schema of the section that is written: its keys and values, how they are read back, and what is never overwritten.
import { refuse, shellWord, UserError } from './errors';
import { DEFAULTS, type Document, requireAgreement, type Section, splice } from './sections';

/** What STS grants. */
export type Session = Readonly<{ accessKeyId: string; secretAccessKey: string; sessionToken: string; expires: Date }>;

/** `due` also where the end of the session is not recorded; `never` where there is no session. */
export type State = 'valid' | 'due' | 'expired' | 'never';

/** `secondsLeft` are whole seconds until `expires`, 0 when it is past. */
export type Status = Readonly<{ state: State; expires?: Date; secondsLeft?: number }>;

/** The keys that are written, in this order. */
const sessionKeys = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token', 'x_security_token_expires'];
export const tokenKeys = ['aws_session_token', 'aws_security_token'];

/** Removed on the way: botocore reads the first before aws_session_token, Starship the second before our end. */
const staleKeys = ['aws_security_token', 'expiration'];

const longLived = /^["']?AKIA/i;

function hasSession(section: Section | undefined): boolean {
  return tokenKeys.some((key) => section?.entries.get(key)?.value);
}

/** A token beside an AKIA id changes nothing: the keys are long-lived. */
export function hasLongLivedKeys(section: Section | undefined): boolean {
  const id = section?.entries.get('aws_access_key_id')?.value;
  const secret = section?.entries.get('aws_secret_access_key')?.value;
  return Boolean(id || secret) && (!hasSession(section) || longLived.test(id ?? ''));
}

/** Judged by what the file says alone; `within` is in seconds, `now` in milliseconds. */
export function checkSession(section: Section | undefined, within: number, now: number): Status {
  if (!hasSession(section)) return { state: 'never' };
  const expires = parseTimestamp(section?.entries.get('x_security_token_expires')?.value ?? '');
  if (!expires) return { state: 'due' };
  const secondsLeft = Math.max(0, Math.floor((expires.getTime() - now) / 1000));
  return { state: secondsLeft === 0 ? 'expired' : secondsLeft <= within ? 'due' : 'valid', expires, secondsLeft };
}

/** RFC 3339 in UTC, to the second. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** RFC 3339 with its zone: Date takes other times for local ones, or guesses, and February 30 for March 2. */
function parseTimestamp(text: string): Date | undefined {
  const day = /^\d{4}-\d\d-\d\d(?=T([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$)/i.exec(text)?.[0];
  const isReal = day && !Number.isNaN(Date.parse(text)) && new Date(day).toISOString().startsWith(day);
  return isReal ? new Date(text) : undefined;
}

/**
 * Long-lived keys are never overwritten, and nothing is written where AWS tools would not agree on the result.
 * @param hint what to do about long-lived keys
 * @throws UserError `config`
 */
export function requireWritable(credentials: Document, name: string, hint?: string): void {
  const { path, sections } = credentials;
  const at = ({ line }: { readonly line: number }) => `${path}:${line + 1}`;
  // the JS SDK drops a whole file for [__proto__], and some tools see a comment behind # or ;
  const isPlain = ![DEFAULTS, '__proto__', ''].includes(name) && !/[\]#;\x00-\x1f\x7f-\x9f]/.test(name);
  if (!isPlain || trimHeader(name) !== name) {
    throw refuse(`AWS tools do not agree on the profile name ${JSON.stringify(name)}`, 'choose a simpler name');
  }
  const twin = [...sections.values()].find((other) => other.name !== name && trimHeader(other.name) === name);
  if (twin) throw refuse(`[${twin.name}] is [${name}] to some AWS tools (${at(twin)})`, 'delete or rename it');
  requireAgreement(credentials, name, [...sessionKeys, ...staleKeys]);
  const inherited = sections.get(DEFAULTS)?.entries.get('aws_security_token');
  if (inherited) {
    const what = `[${DEFAULTS}] has an aws_security_token (${at(inherited)})`;
    throw refuse(what, 'delete it: aws would use it for every profile');
  }
  if (!hasLongLivedKeys(sections.get(name))) return;
  throw refuse(`[${name}] in ${path} holds long-lived keys`, hint ?? `for what to do: refresh-mfa ${shellWord(name)}`);
}

/** Go trims what is in the brackets; some tools take `[profile x]` for `[x]` in the credentials file, too. */
function trimHeader(name: string): string {
  return name.replace(/^\s*(?:profile\s+(["']?))?(.*?)\1\s*$/s, '$2');
}

/**
 * The file's text with the session in its section.
 * @throws UserError as `requireWritable`; `aws` for keys that the next run would refuse to overwrite
 */
export function write(credentials: Document, name: string, session: Session): string {
  requireWritable(credentials, name);
  if (longLived.test(session.accessKeyId))
    throw new UserError('aws', 'STS answered with long-lived keys, not a session');
  const values = {
    aws_access_key_id: session.accessKeyId,
    aws_secret_access_key: session.secretAccessKey,
    aws_session_token: session.sessionToken,
    x_security_token_expires: timestamp(session.expires),
  };
  return splice(credentials, name, values, staleKeys);
}

/**
 * The file's text without the session: what `write` wrote, and nothing else.
 * @throws UserError `config` where long-lived keys would go, or AWS tools do not agree on the section
 */
export function clear(credentials: Document, name: string): string {
  requireWritable(credentials, name, 'there is no session to clear');
  return splice(credentials, name, {}, sessionKeys);
}

/** Which tools do not find the session, though none takes other keys for it. */
export function findReaderNote({ path, sections }: Document, name: string): string | undefined {
  const poison = sections.get('__proto__') ?? sections.get('profile __proto__');
  if (poison) return `JavaScript tools can't read ${path}: rename [${poison.name}] (line ${poison.line + 1})`;
  if (name in {}) return `JavaScript tools can't use ${name}: a word that JavaScript reserves`;
  const hasBlank = /^[\w-]+\s(["']?)[\w@+.%:/-]+\1$/.test(name);
  return hasBlank ? `JavaScript tools can't use ${name}: blank in the name` : undefined;
}
