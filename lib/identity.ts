// What one refresh needs, found and checked before the code is asked: the source's keys, the device, how to reach STS.
import { parseDuration } from './args';
import { few, shellWord, UserError } from './errors';
import {
  exists,
  type Files,
  find,
  findIn,
  findPlaces,
  firstLine,
  makeHeader,
  type Place,
  requireSingleLine,
  requireWord,
  type Setting,
} from './files';
import { explainLogin, explainUnknown, findKeyed, findSessionNames, type SessionProfile } from './profiles';
import { parseNested } from './sections';
import { hasLongLivedKeys, requireAgreement, requireWritable, tokenKeys } from './session';
import type { Environment } from './shell';

export type SourceKeys =
  | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly where: string }
  | { readonly process: string; readonly where: string };

export interface Identity {
  readonly session: SessionProfile;
  readonly source: string;
  readonly keys: SourceKeys;
  /** The MFA device's ARN or serial number. */
  readonly serial: string;
  /** The shell command that prints a code, where one is set beside the `mfa_serial`. */
  readonly mfaProcess: Setting | undefined;
  readonly region: string;
  readonly endpoint: string | undefined;
  /** Path of a PEM file with certificate authorities to trust beside Node's own. */
  readonly caBundle: string | undefined;
  /** The session profile's `duration_seconds`. */
  readonly duration: number | undefined;
}

function refuse(what: string, hints: string | readonly string[]): UserError {
  return new UserError('config', what, hints);
}

/**
 * Pure: nothing is asked or called.
 * @throws UserError `config`; `usage` for a bad `serialNumber`
 */
export function requireIdentity(
  files: Files,
  session: SessionProfile,
  env: Environment,
  serialNumber?: string,
): Identity {
  const { name, source, link } = session;
  const login = explainLogin(files, name);
  if (login) throw login;
  requireNoOwnKeys(files, session);
  if (source === undefined) throw explainNoSource(files, session);
  if (link) requireWord('source_profile', link);
  requireWritable(files.credentials, name);
  const profile = files.prefixed.get(name);
  if (profile) requireAgreement(files.config, profile.name);
  if (!exists(files, source)) throw explainUnknown(files, source, link && { link, user: name });
  const keys = requireKeys(files, source, link);
  const profiles = [name, source];
  const { serial, mfaProcess } = requireDevice(files, session, source, serialNumber);
  const [bundle] = findAll(files, profiles, 'ca_bundle');
  const duration = find(files, name, 'duration_seconds');
  return {
    session,
    source,
    keys,
    serial,
    mfaProcess,
    region: requireRegion(files, profiles, env, serial),
    endpoint: requireEndpoint(files, profiles, env),
    caBundle: env.AWS_CA_BUNDLE || (bundle && requireSingleLine('ca_bundle', bundle)),
    duration: duration && parseDuration(requireWord('duration_seconds', duration), duration.where),
  };
}

/** Keys that the session would overwrite, or that are all there is: they belong in X-long-term. */
function requireNoOwnKeys(files: Files, { name, source, link }: SessionProfile): void {
  const inRole = source === undefined && find(files, name, 'role_arn') && find(files, name, 'aws_access_key_id');
  if (inRole) {
    const hint = 'AWS tools sign with those, not a session: move them to another section';
    throw refuse(`role ${name} has keys of its own (${inRole.where})`, hint);
  }
  const own = findOwnKeys(files, name);
  const isElsewhere = source !== undefined && source !== name;
  // a session hides keys in the config, and credential_process
  if (!own || (isElsewhere && (own.isProcess || own.document !== files.credentials))) return;
  const users = findSessionNames(files).filter((user) => user !== name && sourceOf(files, user) === name);
  if (source === undefined && users.length > 0) {
    throw refuse(`${name} holds the long-lived keys of ${few(users)}`, `type refresh-mfa ${shellWord(users[0] ?? '')}`);
  }
  const section = `[${own.section.name}]`;
  const longTerm = `${name}-long-term`;
  const what = `${section} in ${own.document.path} ${own.isProcess ? 'has a credential_process' : 'holds long-lived keys'}`;
  const old = isElsewhere ? source : exists(files, longTerm) ? longTerm : undefined;
  if (old) throw refuse(what, `move them over the old keys in [${old}]`);
  const target = own.isProcess
    ? `${makeHeader(longTerm)} in ${files.config.path}`
    : `[${longTerm}] in ${files.credentials.path}`;
  throw refuse(what, [
    `move ${own.isProcess ? 'it' : 'them'} to ${target}`,
    ...(link ? [`delete source_profile from [${link.section}]`] : []),
    ...(find(files, name, 'mfa_serial') ? [] : [`set mfa_serial in ${makeHeader(name)} in ${files.config.path}`]),
  ]);
}

