import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { GetSessionTokenCommand, type GetSessionTokenCommandOutput, STSClient } from '@aws-sdk/client-sts';
import { type Environment, readCommand } from './command';
import { shellWord, systemCode, UserError } from './errors';
import type { Identity, SourceKeys } from './profiles';

/** What STS gave; all strings are non-empty and free of blanks. */
export interface Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expires: Date;
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Sts {
  /**
   * What can be done before there is a code: opens the connection that the call will find, and has the SDK warm. What befalls it
   * is of no account, since the call makes a connection of its own where it finds none.
   */
  prepare(): void;
  /**
   * Exchanges a code for a session; `duration` is in seconds, STS's own 12 hours if undefined.
   * @throws WrongCode when another code may do, otherwise UserError `aws` or `network`
   */
  getSession(code: string, duration: number | undefined): Promise<Session>;
  close(): void;
}

/** STS did not take the code, and would look at another one. */
export class WrongCode extends UserError {}

const connectMs = 5_000;
/** For each address of a name but the last; Node's own quarter of a second is less than a slow network takes. */
const attemptMs = 1_000;
const answerMs = 15_000;
/** For one call, the answer's last byte included. One that failed early may be repeated: 34 s at the most. */
const callMs = 17_000;
/** A connection that was idle for longer (the laptop slept) may be dead without either end having heard of it. */
const idleMs = 60_000;
/** How long after its beginning a connection is worth waiting for, rather than making another one. */
const patienceMs = 1_000;
const processSeconds = 60;

/**
 * The source's long-lived keys; those behind `credential_process` are fetched, with the terminal left to the question.
 * @throws UserError `config`; the process's output is never shown
 */
export async function getKeys(keys: SourceKeys, env: Environment): Promise<Keys> {
  if (!('process' in keys)) return keys;
  const fail = (why: string) => {
    return new UserError(
      'config',
      `the credential_process of ${keys.where} ${why}`,
      'run that command by hand: it should print JSON with Version, AccessKeyId and SecretAccessKey',
    );
  };
  const { stdout, problem } = await readCommand(keys.process, env, { seconds: processSeconds, stdin: 'ignore' });
  if (problem) throw fail(problem);
  let answer: Readonly<Record<string, unknown>> | null;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw fail('printed no JSON');
  }
  const { Version, AccessKeyId, SecretAccessKey, SessionToken } = answer ?? {};
  if (Version !== 1) throw fail('printed no "Version": 1');
  if (SessionToken) throw fail('gives a session; STS gives sessions for long-lived keys only');
  if (!isToken(AccessKeyId) || !isToken(SecretAccessKey)) throw fail('printed no AccessKeyId or no SecretAccessKey');
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value);
}

/**
 * Makes the client. Only the given keys are ever used. The caller keeps the shared files from the SDK, which would take settings
 * of other profiles from them.
 * @param ca certificate authorities to trust beside Node's own, PEM
 * @param now the clock, in milliseconds
 * @throws UserError `config` for a proxy variable that is no URL
 */
export async function openSts(
  identity: Identity,
  keys: Promise<Keys>,
  env: Environment,
  ca: string | undefined,
  now: () => number,
): Promise<Sts> {
  const { region } = identity;
  const url = identity.endpoint ? new URL(identity.endpoint) : await findUrl(region);
  const line = await openLine(url, env, ca);
  const client = new STSClient({
    region,
    endpoint: url.href,
    // both are in the URL already, and the SDK wants neither beside one
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    credentials: () => keys,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
      httpAgent: line.agent,
      httpsAgent: line.agent as HttpsAgent,
    },
  });
  let lastUsed = now();
  let connecting: Promise<void> | undefined;
  return {
    prepare() {
      const connected = connect(url, line.agent).then(() => {
        lastUsed = now();
      });
      connecting = Promise.race([connected, sleep(patienceMs, undefined, { ref: false })]);
      rehearse(region).catch(() => {});
    },
    async getSession(code, duration) {
      const command = new GetSessionTokenCommand({
        SerialNumber: identity.serial,
        TokenCode: code,
        DurationSeconds: duration,
      });
      const send = () => client.send(command, { abortSignal: AbortSignal.timeout(callMs) });
      await connecting;
      if (now() - lastUsed > idleMs) line.agent.destroy();
      let repeated = false;
      try {
        const answer = await send().catch((error) => {
          if (!isWorthRepeating(error)) throw error;
          repeated = true;
          return send();
        });
        return toSession(answer.Credentials, url.host);
      } catch (error) {
        throw explain(error, { identity, code, line, repeated });
      } finally {
        lastUsed = now();
      }
    },
    close() {
      client.destroy();
      line.close();
    },
  };
}

