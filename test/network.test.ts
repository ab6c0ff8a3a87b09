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
import {
  again,
  codeOf,
  exchange,
  listen,
  type Options,
  open,
  openWarm,
  refusalOf,
  startStsFor,
} from './helpers/network';
import { findQuietPort } from './helpers/port';
import { type ProxyOptions, startProxy } from './helpers/proxy';
import { run } from './helpers/run';
import { makeScene, simple, typed } from './helpers/scene';
import { startSts } from './helpers/sts';
import { missing } from './helpers/which';

describe('a network that does not work', { concurrency: true }, () => {
  const fails = async (t: TestContext, endpoint: string, message: string | RegExp) => {
    const [kind, text = '', ...hints] = await refusalOf(exchange(t, endpoint));
    if (typeof message === 'string') assert.equal(text, message);
    else assert.match(text, message);
    assert.deepEqual([kind, ...hints], ['network', again]);
  };

  test('nobody listens', async (t) => {
    const host = `127.0.0.1:${await findQuietPort()}`;
    await fails(t, `http://${host}`, `${host} refused the connection`);
  });

  test('somebody has listened, and does no more when the code is there', async (t) => {
    const sts = await startSts({ port: await findQuietPort(5_000, 9_999) });
    const opened = await openWarm(t, sts.url);
    await sts.close();
    const [, message] = await refusalOf(opened.getSession(codeOf(), undefined));
    assert.equal(message, `${new URL(sts.url).host} refused the connection`);
  });

  test('an address that no network leads to', async (t) => {
    await fails(t, 'http://255.255.255.255', /^cannot connect to 255\.255\.255\.255 \(E[A-Z]+\)$/);
  });

  test('a name that does not exist', async (t) => {
    await fails(t, 'http://sts.refresh-mfa.invalid', 'cannot find sts.refresh-mfa.invalid: no network or DNS');
  });

  test('a server that speaks another language', async (t) => {
    const host = await listen(
      t,
      createServer((socket) => socket.end('220 mail.example.com ESMTP\r\n')),
    );
    await fails(t, `http://${host}`, `connection to ${host} broke (HPE_INVALID_CONSTANT)`);
  });

  // Each waits for its limit, all at the same time.
  const within = async (seconds: readonly [number, number], work: Promise<void>) => {
    const began = performance.now();
    await work;
    const waited = (performance.now() - began) / 1000;
    assert.ok(waited > seconds[0] && waited < seconds[1], `it took ${waited} s`);
  };

  test('a server that does not take the connection: 5 s', async (t) => {
    const host = await listenDeafly(t);
    if (!host) return t.skip('this system takes every connection');
    await within([4.9, 10], fails(t, `http://${host}`, `cannot connect to ${host} within 5 s`));
  });

  test('a name of which one address does not take the connection and the other refuses it', async (t) => {
    const host = await listenDeafly(t);
    if (!host) return t.skip('this system takes every connection');
    const { lookup } = dns;
    const both = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
    t.mock.method(dns, 'lookup', (name: string, ...rest: [object, (error: null, found: typeof both) => void]) => {
      if (name === 'two.example.com') process.nextTick(rest[1], null, both);
      else Reflect.apply(lookup, dns, [name, ...rest]);
    });
    const name = host.replace('127.0.0.1', 'two.example.com');
    await within([0.9, 10], fails(t, `http://${name}`, `none of the addresses of ${name} answers`));
  });

  test('a server that takes the call and is silent: 15 s', async (t) => {
    const sts = await startStsFor(t);
    sts.behave({ kind: 'silent' });
    await within([14.9, 20], fails(t, sts.url, `${new URL(sts.url).host} did not answer within 15 s`));
    assert.equal(sts.calls.length, 1);
  });

  test('an internal error and then silence: 15 s more', async (t) => {
    const sts = await startStsFor(t);
    sts.behave({ kind: 'status', status: 500 }, { kind: 'silent' });
    await within([14.9, 20], fails(t, sts.url, `${new URL(sts.url).host} did not answer within 15 s`));
  });

  test('a server that takes the connection and never begins TLS: 15 s', async (t) => {
    const host = await listen(t, createServer());
    await within([4.9, 20], fails(t, `https://${host}`, /^(127\S+ did not answer|cannot connect to 127\S+) within /));
  });

  for (const [what, answer] of [
    ['stops half-way', () => {}],
    [
      'trickles',
      (response) => {
        const timer = setInterval(() => response.write(' '), 1000);
        response.on('close', () => clearInterval(timer));
      },
    ],
  ] as const satisfies readonly (readonly [string, (response: ServerResponse) => unknown])[]) {
    test(`an answer that ${what}: 17 s`, async (t) => {
      const host = await answerInPart(t, answer);
      await within([16.9, 25], fails(t, `http://${host}`, `${host} did not finish within 17 s`));
    });
  }

  test('an answer that breaks off', async (t) => {
    const host = await answerInPart(t, (response) => response.destroy());
    await fails(t, `http://${host}`, `connection to ${host} broke (ECONNRESET)`);
  });

  test('a proxy that is silent: 15 s', async (t) => {
    const env = { HTTPS_PROXY: `http://${await listen(t, createServer())}` };
    const [, message] = await refusalOf(exchange(t, 'https://localhost:1', { env }));
    assert.match(message ?? '', /through the proxy 127\.0\.0\.1:\d+ (did not answer )?within (5|15) s$/);
  });
});

