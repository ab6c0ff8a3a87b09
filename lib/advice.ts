// What is wrong with a layout, in notes, and the edits that cure it. A cure is only offered if it is proved: the edits are applied
// in memory and the files read again; then the refresh must go ahead, and every other profile be what it was before.
import { few, UserError } from './errors';
import { Files, makeHeader } from './files';
import { findDevice, requireIdentity } from './identity';
import { findOwnKeys, findSessionNames, requireSession, type SessionProfile, sourceOf } from './profiles';
import { DEFAULTS, type Document, type Entry, lineEnding, parse, type Section, splitLines } from './sections';
import { findReaderNote } from './session';
import type { Environment } from './shell';

/** What becomes of the line with this index: nothing, or whole lines. */
type Edit = Readonly<{ document: Document; line: number; change: (text: string) => string }>;

export type Cure = NonNullable<ReturnType<typeof findCure>>;

/** Why a role cannot use the session with this setting. */
function findFlaw({ key, value }: Pick<Entry, 'key' | 'value'>): string | undefined {
  if (key === 'mfa_serial') return 'asks for a code: delete mfa_serial';
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html, "Role chaining"
  const isTooLong = key === 'duration_seconds' && Number(value) > 3600;
  return isTooLong ? 'fails: duration_seconds is over 3600' : undefined;
}

/** What keeps a role from using the session, as notes. */
function findFlaws(files: Files, role: string): string[] {
  const found = ['mfa_serial', 'duration_seconds'].flatMap((key) => files.find(role, key) ?? []);
  return found.filter(findFlaw).map((setting) => `${role} ${findFlaw(setting)} (${setting.where})`);
}

/** What will not work although the session is valid, a line each. */
export function findNotes(files: Files, { name, link, source = '', roles }: SessionProfile): string[] {
  const assumed = files.find(source, 'assume_role');
  const notes = [
    link && `Terraform refuses ${name}'s source_profile (${link.where})`,
    assumed && `assume_role is ignored (${assumed.where})`,
    ...roles.flatMap((role) => findFlaws(files, role)),
    findReaderNote(files.credentials, name),
  ];
  return notes.filter((note) => note !== undefined);
}

/** What to do about the notes that no patch mends. */
export function findRemedies(files: Files, session: SessionProfile): string[] {
  const { name, link, source = '' } = session;
  const users = findOtherUsers(files, session);
  const assume = `instead of assume_role, add a profile with role_arn and source_profile = ${name}`;
  const copy = [
    `[${source}] is also used by ${few(users)}: copy it to [${longTerm(name)}]`,
    `then delete source_profile from [${link?.section?.name}]`,
  ];
  const rename = `rename [${longTerm(name)}], which is not the source, and run this again`;
  return [
    ...(files.find(source, 'assume_role') ? [assume] : []),
    ...(link && users.length > 0 ? copy : link && isTaken(files, session) ? [rename] : []),
  ];
}

function longTerm(name: string): string {
  return `${name}-long-term`;
}

/** Who else needs the source of a session profile under its present name. */
function findOtherUsers(files: Files, { name, source = '' }: SessionProfile): string[] {
  if (source === longTerm(name)) return [];
  const users = findAll(files).filter((other) => other !== name && sourceOf(files, other) === source);
  return source === 'default' ? ['plain aws commands', ...users] : users;
}

/** Whether X-long-term exists, but is not the source. */
function isTaken(files: Files, { name, source }: SessionProfile): boolean {
  return source !== longTerm(name) && files.names.has(longTerm(name));
}

/** All profiles, and the session profiles of which only X-long-term is there. */
function findAll(files: Files): string[] {
  return [...new Set([...files.names, ...findSessionNames(files)])];
}

/**
 * The edits after which the session can be refreshed and its roles work. Pure.
 * @returns what they do, in a line, and a unified diff of the two files without context lines and without keys; undefined where
 *   there is nothing to mend, or no proof
 */