/** Where a profile has long-lived keys, or a command that gives some, in its own sections. */
export function findOwnKeys(files: Files, name: string): (Place & { readonly isProcess: boolean }) | undefined {
  const places = findPlaces(files, name);
  const keyed = places.find(({ section }) => hasLongLivedKeys(section));
  if (keyed) return { ...keyed, isProcess: false };
  const process = places.find(({ section }) => section.entries.get('credential_process')?.value);
  return process && { ...process, isProcess: true };
}

function sourceOf(files: Files, name: string): string {
  return find(files, name, 'source_profile')?.value ?? `${name}-long-term`;
}

function explainNoSource(files: Files, { name }: SessionProfile): UserError {
  const keyed = findKeyed(files);
  const hint =
    keyed.length === 1
      ? `set source_profile = ${keyed[0]} in ${makeHeader(name)} in ${files.config.path}`
      : `add [${name}-long-term] with your long-lived keys to ${files.credentials.path}`;
  return refuse(`${name} has no source_profile and no [${name}-long-term]`, hint);
}

/** The source's keys, as the AWS tools would find them. */
function requireKeys(files: Files, source: string, link: Setting | undefined): SourceKeys {
  const places = findPlaces(files, source);
  const fix = link ? 'set source_profile to the profile with' : 'replace it with';
  const refuseSession = ({ where }: Setting) => {
    return refuse(`source ${source} holds a session (${where})`, `${fix} the long-lived keys`);
  };
  for (const { document, section } of places) {
    const token = tokenKeys.map((key) => findIn(document, section.name, key)).find(Boolean);
    if (token) throw refuseSession(token);
  }
  for (const { document, section } of places) {
    const id = findIn(document, section.name, 'aws_access_key_id');
    const secret = findIn(document, section.name, 'aws_secret_access_key');
    const found = id ?? secret;
    if (!found) continue;
    if (id) requireWord('aws_access_key_id', id);
    if (secret) requireWord('aws_secret_access_key', secret);
    // a line that holds both is no id
    const problem = id && findKeyProblem(id.value, secret?.value ?? '?');
    if (problem) {
      const { where } = secret && /^\S+secret/.test(problem) ? secret : id;
      throw refuse(`${problem} (${where})`, 'copy both again from where you got them, without quotes');
    }
    if (!id || !secret) {
      const missing = id ? 'aws_secret_access_key' : 'aws_access_key_id';
      throw refuse(`source ${source} has no ${missing} (${found.where})`, `set ${missing} there`);
    }
    if (id.value.startsWith('ASIA')) throw refuseSession(id);
    return { accessKeyId: id.value, secretAccessKey: secret.value, where: id.where };
  }
  for (const { document, section } of places) {
    const command = findIn(document, section.name, 'credential_process');
    if (command) return { process: requireSingleLine('credential_process', command), where: command.where };
  }
  const role = find(files, source, 'role_arn');
  if (role) {
    throw refuse(
      `source ${source} is a role (${role.where})`,
      'set source_profile to the profile with the long-lived keys',
    );
  }
  const hint = `set aws_access_key_id and aws_secret_access_key in [${source}] in ${files.credentials.path}`;
  throw refuse(`source ${source} has no keys`, hint);
}

/**
 * What is wrong with a pair of keys, without quoting them: STS echoes what it cannot parse.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
 */
