// Networks that do not work, proxies as the aws command takes them, and whom TLS trusts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import * as tls from 'node:tls';
import { findProxy } from '../lib/sts';
import { type Certificate, makeCertificate } from './helpers/certificate';
import { listen } from './helpers/listen';
import { again, codeOf, exchange, type Options, open, openWarm, refusalOf, startStsFor } from './helpers/network';
import { startProxy } from './helpers/proxy';
import { run } from './helpers/run';
import { makeScene, simple, typed } from './helpers/scene';
import { missing } from './helpers/which';

const noDeafness = process.platform !== 'linux' && 'only Linux is known to leave connections untaken';

/** The call fails with the message, in which HOST is what is called, after so many seconds at least. */
async function fails(t: TestContext, endpoint: string, message: string | RegExp, seconds = 0, options: Options = {}) {
  const began = performance.now();
  const [kind, text = '', ...hints] = await refusalOf(exchange(t, endpoint, options));
  const waited = (performance.now() - began) / 1000;
  if (typeof message === 'string') assert.equal(text, message.replace('HOST', new URL(endpoint).host));
  else assert.match(text, message);
  assert.deepEqual([kind, ...hints], ['network', again]);
  assert.ok(waited > seconds - 0.1 && waited < seconds + 15, `it took ${waited} s`);
}

// those that wait for their limit do so at the same time
describe('a network that does not work', { concurrency: true }, () => {
  test('nobody listens', (t) => fails(t, 'http://127.0.0.1:1', 'HOST refused the connection'));

  test('an address that no network leads to', async (t) => {
    await fails(t, 'http://255.255.255.255', /^cannot connect to 255\.255\.255\.255 \(E[A-Z]+\)$/);
  });

  test('a name that does not exist', async (t) => {
    await fails(t, 'http://sts.refresh-mfa.invalid', 'cannot find HOST: no network or DNS');
  });

  test('a server that does not take the connection: 5 s', { skip: noDeafness }, async (t) => {
    await fails(t, `http://127.0.0.1:${await listenDeafly(t)}`, 'cannot connect to HOST within 5 s', 5);
  });

  test('a server that takes the call and is silent: 15 s', async (t) => {
    const sts = await startStsFor(t);
    sts.behave({ kind: 'silent' });
    await fails(t, sts.url, 'HOST did not answer within 15 s', 15);
    assert.equal(sts.calls.length, 1);
  });

  test('a server that takes the connection and never begins TLS: 15 s at most', async (t) => {
    const message = /^(127\S+ did not answer|cannot connect to 127\S+) within /;
    await fails(t, `https://${await listen(t, createServer())}`, message, 5);
  });

  test('a proxy that is silent: 15 s at most', async (t) => {
    const env = { HTTPS_PROXY: `http://${await listen(t, createServer())}` };
    const message = /through the proxy 127\.0\.0\.1:\d+ (did not answer )?within (5|15) s$/;
    await fails(t, 'https://localhost:1', message, 5, { env });
  });

  test('an answer that trickles: 17 s', async (t) => {
    const host = await answerInPart(t, (response) => {
      const timer = setInterval(() => response.write(' '), 1000);
      response.on('close', () => clearInterval(timer));
    });
    await fails(t, `http://${host}`, 'HOST did not finish within 17 s', 17);
  });

  test('an answer that breaks off', async (t) => {
    const host = await answerInPart(t, (response) => response.destroy());
    await fails(t, `http://${host}`, 'connection to HOST broke (ECONNRESET)');
  });
});

// Node's own quarter of a second for each address is less than a slow network takes
test('a name of which one address does not take the connection and the other refuses it', {
  skip: noDeafness,
}, async (t) => {
  const both = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ];
  t.mock.method(dns, 'lookup', (_: string, __: object, done: (error: null, found: typeof both) => void) => {
    process.nextTick(done, null, both);
  });
  const endpoint = `http://two.example.com:${await listenDeafly(t)}`;
  await fails(t, endpoint, 'none of the addresses of HOST answers', 1);
});

