// HTTPS_PROXY, NO_PROXY and their like, and whom TLS trusts: as the aws command takes them.
import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as tls from 'node:tls';
import { type Certificate, expire, makeCertificate } from './helpers/certificate';
import { makeHome } from './helpers/home';
import { again, failed, listen, makeSecureScene, quickNames, refreshes } from './helpers/network';
import { findQuietPort } from './helpers/port';
import { startProxy } from './helpers/proxy';
import { run } from './helpers/run';
import { makeScene, simple, typed } from './helpers/scene';
import { startSts } from './helpers/sts';
import { missing } from './helpers/which';

describe('TLS and proxies', { concurrency: 6, skip: missing('openssl') }, () => {
  let folder = '';
  let certificate: Certificate;
  before(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'refresh-mfa-tls-')));
    certificate = makeCertificate(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const host of ['localhost', '127.0.0.1']) {
    test(`${host}: AWS_CA_BUNDLE says whom to trust`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, certificate, host);
      await refreshes({ sts, home, env: trust });
      assert.equal(sts.calls.length, 1);
    });
  }

  test('ca_bundle of the profile says whom to trust, with a leading ~', async (t) => {
    const { sts, home } = await makeSecureScene(t, certificate);
    writeFileSync(join(home.path, 'company.pem'), certificate.cert);
    home.writeConfig(`${simple.config}ca_bundle = ~/company.pem\n`);
    await refreshes({ sts, home });
  });

  test('AWS_CA_BUNDLE is trusted beside those whom Node trusts by itself', async (t) => {
    if (!('getCACertificates' in tls)) return t.skip(`Node ${process.version} cannot list those whom it trusts`);
    const { sts, home } = await makeSecureScene(t, certificate);
    const others = makeCertificate(folder, 'other');
    await refreshes({ sts, home, env: { AWS_CA_BUNDLE: others.path, NODE_EXTRA_CA_CERTS: certificate.path } });
  });

  test('a certificate that has expired is not trusted', async (t) => {
    const expired = expire(certificate);
    if (!expired) return t.skip('openssl makes no certificate that has expired');
    const { sts, home, trust } = await makeSecureScene(t, expired);
    const result = await run(['foobar'], { sts, home, env: trust, stdin: typed() });
    const error = `cannot trust the certificate of ${new URL(sts.url).host} (CERT_HAS_EXPIRED)`;
    failed(result, { error, hint: /^see that this computer's date and time are right/ }, home);
    assert.equal(sts.calls.length, 0);
  });

  test('a certificate that nobody vouches for is not trusted', async (t) => {
    const { sts, home } = await makeSecureScene(t, certificate);
    const result = await run(['foobar'], { sts, home, stdin: typed() });
    failed(
      result,
      {
        error: `cannot trust the certificate of ${new URL(sts.url).host} (DEPTH_ZERO_SELF_SIGNED_CERT)`,
        hint: "if a proxy of your company opens TLS, let AWS_CA_BUNDLE name the file with the company's certificate",
      },
      home,
    );
    assert.equal(sts.calls.length, 0);
  });

  test('a certificate of another host is not trusted', async (t) => {
    const sts = await startSts({ tls: certificate, host: '127.0.0.2' }).catch(() => undefined);
    if (!sts) return t.skip('this system has no 127.0.0.2');
    t.after(() => sts.close());
    const home = makeHome(t, simple);
    const result = await run(['foobar'], { sts, home, env: { AWS_CA_BUNDLE: certificate.path }, stdin: typed() });
    failed(
      result,
      {
        error: /^cannot trust the certificate of [^ ]* \(ERR_TLS_CERT_ALTNAME_INVALID\)$/,
        hint: /^something else answers under that name/,
      },
      home,
    );
    assert.equal(sts.calls.length, 0);
  });

  test('a missing AWS_CA_BUNDLE is refused before anything is asked', async (t) => {
    const { sts, home } = await makeSecureScene(t, certificate);
    const env = { AWS_CA_BUNDLE: '~/nowhere.pem' };
    const result = await run(['foobar'], { sts, home, env, stdin: 'open' });
    assert.equal(result.status, 2);
    assert.equal(
      result.stderr,
      'refresh-mfa: error: cannot read the certificate bundle ~/nowhere.pem (ENOENT)\nrefresh-mfa: hint: correct AWS_CA_BUNDLE, or ca_bundle in the config\n',
    );
    assert.equal(sts.connections, 0);
    assert.equal(home.readCredentials(), simple.credentials);
  });

  test('an AWS_CA_BUNDLE that holds no certificate trusts nobody', async (t) => {
    const { sts, home } = await makeSecureScene(t, certificate);
    writeFileSync(join(home.path, 'empty.pem'), '');
    const result = await run(['foobar'], {
      sts,
      home,
      env: { AWS_CA_BUNDLE: '~/empty.pem' },
      stdin: 'open',
    });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: [^\n]*~\/empty\.pem/);
    assert.equal(sts.calls.length, 0);
  });

  for (const variable of ['HTTPS_PROXY', 'https_proxy']) {
    test(`${variable}: the call goes through the proxy`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, certificate);
      const proxy = await startProxy(t);
      await refreshes({ sts, home, env: { ...trust, [variable]: proxy.url } });
      assert.deepEqual(proxy.targets, [new URL(sts.url).host]);
    });
  }

  test('a proxy without a scheme, with a name and a password', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    const proxy = await startProxy(t);
    const password = 'correct%20horse%20battery';
    sts.secrets.add(password);
    await refreshes({ sts, home, env: { ...trust, HTTPS_PROXY: `bob:${password}@${proxy.host}` } });
    assert.deepEqual(proxy.authorizations, [`Basic ${Buffer.from('bob:correct horse battery').toString('base64')}`]);
  });

  const exempt: { name: string; host: string; noProxy: (port: string) => string; direct: boolean }[] = [
    { name: 'the host', host: 'localhost', noProxy: () => 'localhost', direct: true },
    {
      name: 'the host among others',
      host: 'localhost',
      noProxy: () => 'example.com, LOCALHOST ,example.org',
      direct: true,
    },
    { name: 'the host and its port', host: 'localhost', noProxy: (port) => `localhost:${port}`, direct: true },
    { name: '*', host: 'localhost', noProxy: () => '*', direct: true },
    // As in Python, a suffix is compared by its letters, so that an address has some too.
    { name: 'a suffix', host: '127.0.0.1', noProxy: () => '0.0.1', direct: true },
    { name: 'a suffix with a dot', host: '127.0.0.1', noProxy: () => '.0.0.1', direct: true },
    { name: 'another port', host: 'localhost', noProxy: () => 'localhost:1', direct: false },
    { name: 'half a word', host: 'localhost', noProxy: () => 'host,local', direct: false },
    { name: 'nothing', host: 'localhost', noProxy: () => ' , ', direct: false },
  ];
  for (const { name, host, noProxy, direct } of exempt) {
    for (const variable of name === 'the host' ? ['NO_PROXY', 'no_proxy'] : ['NO_PROXY']) {
      test(`${variable} names ${name}: the call goes ${direct ? 'past' : 'through'} the proxy`, async (t) => {
        const { sts, home, trust } = await makeSecureScene(t, certificate, host);
        const proxy = await startProxy(t);
        const env = { ...trust, HTTPS_PROXY: proxy.url, [variable]: noProxy(new URL(sts.url).port) };
        await refreshes({ sts, home, env });
        assert.deepEqual(proxy.targets, direct ? [] : [new URL(sts.url).host]);
      });
    }
  }

  test('lower case is believed before upper case', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    const proxy = await startProxy(t);
    const env = {
      ...trust,
      https_proxy: proxy.url,
      HTTPS_PROXY: 'http://127.0.0.1:1',
      no_proxy: 'example.com',
      NO_PROXY: '*',
    };
    await refreshes({ sts, home, env });
    assert.equal(proxy.targets.length, 1);
  });

  const byProxy = 'the proxy 127\\.0\\.0\\.1:\\d+';

  for (const variable of ['HTTP_PROXY', 'http_proxy']) {
    test(`${variable}: the call to an endpoint without TLS goes through the proxy`, async (t) => {
      const { sts, home } = await makeScene(t, simple);
      const proxy = await startProxy(t, { wants: 'bob:correct horse' });
      await refreshes({ sts, home, env: { [variable]: `http://bob:correct%20horse@${proxy.host}` } });
      assert.deepEqual(proxy.targets, [`${sts.url}/`]);
    });
  }

  test('each variable is for its own kind of endpoint', async (t) => {
    const secure = await makeSecureScene(t, certificate);
    const plain = await makeScene(t, simple);
    const proxy = await startProxy(t);
    await refreshes({ ...plain, env: { HTTPS_PROXY: proxy.url } });
    await refreshes({ ...secure, env: { ...secure.trust, HTTP_PROXY: proxy.url } });
    assert.deepEqual(proxy.targets, []);
  });

  test('NO_PROXY holds for an endpoint without TLS, too', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    const proxy = await startProxy(t);
    await refreshes({ sts, home, env: { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' } });
    assert.deepEqual(proxy.targets, []);
  });

  test('a proxy for plain calls that wants a password: the error says so', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    const proxy = await startProxy(t, { wants: 'bob:correct horse' });
    const result = await run(['foobar'], { sts, home, env: { HTTP_PROXY: proxy.url }, stdin: typed() });
    failed(
      result,
      { error: new RegExp(`^${byProxy} wants a name and a password`), hint: /^put them into HTTP_PROXY/ },
      home,
    );
  });

  test('a variable in lower case that is empty is as good as none, whatever the one in upper case says', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    const proxy = await startProxy(t);
    await refreshes({ sts, home, env: { ...trust, https_proxy: '', HTTPS_PROXY: proxy.url } });
    assert.deepEqual(proxy.targets, []);
  });

  for (const { status, error, hint } of [
    {
      status: 407,
      error: 'wants a name and a password, or others than it got \\(407\\)',
      hint: /^put them into HTTPS_PROXY: /,
    },
    {
      status: 403,
      error: 'does not let you through to localhost:\\d+ \\(403\\)',
      hint: /^ask whoever runs the proxy .*NO_PROXY/,
    },
    { status: 502, error: 'cannot reach localhost:\\d+ \\(502\\)', hint: /^see that the proxy is up/ },
  ]) {
    test(`a proxy that refuses with ${status}: the error says so`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, certificate);
      const proxy = await startProxy(t, { refuses: status });
      const result = await run(['foobar'], { sts, home, env: { ...trust, HTTPS_PROXY: proxy.url }, stdin: typed() });
      failed(result, { error: new RegExp(`^${byProxy} ${error}$`), hint }, home);
      assert.equal(sts.connections, 0);
    });
  }

  for (const { name, login, passes } of [
    { name: 'the right password', login: 'bob:correct%20horse@', passes: true },
    { name: 'a wrong password', login: 'bob:battery-staple-horse@', passes: false },
    { name: 'no password', login: '', passes: false },
  ]) {
    test(`a proxy that wants a password and gets ${name}`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, certificate);
      const proxy = await startProxy(t, { wants: 'bob:correct horse' });
      sts.secrets.add('battery-staple-horse');
      const env = { ...trust, HTTPS_PROXY: `http://${login}${proxy.host}` };
      if (passes) return refreshes({ sts, home, env });
      const result = await run(['foobar'], { sts, home, env, stdin: typed() });
      const error = `the proxy ${proxy.host} wants a name and a password, or others than it got (407)`;
      failed(result, { error, hint: /^put them into HTTPS_PROXY: http:\/\/<name>:<password>@/ }, home);
      assert.equal(sts.connections, 0);
    });
  }

  test('a proxy that is not there: the error names the proxy, without its password', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    const host = `127.0.0.1:${await findQuietPort()}`;
    const password = 'correct-horse-battery';
    sts.secrets.add(password);
    const env = { ...trust, HTTPS_PROXY: `http://bob:${password}@${host}` };
    const result = await run(['foobar'], { sts, home, env, stdin: typed() });
    failed(result, { error: `cannot connect to the proxy ${host}: connection refused`, hint: again }, home);
    assert.equal(sts.connections, 0);
  });

  test('a proxy whose name nobody knows: the error names the proxy', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    const env = { ...trust, ...quickNames, HTTPS_PROXY: 'http://proxy.refresh-mfa.invalid:3128' };
    const result = await run(['foobar'], { sts, home, env, stdin: typed() });
    const error = 'cannot find the proxy proxy.refresh-mfa.invalid:3128: no network, or no name service';
    failed(result, { error, hint: again }, home);
  });

  test('a proxy that speaks TLS is trusted as STS is', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    const proxy = await startProxy(t, { tls: certificate });
    await refreshes({ sts, home, env: { ...trust, HTTPS_PROXY: proxy.url } });
    assert.deepEqual(proxy.targets, [new URL(sts.url).host]);
  });

  test('a proxy that speaks TLS and is not to be trusted: the error names the proxy', async (t) => {
    const { sts, home } = await makeSecureScene(t, certificate);
    const proxy = await startProxy(t, { tls: certificate });
    const result = await run(['foobar'], { sts, home, env: { HTTPS_PROXY: proxy.url }, stdin: typed() });
    const error = `cannot trust the certificate of the proxy ${proxy.host} (DEPTH_ZERO_SELF_SIGNED_CERT)`;
    failed(result, { error, hint: /AWS_CA_BUNDLE/ }, home);
    assert.deepEqual(proxy.targets, []);
  });

  test('a proxy that is silent: an error within 15 s', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, certificate);
    let connected = 0;
    const url = await listen(
      t,
      createServer(() => {
        connected ||= Date.now();
      }),
    );
    const result = await run(['foobar'], {
      sts,
      home,
      env: { ...trust, HTTPS_PROXY: `http://${url}` },
      stdin: typed(),
    });
    failed(result, { error: /within \d+ s$/, hint: again }, home);
    const waited = Date.now() - connected;
    assert.ok(waited < 20_000, `it took ${waited} ms`);
  });

  for (const value of ['http://:://', 'socks5://127.0.0.1:1080']) {
    test(`HTTPS_PROXY = ${value} is refused before anything is sent`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, certificate);
      const env = { ...trust, HTTPS_PROXY: value };
      const result = await run(['foobar'], { sts, home, env, stdin: typed() });
      assert.equal(result.status, 2);
      assert.match(result.stderr, /^refresh-mfa: error: HTTPS_PROXY is not the URL of a proxy\n/);
      assert.equal(sts.connections, 0);
    });
  }
});
