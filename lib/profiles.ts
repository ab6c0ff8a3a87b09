// Which profiles get a session, and which roles use it. A session profile has a source and no role_arn; a role's source_profile
// chain ends at its session profile, or at the first profile with keys of its own: every SDK signs with those.
import { closest, few, refuse, shellWord, type UserError } from './errors';
import { type Files, makeHeader, type Setting } from './files';
import { hasLongLivedKeys } from './session';

/** A profile that a session is written for, and what depends on it. */
export type SessionProfile = Readonly<ReturnType<typeof describe>>;

function isRole(files: Files, name: string): boolean {
  return files.find(name, 'role_arn') !== undefined;
}

/** Whether a file knows the name, or its X-long-term. */
function isProfile(files: Files, name: string): boolean {
  return files.names.has(name) || files.names.has(`${name}-long-term`);
}

/** Where a profile has its keys from, if it is no role; nothing needs to be there. */
export function sourceOf(files: Files, name: string): string {
  return files.find(name, 'source_profile')?.value ?? `${name}-long-term`;
}

/**
 * From a profile along its chain of roles to the `end`. Without one, the last of the `path` has a `link` that leads nowhere or
 * back, or none. `known` holds the ends that were found before, so that each link is followed once.
 */
function follow(files: Files, name: string, known: ReadonlyMap<string, string | undefined> = new Map()) {
  const path = new Set<string>();
  let link: Setting | undefined;
  for (let user = name; ; user = link.value) {
    if (!isRole(files, user)) return { path, link, end: user };
    if (known.has(user)) return { path, link, end: known.get(user) };
    path.add(user);
    link = files.find(user, 'source_profile');
    if (!link) return { path, link };
    const isKeyed = files.find(link.value, 'aws_access_key_id') && files.find(link.value, 'aws_secret_access_key');
    if (isKeyed && link.value !== user) return { path, link, end: link.value };
    if (path.has(link.value) || !isProfile(files, link.value)) return { path, link };
  }
}

/** Why a chain has no end: `link` is what the last of the `path` has for a `source_profile`. */
function explainEnd(files: Files, path: readonly string[], link: Setting | undefined): UserError {
  const user = path.at(-1) ?? '';
  if (!link) {
    const hint = `add source_profile = <session profile> to ${makeHeader(user)}`;
    const { where } = files.find(user, 'role_arn') ?? {};
    return explainLogin(files, user) ?? refuse(`role ${user} has no source_profile (${where})`, hint);
  }
  const { value: name, where } = link;
  if (!path.includes(name)) return explainUnknown(files, link, user);
  const loop = [...path.slice(path.indexOf(name)), name];
  const shown = loop.length <= 6 ? loop : [...loop.slice(0, 4), '...', name];
  const what = user === name ? `role ${name} is its own source` : `source_profile loop: ${shown.join(' -> ')}`;
  const hint = findOwnKeys(files, user)
    ? `move its keys to [<name>-long-term], and set source_profile of ${user} to <name>`
    : `set source_profile of ${user} to the session profile`;
  return refuse(`${what} (${where})`, hint);
}

/** For a `source_profile` of `user` that names no profile. */
export function explainUnknown(files: Files, link: Setting, user: string): UserError {
  const sessions = findSessionNames(files);
  const near = closest(link.value, [...files.names, ...sessions]).find((other) => other !== user);
  const what = isRole(files, user) ? '<session profile>' : '<the profile with the keys>';
  const [only = what, ...others] = isRole(files, user) && sessions.length > 0 ? sessions : findKeyed(files);
  const hint = `set source_profile of ${user} to ${near ?? (others.length === 0 ? only : what)}`;
  return refuse(`source_profile "${link.value}" does not exist (${link.where})`, hint);
}

