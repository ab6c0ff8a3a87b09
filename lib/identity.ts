// What one refresh needs, found and checked before the code is asked: the source's keys, the device, how to reach STS.
import { parseDuration } from './args';
import { few, refuse, shellWord, type UserError } from './errors';
import { type Files, findIn, makeHeader, Setting } from './files';
import type { SessionProfile } from './profiles';
import * as profiles from './profiles';
import { parseNested, requireAgreement } from './sections';
import { hasLongLivedKeys, requireWritable, tokenKeys } from './session';
import type { Environment } from './shell';

export type SourceKeys =
  | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly where: string }
  | { readonly process: string; readonly where: string };

export type Identity = Readonly<ReturnType<typeof requireIdentity>>;

/**
 * Pure: nothing is asked or called.
 * @throws UserError `config`
 */
export function requireIdentity(files: Files, session: SessionProfile, env: Environment, serialNumber?: string) {
  const { name, source, link } = session;
  const login = profiles.explainLogin(files, name);
  if (login) throw login;
  requireNoOwnKeys(files, session);
  if (source === undefined) throw explainNoSource(files, session);
  link?.requireWord();
  requireWritable(files.credentials, name);
  const profile = files.prefixed.get(name);
  if (profile) requireAgreement(files.config, profile.name);
  if (link && !files.names.has(source)) throw profiles.explainUnknown(files, link, name);
  const keys = requireKeys(files, source, link);
  const device = requireDevice(files, name, source, serialNumber);
  const names = [name, source];
  const bundle = files.find(name, 'ca_bundle') ?? files.find(source, 'ca_bundle');
  const duration = files.find(name, 'duration_seconds');
  return {
    session,
    source,
    keys,
    ...device,
    region: requireRegion(files, names, env, device.serial),
    endpoint: requireEndpoint(files, names, env),
    /** Path of a PEM file with certificate authorities to trust beside Node's own. */
    caBundle: env.AWS_CA_BUNDLE || bundle?.requireLine(),
    /** The session profile's `duration_seconds`. */
    duration: duration && parseDuration(duration.requireWord(), duration.where),
  };
}

/** Keys that the session would overwrite, or that are all there is: they belong in X-long-term. */
function requireNoOwnKeys(files: Files, { name, source, link }: SessionProfile): void {
  const inRole = source === undefined && files.find(name, 'role_arn') && files.find(name, 'aws_access_key_id');
  if (inRole) {
    const hint = 'AWS tools sign with those, not a session: move them to another section';
    throw refuse(`role ${name} has keys of its own (${inRole.where})`, hint);
  }
  const own = profiles.findOwnKeys(files, name);
  const isElsewhere = source !== undefined && source !== name;
  const isProcess = !hasLongLivedKeys(own);
  // a session hides keys in the config, and credential_process
  if (!own || (isElsewhere && (isProcess || own.document !== files.credentials))) return;
  const users = profiles.findSessionNames(files).filter((user) => profiles.sourceOf(files, user) === name);
  if (source === undefined && users.length > 0) {
    throw refuse(`${name} holds the long-lived keys of ${few(users)}`, `type refresh-mfa ${shellWord(users[0] ?? '')}`);
  }
  const longTerm = `${name}-long-term`;
  const [holds, move, target] = isProcess
    ? ['has a credential_process', 'move it', `${makeHeader(longTerm)} in ${files.config.path}`]
    : ['holds long-lived keys', 'move them', `[${longTerm}] in ${files.credentials.path}`];
  const what = `[${own.name}] in ${own.document.path} ${holds}`;
  const old = isElsewhere ? source : longTerm;
  if (files.names.has(old)) throw refuse(what, `move them over the old keys in [${old}]`);
  throw refuse(what, [
    `${move} to ${target}`,
    ...(link ? [`delete source_profile from [${link.section?.name}]`] : []),
    ...(files.find(name, 'mfa_serial') ? [] : [`set mfa_serial in ${makeHeader(name)} in ${files.config.path}`]),
  ]);
}

function explainNoSource(files: Files, { name }: SessionProfile): UserError {
  const [keyed, ...others] = profiles.findKeyed(files);
  const set = `set source_profile = ${keyed} in ${makeHeader(name)} in ${files.config.path}`;
  const add = `add [${name}-long-term] with your long-lived keys to ${files.credentials.path}`;
  const hint = keyed && others.length === 0 ? set : add;
  return refuse(`${name} has no source_profile and no [${name}-long-term]`, hint);
}

/** The source's keys, as the AWS tools would find them. */
function requireKeys(files: Files, source: string, link: Setting | undefined): SourceKeys {
  const keys = ['aws_access_key_id', 'aws_secret_access_key'] as const;
  const section = files.findSections(source).find((one) => keys.some((key) => findIn(one, key)));
  const [id, secret] = keys.map((key) => findIn(section, key));
  const fix = `${link ? 'set source_profile to the profile with' : 'replace it with'} the long-lived keys`;
  const session = files.find(source, ...tokenKeys) ?? (id?.value.startsWith('ASIA') ? id : undefined);
  if (session) throw refuse(`source ${source} holds a session (${session.where})`, fix);
  id?.requireWord();
  secret?.requireWord();
  // a line that holds both is no id
  const problem = id && findKeyProblem(id.value, secret?.value ?? '?');
  if (problem) {
    const { where } = secret && /^\S+secret/.test(problem) ? secret : id;
    throw refuse(`${problem} (${where})`, 'copy both again from where you got them, without quotes');
  }
  if (id && secret) return { accessKeyId: id.value, secretAccessKey: secret.value, where: id.where };
  const [found, missing] = id ? [id, 'aws_secret_access_key'] : [secret, 'aws_access_key_id'];
  if (found) throw refuse(`source ${source} has no ${missing} (${found.where})`, `set ${missing} there`);
  const command = files.find(source, 'credential_process');
  if (command) return { process: command.requireLine(), where: command.where };
  const role = files.find(source, 'role_arn');
  if (role) throw refuse(`source ${source} is a role (${role.where})`, fix);
  const hint = `set aws_access_key_id and aws_secret_access_key in [${source}] in ${files.credentials.path}`;
  throw refuse(`source ${source} has no keys`, hint);
}

