// What STS, a proxy or the network said, in words.
import { printable, shellWord, UserError, WrongCode } from './errors';
import type { Identity } from './identity';

/** Seconds to connect, to the answer's first byte, and to its last. */
export const limits = { connect: 5, answer: 15, call: 17 };

/** How STS is reached. */
export interface Route {
  /** Host and port. */
  readonly host: string;
  /** Host and port of the proxy, without name and password. */
  readonly proxy: string | undefined;
  /** The environment variable that sets the proxy. */
  readonly variable: string;
  /** What the proxy answered to the last CONNECT. */
  proxyStatus?: number;
}

/** `repeated` where the same code was sent twice. */
export type Call = Route & Readonly<{ identity: Identity; code: string; repeated: boolean }>;

/** What the SDK throws. An odd body leaves odd types. */
export interface Failure {
  readonly name?: unknown;
  readonly message?: unknown;
  /** The system's: `ECONNREFUSED`. */
  readonly code?: string;
  /** One an address, where a name has several. */
  readonly errors?: readonly unknown[];
  readonly $fault?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: boolean };
}

/**
 * A pattern of STS's error code and, where that is not enough, of a phrase in its message (of several words, so that it is no user's
 * or policy's name); below it what is wrong, then hints, each behind a bar or on a line of its own. The first row that fits counts.
 * GetSessionToken needs no permission: no hint asks for one.
 * {said} quotes the message. It is shown only where it cannot hold a credential: IncompleteSignature may echo the secret key.
 */
const refusals = `
AccessDenied.* invalid MFA one time pass code
  STS did not accept the code for {serial} | wait for the next code: {used}
AccessDenied.* unable to validate MFA code
  STS could not check the code with {serial} | to see the devices: aws iam list-mfa-devices --profile {word}
  if it is one of them: resync it in the IAM console
AccessDenied.* with session credentials
  source {source} holds a session, not long-lived keys ({where})
  set source_profile to the profile with the long-lived keys
AccessDenied.* no VPC endpoint policy allows
  a VPC endpoint policy does not allow GetSessionToken | ask the owner of the endpoint to change its policy
AccessDenied.* with an explicit deny in
  {policy} denies GetSessionToken | ask its owner to change it
AccessDenied
  AWS denied GetSessionToken to the user of {source} | {said}
InvalidClientTokenId
  access key unknown in {region} ({where}) | {enable}
  if the key was deleted or disabled: make a new one in the IAM console
SignatureDoesNotMatch.* scoped to a valid region
  {host} is not the endpoint of {region} | set AWS_REGION, or region, to that of the endpoint
(SignatureDoesNotMatch|RequestExpired|RequestTimeTooSkewed|ExpiredToken).*(expired|not yet current|too large)
  this computer's clock is too far off for STS | set it: timedatectl set-ntp true (macOS: sntp -sS time.apple.com)
SignatureDoesNotMatch
  wrong aws_secret_access_key ({where}) | copy it again, whole
IncompleteSignature
  STS cannot read the access key ({where}) | copy both keys again, each on its own line
Throttling
  STS gets too many calls (throttling) | wait a minute, then use a new code
RegionDisabledException
  STS is not active in {region} for this account | set AWS_REGION, or region, to one that is, such as us-east-1
OptInRequired
  the AWS account of {source} is not signed up | finish its sign-up in the AWS console, or ask its owner
ValidationError|InvalidParameter|MalformedInput
  STS refused the call ({error}) | {said}
`;

/** Enabled in every account; regions that came later have to be enabled first. */
const standardRegions =
  /^(us-(east|west)-[12]|(ca|eu)-central-1|eu-(north-1|west-[123])|ap-(south-1|southeast-[12]|northeast-[123])|sa-east-1|(cn|us-gov)-.*)$/;

/** An error document of STS, as opposed to whatever else may answer in its place. */
export function isFromSts({ name, $fault }: Failure): boolean {
  return $fault !== undefined && /^(?!(Unknown|UnknownError|Error|SyntaxError)$)\w{1,80}$/.test(String(name));
}

export function notSts(host: string): UserError {
  const hint = 'log in to the network in a browser, or check HTTPS_PROXY and the endpoint';
  return new UserError('network', `what answered for ${host} is not STS`, hint);
}