async function answerInPart(t: TestContext, rest: (response: ServerResponse) => unknown): Promise<string> {
  const server = createHttpServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': 1000 });
    response.write('<GetSessionTokenResponse>', () => rest(response));
  });
  return listen(t, server);
}

/**
 * An address where connections are neither taken nor refused: the process that listens there is stopped, and its queue is
 * full. Undefined where the system's queue has no end.
 */
async function listenDeafly(t: TestContext): Promise<string | undefined> {
  const script = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    process.stdout.write(String(this.address().port), () => process.kill(process.pid, 'SIGSTOP'));
  })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  for (let queued = 0; queued < 16; queued++) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect', { signal: AbortSignal.timeout(1000) }).catch(() => {});
    // the timer may only be late: look once more at what has come
    await new Promise((looked) => setImmediate(looked));
    if (socket.connecting) return `127.0.0.1:${port}`;
  }
  return undefined;
}

describe('TLS and proxies', { concurrency: 4, skip: missing('openssl') }, () => {
  let folder = '';
  let certificate: Certificate;
  let trust: { ca: string };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'refresh-mfa-tls-'));
    certificate = makeCertificate(folder);
    trust = { ca: certificate.cert.toString() };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('AWS_CA_BUNDLE says whom to trust', async (t) => {
    const sts = await startStsFor(t, certificate);
    const { home } = await makeScene(t, simple);
    const { status, stderr } = await run(['foobar'], {
      sts,
      home,
      env: { AWS_CA_BUNDLE: certificate.path },
      stdin: typed(),
    });
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });

  test('AWS_CA_BUNDLE is trusted beside those whom Node trusts by itself', async (t) => {
    if (!('getCACertificates' in tls)) return t.skip(`Node ${process.version} cannot list those whom it trusts`);
    const sts = await startStsFor(t, certificate);
    const { home } = await makeScene(t, simple);
    const others = makeCertificate(folder, 'other');
    const env = { AWS_CA_BUNDLE: others.path, NODE_EXTRA_CA_CERTS: certificate.path };
    assert.equal((await run(['foobar'], { sts, home, env, stdin: typed() })).status, 0);
  });

  const distrusts = async (t: TestContext, endpoint: string, options: Options, message: RegExp, hint: RegExp) => {
    const [kind, text = '', cure = ''] = await refusalOf(exchange(t, endpoint, options));
    assert.match(text, message);
    assert.match(cure, hint);
    assert.equal(kind, 'network');
  };

  test('a certificate that nobody vouches for is not trusted', async (t) => {
    const sts = await startStsFor(t, certificate);
    const message = /^cannot trust the certificate of localhost:\d+ \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/;
    await distrusts(t, sts.url, {}, message, /^if a company proxy inspects TLS, set AWS_CA_BUNDLE/);
    assert.equal(sts.calls.length, 0);
  });

  test('a certificate of another host is not trusted', async (t) => {
    const sts = await startStsFor(t, certificate, '127.0.0.2').catch(() => undefined);
    if (!sts) return t.skip('this system has no 127.0.0.2');
    const message = /^cannot trust the certificate of 127\.0\.0\.2:\d+ \(ERR_TLS_CERT_ALTNAME_INVALID\)$/;
    await distrusts(t, sts.url, trust, message, /^another host answers there/);
    assert.equal(sts.calls.length, 0);
  });

  /** The login for bob, and it in a URL. */
  const wants = 'bob:correct horse';
  const login = 'bob:correct%20horse';

  const through: readonly (readonly [
    string,
    boolean,
    ProxyOptions,
    (proxy: { url: string; host: string }) => Record<string, string>,
  ])[] = [
    ['with TLS', true, {}, ({ url }) => ({ HTTPS_PROXY: url })],
    ['without TLS', false, {}, ({ url }) => ({ HTTP_PROXY: url })],
    ['with TLS, with a password', true, { wants }, ({ host }) => ({ https_proxy: `${login}@${host}` })],
    ['without TLS, with a password', false, { wants }, ({ host }) => ({ http_proxy: `http://${login}@${host}` })],
    ['with a % in the password', true, { wants: 'bob:100%' }, ({ host }) => ({ HTTPS_PROXY: `bob:100%25@${host}` })],
  ];
  for (const [name, secure, options, env] of through) {
    test(`a call ${name} goes through the proxy`, async (t) => {
      const sts = await startStsFor(t, secure ? certificate : undefined);
      const proxy = await startProxy(t, options);
      await exchange(t, sts.url, { ...trust, env: env(proxy) });
      assert.deepEqual(proxy.targets, [secure ? new URL(sts.url).host : `${sts.url}/`]);
    });
  }

  for (const plain of [false, true]) {
    test(`the connection that was opened through a proxy ${plain ? 'without' : 'with'} TLS is used`, async (t) => {
      const sts = plain ? await startStsFor(t) : await startStsFor(t, certificate);
      const { url } = await startProxy(t);
      const opened = await openWarm(t, sts.url, { ...trust, env: { HTTPS_PROXY: url, HTTP_PROXY: url } });
      await opened.getSession(codeOf(), undefined);
      assert.equal(sts.visits[0]?.port, sts.calls[0]?.port);
      assert.equal(sts.connections, 1);
    });
  }

  test('a proxy that refuses it, and then lets the call through, costs nothing', async (t) => {
    const sts = await startStsFor(t, certificate);
    const proxy = await startProxy(t, { refuses: 503 });
    const refused = proxy.next();
    const opened = await open(t, sts.url, { ...trust, env: { HTTPS_PROXY: proxy.url }, isIdle: true });
    await refused;
    proxy.relent();
    await opened.getSession(codeOf(), undefined);
    assert.equal(sts.calls.length, 1);
  });

  test('a proxy that speaks TLS is trusted as STS is', async (t) => {
    const sts = await startStsFor(t, certificate);
    const proxy = await startProxy(t, { tls: certificate });
    const env = { HTTPS_PROXY: proxy.url };
    const message = /^cannot trust the certificate of the proxy 127\.0\.0\.1:\d+ \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/;
    await distrusts(t, sts.url, { env }, message, /AWS_CA_BUNDLE/);
    assert.deepEqual(proxy.targets, []);
    await exchange(t, sts.url, { ...trust, env });
    assert.deepEqual(proxy.targets, [new URL(sts.url).host]);
  });

  for (const [name, options, userinfo, what] of [
    ['refuses the host', { refuses: 403 }, '', 'refuses HOST (403)'],
    ['reaches nobody', { refuses: 502 }, '', 'cannot reach HOST (502)'],
    ['wants a password', { wants }, '', 'wants another password (407)'],
    ['wants another password', { wants }, 'bob:battery-staple-horse@', 'wants another password (407)'],
  ] as const) {
    test(`a proxy that ${name}: the error says so`, async (t) => {
      const sts = await startStsFor(t, certificate);
      const proxy = await startProxy(t, options);
      const env = { HTTPS_PROXY: `http://${userinfo}${proxy.host}` };
      const [, message] = await refusalOf(exchange(t, sts.url, { ...trust, env }), 'battery-staple-horse');
      assert.equal(message, `the proxy ${proxy.host} ${what.replace('HOST', new URL(sts.url).host)}`);
      assert.equal(sts.connections, 0);
    });
  }

  test('a proxy that is not there: the error names it, without its password', async (t) => {
    const host = `127.0.0.1:${await findQuietPort()}`;
    const env = { HTTPS_PROXY: `http://bob:correct-horse-battery@${host}` };
    const words = ['network', `the proxy ${host} refused the connection`, again];
    assert.deepEqual(await refusalOf(exchange(t, 'https://localhost:1', { env }), 'correct-horse-battery'), words);
  });
});

