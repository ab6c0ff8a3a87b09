// The one call: keys and a code go out, a session comes back, over a connection that was opened while the person typed.
import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { type Credentials, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { refuse, type UserError } from './errors';
import { explainFailure, type Failure, isFromSts, limits, notSts, type Route } from './failures';
import { findKeyProblem, type Identity, type SourceKeys } from './identity';
import { type Environment, maxBytes, type Runtime, readCommand } from './shell';

/**
 * A session as STS gave it; all strings are non-empty and free of blanks. `lasts` is in whole seconds, by the clock of STS; `clockAhead`
 * says how many seconds this computer's clock is ahead of it, negative if behind, 0 below a minute.
 */
export type Granted = Readonly<ReturnType<typeof toSession>>;

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

/**
 * Gets the keys and makes the client; if `warm`, also connects and rehearses the call. `ca` is the certificate authorities to
 * trust beside Node's own, PEM. The caller keeps the shared files from the SDK, which would take settings of other profiles from them.
 * @throws UserError `config` for a bad proxy variable or region, or a failed `credential_process`
 */
export async function openSts(identity: Identity, context: Context, warm: boolean, ca?: string) {
  const { region, serial, endpoint } = identity;
  const { env, signal, now } = context;
  const url = endpoint ? new URL(endpoint) : await findUrl(region);
  const { agent, route } = await openRoute(url, env, ca, signal);
  const opened = now();
  const connected = warm ? connect(url, agent) : undefined;
  if (warm) rehearse(region).catch(() => {});
  const client = new STSClient({
    region,
    endpoint: url.href,
    // both are in the URL already, and the SDK wants neither beside one
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    credentials: await getKeys(identity.keys, context),
    // its own second attempt would also repeat what took too long
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: limits.connect * 1000,
      requestTimeout: limits.answer * 1000,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent as https.Agent,
    },
  });
  let ahead = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { headers: Record<string, string>; body: unknown };
      ahead = Math.round((now() - Date.parse(response.headers.date ?? '')) / 1000) || 0;
      let body = Buffer.alloc(0);
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        body = Buffer.concat([body, chunk]);
        if (body.length > maxBytes) throw notSts(route.host);
      }
      response.body = body;
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  return {
    host: route.host,
    /**
     * Exchanges a code for a session; `duration` is in seconds, STS's own 12 hours if undefined.
     * @throws WrongCode when another code may do, otherwise UserError `aws` or `network`
     */
    async getSession(code: string, duration: number | undefined): Promise<Granted> {
      const command = new GetSessionTokenCommand({ SerialNumber: serial, TokenCode: code, DurationSeconds: duration });
      await connected;
      // one that was opened a minute ago (the laptop slept) may be dead without either end having heard of it
      if (now() - opened > 60_000) agent.destroy();
      for (let repeated = false; ; repeated = true) {
        const late = AbortSignal.timeout(limits.call * 1000);
        try {
          const answer = await client.send(command, { abortSignal: AbortSignal.any([signal, late]) });
          return toSession(answer.Credentials, route.host, now() / 1000, ahead);
        } catch (error) {
          // a look at it afterwards also keeps it from being collected before it fires
          const failure: Failure = late.aborted ? { name: 'AbortError' } : (error as Failure);
          if (!repeated && isWorthRepeating(failure)) continue;
          throw explainFailure(failure, { ...route, identity, code, repeated });
        }
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
  const fail = (why: string) => refuse(`credential_process ${why} (${keys.where})`, hint);
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
 * carries no key and no signature; STS answers it with the address of a page about IAM. The call waits for a second, then opens another one.
 */
async function connect(url: URL, agent: http.Agent): Promise<void> {
  const { get } = url.protocol === 'https:' ? https : http;
  const request = get(new URL('/', url), { agent }, (response) => response.resume());
  // errors are ignored, one behind the answer too: the call can connect by itself
  const closed = new Promise((done) => request.on('error', done).on('close', done));
  await Promise.race([closed, sleep(1_000, undefined, { ref: false })]);
}

/** The SDK's first call takes as long as Node's start, so one is made that no network sees, with AWS's sample keys. */
async function rehearse(region: string): Promise<void> {
  const body = Buffer.from('<GetSessionTokenResponse><GetSessionTokenResult/></GetSessionTokenResponse>');
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

async function openRoute(url: URL, env: Environment, ca: string | undefined, signal: AbortSignal) {
  const secure = url.protocol === 'https:';
  // those that Node trusts, with NODE_EXTRA_CA_CERTS where it can tell (22.15 and later)
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  const trusted = ca && { ca: [...(getCACertificates?.('default') ?? tls.rootCertificates), ca] };
  // for each address of a name but the last; Node's own quarter of a second is less than a slow network takes
  const options = { keepAlive: true, autoSelectFamilyAttemptTimeout: 1_000, ...trusted };
  const variable = secure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = findProxy(url, env, variable);
  const route: Route = { host: url.host, proxy: proxy?.host, variable };
  let agent = secure ? new https.Agent(options) : new http.Agent(options);
  if (proxy) {
    const Agent = secure
      ? (await import('https-proxy-agent')).HttpsProxyAgent
      : (await import('http-proxy-agent')).HttpProxyAgent;
    const through = new Agent(proxy, { ...options, signal });
    // the one for TLS drops the options for the connection behind the proxy
    Object.assign(through.options, options);
    through.on('proxyConnect', ({ statusCode }) => {
      route.proxyStatus = statusCode;
    });
    // with NODE_DEBUG=http Node prints the agent, and the proxy's password would be seen
    Object.defineProperty(through, 'proxy', { enumerable: false });
    agent = through;
  }
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
  const names = (env.no_proxy ?? env.NO_PROXY ?? '').toLowerCase().match(/[^,\s.][^,]*?(?=\s*(?:,|$))/g) ?? [];
  if (names.some((name) => name === '*' || hosts.some((host) => `.${host}`.endsWith(`.${name}`)))) return undefined;
  try {
    const address = new URL(proxy.includes('://') ? proxy : `http://${proxy}`);
    // the agents decode it, too, and that fails at a single %
    decodeURIComponent(address.username + address.password);
    if (/^https?:$/.test(address.protocol)) return address;
  } catch {
    // the error would show a password
  }
  const hint = 'it looks like http://proxy.example.com:3128; a % in a password is %25 there';
  throw refuse(`${variable} is not the URL of a proxy`, hint);
}

/** The SDK has set its clock by the answer, STS did not look at the code, or the other end of a kept connection had hung up. */
function isWorthRepeating(error: Failure): boolean {
  const { name, code = '', $metadata } = error;
  const isBusy = isFromSts(error) && (/^Throttling/.test(String(name)) || ($metadata?.httpStatusCode ?? 0) >= 500);
  return isBusy || Boolean($metadata?.clockSkewCorrected) || ['ECONNRESET', 'EPIPE'].includes(code);
}

/** `now` and `ahead` in seconds. */
function toSession(given: Credentials | undefined, host: string, now: number, ahead: number) {
  const keys = [given?.AccessKeyId, given?.SecretAccessKey, given?.SessionToken];
  const [accessKeyId = '', secretAccessKey = '', sessionToken = ''] = keys;
  const expires = new Date(given?.Expiration ?? Number.NaN);
  const lasts = Math.round(expires.getTime() / 1000 - (now - ahead));
  const isWhole = keys.every((key) => typeof key === 'string' && /^[\x21-\x7e]+$/.test(key));
  // AWS's own limit, and a minute for a clock that is a little off
  if (!isWhole || !(lasts > 0 && lasts <= 36 * 3600 + 60)) throw notSts(host);
  return { accessKeyId, secretAccessKey, sessionToken, expires, lasts, clockAhead: Math.abs(ahead) < 60 ? 0 : ahead };
}
