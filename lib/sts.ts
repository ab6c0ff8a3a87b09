// The one call: keys and a code go out, a session comes back, over a connection that was opened while the person typed.
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { type Credentials, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { UserError } from './errors';
import { explainFailure, type Failure, isFromSts, limits, notSts, type Route } from './failures';
import { findKeyProblem, type Identity, type SourceKeys } from './identity';
import type { Session } from './session';
import { type Environment, maxBytes, type Runtime, readCommand } from './shell';

/** A session as STS gave it; all strings are non-empty and free of blanks. */
export interface Granted extends Session {
  /** Whole seconds, by the clock of STS. */
  readonly lasts: number;
  /** Seconds that this computer's clock is ahead of STS's, negative if behind; 0 below a minute. */
  readonly clockAhead: number;
}

export interface Sts {
  readonly host: string;
  /**
   * Exchanges a code for a session; `duration` is in seconds, STS's own 12 hours if undefined.
   * @throws WrongCode when another code may do, otherwise UserError `aws` or `network`
   */
  getSession(code: string, duration: number | undefined): Promise<Granted>;
}

export interface Context {
  readonly env: Environment;
  readonly runtime: Runtime;
  /** Ends everything at once: the question, the commands, the call and its connection. */
  readonly signal: AbortSignal;
  /** In milliseconds. */
  now(): number;
  /** For a refused code that is asked for again. */
  printError(error: UserError): void;
}

/** For each address of a name but the last; Node's own quarter of a second is less than a slow network takes. */
const attemptMs = 1_000;
/** A connection that was idle for longer (the laptop slept) may be dead without either end having heard of it. */
const idleMs = 60_000;
/** How long the call waits for the prepared connection before it opens another one. */
const patienceMs = 1_000;
/** AWS's own limit, and a minute for a clock that is a little off. */
const maxSeconds = 36 * 3600 + 60;

/**
 * Gets the keys and makes the client; if `warm`, also connects and rehearses the call. `ca` is the certificate authorities to
 * trust beside Node's own, PEM. The caller keeps the shared files from the SDK, which would take settings of other profiles from them.
 * @throws UserError `config` for a bad proxy variable or region, or a failed `credential_process`
 */
export async function openSts(identity: Identity, context: Context, warm: boolean, ca?: string): Promise<Sts> {
  const { region, serial, endpoint } = identity;
  const { env, signal, now } = context;
  const keys = getKeys(identity.keys, context);
  keys.catch(() => {});
  const url = endpoint ? new URL(endpoint) : await findUrl(region);
  const { agent, route } = await openRoute(url, env, ca, signal);
  const client = new STSClient({
    region,
    endpoint: url.href,
    // both are in the URL already, and the SDK wants neither beside one
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    credentials: () => keys,
    // its own second attempt would also repeat what took too long
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: limits.connect * 1000,
      requestTimeout: limits.answer * 1000,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent as HttpsAgent,
    },
  });
  let ahead = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { headers: Record<string, string>; body: unknown };
      ahead = Math.round((now() - Date.parse(response.headers.date ?? '')) / 1000) || 0;
      response.body = await readBody(response.body as AsyncIterable<Uint8Array>, route.host);
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  let lastUsed = now();
  const used = () => {
    lastUsed = now();
  };
  // errors are ignored: the call can connect by itself
  const connected = warm ? connect(url, agent).then(used) : undefined;
  if (connected) rehearse(region).catch(() => {});
  const started = Promise.race([connected, sleep(patienceMs, undefined, { ref: false })]);
  await keys;
  return {
    host: route.host,
    async getSession(code, duration) {
      const command = new GetSessionTokenCommand({ SerialNumber: serial, TokenCode: code, DurationSeconds: duration });
      const send = async () => {
        const late = AbortSignal.timeout(limits.call * 1000);
        try {
          return await client.send(command, { abortSignal: AbortSignal.any([signal, late]) });
        } catch (error) {
          // a look at it afterwards also keeps it from being collected before it fires
          throw late.aborted ? new DOMException('', 'AbortError') : error;
        }
      };
      await started;
      if (now() - lastUsed > idleMs) agent.destroy();
      let repeated = false;
      try {
        const answer = await send().catch((error) => {
          if (!isWorthRepeating(error)) throw error;
          repeated = true;
          return send();
        });
        return toSession(answer.Credentials, route.host, now() / 1000, ahead);
      } catch (error) {
        throw explainFailure(error as Failure, { identity, code, route, repeated });
      } finally {
        used();
      }
    },
  };
}

/**
 * The source's long-lived keys; those behind `credential_process` are fetched.
 * @throws UserError `config`; the process's output is never shown
 */
async function getKeys(keys: SourceKeys, { env, signal, runtime }: Context) {
  if (!('process' in keys)) return keys;
  const { stdout, problem } = await readCommand(keys.process, env, { signal, kill: runtime.kill });
  const hint = 'run it by hand: it should print JSON with AccessKeyId, SecretAccessKey';
  const fail = (why: string) => new UserError('config', `credential_process ${why} (${keys.where})`, hint);
  if (problem) throw fail(problem);
  let answer: Readonly<Record<string, unknown>> | null;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw fail('printed no JSON');
  }
  const { Version, AccessKeyId, SecretAccessKey, SessionToken } = answer ?? {};
  if (Version !== 1) throw fail('printed no "Version": 1');
  if (SessionToken || /^ASIA/.test(String(AccessKeyId))) throw fail('gives a session, not long-lived keys');
  const given = { accessKeyId: String(AccessKeyId ?? ''), secretAccessKey: String(SecretAccessKey ?? '') };
  if (!given.accessKeyId || !given.secretAccessKey) throw fail('printed no AccessKeyId or no SecretAccessKey');
  if (findKeyProblem(given.accessKeyId, given.secretAccessKey)) throw fail('printed keys that are none');
  return given;
}

