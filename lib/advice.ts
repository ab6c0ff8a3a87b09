// What is wrong with a layout, as edits of the two files. A cure is only offered if it cures: the edits are applied in memory
// and the result is read again; the refresh must then go ahead, and every other profile resolve to what it did before.
import { few } from './errors';
import { type Files, find, findPlaces, firstLine, makeFiles, makeHeader, type Setting } from './files';
import { findOwnKeys, requireIdentity } from './identity';
import { findSessions, requireSession, type SessionProfile } from './profiles';
import { type Document, parse, type Section } from './sections';
import { findReaderNote } from './session';
import type { Environment } from './shell';

/** Replaces `remove` lines from `line` on by others, which are given without their line endings. */
interface Edit {
  readonly document: Document;
  readonly line: number;
  readonly remove: number;
  readonly insert: readonly string[];
}

/** What will not work although the session is valid, one line each. */
export function findNotes(files: Files, session: SessionProfile): string[] {
  const { name, link, roles, source } = session;
  const notes: string[] = [];
  if (link) {
    const also = roles.length === 0 ? '' : roles.length === 1 ? ' and its role' : ` and its ${roles.length} roles`;
    notes.push(`Terraform can't use ${name}${also}: source_profile without role_arn (${link.where})`);
  }
  const assumed = source === undefined ? undefined : find(files, source, 'assume_role');
  if (assumed) {
    notes.push(`assume_role is ignored (${assumed.where}): use a profile with role_arn and source_profile = ${name}`);
  }
  for (const { name: role, serial, duration } of roles) {
    if (serial) notes.push(`${role} asks for a code of its own: delete mfa_serial (${serial.where})`);
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html, "Role chaining"
    if (isTooLong(duration))
      notes.push(`${role} can last one hour: duration_seconds is over 3600 (${duration?.where})`);
  }
  const reader = findReaderNote(files.credentials, name);
  return reader ? [...notes, reader] : notes;
}

function isTooLong(duration: Setting | undefined): boolean {
  return Number(duration?.value) > 3600;
}

export interface Cure {
  /** What the edits do, in a line. */
  readonly summary: string;
  readonly diff: string;
}

/**
 * The edits after which the session can be refreshed and no note is left that an edit could mend. Pure.
 * @returns undefined where there is nothing to mend, or no proof that every other profile stays what it is
 */
export function findCure(files: Files, session: SessionProfile, env: Environment, serial?: string): Cure | undefined {
  for (const withLink of session.link ? [true, false] : [false]) {
    const edits = findEdits(files, session, withLink);
    if (!edits || edits.length === 0 || !isProved(files, session, edits, env, serial)) continue;
    const diff = [files.credentials, files.config].map((document) => renderDiff(document, edits)).join('');
    // edits show no such line; this is the last guard
    if (/^[-+].*(secret|token|access_key|process)/im.test(diff)) continue;
    return { summary: summarize(session, edits), diff };
  }
  return undefined;
}

/** Why there is no patch for the `source_profile` of a session profile. */
export function findObstacle(files: Files, { name, source, link }: SessionProfile): string | undefined {
  if (!link || source === undefined) return undefined;
  const sharing = findSessions(files).filter((other) => other.name !== name && other.source === source);
  if (sharing.length === 0) return undefined;
  const names = few(sharing.map((other) => other.name));
  return `${names} uses [${source}] too: copy it to [${name}-long-term], then delete source_profile (${link.where})`;
}

function summarize({ name, roles }: SessionProfile, edits: readonly Edit[]): string {
  const moved = edits.some(({ insert }) => insert.at(-1)?.includes(`${name}-long-term`));
  const freed = roles.some(({ serial }) => serial);
  const parts = [
    moved && `moves the keys to [${name}-long-term]`,
    freed && 'stops roles asking for codes of their own',
  ];
  return `this ${parts.filter(Boolean).join(', and ') || 'mends the layout'}`;
}

/** What may be copied to another section with its value shown: anything else could hold a secret. */
const harmless = /^(region|output|duration_seconds|cli_\w+|retry_mode|max_attempts|sts_regional_endpoints|user_arn)$/;
/** What goes along with the keys: a refresh looks for the device beside them, too. */
const moving = /^(aws_(access_key_id|secret_access_key|mfa_device)|credential_process|mfa_(serial|process))$/;