describe('which proxy', () => {
  const bob = 'bob:correct-horse';
  const rows: readonly (readonly [string, Record<string, string>, string | undefined])[] = [
    ['https://sts', {}, undefined],
    ['https://sts', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1/'],
    ['https://sts', { https_proxy: `https://${bob}@p` }, `https://${bob}@p/`],
    ['http://sts', { HTTP_PROXY: `${bob}@p:1` }, `http://${bob}@p:1/`],
    ['http://sts', { http_proxy: 'p' }, 'http://p/'],
    ['http://sts', { HTTPS_PROXY: 'p' }, undefined],
    ['https://sts', { HTTP_PROXY: 'p', ALL_PROXY: 'p' }, undefined],
    ['https://sts', { https_proxy: 'p', HTTPS_PROXY: 'q', no_proxy: 'example.com', NO_PROXY: '*' }, 'http://p/'],
    ['https://sts', { https_proxy: '', HTTPS_PROXY: 'q' }, undefined],
    ...[
      'sts.example.com',
      '.example.com',
      'example.com',
      'com',
      '*',
      'a, STS.example.com ,b',
      'sts.example.com:443',
    ].map((names) => ['https://sts.example.com', { HTTPS_PROXY: 'p', NO_PROXY: names }, undefined] as const),
    ...['example.com:8443', 'xample.com', 'sts', 'sts.example.com:444', ' , ', ''].map(
      (names) => ['https://sts.example.com', { HTTPS_PROXY: 'p', NO_PROXY: names }, 'http://p/'] as const,
    ),
    // as in Python, a suffix is compared by its letters
    ['http://127.0.0.1:80', { http_proxy: 'p', no_proxy: '0.0.1' }, undefined],
    ['http://127.0.0.1:8080', { http_proxy: 'p', no_proxy: '127.0.0.1:8080' }, undefined],
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
      assert.deepEqual(
        await refusalOf(open(t, 'https://localhost:1', { env: { HTTPS_PROXY: value } }), 'correct-horse'),
        [
          'config',
          'HTTPS_PROXY is not the URL of a proxy',
          'it looks like http://proxy.example.com:3128; a % in a password is %25 there',
        ],
      );
    });
  }
});
