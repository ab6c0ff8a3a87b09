import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Certificate } from './certificate';
import { makeHome } from './home';
import { type Result, type RunOptions, run } from './run';
import { person, type Scene, sessionsIn, simple, typed } from './scene';
import { startSts } from './sts';

export interface Failure {
  readonly error: string | RegExp;
  readonly hint: string | RegExp;
}

/** Asserts exit 1 with one error and its cure, and the file as it was. */
export function failed(
  result: Result,
  { error, hint }: Failure,
  home: Scene['home'],
  credentials = simple.credentials,
): void {
  assert.equal(result.status, 1, result.stderr);
  assert.equal(result.stdout, '');
  const [first = '', ...rest] = result.stderr.trimEnd().split('\n');
  const matches = (line: string, begin: string, wanted: string | RegExp) => {
    const text = line.startsWith(begin) ? line.slice(begin.length) : '';
    return typeof wanted === 'string' ? text === wanted : wanted.test(text);
  };
  assert.ok(matches(first, 'refresh-mfa: error: ', error), `${first}\nis not: ${error}`);
  assert.ok(
    rest.some((line) => matches(line, 'refresh-mfa: hint: ', hint)),
    `${rest.join('\n')}\nhas no: ${hint}`,
  );
  for (const line of rest) assert.match(line, /^refresh-mfa: hint: /);
  assert.equal(home.readCredentials(), credentials);
  assert.deepEqual(home.listAws(), ['config', 'credentials']);
}

/** Lets glibc ask once for a name and not wait longer than the tool does. */
export const quickNames = { RES_OPTIONS: 'timeout:1 attempts:1 ndots:1', LOCALDOMAIN: 'invalid' };

export const again = 'see that the network, VPN or proxy is up, then try again with the next code';
/** Listens on a free port until the test ends, and cuts what is then open; returns host and port. */
export async function listen(t: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Asserts that the code is taken and the session written, without a word on stderr. */
export async function refreshes(options: RunOptions): Promise<void> {
  const result = await run(['foobar'], { ...options, stdin: typed() });
  assert.equal(result.status, 0, result.stderr);
  assert.equal(result.stderr, '');
  assert.deepEqual(sessionsIn(options.home.credentialsPath), ['foobar']);
}

/** An STS behind TLS, a home, and what makes the first trusted. */
export async function makeSecureScene(t: TestContext, certificate: Certificate, host = 'localhost') {
  const sts = await startSts({ tls: certificate, host });
  t.after(() => sts.close());
  sts.addUser(person);
  return { sts, home: makeHome(t, simple), trust: { AWS_CA_BUNDLE: certificate.path } };
}
