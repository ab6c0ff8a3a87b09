// Which profiles get a session, and which roles use it. A session profile has a source and no role_arn; a role's source_profile
// chain ends at its session profile, or at the first profile with keys of its own: every SDK signs with those.
import { closest, few, refuse, shellWord, type UserError } from './errors';
import { type Files, makeHeader, type Setting } from './files';

/** A profile that a session is written for, and what depends on it. */
export type SessionProfile = Readonly<ReturnType<typeof describe>>;

/** Where a chain ends: at a profile, or with a problem. */
type End = { readonly name: string } | { readonly explain: () => UserError };

function hasKeys(files: Files, name: string): boolean {
  return Boolean(files.find(name, 'aws_access_key_id') && files.find(name, 'aws_secret_access_key'));
}

function isRole(files: Files, name: string): boolean {
  return files.find(name, 'role_arn') !== undefined;
}

/** The `source_profile` of what is not a role. */
function findLink(files: Files, name: string): Setting | undefined {
  return isRole(files, name) ? undefined : files.find(name, 'source_profile');
}

/** `source_profile` where it does not belong to a role, else X-long-term, as aws-mfa names it. */
function findSource(files: Files, name: string): string | undefined {
  const longTerm = `${name}-long-term`;
  return findLink(files, name)?.firstLine ?? (files.has(longTerm) ? longTerm : undefined);
}

/** Where a profile has its keys from, if it is no role; nothing needs to be there. */
export function sourceOf(files: Files, name: string): string {
  return files.find(name, 'source_profile')?.value ?? `${name}-long-term`;
}

/** Where the chain of a role ends. `known` holds the ends that were found before, so that each link is followed once. */
function findEnd(files: Files, role: string, known: Map<string, End>): End {
  const path = new Set<string>();
  let end: End | undefined;
  for (let next = role; !end; ) {
    const user = next;
    path.add(user);
    const link = files.find(user, 'source_profile');
    next = link?.value ?? '';
    if (!link) end = { explain: () => explainLogin(files, user) ?? explainNoLink(files, user) };
    else if (hasKeys(files, next) && next !== user) end = { name: next };
    else if (path.has(next)) end = { explain: () => explainLoop(files, [...path], link) };
    else if (!files.has(next) && !findSource(files, next)) end = { explain: () => explainUnknown(files, link, user) };
    else end = isRole(files, next) ? known.get(next) : { name: next };
  }
  for (const name of path) known.set(name, end);
  return end;
}

function explainNoLink(files: Files, role: string): UserError {
  const hint = `add source_profile = <session profile> to ${makeHeader(role)}`;
  const { where } = files.find(role, 'role_arn') ?? {};
  return refuse(`role ${role} has no source_profile (${where})`, hint);
}

/** `path` are the profiles on the way to `link`, which leads back to one of them. */
function explainLoop(files: Files, path: readonly string[], { value: name, where }: Setting): UserError {
  const last = path.at(-1) ?? '';
  const loop = [...path.slice(path.indexOf(name)), name];
  const shown = loop.length <= 6 ? loop : [...loop.slice(0, 4), '...', name];
  const what = last === name ? `role ${name} is its own source` : `source_profile loop: ${shown.join(' -> ')}`;
  const hint = hasKeys(files, last)
    ? `move its keys to [<name>-long-term], and set source_profile of ${last} to <name>`
    : `set source_profile of ${last} to the session profile`;
  return refuse(`${what} (${where})`, hint);
}

/** For a `source_profile` of `user` that names no profile. */
export function explainUnknown(files: Files, link: Setting, user: string): UserError {
  const problem = link.explainNotWord();
  if (problem) return problem;
  const near = findNear(files, link.value).find((other) => other !== user);
  const sessions = isRole(files, user) ? findSessionNames(files) : [];
  const [only, ...others] = sessions.length > 0 ? sessions : findKeyed(files);
  const what = isRole(files, user) ? '<session profile>' : '<the profile with the keys>';
  const hint = `set source_profile of ${user} to ${near ?? (others.length === 0 ? (only ?? what) : what)}`;
  return refuse(`source_profile "${link.value}" does not exist (${link.where})`, hint);
}