async function answerInPart(t: TestContext, rest: (response: ServerResponse) => unknown): Promise<string> {
  const server = createHttpServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': 1000 });
    response.write('<GetSessionTokenResponse>', () => rest(response));
  });
  return listen(t, server);
}

/** A port where connections are neither taken nor refused: the process that listens there is stopped, and its queue is full. */
async function listenDeafly(t: TestContext): Promise<number> {
  const script = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    process.stdout.write(String(this.address().port), () => process.kill(process.pid, 'SIGSTOP'));
  })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const port = Number((await once(child.stdout, 'data'))[0]);
  const queue = [1, 2, 3, 4].map(() => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const socket of queue) socket.destroy();
  });
  // Linux takes one more than it was told
  await Promise.all(queue.slice(0, 2).map((socket) => once(socket, 'connect')));
  return port;
}

describe('TLS and proxies', { skip: missing('openssl') }, () => {
  let folder = '';
  let certificate: Certificate;
  let trust: { ca: string };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-tls-'));
    certificate = makeCertificate(folder);
    trust = { ca: certificate.cert.toString() };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const refreshes = async (t: TestContext, env: Readonly<Record<string, string>>) => {
    const sts = await startStsFor(t, certificate);
    const { home } = await makeScene(t, simple);
    const { status, stderr } = await run(['foobar'], { sts, home, env, stdin: typed() });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  };

  test('AWS_CA_BUNDLE says whom to trust', (t) => refreshes(t, { AWS_CA_BUNDLE: certificate.path }));

  test('AWS_CA_BUNDLE is trusted beside those whom Node trusts by itself', async (t) => {
    if (!('getCACertificates' in tls)) return t.skip(`Node ${process.version} cannot list those whom it trusts`);
    const others = makeCertificate(folder, 'other');
    await refreshes(t, { AWS_CA_BUNDLE: others.path, NODE_EXTRA_CA_CERTS: certificate.path });
  });

  test('a certificate that nobody vouches for is not trusted', async (t) => {
    const sts = await startStsFor(t, certificate);
    const [, message] = await refusalOf(exchange(t, sts.url));
    assert.match(message ?? '', /^cannot trust the certificate of localhost:\d+ \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/);
    assert.equal(sts.calls.length, 0);
  });

  test('a certificate of another host is not trusted', async (t) => {
    const sts = await startStsFor(t, certificate, '127.0.0.2').catch(() => undefined);
    if (!sts) return t.skip('this system has no 127.0.0.2');
    const [, message] = await refusalOf(exchange(t, sts.url, trust));
    assert.match(message ?? '', /^cannot trust the certificate of 127\S+ \(ERR_TLS_CERT_ALTNAME_INVALID\)$/);
    assert.equal(sts.calls.length, 0);
  });

  test('a proxy that speaks TLS is trusted as STS is', async (t) => {
    const sts = await startStsFor(t, certificate);
    const proxy = await startProxy(t, { tls: certificate });
    const env = { HTTPS_PROXY: proxy.url };
    const [, message] = await refusalOf(exchange(t, sts.url, { env }));
    assert.match(message ?? '', /^cannot trust the certificate of the proxy \S+ \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/);
    assert.deepEqual(proxy.targets, []);
    await exchange(t, sts.url, { ...trust, env });
    assert.deepEqual(proxy.targets, [new URL(sts.url).host]);
  });

  const wants = 'bob:correct 100%';
  for (const secure of [true, false]) {
    test(`a call ${secure ? 'with' : 'without'} TLS goes through the proxy, on the connection that was opened`, async (t) => {
      const sts = await startStsFor(t, secure ? certificate : undefined);
      const proxy = await startProxy(t, { wants });
      const env = { [secure ? 'HTTPS_PROXY' : 'HTTP_PROXY']: `bob:correct%20100%25@${proxy.host}` };
      await (await openWarm(t, sts.url, { ...trust, env })).getSession(codeOf(), undefined);
      // one tunnel, or the two requests
      const [target, count] = secure ? [new URL(sts.url).host, 1] : [`${sts.url}/`, 2];
      assert.deepEqual(proxy.targets, Array(count).fill(target));
      assert.deepEqual([proxy.connections(), sts.visits.length, sts.calls.length], [1, 1, 1]);
    });
  }

  test('a proxy that refuses the first connection, and then lets the call through, is not blamed later', async (t) => {
    const sts = await startStsFor(t, certificate);
    const proxy = await startProxy(t, { refuses: 503 });
    const opened = await open(t, sts.url, { ...trust, env: { HTTPS_PROXY: proxy.url }, isIdle: true });
    await opened.getSession(codeOf(), undefined);
    assert.deepEqual([proxy.targets.length, sts.calls.length], [2, 1]);
    sts.behave({ kind: 'raw', status: 403, contentType: 'text/html', body: '<h1>Sign in</h1>' });
    const [, message] = await refusalOf(opened.getSession(codeOf(), undefined));
    assert.equal(message, `what answered for ${new URL(sts.url).host} is not STS`);
  });

  test('a proxy that refuses the host: the error says so, without the password', async (t) => {
    const sts = await startStsFor(t, certificate);
    const { host } = await startProxy(t, { refuses: 403 });
    const env = { HTTPS_PROXY: `http://bob:battery-staple-horse@${host}` };
    const [, message] = await refusalOf(exchange(t, sts.url, { ...trust, env }), 'battery-staple-horse');
    assert.equal(message, `the proxy ${host} refuses ${new URL(sts.url).host} (403)`);
    assert.equal(sts.connections, 0);
  });
});

