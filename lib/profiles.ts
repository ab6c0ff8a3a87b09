// Which profiles get a session, and which roles use it. A session profile has a source and no role_arn; a role's source_profile
// chain ends at its session profile, or at the first profile with keys of its own: every SDK signs with those.
import { closest, few, shellWord, UserError } from './errors';
import { exists, explainNotWord, type Files, find, firstLine, makeHeader, type Setting } from './files';
import type { Section } from './sections';

/** A profile that a session is written for, and what depends on it. */
export interface SessionProfile {
  readonly name: string;
  /** The profile with the long-lived keys. */
  readonly source: string | undefined;
  /** Its `source_profile` line. */
  readonly link: Setting | undefined;
  /** Its section of the credentials file. */
  readonly section: Section | undefined;
  /** The role profiles that use the session, in the order of the files. */
  readonly roles: readonly Role[];
}

export interface Role {
  readonly name: string;
  readonly serial: Setting | undefined;
  readonly duration: Setting | undefined;
}

/** Where a chain ends: at a profile, or with a problem. */
type End = { readonly name: string } | { readonly explain: () => UserError };

export function hasKeys(files: Files, name: string): boolean {
  return Boolean(find(files, name, 'aws_access_key_id') && find(files, name, 'aws_secret_access_key'));
}

/** `source_profile` where it does not belong to a role, else X-long-term, as aws-mfa names it. */
function findSource(files: Files, name: string): string | undefined {
  const link = findLink(files, name);
  if (link) return firstLine(link.value);
  return exists(files, `${name}-long-term`) ? `${name}-long-term` : undefined;
}

function findLink(files: Files, name: string): Setting | undefined {
  return find(files, name, 'role_arn') ? undefined : find(files, name, 'source_profile');
}

/** Where the chain of a role ends. `known` holds the ends that were found before, so that each link is followed once. */
function findEnd(files: Files, role: string, known: Map<string, End>): End {
  const path = new Set<string>();
  let current = role;
  let end: End | undefined;
  while (!end) {
    const user = current;
    const link = find(files, user, 'source_profile');
    const next = link && firstLine(link.value);
    const odd = link && explainNotWord('source_profile', link);
    path.add(user);
    if (!link || !next) end = { explain: () => explainLogin(files, user) ?? explainNoLink(files, user) };
    else if (odd) end = { explain: () => odd };
    else if (hasKeys(files, next) && next !== user) end = { name: next };
    else if (path.has(next)) {
      const names = [...path, next];
      end = { explain: () => explainLoop(files, names.slice(names.indexOf(next)), link) };
    } else if (!exists(files, next) && findSource(files, next) === undefined) {
      end = { explain: () => explainUnknown(files, next, { link, user }) };
    } else if (!find(files, next, 'role_arn')) end = { name: next };
    else end = known.get(next);
    current = next ?? '';
  }
  for (const name of path) known.set(name, end);
  return end;
}

function explainNoLink(files: Files, role: string): UserError {
  const hint = `add source_profile = <session profile> to ${makeHeader(role)}`;
  return new UserError('config', `role ${role} has no source_profile (${find(files, role, 'role_arn')?.where})`, hint);
}

function explainLoop(files: Files, path: readonly string[], { where }: Setting): UserError {
  const [name = ''] = path;
  const last = path.at(-2) ?? '';
  const loop = path.length <= 6 ? path : [...path.slice(0, 4), '...', name];
  const what = path.length === 2 ? `role ${name} is its own source` : `source_profile loop: ${loop.join(' -> ')}`;
  const hint = hasKeys(files, last)
    ? `move its keys to [<name>-long-term], and set source_profile of ${last} to <name>`
    : `set source_profile of ${last} to the session profile`;
  return new UserError('config', `${what} (${where})`, hint);
}

