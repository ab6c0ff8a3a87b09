// An STS on loopback: recomputes every signature, takes every one-time password once, and misbehaves on request.
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const xmlns = 'https://sts.amazonaws.com/doc/2011-06-15/';
const stepMs = 30_000;
/** STS takes the code before and after; the others are for a busy machine that is slow to bring one. */
const acceptedSteps = [0, -1, 1, -2, -3];
const freshnessMs = 5 * 60_000;

/** An IAM user with long-lived keys and a virtual MFA device. */
export interface User {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly userArn: string;
  readonly serial: string;
  readonly totpSecret: Buffer;
}

/** One POST as it arrived, refused or not; `region` comes from the credential scope, `port` is the client's. */
export interface Call {
  readonly action: string;
  readonly params: Readonly<Record<string, string>>;
  readonly accessKeyId: string;
  readonly region: string;
  readonly at: number;
  readonly port: number;
}

/** One request that is no POST. */
export interface Visit {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly port: number;
}

/**
 * What one POST meets instead of an ordinary answer. `drop` closes the connection unprocessed; `drop-after` closes it
 * once the request has taken effect, so the code is used up; `delay` is followed by the ordinary answer.
 */
export type Behaviour =
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'silent' | 'drop' | 'drop-after' | 'throttle' | 'empty' | 'partial' }
  | { readonly kind: 'status'; readonly status: 500 | 503 }
  | { readonly kind: 'html'; readonly status: number }
  | { readonly kind: 'error'; readonly status: number; readonly code: string; readonly message: string }
  | { readonly kind: 'raw'; readonly status: number; readonly contentType: string; readonly body: string };

/** What STS gave out, as it stands in its answer. */
export interface IssuedSession {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: string;
}

export interface StsOptions {
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  readonly host?: string;
  readonly port?: number;
}

interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Whoever may sign: a user, or a session of one. */
interface Principal {
  readonly kind: 'user' | 'session' | 'role';
  readonly arn: string;
  readonly userId: string;
  readonly secretAccessKey: string;
  readonly user: User;
  readonly mfa: boolean;
  readonly sessionToken?: string;
  readonly expires?: number;
}

/** The Authorization header. */
interface Scope {
  readonly accessKeyId: string;
  readonly day: string;
  readonly region: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

type Params = Readonly<Record<string, string>>;
type Tree = { readonly [tag: string]: string | Tree };

/** What is thrown where STS answers with an error. */
class Refusal {
  readonly reply: Reply;

  constructor(status: number, Code: string, Message: string) {
    const error = { Type: status < 500 ? 'Sender' : 'Receiver', Code, Message };
    const body = `<ErrorResponse xmlns="${xmlns}">${xml({ Error: error, RequestId: randomUUID() })}</ErrorResponse>\n`;
    this.reply = { status, contentType: 'text/xml', body };
  }
}

/** The code a virtual MFA device shows (RFC 6238, SHA-1, 30 s, six digits), `stepOffset` steps away from `now`. */
export function totp(secret: Buffer, stepOffset = 0, now = Date.now()): string {
  return codeAt(secret, Math.floor(now / stepMs) + stepOffset);
}

/** Listens on a free port of 127.0.0.1, or on `port` of `host`; HTTPS when given a key and certificate. */
export async function startSts(options: StsOptions = {}): Promise<LocalSts> {
  const sts = new LocalSts(options);
  await sts.listen(options.host ?? '127.0.0.1', options.port ?? 0);
  return sts;
}

/** The running server. Its one-time passwords follow the real time, whatever `clockOffsetMs` says. */
export class LocalSts {
  url = '';
  /** TCP connections accepted so far. */
  connections = 0;
  /** How far ahead the server's clock is: its Date header, its view of X-Amz-Date, and Expiration. */
  clockOffsetMs = 0;
  /** Answers what is no call, as the real one does. */
  onVisit: (response: ServerResponse) => void = (response) => {
    response.writeHead(302, { Location: 'https://aws.amazon.com/iam' }).end();
  };
  /** Makes the session tokens that are issued. */
  tokenShape: () => string = longToken;
  readonly calls: Call[] = [];
  /** Requests that are no calls: what was asked for, with which headers, from which port of the client. */
  readonly visits: Visit[] = [];
  /** Every secret access key and session token that was issued or received. */
  readonly secrets = new Set<string>();
  /** Those of GetSessionToken, in the order in which they were issued. */
  readonly sessions: IssuedSession[] = [];
  /** Done at each call before it is answered, for what has to happen while a run waits. */
  meanwhile: () => unknown = () => {};

  readonly #scheme: 'http' | 'https';
  readonly #server;
  readonly #sockets = new Set<Socket>();
  readonly #changes = new EventEmitter();
  readonly #behaviours: Behaviour[] = [];
  readonly #principals = new Map<string, Principal>();
  readonly #usedSteps = new Set<string>();