/**
 * Opens a connection that the agent then keeps: name, TCP and TLS, also through a proxy. The request is none of the API, and
 * carries no key and no signature; STS answers it with the address of a page about IAM.
 */
async function connect(url: URL, agent: HttpAgent): Promise<void> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  try {
    await once(request(new URL('/', url), { agent }, (response) => response.resume()).end(), 'close');
  } catch {
    // the call makes a connection of its own, and tells what is wrong
  }
}

/**
 * The SDK's first call takes as long as Node's start. So one is made that no network sees, with AWS's sample keys, before the
 * code is there.
 */
async function rehearse(region: string): Promise<void> {
  const keys = '<AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><Expiration>2011-07-11T19:55:29Z</Expiration>';
  const result = `<GetSessionTokenResult><Credentials>${keys}</Credentials></GetSessionTokenResult>`;
  const body = Buffer.from(`<GetSessionTokenResponse>${result}</GetSessionTokenResponse>`);
  const client = new STSClient({
    region,
    endpoint: 'https://sts.example.com',
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    requestHandler: { handle: async () => ({ response: { statusCode: 200, headers: {}, body } }) },
  });
  await client.send(new GetSessionTokenCommand({}));
}

/** Where the SDK's own rules find STS; the agent, which a client is made with, has to know it before. */
async function findUrl(region: string): Promise<URL> {
  const { config } = new STSClient({ region });
  const [UseFIPS, UseDualStack] = await Promise.all([config.useFipsEndpoint(), config.useDualstackEndpoint()]);
  return config.endpointProvider({ Region: region, UseFIPS, UseDualStack }).url;
}

/** How STS is reached; its parts are for messages. */
interface Line {
  readonly agent: HttpAgent;
  readonly host: string;
  /** Host and port of the proxy, without name and password. */
  readonly proxy: string | undefined;
  /** The environment variable that names it. */
  readonly variable: string;
  /** What the proxy answered to the last CONNECT. */
  proxyStatus(): number | undefined;
  /** Lets go of every socket, also of those that wait for a proxy. */
  close(): void;
}

async function openLine(url: URL, env: Environment, ca: string | undefined): Promise<Line> {
  const { host } = url;
  const secure = url.protocol === 'https:';
  const abort = new AbortController();
  const options = {
    keepAlive: true,
    autoSelectFamilyAttemptTimeout: attemptMs,
    ...(ca && { ca: [...rootCertificates(), ca] }),
  };
  const variable = secure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = findProxy(url, env, variable);
  let status: number | undefined;
  let agent: HttpAgent;
  if (!proxy) agent = secure ? new HttpsAgent(options) : new HttpAgent(options);
  else if (secure) {
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    agent = new HttpsProxyAgent(proxy, { ...options, signal: abort.signal });
    // it drops the options for the connection behind the proxy
    Object.assign((agent as HttpsAgent).options, options);
    agent.on('proxyConnect', ({ statusCode }: { statusCode: number }) => {
      status = statusCode;
    });
  } else {
    const { HttpProxyAgent } = await import('http-proxy-agent');
    agent = new HttpProxyAgent(proxy, { ...options, signal: abort.signal });
  }
  // with NODE_DEBUG=http Node prints the agent, and the proxy's password would be seen
  if (proxy) Object.defineProperty(agent, 'proxy', { enumerable: false });
  const close = () => {
    abort.abort();
    agent.destroy();
  };
  return { agent, host, proxy: proxy?.host, variable, proxyStatus: () => status, close };
}

/** Whom Node trusts by itself: also NODE_EXTRA_CA_CERTS where it can tell (22.15 and later). */
function rootCertificates(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  return getCACertificates?.('default') ?? tls.rootCertificates;
}

/** As the `aws` command finds it (Python's urllib): lower case first, and NO_PROXY's names stand for their subdomains too. */
function findProxy(url: URL, env: Environment, variable: string): URL | undefined {
  const proxy = env[variable.toLowerCase()] ?? env[variable];
  if (!proxy) return undefined;
  const hosts = [url.hostname, `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`];
  const isExempt = (entry: string) => {
    const suffix = entry.trim().toLowerCase().replace(/^\.+/, '');
    if (suffix === '*') return true;
    return suffix !== '' && hosts.some((host) => host === suffix || host.endsWith(`.${suffix}`));
  };
  if ((env.no_proxy ?? env.NO_PROXY ?? '').split(',').some(isExempt)) return undefined;
  const address = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return new URL(address);
  throw new UserError('config', `${variable} is not the URL of a proxy`, 'it looks like http://proxy.example.com:3128');
}