/** @param withLink whether the session profile's source_profile goes, and its source becomes X-long-term */
function findEdits(files: Files, session: SessionProfile, withLink: boolean): Edit[] | undefined {
  const { name, source, link, roles } = session;
  const { config, credentials } = files;
  const longTerm = `${name}-long-term`;
  const own = source === undefined || source === name ? findOwnKeys(files, name) : undefined;
  const edits = roles.flatMap(({ serial, duration }) => [
    ...(serial ? [replaceSetting(serial)] : []),
    ...(duration && isTooLong(duration) ? [replaceSetting(duration, '3600')] : []),
  ]);
  const added = findMissingDevice(files, session);
  if (link && (withLink || source === name)) edits.push(replaceSetting(link));
  if (own) {
    const kept = [...own.section.entries.values()].filter(({ key }) => !moving.test(key) && key !== 'source_profile');
    if (!kept.every(({ key, value }) => harmless.test(key) && !value.includes('\n'))) return undefined;
    const profile = own.document === credentials ? files.prefixed.get(name) : undefined;
    const lines = kept.map(({ key, value }) => `${key} = ${value}`);
    if (kept.some(({ key, value }) => (profile?.entries.get(key)?.value ?? value) !== value)) return undefined;
    added.unshift(...lines.filter((_, index) => !profile?.entries.has(kept[index]?.key ?? '')));
  }
  const renamed = own ? [own] : withLink && source !== longTerm ? findPlaces(files, source ?? '') : [];
  if (renamed.length > 0 && (findPlaces(files, longTerm).length > 0 || (!own && source === 'default')))
    return undefined;
  for (const { document, section } of renamed) {
    const header = document === config && !isBare(files, section) ? makeHeader(longTerm) : `[${longTerm}]`;
    const line = (document.lines[section.line] ?? '').trimEnd().replace(/\[[^\]]*\]/, () => header);
    const before = own && document === config ? [makeHeader(name), ...added.splice(0), ''] : [];
    edits.push({ document, line: section.line, remove: 1, insert: [...before, line] });
  }
  if (added.length > 0) edits.push(addToProfile(files, session, added));
  return edits;
}

function isBare({ prefixed }: Files, section: Section): boolean {
  return ![...prefixed.values()].includes(section);
}

/** The roles' device, where the session profile has none and all its roles have the same. */
function findMissingDevice(files: Files, { name, source, roles }: SessionProfile): string[] {
  const places = [name, source ?? name, 'default'].flatMap((profile) => findPlaces(files, profile));
  if (places.some(({ section }) => ['mfa_serial', 'aws_mfa_device'].some((key) => section.entries.get(key)?.value)))
    return [];
  const serials = new Set(roles.flatMap(({ serial }) => (serial ? [firstLine(serial.value)] : [])));
  return serials.size === 1 ? [`mfa_serial = ${[...serials][0]}`] : [];
}

/** Without a value the entry goes, continuation lines included. */
function replaceSetting({ document, line }: Setting, value?: string): Edit {
  const text = document.lines[line] ?? '';
  const key = /^[^=:]*[=:]\s*/.exec(text.trimEnd())?.[0] ?? '';
  const after = document.lines.findIndex((next, index) => index > line && !/^\s+\S/.test(next));
  const isLong = document.lines[line + 1]?.match(/^\s*/)?.[0].length ?? 0;
  const end = isLong > (text.match(/^\s*/)?.[0].length ?? 0) && after > 0 ? after : line + 1;
  return { document, line, remove: end - line, insert: value === undefined ? [] : [key + value] };
}

/** Behind the last entry of the profile's section in the config; a new section goes before the first role's. */
function addToProfile(files: Files, { name, roles }: SessionProfile, lines: readonly string[]): Edit {
  const { config } = files;
  const section = files.prefixed.get(name);
  if (section) {
    const last = [...section.entries.values()].at(-1);
    const header = config.lines[section.line] ?? '';
    if (!header.endsWith('\n')) return { document: config, line: section.line, remove: 1, insert: [header, ...lines] };
    const isOpen = !(config.lines[(last?.end ?? 0) - 1] ?? '').endsWith('\n');
    const indent = /^[^\S\r\n]*/.exec(config.lines[last?.line ?? -1] ?? '')?.[0] ?? '';
    const line = !last || isOpen ? section.line + 1 : last.end;
    return { document: config, line, remove: 0, insert: lines.map((text) => indent + text) };
  }
  const first = roles.map((role) => files.prefixed.get(role.name)?.line).find((line) => line !== undefined);
  const line = first ?? [...config.sections.values()][0]?.line ?? config.lines.length;
  const blank = config.lines.length > line ? [''] : [];
  return { document: config, line, remove: 0, insert: [makeHeader(name), ...lines, ...blank] };
}