/** For a name that was typed, and no file knows. */
function explainNoProfile(files: Files, name: string): UserError {
  const { config, credentials } = files;
  const sessions = findSessionNames(files);
  const near = closest(name, [...files.names, ...sessions]);
  const steps = [
    `add [${name}-long-term] with your long-lived keys to ${credentials.path}`,
    `add ${makeHeader(name)} with mfa_serial to ${config.path}`,
  ];
  const known = sessions.length > 0 ? `session profiles: ${few(sessions)}` : steps;
  const hints = near.length > 0 ? `did you mean ${near.join(' or ')}?` : known;
  return refuse(`no profile "${name}" in ${config.path} or ${credentials.path}`, hints);
}

/** Where a profile has long-lived keys, or a command that gives some, in its own sections. */
export function findOwnKeys(files: Files, name: string) {
  const sections = files.findSections(name);
  return sections.find(hasLongLivedKeys) ?? sections.find(({ entries }) => entries.get('credential_process')?.value);
}

export function findKeyed(files: Files): string[] {
  return [...files.names].filter((name) => findOwnKeys(files, name));
}

/** All session profiles, in the order of the files. */
export function findSessionNames(files: Files): string[] {
  const names = new Set([...files.names].map((name) => name.replace(/(?<=.)-long-term$/s, '')));
  return [...names].filter((name) => {
    return describe(files, name).source !== undefined && !isRole(files, name) && !explainLogin(files, name);
  });
}

/** Why a profile needs no session: it gets credentials of another kind, and SDKs would ignore a session written for it. */
export function explainLogin(files: Files, name: string): UserError | undefined {
  const keys = ['sso_session', 'sso_start_url', 'login_session', 'web_identity_token_file', 'credential_source'];
  const login = files.find(name, ...keys);
  if (!login) return undefined;
  const { key, where } = login;
  const command = key.startsWith('sso_') ? 'aws sso login' : key === 'login_session' ? 'aws login' : undefined;
  const how = command ? `log in with ${command} --profile ${shellWord(name)}` : 'use it as it is';
  return refuse(`${name} uses ${key} (${where})`, `it needs no refresh: ${how}`);
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
  if (!isProfile(files, name)) throw explainNoProfile(files, name);
  const { path, link, end } = follow(files, name);
  if (end !== undefined) return describe(files, end, findRoles(files));
  link?.requireWord();
  throw explainEnd(files, [...path], link);
}

/** The only session profile; where there is none, the only profile that has keys and roles behind it. */
export function findOnlySession(files: Files): string | undefined {
  const sessions = findSessionNames(files);
  const withRoles = [...findRoles(files).keys()];
  const [only, ...others] = sessions.length > 0 ? sessions : withRoles.filter((name) => findOwnKeys(files, name));
  return others.length === 0 ? only : undefined;
}

function describe(files: Files, name: string, roles: ReadonlyMap<string, readonly string[]> = new Map()) {
  const longTerm = `${name}-long-term`;
  const link = isRole(files, name) ? undefined : files.find(name, 'source_profile');
  return {
    name,
    /** The profile with the long-lived keys: the `source_profile`, else X-long-term, as aws-mfa names it. */
    source: link?.firstLine ?? (files.names.has(longTerm) ? longTerm : undefined),
    /** Its `source_profile` line, which belongs to the role where it is one. */
    link,
    /** Its section of the credentials file. */
    section: files.credentials.sections.get(name),
    /** The names of the role profiles that use the session, in the order of the files. */
    roles: roles.get(name) ?? [],
  };
}

/** The names of the roles behind each profile; linear in the size of the files. */
function findRoles(files: Files): Map<string, string[]> {
  const known = new Map<string, string | undefined>();
  const roles = new Map<string, string[]>();
  for (const name of files.names) {
    if (!isRole(files, name) || explainLogin(files, name)) continue;
    const { path, end } = follow(files, name, known);
    for (const user of path) known.set(user, end);
    if (end === undefined) continue;
    const names = roles.get(end) ?? [];
    names.push(name);
    roles.set(end, names);
  }
  return roles;
}