/**
 * Failures that came before STS looked at the code, or that tell nothing about it, are worth one more call: the SDK has then
 * set its clock by the answer, or the other end of a kept connection had hung up.
 */
function isWorthRepeating(error: unknown): boolean {
  const { name, $metadata } = error as {
    name?: string;
    $metadata?: { clockSkewCorrected?: boolean; httpStatusCode?: number };
  };
  if ($metadata?.clockSkewCorrected || name === 'Throttling') return true;
  return (
    (isOwnError(error) && ($metadata?.httpStatusCode ?? 0) >= 500) ||
    ['ECONNRESET', 'EPIPE'].includes(systemCode(error))
  );
}

/** An error document of STS, as opposed to whatever else may answer in its place. */
function isOwnError(error: unknown): boolean {
  const { name = '', $fault } = error as { name?: string; $fault?: string };
  return $fault !== undefined && !['Unknown', 'UnknownError', 'Error', 'SyntaxError'].includes(name);
}

function toSession(credentials: GetSessionTokenCommandOutput['Credentials'], host: string): Session {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = credentials ?? {};
  if (
    isToken(AccessKeyId) &&
    isToken(SecretAccessKey) &&
    isToken(SessionToken) &&
    Number.isFinite(Expiration?.getTime())
  ) {
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
      expires: Expiration as Date,
    };
  }
  throw notSts(host);
}

function notSts(host: string): UserError {
  return new UserError(
    'network',
    `what answered for ${host} is not STS (a log-in page of the network, or a proxy?)`,
    'open any web page in a browser and log in to the network, or correct HTTPS_PROXY or the endpoint, then try again',
  );
}

interface Call {
  readonly identity: Identity;
  readonly code: string;
  readonly line: Line;
  /** Whether the same code was sent twice. */
  readonly repeated: boolean;
}

/** Each failure in its own words, with its cure. What STS said is repeated only where it cannot hold a key or the code. */
function explain(error: unknown, { identity, code, line, repeated }: Call): unknown {
  if (error instanceof UserError) return error;
  const { source, serial, keys } = identity;
  const {
    name = '',
    message = '',
    $metadata,
  } = error as { name?: string; message?: string; $metadata?: { httpStatusCode?: number } };
  if (!isOwnError(error)) {
    const status = systemCode(error) === '' ? $metadata?.httpStatusCode : undefined;
    if (status === undefined) return explainNetwork(error, line);
    const byProxy = line.proxyStatus() ?? (status === 407 ? status : 200);
    return line.proxy && byProxy !== 200 ? proxyRefused(line, byProxy) : notSts(line.host);
  }
  const refuse = (what: string, ...hints: string[]) => new UserError('aws', what, ...hints);
  const quote = (text: string) =>
    text
      .replaceAll(code, '******')
      .replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
      .trim();
  if (/invalid MFA one time pass code/i.test(message)) {
    const used = repeated
      ? 'the call had to be repeated, so the code may have been used up'
      : 'each code is good once, for about 30 seconds';
    return new WrongCode('aws', `STS did not accept the code for ${serial}`, `wait for the next code: ${used}`);
  }
  if (/unable to validate MFA code/i.test(message)) {
    return refuse(
      `STS could not check the code: ${serial} is not an MFA device of the user behind ${source}, or does not give codes`,
      `correct mfa_serial; aws iam list-mfa-devices --profile ${shellWord(source)} shows the device, if your keys may ask`,
    );
  }
  if (/with session credentials/i.test(message)) {
    return refuse(
      `the keys of ${source} (${keys.where}) belong to a session; STS gives sessions for long-lived keys only`,
      'let source_profile name the profile with the long-lived keys',
    );
  }
  if (name === 'InvalidClientTokenId') {
    return refuse(
      `STS does not know the access key of ${source} (${keys.where}): it was deleted or disabled, or is of another partition`,
      `make a new one in the IAM console under Security credentials, and put it into ${keys.where}`,
      ...quoteHint(keys),
    );
  }
  if (/expired|not yet current|RequestTimeTooSkewed/i.test(`${name} ${message}`)) {
    return refuse(
      "this computer's clock is too far off for STS",
      'set the clock (timedatectl set-ntp true, or sntp -sS time.apple.com on macOS), then try again with the next code',
    );
  }
  if (name === 'SignatureDoesNotMatch') {
    return refuse(
      `the secret key of ${source} (${keys.where}) does not belong to its access key`,
      `copy aws_secret_access_key again, whole, into ${keys.where}`,
      ...quoteHint(keys),
    );
  }
  if (/^AccessDenied/.test(name)) {
    return refuse(
      `AWS denied GetSessionToken to the user behind ${source}: ${quote(message)}`,
      'ask whoever administers the account to allow sts:GetSessionToken without MFA',
    );
  }
  if (name === 'Throttling')
    return refuse('STS has too many calls at the moment (throttling)', 'wait a minute, then try again with a new code');
  if (name === 'RegionDisabledException' || name === 'OptInRequired') {
    return refuse(
      `STS is not active in ${identity.region} for this account`,
      'set region in the profile, or AWS_REGION, to one that is, such as us-east-1',
    );
  }
  if (($metadata?.httpStatusCode ?? 0) >= 500)
    return refuse(`STS has an internal problem (${quote(name)})`, 'try again with the next code');
  return refuse(
    `STS refused the call: ${quote(`${name}: ${message}`)}`,
    'correct what it says, then try again with the next code',
  );
}