export function explainFailure(error: Failure, call: Call): UserError {
  if (error instanceof UserError) return error;
  if (isFromSts(error)) return explainRefusal(error, call);
  const status = error.code === undefined ? error.$metadata?.httpStatusCode : undefined;
  if (status === undefined) return explainNetwork(error, call);
  const byProxy = call.proxyStatus ?? (status === 407 ? status : 200);
  return call.proxy && byProxy !== 200 ? explainProxy(call, byProxy) : notSts(call.host);
}

function explainRefusal({ name, message, $metadata }: Failure, { identity, code, host, repeated }: Call): UserError {
  const { source, serial, region, keys } = identity;
  const error = String(name);
  const text = typeof message === 'string' ? message : '';
  const said = printable(text.replaceAll(code, '******')).replace(/\s+/g, ' ').trim();
  const words: Readonly<Record<string, string>> = {
    ...{ error, source, serial, region, host, where: keys.where, word: shellWord(source) },
    said: said && `STS said: ${said.slice(0, 500)}`,
    used: repeated ? 'the call was repeated, so this one may be used up' : 'each code works once',
    policy: /explicit deny in (an? [a-z -]+ policy|a permissions boundary)/i.exec(text)?.[1] ?? 'a policy',
    enable: standardRegions.test(region) ? '' : `if your account has not enabled ${region}: set AWS_REGION=us-east-1`,
  };
  for (const row of refusals.trim().split(/\n(?=\S)/)) {
    const [pattern = '', ...sentences] = row.split(/\n\s+| \| /);
    if (!new RegExp(`^(${pattern})`, 'is').test(`${error} ${text}`)) continue;
    const [what = '', ...hints] = sentences.map((line) => line.replace(/\{(\w+)\}/g, (_, word) => words[word] ?? ''));
    const Kind = /one time pass code/.test(pattern) ? WrongCode : UserError;
    return new Kind('aws', what, hints.filter(Boolean));
  }
  const what = ($metadata?.httpStatusCode ?? 0) >= 500 ? 'STS has an internal problem' : 'STS refused the call';
  return new UserError('aws', `${what} (${error})`, 'try again with the next code');
}

function explainProxy({ host, proxy, variable }: Route, status: number): UserError {
  const fail = (what: string, hint: string) => new UserError('network', `the proxy ${proxy} ${what} (${status})`, hint);
  const login = `set ${variable}=http://<name>:<password>@<host>:<port>, with %40 for @`;
  if (status === 407) return fail('wants another password', login);
  if (status >= 500) return fail(`cannot reach ${host}`, 'check that the proxy is up, then use the next code');
  return fail(`refuses ${host}`, 'ask its owner to allow that host, or add the host to NO_PROXY');
}

/** What to do about a certificate, by OpenSSL's word for what is wrong with it; the first row that fits counts. */
const untrusted = [
  [/EXPIRED|NOT_YET_VALID/, "check this computer's date; if it is right, the certificate is too old"],
  [/ALTNAME/, 'another host answers there: log in to the network, or check the endpoint'],
  [/CERT|SELF_SIGNED|UNABLE_TO/, 'if a company proxy inspects TLS, set AWS_CA_BUNDLE to its certificate'],
] as const;

function explainNetwork({ name, message, errors, code = '' }: Failure, { host, proxy, proxyStatus }: Route) {
  // behind a proxy, DNS and TCP errors are the proxy's
  const first = proxy ? `the proxy ${proxy}` : host;
  const peer = proxy ? `${host} through the proxy ${proxy}` : host;
  const again = 'check the network, VPN or proxy, then use the next code';
  const fail = (what: string, hint = again) => new UserError('network', what, hint);
  const [, hint] = untrusted.find(([pattern]) => pattern.test(code)) ?? [];
  if (hint) return fail(`cannot trust the certificate of ${proxyStatus ? host : first} (${code})`, hint);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return fail(`cannot find ${first}: no network or DNS`);
  if (code === 'ECONNREFUSED') return fail(`${first} refused the connection`);
  if (name === 'AbortError') return fail(`${peer} did not finish within ${limits.call} s`);
  const isConnecting = /^connect |establish a connection/.test(String(message));
  if (name === 'TimeoutError' && (code === '' || code === 'ETIMEDOUT')) {
    if (isConnecting) return fail(`cannot connect to ${peer} within ${limits.connect} s`);
    if (errors) return fail(`none of the addresses of ${first} answers`);
    return fail(`${peer} did not answer within ${limits.answer} s`);
  }
  if (isConnecting || errors) return fail(`cannot connect to ${first} (${code})`);
  return fail(`connection to ${peer} broke (${code || name})`);
}