export function findKeyProblem(accessKeyId: string, secretAccessKey: string): string | undefined {
  const isId = (text: string) => /^\w{16,128}$/.test(text);
  if (/^A[KS]IA\w{12,}$/.test(secretAccessKey) || (!isId(accessKeyId) && /^[A-Z0-9]{16,32}$/.test(secretAccessKey))) {
    return 'access key id and secret are swapped';
  }
  if (!isId(accessKeyId)) return 'aws_access_key_id is not a key id';
  if (!/^[\x21-\x7e]+$/.test(secretAccessKey) || /^(["']).*\1$/.test(secretAccessKey)) {
    return 'aws_secret_access_key is not a secret';
  }
  return undefined;
}

interface Device {
  readonly serial: string;
  readonly mfaProcess: Setting | undefined;
}

function requireDevice(
  files: Files,
  session: SessionProfile,
  source: string,
  serialNumber: string | undefined,
): Device {
  if (serialNumber !== undefined) {
    return { serial: requireSerial(serialNumber, '--serial-number', 'usage'), mfaProcess: undefined };
  }
  const names = [...new Set([session.name, source, 'default'])];
  const found = findDevice(files, names);
  if (found) {
    const mfaProcess = findIn(found.document, found.section, 'mfa_process');
    if (mfaProcess) requireSingleLine('mfa_process', mfaProcess);
    return { serial: requireSerial(requireWord('mfa_serial', found), found.where, 'config'), mfaProcess };
  }
  throw refuse(`no mfa_serial in ${names.join(' or ')}`, [
    `set mfa_serial = arn:aws:iam::<account>:mfa/<device> in ${makeHeader(session.name)}`,
    `to see the device: aws iam list-mfa-devices --profile ${shellWord(source)}`,
  ]);
}

/** The device of the first of these profiles that has one. */
export function findDevice(files: Files, names: readonly string[]): Setting | undefined {
  // aws_mfa_device, which only aws-mfa reads, does not hide what all tools read
  return names
    .map((name) => find(files, name, 'mfa_serial') ?? findIn(files.credentials, name, 'aws_mfa_device'))
    .find((setting) => setting !== undefined);
}

/** AWS's own pattern for SerialNumber, but only devices that give codes. */
function requireSerial(serial: string, where: string, code: 'usage' | 'config'): string {
  const [, kind] = /^arn:[^:]*:iam::\d*:(\w+)\//.exec(serial) ?? [];
  if (kind === 'u2f') {
    const hint = 'add an authenticator app to the IAM user, and set mfa_serial to it';
    throw new UserError(code, `${serial} is a FIDO device, which gives no codes (${where})`, hint);
  }
  if (/^[\w+=/:,.@-]{9,256}$/.test(serial) && (kind === 'mfa' || !/^arn:/.test(serial))) return serial;
  const hint = 'it looks like arn:aws:iam::<account>:mfa/<device>';
  throw new UserError(code, `"${serial}" is not an MFA device (${where})`, hint);
}

/** Regions outside the device's partition are ignored. */
function requireRegion(files: Files, profiles: readonly string[], env: Environment, serial: string): string {
  const partition = /^arn:([^:]+):/.exec(serial)?.[1];
  const candidates = [...fromEnv(env, 'AWS_REGION', 'AWS_DEFAULT_REGION'), ...findAll(files, profiles, 'region')];
  const found = candidates.find((one) => !partition || partitionOf(requireSingleLine('region', one)) === partition);
  const region = found?.value ?? defaultRegions.get(partition ?? 'aws');
  if (!region) {
    const hint = `set AWS_REGION, or region in ${makeHeader(profiles[0] ?? '')}`;
    throw refuse(`no region for the partition ${partition}`, hint);
  }
  // it becomes a part of the host's name, and what begins with xn-- is no name by itself
  if (/^(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(region)) return region;
  throw refuse(`"${firstLine(region)}" is not a region (${found?.where})`, 'it looks like eu-west-1');
}

const defaultRegions = new Map([
  ['aws', 'us-east-1'],
  ['aws-cn', 'cn-north-1'],
  ['aws-us-gov', 'us-gov-west-1'],
]);

/** https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html lists the partitions. */
function partitionOf(region: string): string {
  const [, named, isolated] = /^(cn|us-gov|eusc)-|^\w\w-iso(\w?)-/.exec(region) ?? [];
  if (isolated !== undefined) return isolated ? `aws-iso-${isolated}` : 'aws-iso';
  return named ? `aws-${named}` : 'aws';
}

/** A value, and where it comes from. */
type Found = Pick<Setting, 'value' | 'where'>;

function fromEnv(env: Environment, ...variables: readonly string[]): Found[] {
  return variables.flatMap((where) => (env[where] ? [{ value: env[where], where }] : []));
}

function findAll(files: Files, names: readonly string[], key: string): Setting[] {
  return names.flatMap((name) => find(files, name, key) ?? []);
}

/** In the order of the SDKs' guide: for STS before for all services, the environment before the file. */
function requireEndpoint(files: Files, profiles: readonly string[], env: Environment): string | undefined {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true') return undefined;
  const [found] = [
    ...fromEnv(env, 'AWS_ENDPOINT_URL_STS', 'AWS_ENDPOINT_URL'),
    ...profiles.flatMap((name) => [...findServiceEndpoint(files, name), ...findAll(files, [name], 'endpoint_url')]),
  ];
  if (!found) return undefined;
  if (URL.canParse(found.value) && /^https?:$/.test(new URL(found.value).protocol)) return found.value;
  // the value is not shown: it may hold a password
  throw refuse(`the endpoint is not a URL (${found.where})`, 'it looks like https://sts.eu-west-1.amazonaws.com');
}

/** `services = X` of a profile, and `endpoint_url` in the `sts` block of `[services X]`. */
function findServiceEndpoint(files: Files, name: string): Found[] {
  const services = find(files, name, 'services');
  const block = services && findIn(files.config, `services ${services.value}`, 'sts');
  const url = block && parseNested(block.value).endpoint_url;
  return block && typeof url === 'string' ? [{ value: url, where: block.where }] : [];
}
