import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
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
   * Exchanges a code for a session; `duration` is in seconds, STS's own 12 hours if undefined.
   * @throws WrongCode when another code may do, otherwise UserError `aws` or `network`
   */
  getSession(code: string, duration: number | undefined): Promise<Session>;
  close(): void;
}

/** STS did not take the code, and would look at another one. */
export class WrongCode extends UserError {}

const connectMs = 5_000;
const answerMs = 15_000;
/** For one call, the answer's last byte included. One that failed early may be repeated: 34 s at the most. */
const callMs = 17_000;
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
 * Makes the client and begins to connect, so that the call finds an open connection. Only the given keys are ever used. The
 * caller keeps the shared files from the SDK, which would take settings of other profiles from them.
 */
export async function openSts(
  identity: Identity,
  keys: Promise<Keys>,
  env: Environment,
  ca: string | undefined,
): Promise<Sts> {
  const { region } = identity;
  const url = identity.endpoint ? new URL(identity.endpoint) : await findUrl(region);
  const { agent, peer, destroy } = await openAgent(url, env, ca);
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
      httpAgent: agent,
      httpsAgent: agent as HttpsAgent,
    },
  });
  void rehearse(region);
  return {
    async getSession(code, duration) {
      const command = new GetSessionTokenCommand({
        SerialNumber: identity.serial,
        TokenCode: code,
        DurationSeconds: duration,
      });
      const send = () => client.send(command, { abortSignal: AbortSignal.timeout(callMs) });
      let repeated = false;
      try {
        const answer = await send().catch((error) => {
          if (!isWorthRepeating(error)) throw error;
          repeated = true;
          return send();
        });
        return toSession(answer.Credentials, url.host);
      } catch (error) {
        throw explain(error, { identity, code, host: url.host, peer, repeated });
      }
    },
    close() {
      client.destroy();
      destroy();
    },
  };
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
  await client.send(new GetSessionTokenCommand({})).catch(() => {});
}

/** Where the SDK's own rules find STS; the agent, which a client is made with, has to know it before. */
async function findUrl(region: string): Promise<URL> {
  const { config } = new STSClient({ region });
  const [UseFIPS, UseDualStack] = await Promise.all([config.useFipsEndpoint(), config.useDualstackEndpoint()]);
  return config.endpointProvider({ Region: region, UseFIPS, UseDualStack }).url;
}

interface Line {
  readonly agent: HttpAgent;
  /** Who is at the other end, for messages. */
  readonly peer: string;
  /** Lets go of every socket, also of those that wait for a proxy. */
  destroy(): void;
}

/** An agent whose first connection is being made already; through a proxy it is made by the call. */
async function openAgent(url: URL, env: Environment, ca: string | undefined): Promise<Line> {
  const secure = url.protocol === 'https:';
  const options = { keepAlive: true, ...(ca && { ca }) };
  const proxy = secure ? findProxy(url, env) : undefined;
  if (proxy) {
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    const abort = new AbortController();
    const agent = new HttpsProxyAgent(proxy, { ...options, signal: abort.signal });
    // it drops the options for the connection behind the proxy
    Object.assign(agent.options, options);
    return { agent, peer: `${url.host} through the proxy ${new URL(proxy).host}`, destroy: () => abort.abort() };
  }
  const agent = secure ? new HttpsAgent(options) : new HttpAgent(options);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (secure ? 443 : 80);
  const target: ConnectionOptions = { ...options, host, port, ...(isIP(host) === 0 && { servername: host }) };
  const connect = agent.createConnection.bind(agent);
  let waiting: Duplex | null | undefined = connect(target);
  // whatever befalls it while nobody waits for it, the call makes its own connection and tells
  waiting?.on('error', () => {});
  agent.createConnection = (...rest) => {
    const socket = waiting;
    waiting = undefined;
    if (socket && !socket.destroyed && socket.writable) return socket;
    return connect(...rest);
  };
  const destroy = () => {
    waiting?.destroy();
    agent.destroy();
  };
  return { agent, peer: url.host, destroy };
}

