// An STS on loopback: recomputes every signature, takes every one-time password once, and misbehaves on request.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificate } from './certificate';

/** STS takes the code before and after; the others are for a busy machine that is slow to bring one. */
const acceptedSteps = [0, -1, 1, -2, -3];
const freshnessMs = 5 * 60_000;
/** The key's ID, the scope of the signature and its region, the names of the headers, the signature. */
const authorization =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/([^/]+)\/sts\/aws4_request), *SignedHeaders=([^,]+), *Signature=(\w{64})$/;

/** An IAM user with long-lived keys and a virtual MFA device. */
export interface User {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly userArn: string;
  readonly serial: string;
  readonly totpSecret: Buffer;
}

type Params = Readonly<Record<string, string>>;

/** One POST as it arrived, refused or not; `region` comes from the credential scope. */
export interface Call {
  readonly action: string;
  readonly params: Params;
  readonly accessKeyId: string;
  readonly region: string;
}

/**
 * What one POST meets instead of an ordinary answer. `drop` closes the connection unprocessed; `drop-after` closes it
 * once the request has taken effect, so the code is used up; `delay` is followed by the ordinary answer.
 */
export type Behaviour =
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'silent' | 'drop' | 'drop-after' }
  | { readonly kind: 'error'; readonly status: number; readonly code: string; readonly message: string }
  | ({ readonly kind: 'raw' } & Reply);

/** What STS gave out, as it stands in its answer. */
export interface IssuedSession {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: string;
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
  readonly user: User;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Tree = { readonly [tag: string]: string | Tree };

/** What is thrown where STS answers with an error. */
class Refusal {
  readonly reply: Reply;

  constructor(status: number, Code: string, Message: string) {
    this.reply = { status, contentType: 'text/xml', body: xml({ ErrorResponse: { Error: { Code, Message } } }) };
  }
}

/** The code a virtual MFA device shows (RFC 6238, SHA-1, 30 s, six digits), `stepOffset` steps away from `now`. */
export function totp(secret: Buffer, stepOffset = 0, now = Date.now()): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000) + stepOffset));
  const digest = createHmac('sha1', secret).update(counter).digest();
  const number = digest.readUInt32BE(digest.readUInt8(19) & 0x0f) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, '0');
}

/** A code of long ago. */
export function wrongCode(secret: Buffer): string {
  const good = [...acceptedSteps, 2, 3].map((offset) => totp(secret, offset));
  let offset = -20;
  while (good.includes(totp(secret, offset))) offset--;
  return totp(secret, offset);
}

/** Listens on a free port of 127.0.0.1, or of `host`; HTTPS when given a key and certificate. */
export async function startSts({ tls, host = '127.0.0.1' }: { tls?: Certificate; host?: string } = {}) {
  const sts = new LocalSts(tls);
  sts.server.listen(0, host);
  await once(sts.server, 'listening');
  sts.url = `${tls ? 'https' : 'http'}://${host}:${(sts.server.address() as AddressInfo).port}`;
  return sts;
}

/** The running server. Its one-time passwords follow the real time, whatever `clockOffsetMs` says. */
export class LocalSts {
  readonly server;
  url = '';
  /** TCP connections accepted so far. */
  connections = 0;
  /** How far ahead the server's clock is: its Date header, its view of X-Amz-Date, and Expiration. */
  clockOffsetMs = 0;
  readonly calls: Call[] = [];
  /** Requests that are no calls: method, path, and the names of the headers. */
  readonly visits: string[] = [];
  /** Every secret access key and session token that was issued, and those of the users. */
  readonly secrets = new Set<string>();
  /** Those of GetSessionToken, in the order in which they were issued. */
  readonly sessions: IssuedSession[] = [];
  /** Answers what is no call, as the real one does. */
  onVisit: (response: ServerResponse) => void = (response) => {
    response.writeHead(302, { Location: 'https://aws.amazon.com/iam' }).end();
  };
  /** Done at each call before it is answered, for what has to happen while a run waits. */
  meanwhile: () => unknown = () => {};