/** Values are taken as `aws` takes them, with the quotes, which is rarely what was meant. */
function quoteHint(keys: SourceKeys): string[] {
  const quoted = !('process' in keys) && [keys.accessKeyId, keys.secretAccessKey].some((key) => /^["']/.test(key));
  return quoted
    ? [`the keys in ${keys.where} stand in quotes, which aws takes for part of them: remove the quotes`]
    : [];
}

function proxyRefused({ host, proxy, variable }: Line, status: number): UserError {
  const fail = (what: string, hint: string) => new UserError('network', `the proxy ${proxy} ${what} (${status})`, hint);
  if (status === 407) {
    return fail(
      'wants a name and a password, or others than it got',
      `put them into ${variable}: http://<name>:<password>@<host>:<port>, with %40 for @ and the like`,
    );
  }
  if (status >= 500) return fail(`cannot reach ${host}`, 'see that the proxy is up, then try again with the next code');
  return fail(
    `does not let you through to ${host}`,
    'ask whoever runs the proxy to allow that host, or let NO_PROXY name it if it can be reached without',
  );
}

function explainNetwork(error: unknown, { host, proxy, proxyStatus }: Line): UserError {
  const { name, message, syscall, errors } = error as {
    name?: string;
    message?: string;
    syscall?: string;
    /** One an address, where a name has several; the code is the first one's. */
    errors?: readonly unknown[];
  };
  const code = systemCode(error);
  const fail = (what: string, ...hints: string[]) => new UserError('network', what, ...hints);
  const again = 'see that the network, VPN or proxy is up, then try again with the next code';
  const late = name === 'TimeoutError' && (code === '' || code === 'ETIMEDOUT');
  // whoever goes through a proxy looks up and connects to nobody else
  const first = proxy ? `the proxy ${proxy}` : host;
  const peer = proxy ? `${host} through the proxy ${proxy}` : host;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail(`cannot find ${first}: no network, or no name service`, again);
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) {
    return fail(`cannot trust the certificate of ${proxyStatus() ? host : first} (${code})`, cure(code));
  }
  if (name === 'AbortError') return fail(`${peer} did not answer in full within ${callMs / 1000} s`, again);
  if (late && (syscall === 'connect' || /establish a connection/.test(message ?? ''))) {
    return fail(`cannot connect to ${peer} within ${connectMs / 1000} s`, again);
  }
  if (late && errors) return fail(`cannot connect to ${first}: none of its addresses answers`, again);
  if (late) return fail(`${peer} did not answer within ${answerMs / 1000} s`, again);
  if (code === 'ECONNREFUSED') return fail(`cannot connect to ${first}: connection refused`, again);
  if (syscall === 'connect' || errors) return fail(`cannot connect to ${first} (${code})`, again);
  return fail(`the connection to ${peer} broke (${code || name})`, again);
}

/** What to do about a certificate that is not trusted, by OpenSSL's word for it. */
function cure(code: string): string {
  if (/EXPIRED|NOT_YET_VALID/.test(code)) {
    return "see that this computer's date and time are right; if they are, its owner has to renew the certificate";
  }
  if (/ALTNAME/.test(code)) {
    return 'something else answers under that name: log in to the network in a browser, or correct the endpoint or the hosts file';
  }
  return "if a proxy of your company opens TLS, let AWS_CA_BUNDLE name the file with the company's certificate";
}