/** A name that no file knows, and the profile whose `source_profile` names it. */
export function explainUnknown(files: Files, name: string, from?: { link: Setting; user: string }): UserError {
  const sessions = findSessionNames(files);
  const names = [...files.names, ...sessions].filter((other) => other !== from?.user && other !== name);
  const near = closest(name, names);
  const { config, credentials } = files;
  if (from) {
    const isRole = find(files, from.user, 'role_arn') !== undefined;
    const others = isRole && sessions.length > 0 ? sessions : findKeyed(files);
    const what = isRole ? '<session profile>' : '<the profile with the keys>';
    const hint = `set source_profile of ${from.user} to ${near[0] ?? (others.length === 1 ? others[0] : what)}`;
    return new UserError('config', `source_profile "${name}" does not exist (${from.link.where})`, hint);
  }
  const hints =
    near.length > 0
      ? [`did you mean ${near.join(' or ')}?`]
      : sessions.length > 0
        ? [`session profiles: ${few(sessions)}`]
        : [
            `add [${name}-long-term] with your long-lived keys to ${credentials.path}`,
            `add ${makeHeader(name)} with mfa_serial to ${config.path}`,
          ];
  return new UserError('config', `no profile "${name}" in ${config.path} or ${credentials.path}`, hints);
}

/** The profiles with long-lived keys. */
export function findKeyed(files: Files): string[] {
  return [...files.names].filter((name) => {
    const keyed = hasKeys(files, name) || find(files, name, 'credential_process');
    return keyed && !find(files, name, 'aws_session_token') && !find(files, name, 'aws_security_token');
  });
}

/** All session profiles, in the order of the files. */
export function findSessionNames(files: Files): string[] {
  const names = new Set([...files.names].map((name) => name.replace(/(?<=.)-long-term$/s, '')));
  return [...names].filter((name) => {
    return findSource(files, name) !== undefined && !find(files, name, 'role_arn') && !findLogin(files, name);
  });
}

/** The setting by which a profile gets credentials of another kind; SDKs would ignore a session written for it. */
export function findLogin(files: Files, name: string): { readonly key: string; readonly setting: Setting } | undefined {
  for (const key of ['sso_session', 'sso_start_url', 'login_session', 'web_identity_token_file', 'credential_source']) {
    const setting = find(files, name, key);
    if (setting) return { key, setting };
  }
  return undefined;
}

/** Why a profile needs no session, with the command that logs it in. */
export function explainLogin(files: Files, name: string): UserError | undefined {
  const login = findLogin(files, name);
  if (!login) return undefined;
  const { key, setting } = login;
  const command = key.startsWith('sso_') ? 'aws sso login' : key === 'login_session' ? 'aws login' : undefined;
  const how = command ? `log in with ${command} --profile ${shellWord(name)}` : 'use it as it is';
  const what = `${name} uses ${key} (${setting.where})`;
  return new UserError('config', what, `it needs no refresh: ${how}`);
}

/** All session and role profiles, for completion. */
export function findNames(files: Files): string[] {
  return findSessions(files).flatMap(({ name, roles }) => [name, ...roles.map((role) => role.name)]);
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
  if (!exists(files, name) && findSource(files, name) === undefined) throw explainUnknown(files, name);
  const roles = findRoles(files);
  if (!find(files, name, 'role_arn')) return describe(files, name, roles);
  const end = findEnd(files, name, new Map());
  if ('explain' in end) throw end.explain();
  return describe(files, end.name, roles);
}

/** The only session profile; where there is none, the only profile that has keys and roles behind it. */
export function findOnlySession(files: Files): string | undefined {
  const sessions = findSessionNames(files);
  const keyed = new Set(findKeyed(files));
  const names = sessions.length > 0 ? sessions : [...findRoles(files).keys()].filter((name) => keyed.has(name));
  return names.length === 1 ? names[0] : undefined;
}

function describe(files: Files, name: string, roles: ReadonlyMap<string, readonly string[]>): SessionProfile {
  return {
    name,
    source: findSource(files, name),
    link: findLink(files, name),
    section: files.credentials.sections.get(name),
    roles: (roles.get(name) ?? []).map((role) => ({
      name: role,
      serial: find(files, role, 'mfa_serial'),
      duration: find(files, role, 'duration_seconds'),
    })),
  };
}

/** The names of the roles behind each profile; linear in the size of the files. */
function findRoles(files: Files): Map<string, string[]> {
  const known = new Map<string, End>();
  const roles = new Map<string, string[]>();
  for (const name of files.names) {
    if (!find(files, name, 'role_arn') || findLogin(files, name)) continue;
    const end = known.get(name) ?? findEnd(files, name, known);
    if ('explain' in end) continue;
    const names = roles.get(end.name);
    if (names) names.push(name);
    else roles.set(end.name, [name]);
  }
  return roles;
}