/** As the `aws` command finds it (Python's urllib): lower case first, and NO_PROXY's names stand for their subdomains too. */
function findProxy(url: URL, env: Environment): string | undefined {
  const proxy = env.https_proxy || env.HTTPS_PROXY;
  if (!proxy) return undefined;
  const port = url.port || '443';
  const exempt = (env.no_proxy || env.NO_PROXY || '')
    .split(',')
    .map((name) => name.trim().toLowerCase().replace(/^\./, ''));
  const matches = (name: string) =>
    [url.hostname, `${url.hostname}:${port}`].some((host) => host === name || host.endsWith(`.${name}`));
  if (exempt.some((name) => name === '*' || (name !== '' && matches(name)))) return undefined;
  const address = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (URL.canParse(address)) return address;
  throw new UserError('config', 'HTTPS_PROXY is not the URL of a proxy', 'it looks like http://proxy.example.com:3128');
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
  readonly host: string;
  readonly peer: string;
  /** Whether the same code was sent twice. */
  readonly repeated: boolean;
}

/** Each failure in its own words, with its cure. What STS said is repeated only where it cannot hold a key or the code. */
function explain(error: unknown, { identity, code, host, peer, repeated }: Call): unknown {
  if (error instanceof UserError) return error;
  const { source, serial, keys } = identity;
  const {
    name = '',
    message = '',
    $metadata,
  } = error as { name?: string; message?: string; $metadata?: { httpStatusCode?: number } };
  if (!isOwnError(error)) {
    const answered = systemCode(error) === '' && $metadata?.httpStatusCode !== undefined;
    return answered ? notSts(host) : explainNetwork(error, host, peer);
  }
  const refuse = (what: string, ...hints: string[]) => new UserError('aws', what, ...hints);
  const said = message
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
      `AWS denied GetSessionToken to the user behind ${source}: ${said}`,
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
    return refuse(`STS has an internal problem (${name})`, 'try again with the next code');
  return refuse(`STS refused the call: ${name}: ${said}`, 'correct what it says, then try again with the next code');
}

/** Values are taken as `aws` takes them, with the quotes, which is rarely what was meant. */
function quoteHint(keys: SourceKeys): string[] {
  const quoted = !('process' in keys) && [keys.accessKeyId, keys.secretAccessKey].some((key) => /^["']/.test(key));
  return quoted
    ? [`the keys in ${keys.where} stand in quotes, which aws takes for part of them: remove the quotes`]
    : [];
}

function explainNetwork(error: unknown, host: string, peer: string): UserError {
  const { name, message, syscall } = error as { name?: string; message?: string; syscall?: string };
  const code = systemCode(error);
  const fail = (what: string, ...hints: string[]) => new UserError('network', what, ...hints);
  const again = 'see that the network, VPN or proxy is up, then try again with the next code';
  const late = name === 'TimeoutError' && (code === '' || code === 'ETIMEDOUT');
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail(`cannot find ${peer}: no network, or no name service`, again);
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) {
    return fail(
      `cannot trust the certificate of ${host} (${code})`,
      "if a proxy of your company opens TLS, let AWS_CA_BUNDLE name the file with the company's certificate",
    );
  }
  if (name === 'AbortError') return fail(`${peer} did not answer in full within ${callMs / 1000} s`, again);
  if (late && (syscall === 'connect' || /establish a connection/.test(message ?? ''))) {
    return fail(`cannot connect to ${peer} within ${connectMs / 1000} s`, again);
  }
  if (late) return fail(`${peer} did not answer within ${answerMs / 1000} s`, again);
  if (code === 'ECONNREFUSED') return fail(`cannot connect to ${peer}: connection refused`, again);
  return fail(`the connection to ${peer} broke (${code || message})`, again);
}
