import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Environment } from './command';
import { few, shellWord, systemCode, UserError } from './errors';
import { DEFAULTS, type Document, findMisread, parse, parseNested, type Section } from './sections';

/** The two shared files as they were read once, at the start. */
export interface Files {
  readonly config: Document;
  readonly credentials: Document;
  /** Where the credentials file is, absolute; it need not exist. */
  readonly credentialsPath: string;
  /** The config's `[profile X]`, `[profile "X"]` and `[default]` sections by X. */
  readonly prefixed: ReadonlyMap<string, Section>;
  /** Every name that a profile could have, in the files' order; bare sections of the config count. */
  readonly names: ReadonlySet<string>;
}

/** A value and where it stands, for messages: `[profile foobar] in ~/.aws/config line 7`. */
export interface Setting {
  readonly value: string;
  readonly where: string;
}

/** A profile that a session is written for, and what depends on it. */
export interface SessionProfile {
  readonly name: string;
  readonly source: string | undefined;
  /** Its `source_profile` line, which Go tools refuse since there is no `role_arn` beside it. */
  readonly link: Setting | undefined;
  /** Whether its section of the credentials file exists. */
  readonly written: boolean;
  /** Whether that section holds a session, expired or not. */
  readonly hasSession: boolean;
  /** `x_security_token_expires` as written. */
  readonly expires: string | undefined;
  /** The role profiles that chain off it, in the file's order. */
  readonly roles: readonly Role[];
}

export interface Role {
  readonly name: string;
  readonly serial: Setting | undefined;
  readonly duration: Setting | undefined;
}

export type SourceKeys =
  | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly where: string }
  | { readonly process: string; readonly where: string };

/** All that one refresh needs to know before the code is asked for. */
export interface Identity {
  readonly session: SessionProfile;
  readonly source: string;
  readonly keys: SourceKeys;
  readonly serial: string;
  /** The shell command that prints a code, where one stands beside the `mfa_serial`. */
  readonly mfaProcess: Setting | undefined;
  readonly region: string;
  readonly endpoint: string | undefined;
  /** Path of a PEM file with certificate authorities to trust beside Node's own. */
  readonly caBundle: string | undefined;
  /** The session profile's `duration_seconds`. */
  readonly duration: Setting | undefined;
}

/** The keys that the tool writes; `aws_security_token` is only ever removed, because botocore would read it first. */
export const sessionKeys = [
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'x_security_token_expires',
];
const tokenKeys = ['aws_session_token', 'aws_security_token'];

/**
 * Reads both files; one that does not exist is an empty one.
 * @throws UserError `file` for one that cannot be read, `config` for one that botocore would refuse
 */
export function readFiles(env: Environment, home: string): Files {
  const configPath = expand(env.AWS_CONFIG_FILE || '~/.aws/config', home);
  const credentialsPath = expand(env.AWS_SHARED_CREDENTIALS_FILE || '~/.aws/credentials', home);
  const config = readDocument(configPath, home);
  const credentials = readDocument(credentialsPath, home);
  const prefixed = new Map<string, Section>();
  const names = new Set<string>();
  for (const section of config.sections.values()) {
    const name = profileName(section.name);
    if (section.name !== DEFAULTS) names.add(name ?? section.name);
    if (name !== undefined && (section.name !== 'default' || !prefixed.has(name))) prefixed.set(name, section);
  }
  for (const name of credentials.sections.keys()) if (name !== DEFAULTS) names.add(name);
  return { config, credentials, credentialsPath, prefixed, names };
}

function readDocument(path: string, home: string): Document {
  const shown = shorten(path, home);
  try {
    return parse(readFileSync(path), shown);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return parse(new Uint8Array(), shown);
    if (error instanceof UserError || code === '') throw error;
    const hint = code === 'EACCES' ? `ls -l ${shown} tells whose it is` : 'see that it is a file that you may read';
    throw new UserError('file', `cannot read ${shown} (${code})`, hint);
  }
}