  constructor({ tls }: StsOptions) {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      // A client that hangs up half-way leaves nobody to answer.
      this.#handle(request, response).catch(() => request.socket.destroy());
    };
    this.#scheme = tls ? 'https' : 'http';
    this.#server = tls ? createTlsServer({ ...tls }, listener) : createServer(listener);
    // Node would close idle connections after 5 s, or tell clients when it will.
    this.#server.keepAliveTimeout = 0;
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      // Resets are part of what is tested.
      socket.on('error', () => {});
      this.#changes.emit('change');
    });
  }

  async listen(host: string, port: number): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const address = this.#server.address() as AddressInfo;
    this.url = `${this.#scheme}://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.hangUp();
    await closed;
  }

  /** Cuts every open connection, as a load balancer does with idle ones. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Waits, 120 s at most, until `holds` is true; asks again at every connection and every call. */
  async until(holds: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(120_000);
    while (!holds()) {
      await once(this.#changes, 'change', { signal }).catch(() => {
        throw new Error(`the STS waited 120 s in vain: ${this.connections} connections, ${this.calls.length} calls`);
      });
    }
  }

  addUser(user: User): void {
    this.secrets.add(user.secretAccessKey);
    this.#principals.set(user.accessKeyId, {
      kind: 'user',
      arn: user.userArn,
      userId: `AIDA${randomId(17)}`,
      secretAccessKey: user.secretAccessKey,
      user,
      mfa: false,
    });
  }

  /** Queues what the next POSTs meet, one each, first in, first out; then all is ordinary again. */
  behave(...behaviours: readonly Behaviour[]): void {
    this.#behaviours.push(...behaviours);
  }

  /** Lets used codes be used again, for what runs more often than a device changes its code. */
  forgetCodes(): void {
    this.#usedSteps.clear();
  }

  #now(): number {
    return Date.now() + this.clockOffsetMs;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { method = '', url = '', headers, rawHeaders, socket } = request;
    const port = socket.remotePort ?? 0;
    response.setHeader('Date', new Date(this.#now()).toUTCString());
    if (method !== 'POST') {
      this.visits.push({ method, url, headers: rawHeaders, port });
      response.on('finish', () => this.#changes.emit('change'));
      this.onVisit(response);
      this.#changes.emit('change');
      return;
    }

    const params = Object.fromEntries(new URLSearchParams(body.toString('utf8')));
    const scope = parseAuthorization(headers.authorization ?? '');
    const { accessKeyId = '', region = '' } = scope ?? {};
    const token = headers['x-amz-security-token'];
    if (typeof token === 'string' && token !== '') this.secrets.add(token);
    this.calls.push({ action: params.Action ?? '', params, accessKeyId, region, at: Date.now(), port });
    this.#changes.emit('change');

    const behaviour = this.#behaviours.shift();
    if (behaviour?.kind === 'silent') return;
    if (behaviour?.kind === 'drop') return void socket.destroy();
    await this.meanwhile();
    if (behaviour?.kind === 'delay') await sleep(behaviour.ms, undefined, { ref: false });
    const reply = (behaviour && this.#misbehave(behaviour)) ?? this.#reply(request, body, params, scope);
    if (behaviour?.kind === 'drop-after') return void socket.destroy();
    response.writeHead(reply.status, { 'Content-Type': reply.contentType }).end(reply.body);
  }

  #misbehave(behaviour: Behaviour): Reply | undefined {
    const { status = 0 } = behaviour as { status?: number };
    if (behaviour.kind === 'raw') return behaviour;
    if (behaviour.kind === 'error') return new Refusal(status, behaviour.code, behaviour.message).reply;
    if (behaviour.kind === 'throttle') return new Refusal(400, 'Throttling', 'Rate exceeded').reply;
    if (behaviour.kind === 'status') {
      const code = status === 500 ? 'InternalFailure' : 'ServiceUnavailable';
      return new Refusal(status, code, 'The request has failed due to a failure of the server.').reply;
    }
    if (behaviour.kind === 'html') {
      const body = '<html><head><title>Guest Wi-Fi</title></head><body><h1>Please sign in</h1></body></html>\n';
      return { status, contentType: 'text/html; charset=utf-8', body };
    }
    if (behaviour.kind === 'empty') return answer('GetSessionToken', {});
    if (behaviour.kind !== 'partial') return undefined;
    const { SessionToken: _, ...rest } = this.#newCredentials(43_200).xml;
    return answer('GetSessionToken', { Credentials: rest });
  }

  #reply(request: IncomingMessage, body: Buffer, params: Params, scope: Scope | undefined): Reply {
    try {
      const caller = this.#authenticate(request, body, scope);
      if (params.Action === 'GetSessionToken') return this.#getSessionToken(caller, params);
      if (params.Action === 'AssumeRole') return this.#assumeRole(caller, params);
      if (params.Action !== 'GetCallerIdentity') {
        throw new Refusal(400, 'InvalidAction', 'Could not find operation for version 2011-06-15');
      }
      const { arn, userId } = caller;
      return answer('GetCallerIdentity', { Arn: arn, UserId: userId, Account: arn.split(':')[4] ?? '' });
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      throw error;
    }
  }

  #authenticate(request: IncomingMessage, body: Buffer, scope: Scope | undefined): Principal {
    const { headers } = request;
    if (!headers.authorization) throw new Refusal(403, 'MissingAuthenticationToken', 'Missing Authentication Token');
    if (!scope) throw new Refusal(400, 'IncompleteSignature', 'Authorization header is malformed.');
    const caller = this.#principals.get(scope.accessKeyId);
    if (!caller || caller.sessionToken !== headers['x-amz-security-token']) {
      throw new Refusal(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
    }
    const mismatch = (why: string) => new Refusal(403, 'SignatureDoesNotMatch', why);
    const signedAt = parseAmzDate(String(headers['x-amz-date'] ?? ''));
    if (signedAt === undefined) throw new Refusal(400, 'IncompleteSignature', 'Date must be in ISO-8601 format.');
    const stale = describeStale(signedAt, this.#now());
    if (stale) throw mismatch(stale);
    if (!`;${scope.signedHeaders};`.includes(';host;')) throw mismatch("'Host' must be a 'SignedHeader'.");
    if (sign(request, body, scope, caller.secretAccessKey) !== scope.signature) {
      throw mismatch('The request signature we calculated does not match the signature you provided.');
    }
    if (caller.expires !== undefined && caller.expires <= this.#now()) {
      throw new Refusal(403, 'ExpiredToken', 'The security token included in the request is expired');
    }
    return caller;
  }

  #getSessionToken({ kind, arn, userId, user }: Principal, params: Params): Reply {
    if (kind !== 'user') throw denied('Cannot call GetSessionToken with session credentials');
    const seconds = durationOf(params, 43_200, 129_600);
    const mfa = this.#checkMfa(user, params);
    const xml = this.#issue(seconds, { kind: 'session', arn, userId, user, mfa });
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = xml;
    this.sessions.push({ accessKeyId, secretAccessKey, sessionToken, expiration: xml.Expiration });
    return answer('GetSessionToken', { Credentials: xml });
  }

  #assumeRole(caller: Principal, params: Params): Reply {
    const { RoleArn: roleArn = '', RoleSessionName: sessionName = '' } = params;
    const role = /^arn:([\w-]+):iam::(\d{12}):role\/(?:[\w+=,.@/-]+\/)?([\w+=,.@-]+)$/.exec(roleArn);
    if (!role) throw new Refusal(400, 'ValidationError', `${roleArn} is invalid`);
    if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) throw invalidMember('roleSessionName', 'a valid name');
    const seconds = durationOf(params, 3_600, 43_200);
    if (caller.kind !== 'user' && seconds > 3_600) {
      const limit = 'exceeds the 1 hour session limit for roles assumed by role chaining';
      throw new Refusal(400, 'ValidationError', `The requested DurationSeconds ${limit}`);
    }
    if (!this.#checkMfa(caller.user, params) && !caller.mfa) {
      throw denied(`User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`);
    }
    const arn = `arn:${role[1]}:sts::${role[2]}:assumed-role/${role[3]}/${sessionName}`;
    const userId = `AROA${randomId(17)}:${sessionName}`;
    // a role's own session does not carry its caller's MFA on
    const xml = this.#issue(seconds, { kind: 'role', arn, userId, user: caller.user, mfa: false });
    return answer('AssumeRole', { AssumedRoleUser: { AssumedRoleId: userId, Arn: arn }, Credentials: xml });
  }

  #checkMfa(user: User, { SerialNumber: serial, TokenCode: code }: Params): boolean {
    if (serial === undefined && code === undefined) return false;
    const failed = 'MultiFactorAuthentication failed';
    if (serial === undefined || code === undefined) {
      throw denied(`${failed}, must provide both MFA serial number and one time pass code.`);
    }
    if (!/^\d{6}$/.test(code)) throw invalidMember('tokenCode', 'six digits');
    if (serial !== user.serial) {
      const advice = 'Please verify your MFA serial number is valid and associated with this user.';
      throw denied(`${failed}, unable to validate MFA code.  ${advice}`);
    }
    const current = Math.floor(Date.now() / stepMs);
    const step = acceptedSteps
      .map((offset) => current + offset)
      .find((step) => codeAt(user.totpSecret, step) === code && !this.#usedSteps.has(`${serial} ${step}`));
    if (step === undefined) throw denied(`${failed} with invalid MFA one time pass code. `);
    this.#usedSteps.add(`${serial} ${step}`);
    return true;
  }

  #issue(seconds: number, principal: Omit<Principal, 'secretAccessKey' | 'sessionToken' | 'expires'>) {
    const { xml, expires } = this.#newCredentials(seconds);
    const { AccessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = xml;
    this.#principals.set(AccessKeyId, { ...principal, secretAccessKey, sessionToken, expires });
    return xml;
  }

  #newCredentials(seconds: number) {
    const expires = this.#now() + seconds * 1000;
    const xml = {
      AccessKeyId: `ASIA${randomId(16)}`,
      SecretAccessKey: randomBytes(30).toString('base64'),
      SessionToken: this.tokenShape(),
      Expiration: new Date(expires).toISOString().replace(/\.\d+Z$/, 'Z'),
    };
    this.secrets.add(xml.SecretAccessKey).add(xml.SessionToken);
    return { xml, expires };
  }
}

/** A code of long ago. */
export function wrongCode(secret: Buffer): string {
  const good = [...acceptedSteps, 2, 3].map((offset) => totp(secret, offset));
  let offset = -20;
  while (good.includes(totp(secret, offset))) offset--;
  return totp(secret, offset);
}

function codeAt(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', secret).update(counter).digest();
  const offset = digest.readUInt8(digest.length - 1) & 0x0f;
  const number = (digest.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000;
  return String(number).padStart(6, '0');
}

function randomId(length: number): string {
  return Array.from(randomBytes(length), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('');
}

/** Real tokens hold every character that a careless INI writer would quote. */
function longToken(): string {
  const token = randomBytes(298).toString('base64');
  return token.includes('/') && token.includes('+') ? token : longToken();
}

function parseAuthorization(header: string): Scope | undefined {
  const [, accessKeyId, day, region, signedHeaders, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/sts\/aws4_request, *SignedHeaders=([^,]+), *Signature=(\w{64})$/.exec(
      header,
    ) ?? [];
  if (!accessKeyId || !day || !region || !signedHeaders || !signature) return undefined;
  return { accessKeyId, day, region, signedHeaders, signature };
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function sign(request: IncomingMessage, body: Buffer, { day, region, signedHeaders }: Scope, secret: string): string {
  const { method = '', url = '/', headers } = request;
  const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const { pathname, searchParams } = new URL(url, 'http://sts');
  searchParams.sort();
  const lines = signedHeaders.split(';').map(
    (name) =>
      `${name}:${String(headers[name] ?? '')
        .trim()
        .replace(/ +/g, ' ')}\n`,
  );
  const canonical = [method, pathname, String(searchParams), lines.join(''), signedHeaders, hash(body)].join('\n');
  const scope = [day, region, 'sts', 'aws4_request'];
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope.join('/'), hash(canonical)].join('\n');
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex');
}

function parseAmzDate(text: string): number | undefined {
  if (!/^\d{8}T\d{6}Z$/.test(text)) return undefined;
  return Date.parse(text.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function describeStale(signedAt: number, now: number): string | undefined {
  const [signed, clock, earliest, latest] = [signedAt, now, now - freshnessMs, now + freshnessMs].map((time) => {
    return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');
  });
  if (signedAt < now - freshnessMs) {
    return `Signature expired: ${signed} is now earlier than ${earliest} (${clock} - 5 min.)`;
  }
  if (signedAt <= now + freshnessMs) return undefined;
  return `Signature not yet current: ${signed} is still later than ${latest} (${clock} + 5 min.)`;
}

function durationOf(params: Params, fallback: number, most: number): number {
  const seconds = params.DurationSeconds === undefined ? fallback : Number(params.DurationSeconds);
  if (Number.isInteger(seconds) && seconds >= 900 && seconds <= most) return seconds;
  throw invalidMember('durationSeconds', `a number from 900 to ${most}`);
}

function denied(message: string): Refusal {
  return new Refusal(403, 'AccessDenied', message);
}

/** The real one quotes the value here; it might be a code. */
function invalidMember(name: string, wanted: string): Refusal {
  const what = `Value at '${name}' failed to satisfy constraint: Member must be ${wanted}`;
  return new Refusal(400, 'ValidationError', `1 validation error detected: ${what}`);
}

function answer(action: string, result: Tree): Reply {
  const content = xml({ [`${action}Result`]: result, ResponseMetadata: { RequestId: randomUUID() } });
  const body = `<${action}Response xmlns="${xmlns}">${content}</${action}Response>\n`;
  return { status: 200, contentType: 'text/xml', body };
}

function xml(tree: Tree): string {
  const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return Object.entries(tree)
    .map(([tag, value]) => `<${tag}>${typeof value === 'string' ? escaped(value) : xml(value)}</${tag}>`)
    .join('');
}