/** For a name that was typed, and no file knows. */
function explainNoProfile(files: Files, name: string): UserError {
  const { config, credentials } = files;
  const near = findNear(files, name);
  const sessions = findSessionNames(files);
  const steps = [
    `add [${name}-long-term] with your long-lived keys to ${credentials.path}`,
    `add ${makeHeader(name)} with mfa_serial to ${config.path}`,
  ];
  const known = sessions.length > 0 ? `session profiles: ${few(sessions)}` : steps;
  const hints = near.length > 0 ? `did you mean ${near.join(' or ')}?` : known;
  return refuse(`no profile "${name}" in ${config.path} or ${credentials.path}`, hints);
}

function findNear(files: Files, name: string): string[] {
  return closest(name, [...files.names, ...findSessionNames(files)]);
}

/** The profiles with long-lived keys. */
export function findKeyed(files: Files): string[] {
  return [...files.names].filter((name) => {
    const keyed = hasKeys(files, name) || files.find(name, 'credential_process');
    return keyed && !files.find(name, 'aws_session_token') && !files.find(name, 'aws_security_token');
  });
}

/** All session profiles, in the order of the files. */
export function findSessionNames(files: Files): string[] {
  const names = new Set([...files.names].map((name) => name.replace(/(?<=.)-long-term$/s, '')));
  return [...names].filter((name) => {
    return findSource(files, name) !== undefined && !isRole(files, name) && !explainLogin(files, name);
  });
}

/** Why a profile needs no session: it gets credentials of another kind, and SDKs would ignore a session written for it. */
export function explainLogin(files: Files, name: string): UserError | undefined {
  const keys = ['sso_session', 'sso_start_url', 'login_session', 'web_identity_token_file', 'credential_source'];
  const login = keys.map((key) => files.find(name, key)).find(Boolean);
  if (!login) return undefined;
  const { key, where } = login;
  const command = key.startsWith('sso_') ? 'aws sso login' : key === 'login_session' ? 'aws login' : undefined;
  const how = command ? `log in with ${command} --profile ${shellWord(name)}` : 'use it as it is';
  return refuse(`${name} uses ${key} (${where})`, `it needs no refresh: ${how}`);
}

/** All session and role profiles, for completion. */
export function findNames(files: Files): string[] {
  return findSessions(files).flatMap(({ name, roles }) => [name, ...roles]);
}

/** All session profiles, with the roles that use them. */
export function findSessions(files: Files): SessionProfile[] {
  const roles = findRoles(files);
  return findSessionNames(files).map((name) => describe(files, name, roles));
}

/**
 * The session profile behind a name: the profile itself, or the end of a role's chain.
 * @throws UserError `config` for an unknown name, a chain that ends nowhere, a loop
 */
export function requireSession(files: Files, name: string): SessionProfile {
  if (!files.has(name) && !findSource(files, name)) throw explainNoProfile(files, name);
  const end = isRole(files, name) ? findEnd(files, name, new Map()) : { name };
  if ('explain' in end) throw end.explain();
  return describe(files, end.name, findRoles(files));
}

/** The only session profile; where there is none, the only profile that has keys and roles behind it. */
export function findOnlySession(files: Files): string | undefined {
  const sessions = findSessionNames(files);
  const keyed = new Set(findKeyed(files));
  const names = sessions.length > 0 ? sessions : [...findRoles(files).keys()].filter((name) => keyed.has(name));
  return names.length === 1 ? names[0] : undefined;
}

function describe(files: Files, name: string, roles: ReadonlyMap<string, readonly string[]>) {
  return {
    name,
    /** The profile with the long-lived keys. */
    source: findSource(files, name),
    /** Its `source_profile` line. */
    link: findLink(files, name),
    /** Its section of the credentials file. */
    section: files.credentials.sections.get(name),
    /** The names of the role profiles that use the session, in the order of the files. */
    roles: roles.get(name) ?? [],
  };
}

/** The names of the roles behind each profile; linear in the size of the files. */
function findRoles(files: Files): Map<string, string[]> {
  const known = new Map<string, End>();
  const roles = new Map<string, string[]>();
  for (const name of files.names) {
    if (!isRole(files, name) || explainLogin(files, name)) continue;
    const end = known.get(name) ?? findEnd(files, name, known);
    if ('explain' in end) continue;
    const names = roles.get(end.name) ?? [];
    names.push(name);
    roles.set(end.name, names);
  }
  return roles;
}