  readonly #changes = new EventEmitter();
  readonly #behaviours: Behaviour[] = [];
  readonly #principals = new Map<string, Principal>();
  readonly #usedCodes = new Set<string>();

  constructor(tls?: Certificate) {
    const listener: RequestListener = (request, response) => {
      // A client that hangs up half-way leaves nobody to answer.
      this.#handle(request, response).catch(() => request.socket.destroy());
    };
    this.server = tls ? createTlsServer(tls, listener) : createServer(listener);
    // Node would close idle connections after 5 s, or tell clients when it will.
    this.server.keepAliveTimeout = 0;
    this.server.on('connection', () => {
      this.connections++;
      this.#changes.emit('change');
    });
  }

  /** Stops listening and cuts every connection. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  /** Waits, 120 s at most, until `holds` is true; asks again at every connection, call and visit. */
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
    const { accessKeyId, secretAccessKey, userArn } = user;
    this.#principals.set(accessKeyId, { kind: 'user', arn: userArn, user, secretAccessKey });
  }

  /** Queues what the next POSTs meet, one each, first in, first out; then all is ordinary again. */
  behave(...behaviours: readonly Behaviour[]): void {
    this.#behaviours.push(...behaviours);
  }

  /** Lets used codes be used again, for what runs more often than a device changes its code. */
  forgetCodes(): void {
    this.#usedCodes.clear();
  }

  #now(): number {
    return Date.now() + this.clockOffsetMs;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { method, url, headers, socket } = request;
    response.setHeader('Date', new Date(this.#now()).toUTCString());
    if (method !== 'POST') {
      this.visits.push([method, url, ...Object.keys(headers).sort()].join(' '));
      this.onVisit(response);
      this.#changes.emit('change');
      return;
    }

    const params = Object.fromEntries(new URLSearchParams(body.toString()));
    const [, accessKeyId = '', , region = ''] = authorization.exec(headers.authorization ?? '') ?? [];
    this.calls.push({ action: params.Action ?? '', params, accessKeyId, region });
    this.#changes.emit('change');

    const behaviour = this.#behaviours.shift();
    if (behaviour?.kind === 'silent') return;
    if (behaviour?.kind === 'drop') return void socket.destroy();
    await this.meanwhile();
    if (behaviour?.kind === 'delay') await sleep(behaviour.ms, undefined, { ref: false });
    const reply = this.#reply(request, body, params, behaviour);
    if (behaviour?.kind === 'drop-after') return void socket.destroy();
    response.writeHead(reply.status, { 'Content-Type': reply.contentType }).end(reply.body);
  }

  #reply(request: IncomingMessage, body: Buffer, params: Params, behaviour: Behaviour | undefined): Reply {
    if (behaviour?.kind === 'raw') return behaviour;
    try {
      if (behaviour?.kind === 'error') throw new Refusal(behaviour.status, behaviour.code, behaviour.message);
      const caller = this.#authenticate(request, body);
      if (params.Action === 'GetSessionToken') return this.#getSessionToken(caller, params);
      if (params.Action === 'AssumeRole') return this.#assumeRole(caller, params);
      return answer('GetCallerIdentity', { Arn: caller.arn });
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      throw error;
    }
  }

  /** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
  #authenticate({ method, url = '/', headers }: IncomingMessage, body: Buffer): Principal {
    const [, accessKeyId = '', scope = '', , names = '', signature] =
      authorization.exec(headers.authorization ?? '') ?? [];
    const caller = this.#principals.get(accessKeyId);
    if (!caller || caller.sessionToken !== headers['x-amz-security-token']) {
      throw new Refusal(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
    }
    const mismatch = (why: string) => new Refusal(403, 'SignatureDoesNotMatch', why);
    const date = String(headers['x-amz-date']);
    const signed = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
    if (signed > this.#now() + freshnessMs) throw mismatch(`Signature not yet current: ${date} is still later than …`);
    if (!(signed >= this.#now() - freshnessMs)) throw mismatch(`Signature expired: ${date} is now earlier than …`);

    const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
    const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
    const [path, query = ''] = url.split('?');
    const lines = names.split(';').map((name) => `${name}:${headers[name]}\n`);
    const canonical = [method, path, query, lines.join(''), names, hash(body)].join('\n');
    const text = ['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\n');
    const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${caller.secretAccessKey}`);
    if (hmac(key, text).toString('hex') === signature) return caller;
    throw mismatch('The request signature we calculated does not match the signature you provided.');
  }

  #getSessionToken({ kind, arn, user }: Principal, params: Params): Reply {
    if (kind !== 'user') throw denied('Cannot call GetSessionToken with session credentials');
    this.#checkMfa(user, params);
    const session = this.#issue({ kind: 'session', arn, user }, Number(params.DurationSeconds ?? 43_200));
    this.sessions.push(session);
    return answer('GetSessionToken', { Credentials: credentials(session) });
  }

  /** Every role of every account trusts whoever has shown a code, and is not a role itself. */
  #assumeRole({ kind, arn, user }: Principal, { RoleArn = '', RoleSessionName, DurationSeconds }: Params): Reply {
    if (kind !== 'session') throw denied(`User: ${arn} is not authorized to perform: sts:AssumeRole on: ${RoleArn}`);
    const role = `${RoleArn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${RoleSessionName}`;
    const session = this.#issue({ kind: 'role', arn: role, user }, Number(DurationSeconds ?? 3_600));
    return answer('AssumeRole', { AssumedRoleUser: { Arn: role }, Credentials: credentials(session) });
  }

  #checkMfa(user: User, { SerialNumber: serial, TokenCode: code = '' }: Params): void {
    const failed = 'MultiFactorAuthentication failed';
    if (serial !== user.serial) {
      const advice = 'Please verify your MFA serial number is valid and associated with this user.';
      throw denied(`${failed}, unable to validate MFA code.  ${advice}`);
    }
    const isGood = acceptedSteps.some((step) => totp(user.totpSecret, step) === code);
    const use = `${serial} ${code}`;
    if (!isGood || this.#usedCodes.has(use)) throw denied(`${failed} with invalid MFA one time pass code. `);
    this.#usedCodes.add(use);
  }

  #issue(principal: Omit<Principal, 'secretAccessKey' | 'sessionToken'>, seconds: number): IssuedSession {
    const id = Array.from(randomBytes(16), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]);
    const accessKeyId = `ASIA${id.join('')}`;
    const secretAccessKey = randomBytes(30).toString('base64');
    const sessionToken = longToken();
    this.secrets.add(secretAccessKey).add(sessionToken);
    this.#principals.set(accessKeyId, { ...principal, secretAccessKey, sessionToken });
    const expiration = new Date(this.#now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
    return { accessKeyId, secretAccessKey, sessionToken, expiration };
  }
}

/** Real tokens hold every character that a careless INI writer would quote. This one ends in `==`. */
function longToken(): string {
  const token = randomBytes(298).toString('base64');
  return token.includes('/') && token.includes('+') ? token : longToken();
}

function denied(message: string): Refusal {
  return new Refusal(403, 'AccessDenied', message);
}

function credentials({ accessKeyId, secretAccessKey, sessionToken, expiration }: IssuedSession): Tree {
  return {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
    Expiration: expiration,
  };
}

function answer(action: string, result: Tree): Reply {
  const body = xml({ [`${action}Response`]: { [`${action}Result`]: result } });
  return { status: 200, contentType: 'text/xml', body };
}

function xml(tree: Tree): string {
  const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return Object.entries(tree)
    .map(([tag, value]) => `<${tag}>${typeof value === 'string' ? escaped(value) : xml(value)}</${tag}>`)
    .join('');
}