describe('which proxy', () => {
  const bob = 'bob:correct-horse';
  const names = (no_proxy: string) => ({ https_proxy: 'p', no_proxy });
  const rows: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
    ['https://sts', {}, undefined],
    ['https://sts', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1/'],
    ['https://sts', { https_proxy: `https://${bob}@p` }, `https://${bob}@p/`],
    ['http://sts', { HTTP_PROXY: `${bob}@p:1` }, `http://${bob}@p:1/`],
    ['http://sts', { HTTPS_PROXY: 'p' }, undefined],
    ['https://sts', { HTTP_PROXY: 'p', ALL_PROXY: 'p' }, undefined],
    ['https://sts', { https_proxy: 'p', HTTPS_PROXY: 'q', no_proxy: 'example.com', NO_PROXY: '*' }, 'http://p/'],
    ['https://sts', { https_proxy: '', HTTPS_PROXY: 'q' }, undefined],
    ['https://sts', { HTTPS_PROXY: 'p', NO_PROXY: 'sts' }, undefined],
    ...['.example.com', 'com', '*', 'a, STS.example.com ,b', 'sts.example.com:443'].map(
      (exempt) => ['https://sts.example.com', names(exempt), undefined] as const,
    ),
    ...['example.com:8443', 'xample.com', 'sts', 'sts.example.com:444', ' , ', ''].map(
      (others) => ['https://sts.example.com', names(others), 'http://p/'] as const,
    ),
    // as in Python, a suffix is compared by its letters
    ['https://127.0.0.1:80', names('0.0.1'), undefined],
    ['https://127.0.0.1:8080', names('127.0.0.1:8080'), undefined],
    ['http://sts', { http_proxy: 'p', no_proxy: 'sts:80' }, undefined],
  ];
  for (const [url, env, proxy] of rows) {
    test(`${url}, ${JSON.stringify(env)}: ${proxy ?? 'none'}`, () => {
      const variable = url.startsWith('https') ? 'HTTPS_PROXY' : 'HTTP_PROXY';
      assert.equal(findProxy(new URL(url), env, variable)?.href, proxy);
    });
  }

  for (const value of ['http://:://', 'socks5://127.0.0.1:1080', `${bob}-100%@proxy`, 'http://bob:%zz@p:1']) {
    test(`HTTPS_PROXY=${value}: refused before anything is sent`, async (t) => {
      const opened = open(t, 'https://localhost:1', { env: { HTTPS_PROXY: value } });
      const hint = 'it looks like http://proxy.example.com:3128; a % in a password is %25 there';
      const words = ['config', 'HTTPS_PROXY is not the URL of a proxy', hint];
      assert.deepEqual(await refusalOf(opened, 'correct-horse'), words);
    });
  }
});
