// What one refresh needs, found and checked before the code is asked: the source's keys, the device, how to reach STS.
import { parseDuration } from './args';
import { few, shellWord, UserError } from './errors';
import {
  exists,
  type Files,
  find,
  findIn,
  findPlaces,
  makeHeader,
  type Place,
  requireSingleLine,
  requireWord,
  type Setting,
} from './files';
import { explainLogin, explainUnknown, findKeyed, findSessionNames, type SessionProfile } from './profiles';
import { parseNested } from './sections';
import { hasLongLivedKeys, requireWritable, tokenKeys } from './session';
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
  if (!exists(files, source)) throw explainUnknown(files, source, link && { link, user: name });
  const keys = requireKeys(files, source, link);
  const profiles = [name, source];
  const { serial, mfaProcess } = requireDevice(files, session, source, serialNumber);
  const bundle = findFirst(files, profiles, 'ca_bundle');
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
    duration: duration && parseDuration(requireWord('duration_seconds', duration), duration.where, 'config'),
  };
}

function findFirst(files: Files, names: readonly string[], key: string): Setting | undefined {
  return names.map((name) => find(files, name, key)).find((setting) => setting !== undefined);
}

/** Keys that the session would overwrite, or that are all there is: they belong in X-long-term. */
function requireNoOwnKeys(files: Files, { name, source, link }: SessionProfile): void {
  const inRole = source === undefined && find(files, name, 'role_arn') && find(files, name, 'aws_access_key_id');
  if (inRole) {
    const hint = 'AWS tools sign with those instead of a session: move them to another section';
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
  const what = `${section} in ${own.document.path} ${own.isProcess ? 'gets its keys from credential_process' : 'holds long-lived keys'}`;
  const old = isElsewhere ? source : exists(files, longTerm) ? longTerm : undefined;
  if (old) throw refuse(what, `move them over the old ones in [${old}], then delete them from ${section}`);
  const target = own.isProcess
    ? `${makeHeader(longTerm)} in ${files.config.path}`
    : `[${longTerm}] in ${files.credentials.path}`;
  throw refuse(what, [
    `move ${own.isProcess ? 'it' : 'them'} to ${target}`,
    ...(link ? [`delete source_profile (${link.where})`] : []),
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
  return refuse(`${name} has no source: no source_profile and no [${name}-long-term]`, hint);
}

/** The source's keys, as the AWS tools would find them. */
function requireKeys(files: Files, source: string, link: Setting | undefined): SourceKeys {
  const places = findPlaces(files, source);
  const fix = link ? 'set source_profile to the profile with' : 'replace it with';
  const refuseSession = ({ where }: Setting) => {
    return refuse(`source ${source} holds a session, not long-lived keys (${where})`, `${fix} the long-lived keys`);
  };
  for (const { document, section } of places) {
    const token = tokenKeys.map((key) => findIn(document, section, key)).find(Boolean);
    if (token) throw refuseSession(token);
  }
  for (const { document, section } of places) {
    const id = findIn(document, section, 'aws_access_key_id');
    const secret = findIn(document, section, 'aws_secret_access_key');
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
    const command = findIn(document, section, 'credential_process');
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
    return 'aws_access_key_id and aws_secret_access_key are swapped';
  }
  if (!isId(accessKeyId)) return 'aws_access_key_id is not an access key id';
  if (!/^[\x21-\x7e]+$/.test(secretAccessKey) || /^(["']).*\1$/.test(secretAccessKey)) {
    return 'aws_secret_access_key is not a secret access key';
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
  for (const name of names) {
    const places = findPlaces(files, name);
    // aws_mfa_device, which only aws-mfa reads, does not hide what all tools read
    const found = [
      ...places.map((place) => ({ place, setting: findIn(place.document, place.section, 'mfa_serial') })),
      ...places
        .filter(({ document }) => document === files.credentials)
        .map((place) => ({ place, setting: findIn(place.document, place.section, 'aws_mfa_device') })),
    ].find(({ setting }) => setting);
    if (!found?.setting) continue;
    const { setting, place } = found;
    const mfaProcess = findIn(place.document, place.section, 'mfa_process');
    if (mfaProcess) requireSingleLine('mfa_process', mfaProcess);
    return { serial: requireSerial(requireWord('mfa_serial', setting), setting.where, 'config'), mfaProcess };
  }
  throw refuse(`no MFA device for ${session.name}: no mfa_serial in ${names.join(', ')}`, [
    `set mfa_serial = arn:aws:iam::<account>:mfa/<device> in ${makeHeader(session.name)}`,
    `to see the device: aws iam list-mfa-devices --profile ${shellWord(source)}`,
  ]);
}

/** AWS's own pattern for SerialNumber, but only devices that give codes. */
function requireSerial(serial: string, where: string, code: 'usage' | 'config'): string {
  const [, kind] = /^arn:[^:]*:iam::\d*:(\w+)\//.exec(serial) ?? [];
  if (kind === 'u2f') {
    const hint = 'add an authenticator app to the IAM user, and set mfa_serial to that device';
    throw new UserError(code, `${serial} is a FIDO device, which gives no codes (${where})`, hint);
  }
  if (/^[\w+=/:,.@-]{9,256}$/.test(serial) && (kind === 'mfa' || !/^arn:/.test(serial))) return serial;
  const hint = 'it looks like arn:aws:iam::<account>:mfa/<device>';
  throw new UserError(code, `"${serial}" is not an MFA device (${where})`, hint);
}

/** Regions outside the device's partition are ignored. */
function requireRegion(files: Files, profiles: readonly string[], env: Environment, serial: string): string {
  const partition = /^arn:([^:]+):/.exec(serial)?.[1];
  const candidates = [
    { value: env.AWS_REGION ?? '', where: 'AWS_REGION' },
    { value: env.AWS_DEFAULT_REGION ?? '', where: 'AWS_DEFAULT_REGION' },
    ...profiles.flatMap((name) => {
      const setting = find(files, name, 'region');
      return setting ? { value: requireSingleLine('region', setting), where: setting.where } : [];
    }),
  ];
  const found = candidates.find(({ value }) => value && (!partition || partitionOf(value) === partition));
  const region = found?.value ?? defaultRegions[partition ?? 'aws'];
  if (!region) {
    throw refuse(
      `no region for the partition ${partition}`,
      `set AWS_REGION, or region in ${makeHeader(profiles[0] ?? '')}`,
    );
  }
  if (/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(region)) return region;
  throw refuse(`"${region}" is not a region (${found?.where})`, 'it looks like eu-west-1');
}

const defaultRegions: Readonly<Record<string, string>> = {
  aws: 'us-east-1',
  'aws-cn': 'cn-north-1',
  'aws-us-gov': 'us-gov-west-1',
};

/** https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html lists the partitions. */
const partitions: Readonly<Record<string, string>> = {
  'cn-': 'aws-cn',
  'us-gov-': 'aws-us-gov',
  'us-iso-': 'aws-iso',
  'us-isob-': 'aws-iso-b',
  'eu-isoe-': 'aws-iso-e',
  'us-isof-': 'aws-iso-f',
  'eusc-': 'aws-eusc',
};

function partitionOf(region: string): string {
  return Object.entries(partitions).find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'aws';
}

/** In the order of the SDKs' guide: for STS before for all services, the environment before the file. */
function requireEndpoint(files: Files, profiles: readonly string[], env: Environment): string | undefined {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true') return undefined;
  const candidates = [
    { value: env.AWS_ENDPOINT_URL_STS ?? '', where: 'AWS_ENDPOINT_URL_STS' },
    { value: env.AWS_ENDPOINT_URL ?? '', where: 'AWS_ENDPOINT_URL' },
    ...profiles.flatMap((name) =>
      [findServiceEndpoint(files, name) ?? [], find(files, name, 'endpoint_url') ?? []].flat(),
    ),
  ];
  const found = candidates.find(({ value }) => value);
  if (!found) return undefined;
  if (URL.canParse(found.value) && /^https?:$/.test(new URL(found.value).protocol)) return found.value;
  // the value is not shown: it may hold a password
  throw refuse(`the endpoint is not a URL (${found.where})`, 'it looks like https://sts.eu-west-1.amazonaws.com');
}

/** `services = X` of a profile, and `endpoint_url` in the `sts` block of `[services X]`. */
function findServiceEndpoint(files: Files, name: string): { value: string; where: string } | undefined {
  const services = find(files, name, 'services');
  const section = services && files.config.sections.get(`services ${services.value}`);
  const block = findIn(files.config, section, 'sts');
  const url = block && parseNested(block.value).endpoint_url;
  return block && typeof url === 'string' ? { value: url, where: block.where } : undefined;
}