/** Paths as the stock tools take them: a leading `~` is the home folder, other paths start in the working folder. */
function expand(path: string, home: string): string {
  return /^~(?=[/\\]|$)/.test(path) ? join(home, path.slice(1)) : resolve(path);
}

/** The path with the home folder as `~`, for messages. */
function shorten(path: string, home: string): string {
  return path.startsWith(join(home, '/')) ? `~/${path.slice(join(home, '/').length).replaceAll('\\', '/')}` : path;
}

/** X of `profile X`, read as botocore does: shell words, of which there must be two. Quotes and backslashes are optional. */
function profileName(header: string): string | undefined {
  if (header === 'default') return header;
  const word = /^[ \t]*profile[ \t]+((?:[^ \t'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)[ \t]*$/.exec(header)?.[1];
  return word?.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g, (_, single, double, escaped) => {
    return single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped;
  });
}

/**
 * The text of the PEM file with the certificate authorities to trust beside Node's own.
 * @throws UserError `config`
 */
export function readBundle(path: string, home: string): string {
  const fail = (what: string) => refuse(what, 'correct AWS_CA_BUNDLE, or ca_bundle in the config');
  let text: string;
  try {
    text = readFileSync(expand(path, home), 'utf8');
  } catch (error) {
    throw fail(`cannot read the certificate bundle ${path} (${systemCode(error)})`);
  }
  if (text.includes('-----BEGIN ')) return text;
  throw fail(`the certificate bundle ${path} holds no certificate`);
}

function refuse(what: string, ...hints: readonly string[]): UserError {
  return new UserError('config', what, ...hints);
}

/** How the config names a profile: `[default]`, `[profile foobar]`, `[profile "my work"]`. */
function header(name: string): string {
  if (name === 'default') return '[default]';
  return `[profile ${/^[\w.,/@%+:=-]+$/.test(name) ? name : JSON.stringify(name)}]`;
}

interface Place {
  readonly document: Document;
  readonly section: Section;
}

/**
 * Every section that speaks of a profile, in the order in which it is believed: the credentials file's hides the config's
 * prefixed one key by key, as in all SDKs; the config's bare one, which those skip, comes last.
 */
function placesOf({ config, credentials, prefixed }: Files, name: string): Place[] {
  const first = prefixed.get(name);
  const bare = config.sections.get(name);
  const own = credentials.sections.get(name);
  const places: Place[] = [];
  if (own) places.push({ document: credentials, section: own });
  if (first) places.push({ document: config, section: first });
  if (bare && bare !== first) places.push({ document: config, section: bare });
  return places;
}

function inPlace({ document, section }: Place, key: string): Setting | undefined {
  const owner = section.entries.has(key) ? section : document.sections.get(DEFAULTS);
  const entry = owner?.entries.get(key);
  if (!owner || !entry?.value) return undefined;
  return { value: entry.value, where: `[${owner.name}] in ${document.path} line ${entry.line + 1}` };
}

/** The first that is set, in the order of `placesOf`; an empty value is as good as none. */
function setting(files: Files, name: string, key: string): Setting | undefined {
  for (const place of placesOf(files, name)) {
    const found = inPlace(place, key);
    if (found) return found;
  }
  return undefined;
}

/** A value that ends with its line: the stock tools take an indented next line for part of it. */
function line(key: string, { value, where }: Setting): string {
  if (!value.includes('\n')) return value;
  const hint = 'the line below it is indented: move it to the margin';
  throw refuse(`${key} of ${where} goes on in the next line`, hint);
}

/** Where a value is only shown: what the stock tools take for the rest of it may well be a key. */
function ownLine(value: string): string {
  return value.split('\n', 1)[0] ?? '';
}

/** A value that is one word: the stock tools take a comment behind it for part of it. */
function word(key: string, found: Setting): string {
  if (!/\s[#;]/.test(line(key, found))) return found.value;
  const what = `${key} of ${found.where} has a comment behind it, which aws takes for part of the value`;
  throw refuse(what, 'move the comment to a line of its own');
}

function exists(files: Files, name: string): boolean {
  return placesOf(files, name).length > 0;
}

/** `source_profile`, else the section that aws-mfa's users call X-long-term. */
function sourceOf(files: Files, name: string): string | undefined {
  const link = setting(files, name, 'source_profile');
  if (link) return ownLine(link.value);
  return exists(files, `${name}-long-term`) ? `${name}-long-term` : undefined;
}

/** The profile whose section a refresh of `name` writes: itself, or where the `source_profile` chain of a role ends. */
function climb(files: Files, name: string): string {
  const path = [name];
  for (let current = name; ; ) {
    const role = setting(files, current, 'role_arn');
    if (!role) return current;
    const link = setting(files, current, 'source_profile');
    if (!link) {
      const hint = 'add source_profile = <session profile> there, or name the session profile itself';
      throw refuse(`${current} has a role_arn but no source_profile (${role.where}), so no session is behind it`, hint);
    }
    const next = word('source_profile', link);
    if (path.includes(next)) {
      const loop = [...path.slice(path.indexOf(next)), next].join(' -> ');
      throw refuse(
        `source_profile goes round in a loop: ${loop} (${link.where})`,
        'let the last one name the profile with the session',
      );
    }
    if (!exists(files, next) && sourceOf(files, next) === undefined)
      throw unknown(files, next, `source_profile of ${link.where}: `);
    path.push(next);
    current = next;
  }
}

function unknown(files: Files, name: string, prefix = ''): UserError {
  const sessions = findSessionNames(files);
  const close = [...new Set([...files.names, ...sessions])]
    .map((other) => ({ other, distance: strangeness(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(2, name.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .filter(({ distance }, _, [best]) => distance <= (best?.distance ?? 0) + 1)
    .slice(0, 3)
    .map(({ other }) => other);
  const where = `${files.config.path} or ${files.credentials.path}`;
  const hint =
    close.length > 0
      ? `did you mean ${close.join(' or ')}?`
      : sessions.length > 0
        ? `the session profiles are ${few(sessions)}`
        : `add ${header(name)} with source_profile and mfa_serial to ${files.config.path}`;
  return refuse(`${prefix}no profile "${name}" in ${where}`, hint);
}

/** How unlike two names are; one that is a part of the other is close. */
function strangeness(a: string, b: string): number {
  return a.length > 2 && b.includes(a) ? 2 : distance(a, b);
}

/** Levenshtein's distance: how many characters to put in, take out or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** All session profiles, in the files' order: those with a source and no `role_arn`. */
export function findSessionNames(files: Files): string[] {
  const names = new Set([...files.names].map((name) => name.replace(/-long-term$/, '')));
  return [...names].filter((name) => !setting(files, name, 'role_arn') && sourceOf(files, name) !== undefined);
}

/** All session and role profiles, for completion. */
export function findNames(files: Files): string[] {
  return findSessions(files).flatMap(({ name, roles }) => [name, ...roles.map((role) => role.name)]);
}

/**
 * The session profile behind a name: itself, or the one that a role profile chains off.
 * @param roles what `findRoles` gives
 * @throws UserError `config` for a name that no file knows, a chain that ends nowhere, and a loop
 */
export function findSession(files: Files, roles: Roles, name: string): SessionProfile {
  if (!exists(files, name) && sourceOf(files, name) === undefined) throw unknown(files, name);
  return describe(files, climb(files, name), roles);
}

/** All session profiles with the role profiles behind them; linear in the size of the files. */
export function findSessions(files: Files): SessionProfile[] {
  const roles = findRoles(files);
  return findSessionNames(files).map((name) => describe(files, name, roles));
}

function describe(files: Files, name: string, roles: Roles): SessionProfile {
  const section = files.credentials.sections.get(name);
  return {
    name,
    source: sourceOf(files, name),
    link: setting(files, name, 'source_profile'),
    written: section !== undefined,
    hasSession: tokenKeys.some((key) => section?.entries.get(key)?.value),
    expires: section?.entries.get('x_security_token_expires')?.value,
    roles: (roles.get(name) ?? []).map((role) => ({
      name: role,
      serial: setting(files, role, 'mfa_serial'),
      duration: setting(files, role, 'duration_seconds'),
    })),
  };
}

/** The names of the role profiles behind each session profile. */
export type Roles = ReadonlyMap<string, readonly string[]>;

/** Which role profiles chain off which profile, directly or through other roles. Each link is followed once. */
export function findRoles(files: Files): Roles {
  const ends = new Map<string, string | undefined>();
  const end = (name: string): string | undefined => {
    const path: string[] = [];
    let current: string | undefined = name;
    while (current !== undefined && !ends.has(current) && setting(files, current, 'role_arn')) {
      ends.set(current, undefined);
      path.push(current);
      current = setting(files, current, 'source_profile')?.value;
    }
    const found = current === undefined || ends.has(current) ? ends.get(current ?? '') : current;
    for (const role of path) ends.set(role, found);
    return found;
  };
  const roles = new Map<string, string[]>();
  for (const name of files.names) {
    if (!setting(files, name, 'role_arn')) continue;
    const session = end(name);
    if (session === undefined) continue;
    const names = roles.get(session);
    if (names) names.push(name);
    else roles.set(session, [name]);
  }
  return roles;
}

/**
 * Finds all that a refresh of the session profile needs, and refuses what must not or cannot be done; nothing has been asked by then.
 * @throws UserError `config`, with the edit that mends it
 */
export function findIdentity(files: Files, session: SessionProfile, env: Environment, serialNumber?: string): Identity {
  const { name, source } = session;
  checkName(name);
  if (source === undefined) throw noSource(files, session);
  if (session.link) word('source_profile', session.link);
  if (source === name) {
    const hint = `rename the section with the long-lived keys to [${name}-long-term] and delete source_profile`;
    throw refuse(
      `${name} is its own source, so the session would overwrite the long-lived keys (${session.link?.where})`,
      hint,
    );
  }
  checkTarget(files.credentials, name);
  if (!exists(files, source))
    throw unknown(files, source, session.link ? `source_profile of ${session.link.where}: ` : '');
  const keys = findKeys(files, source);
  const { serial, mfaProcess } = findDevice(files, session, source, serialNumber);
  const profiles = [name, source];
  const bundle = first(files, profiles, 'ca_bundle');
  const duration = setting(files, name, 'duration_seconds');
  if (duration) line('duration_seconds', duration);
  return {
    session,
    source,
    keys,
    serial,
    mfaProcess,
    region: findRegion(files, profiles, env, serial),
    endpoint: findEndpoint(files, profiles, env),
    caBundle: env.AWS_CA_BUNDLE || (bundle && line('ca_bundle', bundle)),
    duration,
  };
}

function first(files: Files, names: readonly string[], key: string): Setting | undefined {
  for (const name of names) {
    const found = setting(files, name, key);
    if (found) return found;
  }
  return undefined;
}

/** A header with these would end early, or be read as another name, or not at all, or be copied into every section. */
function checkName(name: string): void {
  if (name !== '' && name === name.trim() && name !== DEFAULTS && !/[\]\x00-\x1f\x7f-\x9f]|\s[#;]/.test(name)) return;
  throw refuse(
    `${JSON.stringify(name)} cannot be the name of a section that all AWS tools read`,
    'give the profile a name without ], blanks at its ends or before # and ;, and control characters',
  );
}

/** The section's header or the next, if something that is no comment stands behind it: all but botocore then take it for none. */
function findUnclear({ lines }: Document, section: Section): { line: number } | undefined {
  const next = lines.findIndex((text, line) => line > section.line && /^\s*\[/.test(text));
  const isClear = (line: number) => /\]([#;].*)?$/.test(lines[line]?.split(/\s[#;]/)[0]?.trim() ?? ']');
  const line = [section.line, next].find((each) => !isClear(each));
  return line === undefined ? undefined : { line };
}

/** Long-lived keys are never overwritten, and nothing is written where two readers would see two different sections. */
export function checkTarget(credentials: Document, name: string): void {
  const { path } = credentials;
  const section = credentials.sections.get(name);
  const hidden = credentials.hidden.find((header) => header.name === name || header.section === name);
  const longer = [...credentials.sections.values()].find((other) => other.name.startsWith(`${name}]`));
  const odd = hidden ?? longer ?? (section && findUnclear(credentials, section));
  if (odd) {
    throw refuse(
      `${path} line ${odd.line + 1}: AWS tools disagree whether this is the header of a section`,
      'let the line begin at the margin and end with the ]',
    );
  }
  const inherited = credentials.sections.get(DEFAULTS)?.entries.get('aws_security_token');
  if (inherited) {
    throw refuse(
      `[${DEFAULTS}] in ${path} line ${inherited.line + 1} has an aws_security_token, which aws would read before any session's`,
      'delete that line',
    );
  }
  if (!section) return;
  const value = (key: string) => section.entries.get(key)?.value;
  for (const key of [...sessionKeys, ...tokenKeys]) {
    const found = inPlace({ document: credentials, section }, key);
    if (found) line(key, found);
  }
  const misread = findMisread(credentials, name, [...sessionKeys, ...tokenKeys]);
  if (misread !== undefined) {
    throw refuse(
      `${path} line ${misread + 1}: AWS tools disagree whether this is a key of [${name}]`,
      'let the keys of the section begin at the margin, each once',
    );
  }
  const keys = value('aws_access_key_id') || value('aws_secret_access_key');
  const temporary = tokenKeys.some(value) && !value('aws_access_key_id')?.startsWith('AKIA');
  if (!keys || temporary) return;
  throw refuse(
    `[${name}] in ${path} line ${section.line + 1} holds long-lived keys, which are never overwritten`,
    `rename that section to [${name}-long-term]; if the profile ${name} has a source_profile, let it name ${name}-long-term`,
  );
}

/** Keys as the stock tools would find them: the credentials file first, then the config, then `credential_process`. */
function findKeys(files: Files, source: string): SourceKeys {
  const places = placesOf(files, source);
  const token = places.flatMap((place) => tokenKeys.flatMap((key) => inPlace(place, key) ?? []))[0];
  if (token) {
    throw refuse(
      `the source ${source} is itself a session (${token.where}); STS gives sessions for long-lived keys only`,
      'let source_profile name the profile with the long-lived keys',
    );
  }
  for (const place of places) {
    const id = inPlace(place, 'aws_access_key_id');
    const secret = inPlace(place, 'aws_secret_access_key');
    if (id) word('aws_access_key_id', id);
    if (secret) word('aws_secret_access_key', secret);
    if (id && secret) {
      return {
        accessKeyId: id.value,
        secretAccessKey: secret.value,
        where: `[${place.section.name}] in ${place.document.path}`,
      };
    }
    if (id || secret) {
      const [there, missing] = id
        ? ['aws_access_key_id', 'aws_secret_access_key']
        : ['aws_secret_access_key', 'aws_access_key_id'];
      throw refuse(
        `the source ${source} has ${there} but no ${missing} (${(id ?? secret)?.where})`,
        `add ${missing} there`,
      );
    }
  }
  for (const place of places) {
    const command = inPlace(place, 'credential_process');
    if (command) return { process: line('credential_process', command), where: command.where };
  }
  const role = setting(files, source, 'role_arn');
  if (role)
    throw refuse(
      `the source ${source} is a role (${role.where}); STS gives sessions for long-lived keys only`,
      'let source_profile name the profile with the long-lived keys',
    );
  throw refuse(
    `the source ${source} has no keys in ${files.credentials.path} or ${files.config.path}`,
    `add aws_access_key_id and aws_secret_access_key to [${source}] in ${files.credentials.path}`,
  );
}

function findDevice(files: Files, session: SessionProfile, source: string, serialNumber: string | undefined) {
  const looked: string[] = [];
  if (serialNumber !== undefined)
    return { serial: checkSerial(serialNumber, '--serial-number', 'usage'), mfaProcess: undefined };
  for (const name of new Set([session.name, source, 'default'])) {
    const places = placesOf(files, name);
    looked.push(...places.map(({ document, section }) => `[${section.name}] in ${document.path}`));
    // what only aws-mfa reads does not hide what all tools read
    const inCredentials = places.filter(({ document }) => document === files.credentials);
    const candidates = [
      ...places.map((place) => ({ place, found: inPlace(place, 'mfa_serial') })),
      ...inCredentials.map((place) => ({ place, found: inPlace(place, 'aws_mfa_device') })),
    ];
    for (const { place, found } of candidates) {
      if (!found) continue;
      const mfaProcess = inPlace(place, 'mfa_process');
      if (mfaProcess) line('mfa_process', mfaProcess);
      return { serial: checkSerial(word('mfa_serial', found), found.where, 'config'), mfaProcess };
    }
  }
  const roles = session.roles.filter((role) => role.serial);
  const move = roles[0]?.serial ? ` (${roles[0].serial.where} has one, but that is the role's)` : '';
  throw refuse(
    `no MFA device for ${session.name}: no mfa_serial in ${looked.join(', ')}${move}`,
    `add mfa_serial = ${ownLine(roles[0]?.serial?.value ?? 'arn:aws:iam::<account>:mfa/<device>')} to ${header(session.name)} in ${files.config.path}`,
    `aws iam list-mfa-devices --profile ${shellWord(source)} shows it, if your keys may ask; so does the console under Security credentials`,
  );
}

/** AWS's own pattern for SerialNumber; GetSessionToken takes codes from TOTP devices only. */
function checkSerial(serial: string, where: string, code: 'usage' | 'config'): string {
  if (/^arn:[^:]*:iam::\d*:u2f\//.test(serial)) {
    throw new UserError(
      code,
      `${serial} is a FIDO device or passkey (${where}), and STS takes no codes from those`,
      'add an authenticator app or a TOTP token to the IAM user, and set mfa_serial to that one',
    );
  }
  if (/^[\w+=/:,.@-]{9,256}$/.test(serial)) return serial;
  throw new UserError(
    code,
    `"${serial}" is not the serial number or ARN of an MFA device (${where})`,
    'it looks like arn:aws:iam::<account>:mfa/<device>',
  );
}

function findRegion(files: Files, profiles: readonly string[], env: Environment, serial: string): string {
  const partition = /^arn:([^:]+):/.exec(serial)?.[1];
  const candidates = [
    { value: env.AWS_REGION ?? '', where: 'AWS_REGION' },
    { value: env.AWS_DEFAULT_REGION ?? '', where: 'AWS_DEFAULT_REGION' },
    ...profiles.flatMap((name) => setting(files, name, 'region') ?? []),
  ];
  for (const candidate of candidates) {
    const value = line('region', candidate);
    if (value === '' || (partition && partitionOf(value) !== partition)) continue;
    if (/^[a-z0-9][a-z0-9-]*$/i.test(value)) return value;
    throw refuse(`"${value}" is not a region (${candidate.where})`, 'it looks like eu-west-1');
  }
  const region = partition ? defaultRegions[partition] : defaultRegions.aws;
  if (region) return region;
  throw refuse(
    `no region for the partition ${partition} of the MFA device`,
    `add region to ${header(profiles[0] ?? '')} in ${files.config.path}, or set AWS_REGION`,
  );
}

const defaultRegions: Readonly<Record<string, string>> = {
  aws: 'us-east-1',
  'aws-cn': 'cn-north-1',
  'aws-us-gov': 'us-gov-west-1',
};

/** https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html lists the partitions. */
function partitionOf(region: string): string {
  const prefixes = {
    'cn-': 'aws-cn',
    'us-gov-': 'aws-us-gov',
    'us-iso-': 'aws-iso',
    'us-isob-': 'aws-iso-b',
    'eu-isoe-': 'aws-iso-e',
    'us-isof-': 'aws-iso-f',
    'eusc-': 'aws-eusc',
  };
  return Object.entries(prefixes).find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'aws';
}

/** In the order of the SDKs' guide: for STS before for all services, the environment before the file. */
function findEndpoint(files: Files, profiles: readonly string[], env: Environment): string | undefined {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true') return undefined;
  const candidates = [
    { value: env.AWS_ENDPOINT_URL_STS ?? '', where: 'AWS_ENDPOINT_URL_STS' },
    { value: env.AWS_ENDPOINT_URL ?? '', where: 'AWS_ENDPOINT_URL' },
    ...profiles.flatMap((name) =>
      [serviceEndpoint(files, name) ?? [], setting(files, name, 'endpoint_url') ?? []].flat(),
    ),
  ];
  const found = candidates.find(({ value }) => value);
  if (!found) return undefined;
  const url = line('endpoint_url', found);
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw refuse(
    `"${url}" is not the URL of an endpoint (${found.where})`,
    'it looks like https://sts.eu-west-1.amazonaws.com',
  );
}

/** `services = X` of a profile, and `endpoint_url` in the `sts` block of `[services X]`. */
function serviceEndpoint(files: Files, name: string): Setting | undefined {
  const services = setting(files, name, 'services');
  const section = services && files.config.sections.get(`services ${services.value}`);
  const block = section && inPlace({ document: files.config, section }, 'sts');
  const url = block && parseNested(block.value).endpoint_url;
  return block && typeof url === 'string' ? { value: url, where: block.where } : undefined;
}

/** No source: either the layout of AWS's guide, whose every edit can be named, or nothing to begin with. */
function noSource(files: Files, session: SessionProfile): UserError {
  const { name } = session;
  const users = findSessionNames(files).filter((other) => sourceOf(files, other) === name);
  if (users.length > 0) {
    return refuse(
      `${name} holds the long-lived keys behind ${few(users)}`,
      `type refresh-mfa ${shellWord(users[0] ?? '')}`,
    );
  }
  const own = placesOf(files, name).find(({ section }) => section.entries.get('aws_access_key_id')?.value);
  const config = files.config.path;
  if (!own || session.hasSession) {
    return refuse(
      `${name} has no source: no source_profile, and no section [${name}-long-term] with your long-lived keys`,
      `add [${name}-long-term] with aws_access_key_id and aws_secret_access_key to ${files.credentials.path}`,
      `add mfa_serial = arn:aws:iam::<account>:mfa/<device> to ${header(name)} in ${config}`,
    );
  }
  const label = `[${own.section.name}]`;
  const serials = session.roles.flatMap((role) => role.serial ?? []);
  const serial = setting(files, name, 'mfa_serial');
  const place = files.prefixed.has(name) ? `to ${header(name)}` : `to a new section ${header(name)}`;
  const keys =
    own.document === files.credentials
      ? `in ${own.document.path} line ${own.section.line + 1}: rename ${label} to [${name}-long-term]`
      : `move aws_access_key_id and aws_secret_access_key from ${label} in ${config} to a section [${name}-long-term] in ${files.credentials.path}`;
  const device = serial
    ? []
    : [
        `in ${config}: add mfa_serial = ${ownLine(serials[0]?.value ?? 'arn:aws:iam::<account>:mfa/<device>')} ${place}`,
      ];
  return refuse(
    `${name} holds the long-lived keys itself (${label} in ${own.document.path} line ${own.section.line + 1}), so there is no place for a session`,
    keys,
    ...device,
    ...serials.slice(0, 5).map(({ where }) => `delete mfa_serial from ${where}: the session has the MFA already`),
    ...(serials.length > 5 ? [`and the same in ${serials.length - 5} more role profiles`] : []),
    `roles keep source_profile = ${name}; then run refresh-mfa ${shellWord(name)}`,
  );
}
