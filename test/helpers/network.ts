// Calls to STS in the test's own process, which has what the tool sets up in its own.
import { devNull } from 'node:os';
import type { TestContext } from 'node:test';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromIni } from '@aws-sdk/credential-providers';
import type { UserError } from '../../lib/errors';
import type { Identity } from '../../lib/identity';
import { type Context, openSts } from '../../lib/sts';
import type { Certificate } from './certificate';
import { person, type Scene } from './scene';
import { type LocalSts, startSts, totp } from './sts';

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
process.env.AWS_CONFIG_FILE = devNull;
process.env.AWS_SHARED_CREDENTIALS_FILE = devNull;
// glibc asks once for a name, and does not wait longer than the tool does
process.env.RES_OPTIONS = 'timeout:1 attempts:1 ndots:1';
process.env.LOCALDOMAIN = 'invalid';

export interface Options extends Partial<Context>, Partial<Pick<Identity, 'region' | 'keys'>> {
  readonly ca?: string;
  readonly isIdle?: boolean;
}

/** The identity of the person, with STS at the endpoint. */
export function identityOf(endpoint: string | undefined, options: Options = {}): Identity {
  const { accessKeyId, secretAccessKey, serial } = person;
  const { region = 'us-east-1', keys = { accessKeyId, secretAccessKey, where: '~/.aws/credentials:2' } } = options;
  return { source: 'foobar-long-term', keys, serial, region, endpoint } as Identity;
}

/** As the tool opens it, until the test ends. */
export async function open(t: TestContext, endpoint: string | undefined, options: Options = {}) {
  const end = new AbortController();
  t.after(() => end.abort());
  const { signal = end.signal, env = {}, ca, now = Date.now, isIdle = false } = options;
  return openSts(identityOf(endpoint, options), { env, signal, runtime: process, now, printError() {} }, isIdle, ca);
}

/** Opened while the person looks for the code. The call waits for the connection, however long it takes: timers stand still. */
export function openWarm(t: TestContext, endpoint: string, options: Options = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  return open(t, endpoint, { ...options, isIdle: true });
}

/** Opens and calls at once, with the code that is right now. */
export async function exchange(t: TestContext, endpoint: string, options: Options = {}, code = codeOf()) {
  return (await open(t, endpoint, options)).getSession(code, undefined);
}

export function codeOf(): string {
  return totp(person.totpSecret);
}

/** The error's kind, message and hints. Fails when there is none, or when it shows a secret. */
export async function refusalOf(promise: Promise<unknown>, ...secrets: readonly string[]): Promise<string[]> {
  const error: UserError = await promise.then(
    () => Promise.reject(new Error('nothing was refused')),
    (error) => error,
  );
  if (error.hints === undefined) throw error;
  const lines = [error.code, error.message, ...error.hints];
  for (const secret of [person.secretAccessKey, codeOf(), ...secrets]) {
    if (lines.some((line) => line.includes(secret))) throw new Error('an error shows a secret or a code');
  }
  return lines;
}

/** Whom STS takes AWS's JS SDK for, profile by profile, when it reads the two files: ARNs. */
export async function getCallers(profiles: readonly string[], { home, sts }: Scene): Promise<string[]> {
  const clientConfig = { region: 'us-east-1', endpoint: sts.url };
  const files = { filepath: home.credentialsPath, configFilepath: home.configPath, ignoreCache: true };
  const arns: string[] = [];
  for (const profile of profiles) {
    const client = new STSClient({ ...clientConfig, credentials: fromIni({ profile, ...files, clientConfig }) });
    const { Arn = '' } = await client.send(new GetCallerIdentityCommand({}));
    arns.push(Arn);
  }
  return arns;
}

/** An STS that knows the person, until the test ends. */
export async function startStsFor(t: TestContext, tls?: Certificate, host = tls && 'localhost'): Promise<LocalSts> {
  const sts = await startSts({ ...(tls && { tls }), ...(host && { host }) });
  t.after(() => sts.close());
  sts.addUser(person);
  return sts;
}

export const again = 'check the network, VPN or proxy, then use the next code';