/**
 * Opens a connection that the agent then keeps: name, TCP and TLS, also through a proxy. The request is not one of the API, and
 * carries no key and no signature; STS answers it with the address of a page about IAM.
 */
function connect(url: URL, agent: HttpAgent): Promise<void> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((closed) => {
    request(new URL('/', url), { agent }, (response) => response.resume())
      .on('error', () => {})
      .on('close', closed)
      .end();
  });
}

/** The SDK's first call takes as long as Node's start, so one is made that no network sees, with AWS's sample keys. */
async function rehearse(region: string): Promise<void> {
  const result = '<GetSessionTokenResult><Credentials></Credentials></GetSessionTokenResult>';
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
  // the SDK would print its own words; Node 26 takes any xn--
  if (/^xn--/i.test(region) || !URL.canParse(`https://${region}.example.com`)) {
    throw new UserError('config', `"${region}" is not a region`, 'it looks like eu-west-1');
  }
  const { config } = new STSClient({ region });
  const [UseFIPS, UseDualStack] = await Promise.all([config.useFipsEndpoint(), config.useDualstackEndpoint()]);
  return config.endpointProvider({ Region: region, UseFIPS, UseDualStack }).url;
}

async function openRoute(url: URL, env: Environment, ca: string | undefined, signal: AbortSignal) {
  const secure = url.protocol === 'https:';
  // those that Node trusts, with NODE_EXTRA_CA_CERTS where it can tell (22.15 and later)
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  const trusted = ca && { ca: [...(getCACertificates?.('default') ?? tls.rootCertificates), ca] };
  const options = { keepAlive: true, autoSelectFamilyAttemptTimeout: attemptMs, ...trusted };
  const variable = secure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = findProxy(url, env, variable);
  const route: Route = { host: url.host, proxy: proxy?.host, variable };
  let agent: HttpAgent;
  if (!proxy) agent = secure ? new HttpsAgent(options) : new HttpAgent(options);
  else if (secure) {
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    agent = new HttpsProxyAgent(proxy, { ...options, signal });
    // it drops the options for the connection behind the proxy
    Object.assign((agent as HttpsAgent).options, options);
    agent.on('proxyConnect', ({ statusCode }: { statusCode: number }) => {
      route.proxyStatus = statusCode;
    });
  } else {
    const { HttpProxyAgent } = await import('http-proxy-agent');
    agent = new HttpProxyAgent(proxy, { ...options, signal });
  }
  // with NODE_DEBUG=http Node prints the agent, and the proxy's password would be seen
  if (proxy) Object.defineProperty(agent, 'proxy', { enumerable: false });
  signal.addEventListener('abort', () => agent.destroy());
  return { agent, route };
}

/**
 * As the `aws` command finds it (Python's urllib): lower case first, and NO_PROXY's names stand for their subdomains too.
 * @throws UserError `config` for what is no URL
 */
export function findProxy(url: URL, env: Environment, variable: string): URL | undefined {
  const proxy = env[variable.toLowerCase()] ?? env[variable];
  if (!proxy) return undefined;
  const hosts = [url.hostname, `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`];
  const isExempt = (entry: string) => {
    const suffix = entry.trim().toLowerCase().replace(/^\.+/, '');
    return suffix === '*' || (suffix !== '' && hosts.some((host) => `.${host}`.endsWith(`.${suffix}`)));
  };
  if ((env.no_proxy ?? env.NO_PROXY ?? '').split(',').some(isExempt)) return undefined;
  try {
    const address = new URL(proxy.includes('://') ? proxy : `http://${proxy}`);
    // the agents decode it, too, and that fails at a single %
    decodeURIComponent(address.username + address.password);
    if (/^https?:$/.test(address.protocol)) return address;
  } catch {
    // the error would show a password
  }
  const hint = 'it looks like http://proxy.example.com:3128; a % in a password is %25 there';
  throw new UserError('config', `${variable} is not the URL of a proxy`, hint);
}

async function readBody(body: AsyncIterable<Uint8Array>, host: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw notSts(host);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The SDK has set its clock by the answer, STS did not look at the code, or the other end of a kept connection had hung up. */
function isWorthRepeating(error: Failure): boolean {
  const { name, code = '', $metadata } = error;
  const isBusy = isFromSts(error) && (/^Throttling/.test(String(name)) || ($metadata?.httpStatusCode ?? 0) >= 500);
  return isBusy || Boolean($metadata?.clockSkewCorrected) || ['ECONNRESET', 'EPIPE'].includes(code);
}

/** `now` and `ahead` in seconds. */
function toSession(given: Credentials | undefined, host: string, now: number, ahead: number): Granted {
  const keys = [given?.AccessKeyId, given?.SecretAccessKey, given?.SessionToken];
  const [accessKeyId = '', secretAccessKey = '', sessionToken = ''] = keys;
  const expires = new Date(given?.Expiration ?? Number.NaN);
  const lasts = Math.round(expires.getTime() / 1000 - (now - ahead));
  const isWhole = keys.every((key) => typeof key === 'string' && /^[\x21-\x7e]+$/.test(key));
  if (!isWhole || !(lasts > 0 && lasts <= maxSeconds)) throw notSts(host);
  return { accessKeyId, secretAccessKey, sessionToken, expires, lasts, clockAhead: Math.abs(ahead) < 60 ? 0 : ahead };
}