/**
 * What is wrong with a pair of keys, without quoting them: STS echoes what it cannot parse.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
 */
export function findKeyProblem(accessKeyId: string, secretAccessKey: string): string | undefined {
  const isId = /^\w{16,128}$/.test(accessKeyId);
  if (/^A[KS]IA\w{12,}$/.test(secretAccessKey) || (!isId && /^[A-Z0-9]{16,32}$/.test(secretAccessKey))) {
    return 'access key id and secret are swapped';
  }
  if (!isId) return 'aws_access_key_id is not a key id';
  const isSecret = /^(?!(["']).*\1$)[\x21-\x7e]+$/.test(secretAccessKey);
  return isSecret ? undefined : 'aws_secret_access_key is not a secret';
}

function requireDevice(files: Files, name: string, source: string, typed: string | undefined) {
  const names = [...new Set([name, source, 'default'])];
  const found = typed === undefined ? findDevice(files, names) : undefined;
  const mfaProcess = findIn(found?.section, 'mfa_process');
  mfaProcess?.requireLine();
  const serial = typed ?? found?.requireWord();
  if (serial === undefined) {
    throw refuse(`no mfa_serial in ${names.join(' or ')}`, [
      `set mfa_serial = arn:aws:iam::<account>:mfa/<device> in ${makeHeader(name)}`,
      `to see the device: aws iam list-mfa-devices --profile ${shellWord(source)}`,
    ]);
  }
  return {
    /** The MFA device's ARN or serial number. */
    serial: requireSerial(serial, found?.where ?? '--serial-number'),
    /** The shell command that prints a code, where one is set beside the `mfa_serial`. */
    mfaProcess,
  };
}

/** The device of the first of these profiles that has one. */
export function findDevice(files: Files, names: readonly string[]): Setting | undefined {
  // aws_mfa_device, which only aws-mfa reads, does not hide what all tools read
  const { sections } = files.credentials;
  const find = (name: string) => files.find(name, 'mfa_serial') ?? findIn(sections.get(name), 'aws_mfa_device');
  return names.map(find).find(Boolean);
}

/** AWS's own pattern for SerialNumber, but only devices that give codes. */
function requireSerial(serial: string, where: string): string {
  const [, kind] = /^arn:[^:]*:iam::\d*:(\w+)\//.exec(serial) ?? [];
  const app = 'add an authenticator app to the IAM user, and set mfa_serial to it';
  if (kind === 'u2f') throw refuse(`${serial} is a FIDO device, which gives no codes (${where})`, app);
  if (/^[\w+=/:,.@-]{9,256}$/.test(serial) && (kind === 'mfa' || !/^arn:/.test(serial))) return serial;
  throw refuse(`"${serial}" is not an MFA device (${where})`, 'it looks like arn:aws:iam::<account>:mfa/<device>');
}

/** Regions outside the device's partition are ignored. */
function requireRegion(files: Files, names: readonly string[], env: Environment, serial: string): string {
  const partition = /^arn:([^:]+):/.exec(serial)?.[1];
  const written = names.flatMap((name) => files.find(name, 'region') ?? []);
  const candidates = [...fromEnv(env, 'AWS_REGION', 'AWS_DEFAULT_REGION'), ...written];
  const found = candidates.find((one) => !partition || partitionOf(one.value) === partition);
  const region = found?.requireLine() ?? defaultRegions.get(partition ?? 'aws');
  const hint = `set AWS_REGION, or region in ${makeHeader(names[0] ?? '')}`;
  if (!region) throw refuse(`no region for the partition ${partition}`, hint);
  // it becomes part of a host name, where xn-- would mean something else
  if (/^(?!xn--|.{64})[a-z\d]([a-z\d-]*[a-z\d])?$/i.test(region)) return region;
  throw refuse(`"${region}" is not a region (${found?.where})`, 'it looks like eu-west-1');
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

function fromEnv(env: Environment, ...variables: readonly string[]): Setting[] {
  return variables.flatMap((name) => (env[name] ? [new Setting(name, env[name], name)] : []));
}

/** In the order of the SDKs' guide: for STS before for all services, the environment before the file. */
function requireEndpoint(files: Files, names: readonly string[], env: Environment): string | undefined {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true') return undefined;
  const [found] = [
    ...fromEnv(env, 'AWS_ENDPOINT_URL_STS', 'AWS_ENDPOINT_URL'),
    ...names.flatMap((name) => findServiceEndpoint(files, name) ?? files.find(name, 'endpoint_url') ?? []),
  ];
  if (!found) return undefined;
  const url = found.requireLine();
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  // the value is not shown: it may hold a password
  throw refuse(`the endpoint is not a URL (${found.where})`, 'it looks like https://sts.eu-west-1.amazonaws.com');
}

/** `services = X` of a profile, and `endpoint_url` in the `sts` block of `[services X]`. */
function findServiceEndpoint(files: Files, name: string): Setting | undefined {
  const services = files.find(name, 'services');
  const block = services && findIn(files.config.sections.get(`services ${services.value}`), 'sts');
  const url = block && parseNested(block.value).endpoint_url;
  return block && typeof url === 'string' ? new Setting('endpoint_url', url, block.where) : undefined;
}