export function findCure(files: Files, session: SessionProfile, env: Environment, serial?: string) {
  const edits = findEdits(files, session, serial);
  if (edits.length === 0) return undefined;
  try {
    const read = (document: Document) => parse(Buffer.from(apply(document, edits).join('')), document.path);
    const after = new Files(read(files.config), read(files.credentials), files.credentialsPath);
    const next = requireSession(after, session.name);
    requireIdentity(after, next, env, serial);
    const diff = [files.credentials, files.config].map((document) => renderDiff(document, edits)).join('');
    // a comment behind a header could be a key
    const showsKey = /A[KS]IA\w{12}|(?<![\w/+])[\w/+]{40}(?![\w/+])/.test(diff);
    const isGood = !showsKey && isProved(files, session, after, next);
    return isGood ? { summary: summarize(files, session, next), diff } : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function summarize(files: Files, { name, source, link, roles }: SessionProfile, next: SessionProfile): string {
  const effect = [
    link && !next.link && `Terraform can use ${name}`,
    roles.some((role) => files.find(role, 'mfa_serial')) && 'roles stop asking for codes',
    roles.some((role) => findFlaws(files, role).length > 0) && 'roles last one hour',
  ].find(Boolean);
  if (next.source === source) return `with this, ${effect}`;
  return [`this moves the keys to [${next.source}]`, effect].filter(Boolean).join(', and ');
}

/** What may be shown, and so copied to another section: anything else could be a secret. */
const harmless =
  /^(region|output|duration_seconds|cli_\w+|use_\w+|\w+_mode|max_attempts|sts_regional_endpoints|ca_bundle|user_arn)$/;
/** What goes where the keys go: a refresh looks for the device beside them, too. */
const moving =
  /^(aws_(access_key_id|secret_access_key|mfa_device)|x_security_token_expires|credential_process|mfa_\w+)$/;

function findEdits(files: Files, session: SessionProfile, serial: string | undefined): Edit[] {
  const { name, source = name, link, roles } = session;
  const isBlocked = isTaken(files, session);
  const own = source === name && !isBlocked ? findOwnKeys(files, name) : undefined;
  const isFree = own || (!isBlocked && findOtherUsers(files, session).length === 0);
  const moved = own ? [own] : link && isFree && source !== longTerm(name) ? files.findSections(source) : [];
  const added = [...(own ? findKept(files, name, own) : []), ...findMissingDevice(files, session, serial)];
  return [
    ...roles.flatMap((role) => changeEntries(files, role, findFlaw)),
    ...(isFree ? changeEntries(files, name, ({ key, value }) => key === 'source_profile' && value !== '') : []),
    ...moved.map((section) => rename(files, section, longTerm(name))),
    ...(added.length > 0 ? [add(files, session, added, own)] : []),
  ];
}

/** The lines beside the keys that the profile must keep, where no other section of it has them. */
function findKept(files: Files, name: string, own: Section): string[] {
  const { entries } = own;
  const others = files.findSections(name).filter((section) => section !== own);
  const isLost = (key: string) => !others.some((section) => section.entries.has(key));
  // a device has its mfa_process beside it, which may not be shown
  const isKept = (key: string) => harmless.test(key) || (key === 'mfa_serial' && !entries.has('mfa_process'));
  const kept = [...entries.values()].filter(({ key }) => isLost(key) && isKept(key));
  return kept.map(({ key, value }) => `${key} = ${value}`);
}

/** The device of the roles, where the session profile has none. */
function findMissingDevice(files: Files, { name, source = name, roles }: SessionProfile, serial: string | undefined) {
  // a default that is one of the roles loses its own
  const spare = roles.includes('default') ? [] : ['default'];
  if (findDevice(files, [name, source, ...spare])) return [];
  const serials = new Set(roles.flatMap((role) => files.find(role, 'mfa_serial')?.firstLine ?? []));
  const device = serial ?? (serials.size === 1 ? [...serials][0] : undefined);
  return device ? [`mfa_serial = ${device}`] : [];
}

/** Deletes lines of a profile, wherever they are; a duration is cut to what a role's session may last. */
function changeEntries(files: Files, name: string, isMeant: (entry: Entry) => unknown): Edit[] {
  return files.findSections(name).flatMap(({ document, entries }) => {
    return [...entries.values()].filter(isMeant).map(({ key, value, line }) => {
      const change = (text: string) => (key === 'duration_seconds' ? text.replace(value, '3600') : '');
      return { document, line, change };
    });
  });
}

function rename({ prefixed }: Files, section: Section, name: string): Edit {
  const { document, name: old, line } = section;
  const header = [...prefixed.values()].includes(section) ? makeHeader(name) : `[${name}]`;
  return { document, line, change: (text) => text.replace(`[${old}]`, () => header) };
}

/** Below the profile's header in the config; a new section goes before the one that is renamed, or that of the first role. */
function add(files: Files, { name, roles }: SessionProfile, lines: readonly string[], own?: Section): Edit {
  const { config: document, prefixed } = files;
  const eol = lineEnding(document);
  const section = prefixed.get(name);
  if (section && section !== own) {
    const first = [...section.entries.values()][0]?.line ?? section.line;
    const indent = /^\s*/.exec(document.lines[first] ?? '')?.[0];
    const insert = lines.map((text) => indent + text + eol).join('');
    const change = (header: string) => (header.endsWith('\n') ? header : header + eol) + insert;
    return { document, line: section.line, change };
  }
  const role = roles.map((role) => prefixed.get(role)).find(Boolean);
  const next = own?.document === document ? own : (role ?? [...document.sections.values()][0]);
  const insert = [makeHeader(name), ...lines, ...(next ? ['', ''] : [''])].join(eol);
  return { document, line: next?.line ?? document.lines.length, change: (text) => insert + text };
}

/** Whether the session has the same keys and roles as before, no role has a flaw, and all other profiles are what they were. */
function isProved(files: Files, session: SessionProfile, after: Files, next: SessionProfile): boolean {
  const { name, source = name, roles } = session;
  const isSame = (profile: string, other: string, counts: (key: string) => boolean) =>
    settings(files, profile, counts) === settings(after, other, counts);
  const moved = next.source === source ? [] : [source, longTerm(name)];
  const changed = new Set([name, ...moved, ...roles]);
  const others = findAll(files).filter((other) => !changed.has(other));
  const deviceOf = (all: Files, other: string) => findDevice(all, [other, sourceOf(all, other), 'default'])?.value;
  return (
    next.roles.join('\n') === roles.join('\n') &&
    roles.every((role) => findFlaws(after, role).length === 0) &&
    roles.every((role) => isSame(role, role, (key) => !/^(mfa_serial|duration_seconds)$/.test(key))) &&
    isSame(name, name, (key) => !moving.test(key) && key !== 'source_profile') &&
    isSame(source, next.source ?? '', (key) => /^(aws_\w+_key\w*|credential_process)$/.test(key)) &&
    others.every((other) => isSame(other, other, () => true) && !moved.includes(sourceOf(files, other))) &&
    findSessionNames(files).every((other) => [undefined, deviceOf(after, other)].includes(deviceOf(files, other)))
  );
}

/** The settings of a profile that count, as text to compare. */
function settings(files: Files, name: string, counts: (key: string) => boolean): string {
  const keys = files.findSections(name).flatMap(({ document, entries }) => {
    return [...entries.keys(), ...(document.sections.get(DEFAULTS)?.entries.keys() ?? [])];
  });
  const all = [...new Set(keys)].filter(counts).sort();
  return all.map((key) => `${key}=${files.find(name, key)?.value ?? ''}\n`).join('');
}

/** The document's lines after the edits; one that was changed may be several, or empty. */
function apply(document: Document, edits: readonly Edit[]): string[] {
  const lines = [...document.lines];
  for (const edit of edits) if (edit.document === document) lines[edit.line] = edit.change(lines[edit.line] ?? '');
  return lines;
}

const noNewline = '\\ No newline at end of file\n';

/** Empty where nothing changes. */
function renderDiff(document: Document, edits: readonly Edit[]): string {
  const range = (line: number, count: number) => `${count === 0 ? line : line + 1}${count === 1 ? '' : `,${count}`}`;
  let shift = 0;
  const hunks = apply(document, edits).map((text, index) => {
    const old = document.lines.slice(index, index + 1);
    const fresh = splitLines(text);
    const kept = fresh.indexOf(old[0] ?? '');
    const removed = kept < 0 ? old : [];
    const added = fresh.filter((_, at) => at !== kept);
    if (removed.length + added.length === 0) return '';
    const line = kept === 0 ? index + 1 : index;
    const section = [...document.sections.values()].findLast((other) => other.line < line);
    const label = section && !/^\s*\[/m.test(added.join('')) ? ` [${section.name}]` : '';
    const head = `@@ -${range(line, removed.length)} +${range(line + shift, added.length)} @@${label}\n`;
    shift += added.length - removed.length;
    const changed = [...removed.map((text) => `-${text}`), ...added.map((text) => `+${text}`)];
    return head + changed.map((text) => (text.endsWith('\n') ? text : `${text}\n${noNewline}`)).join('');
  });
  // a tab ends a path with blanks
  const path = document.path.replace(/^~\//, '').replace(/.* .*/, '$&\t');
  const from = document.lines.length === 0 ? '/dev/null' : path;
  const diff = hunks.join('');
  return diff && `--- ${from}\n+++ ${path}\n${diff}`;
}