/** The edits in the order of the lines, each with the text that replaces the old lines. */
function inOrder(document: Document, edits: readonly Edit[]): Edit[] {
  return edits.filter((edit) => edit.document === document).sort((a, b) => a.line - b.line || a.remove - b.remove);
}

/** New lines with their endings; one that takes the place of a last line without an ending has none either. */
function endLines({ lines }: Document, { line, remove, insert }: Edit): string[] {
  const eol = lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
  const isOpen = remove > 0 && line + remove === lines.length && !lines.at(-1)?.endsWith('\n');
  return insert.map((text, index) => (isOpen && index === insert.length - 1 ? text : text + eol));
}

function apply(document: Document, edits: readonly Edit[]): string {
  const lines = [...document.lines];
  for (const edit of inOrder(document, edits).reverse()) {
    lines.splice(edit.line, edit.remove, ...endLines(document, edit));
  }
  return lines.join('');
}

function isProved(
  files: Files,
  session: SessionProfile,
  edits: readonly Edit[],
  env: Environment,
  serial?: string,
): boolean {
  try {
    const [config, credentials] = [files.config, files.credentials].map((document) => {
      return parse(Buffer.from(apply(document, edits)), document.path);
    }) as [Document, Document];
    const after = makeFiles(config, credentials, files.credentialsPath);
    const next = requireSession(after, session.name);
    const roles = new Set(session.roles.map(({ name }) => name));
    const own = new Set([session.name, session.source, `${session.name}-long-term`, ...roles]);
    const others = new Set([...files.names, ...after.names].filter((name) => !own.has(name)));
    return (
      next.name === session.name &&
      requireIdentity(after, next, env, serial).source === next.source &&
      [...roles].every((name) => requireSession(after, name).name === session.name) &&
      [...roles].every((name) => resolve(files, name, roleKeys) === resolve(after, name, roleKeys)) &&
      [...others].every((name) => resolve(files, name) === resolve(after, name)) &&
      keysOf(files, session) === keysOf(after, next)
    );
  } catch {
    return false;
  }
}

/** What the patch takes from roles. */
const roleKeys = ['mfa_serial', 'duration_seconds'];

/** All settings of a profile, and those of the profiles that its chain leads to. */
function resolve(files: Files, name: string, without: readonly string[] = [], depth = 0): string {
  const keys = new Set(findPlaces(files, name).flatMap(({ section }) => [...section.entries.keys()]));
  const own = [...keys].filter((key) => !without.includes(key)).sort();
  const settings = own.map((key) => `${key}=${find(files, name, key)?.value}`);
  const next = find(files, name, 'source_profile')?.value;
  return JSON.stringify([
    settings,
    next && without.length === 0 && depth < 20 ? resolve(files, next, [], depth + 1) : '',
  ]);
}

/** The keys behind a session, wherever they are. */
function keysOf(files: Files, { name, source }: SessionProfile): string {
  const profile = source ?? name;
  return ['aws_access_key_id', 'aws_secret_access_key', 'credential_process']
    .map((key) => find(files, profile, key)?.value ?? '')
    .join('\n');
}

/** A unified diff without context lines, so that no key can show; empty where nothing changes. */
function renderDiff(document: Document, edits: readonly Edit[]): string {
  const path = document.path.replace(/^~\//, '');
  let shift = 0;
  const hunks = inOrder(document, edits).map((edit) => {
    const { line, remove, insert } = edit;
    const range = (start: number, count: number) =>
      `${count === 0 ? start : start + 1}${count === 1 ? '' : `,${count}`}`;
    const section = [...document.sections.values()].findLast((other) => other.line < line);
    const isHeader = insert.some((text) => /^\s*\[/.test(text));
    const label = section && !isHeader ? ` [${section.name}]` : '';
    const head = `@@ -${range(line, remove)} +${range(line + shift, insert.length)} @@${label}\n`;
    shift += insert.length - remove;
    const old = document.lines.slice(line, line + remove).map((text) => diffLine('-', text));
    return (
      head +
      old.join('') +
      endLines(document, edit)
        .map((text) => diffLine('+', text))
        .join('')
    );
  });
  const from = document.lines.length === 0 ? '/dev/null' : path;
  return hunks.length > 0 ? `--- ${from}\n+++ ${path}\n${hunks.join('')}` : '';
}

function diffLine(sign: string, text: string): string {
  return text.endsWith('\n') ? sign + text : `${sign}${text}\n\\ No newline at end of file\n`;
}
