// The connection to STS is opened while the code is awaited, so that Enter costs one round trip; and it may fail, or be gone by then.
import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type Certificate, makeCertificate } from './helpers/certificate';
import { again, failed, makeSecureScene } from './helpers/network';
import { findQuietPort } from './helpers/port';
import { startProxy } from './helpers/proxy';
import { start } from './helpers/run';
import { makeScene, person, type Scene, sessionsIn, simple, typed } from './helpers/scene';
import { type LocalSts, startSts } from './helpers/sts';
import { missing } from './helpers/which';

describe('the connection that is opened while the code is awaited', { concurrency: 6 }, () => {
  let folder = '';
  let certificate: Certificate;
  before(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'refresh-mfa-connection-')));
    if (!missing('openssl')) certificate = makeCertificate(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  type Env = Readonly<Record<string, string>>;
  type Way = Scene & { env: Env; passed?: () => Promise<unknown> };
  const secure = async (t: TestContext): Promise<Way> => {
    const { trust, ...scene } = await makeSecureScene(t, certificate);
    return { ...scene, env: trust };
  };
  const ways: { name: string; skip?: string | false; make: (t: TestContext) => Promise<Way> }[] = [
    { name: 'without TLS', make: async (t) => ({ ...(await makeScene(t, simple)), env: {} }) },
    { name: 'with TLS', skip: missing('openssl'), make: secure },
    {
      name: 'with TLS through a proxy',
      skip: missing('openssl'),
      async make(t) {
        const scene = await secure(t);
        const { host, passed } = await startProxy(t, { wants: 'bob:correct horse' });
        return { ...scene, passed, env: { ...scene.env, HTTPS_PROXY: `http://bob:correct%20horse@${host}` } };
      },
    },
    {
      name: 'without TLS through a proxy',
      async make(t) {
        const { url, passed } = await startProxy(t);
        return { ...(await makeScene(t, simple)), passed, env: { HTTP_PROXY: url } };
      },
    },
  ];

  /** Types the code once `isTime`, and asserts that it was taken. */
  async function refreshesOnce(scene: Omit<Way, 'env'>, isTime: (sts: LocalSts) => boolean, meanwhile = () => {}) {
    const { sts, home, passed } = scene;
    const running = start(['foobar'], { ...scene, stdin: 'open' });
    await sts.until(() => isTime(sts));
    // behind a proxy STS's answer is still on its way
    await passed?.();
    meanwhile();
    running.child.stdin?.end(typed());
    const { status, stderr } = await running.done;
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
    assert.deepEqual(sessionsIn(home.credentialsPath), ['foobar']);
    assert.equal(sts.calls.length, 1);
  }

  for (const { name, skip = false, make } of ways) {
    test(`${name}: it is the one that the call uses`, { skip }, async (t) => {
      const scene = await make(t);
      await refreshesOnce(scene, ({ visits }) => visits.length === 1);
      const { connections, visits, calls } = scene.sts;
      assert.equal(connections, 1);
      assert.deepEqual(
        visits.map(({ method, url, port }) => ({ method, url, port })),
        [{ method: 'GET', url: '/', port: calls[0]?.port }],
      );
    });

    test(`${name}: what opens it carries no key and no signature`, { skip }, async (t) => {
      const scene = await make(t);
      await refreshesOnce(scene, ({ visits }) => visits.length === 1);
      const [{ headers = [] } = {}] = scene.sts.visits;
      const names = headers.filter((_, index) => index % 2 === 0).map((header) => header.toLowerCase());
      assert.deepEqual(names.sort(), ['connection', 'host']);
    });

    test(`${name}: one that STS has closed since costs nothing`, { skip }, async (t) => {
      const scene = await make(t);
      await refreshesOnce(
        scene,
        ({ visits }) => visits.length === 1,
        () => scene.sts.hangUp(),
      );
    });

    test(`${name}: one that STS closes as the call comes in costs no more than another call`, { skip }, async (t) => {
      const { sts, home, env } = await make(t);
      sts.behave({ kind: 'drop' });
      const running = start(['foobar'], { sts, home, env, stdin: 'open' });
      await sts.until(() => sts.visits.length === 1);
      running.child.stdin?.end(typed());
      const { status, stderr } = await running.done;
      assert.equal(status, 0, stderr);
      assert.equal(sts.calls.length, 2);
    });

    test(`${name}: none is opened when the code is at hand`, { skip }, async (t) => {
      const { sts, home, env } = await make(t);
      const { status, stderr } = await start(['foobar', '--token-code', typed().trim()], { sts, home, env }).done;
      assert.equal(status, 0, stderr);
      assert.deepEqual(sts.visits, []);
      assert.equal(sts.connections, 1);
    });
  }

  const answers: { name: string; answer: (response: ServerResponse) => void }[] = [
    { name: 'is silent', answer: () => {} },
    { name: 'hangs up', answer: (response) => response.destroy() },
    { name: 'has an internal problem', answer: (response) => response.writeHead(500).end() },
    {
      name: 'closes the connection behind its answer',
      answer: (response) => response.writeHead(302, { Connection: 'close' }).end(),
    },
    {
      name: 'answers at length',
      answer: (response) =>
        response.socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${'x'.repeat(100_000)}`),
    },
    {
      name: 'answers in another language',
      answer: (response) => response.socket?.write('220 mail.example.com ESMTP\r\n'),
    },
    {
      name: 'breaks off its answer',
      answer: (response) => response.writeHead(200, { 'Content-Length': 9 }).write('half', () => response.destroy()),
    },
    { name: 'answers half', answer: (response) => response.socket?.write('HTTP/1.1 302 Fou') },
  ];
  for (const { name, answer } of answers) {
    test(`an STS that ${name} when it is opened costs nothing`, async (t) => {
      const scene = await makeScene(t, simple);
      scene.sts.onVisit = answer;
      await refreshesOnce(scene, ({ visits }) => visits.length === 1);
    });
  }

  test('a proxy that refuses it, and then lets the call through, costs nothing', {
    skip: missing('openssl'),
  }, async (t) => {
    const { sts, home, env } = await secure(t);
    const proxy = await startProxy(t, { refuses: 503 });
    const refused = proxy.next();
    const running = start(['foobar'], { sts, home, env: { ...env, HTTPS_PROXY: proxy.url }, stdin: 'open' });
    await refused;
    proxy.relent();
    running.child.stdin?.end(typed());
    const { status, stderr } = await running.done;
    assert.equal(status, 0, stderr);
    assert.equal(sts.calls.length, 1);
  });

  test('an STS that is gone by then: an error as without it', async (t) => {
    const { home } = await makeScene(t, simple);
    const sts = await startSts({ port: await findQuietPort(5_000, 9_999) });
    sts.addUser(person);
    const running = start(['foobar'], { sts, home, stdin: 'open' });
    await sts.until(() => sts.visits.length === 1);
    await sts.close();
    running.child.stdin?.end(typed());
    const error = `cannot connect to ${new URL(sts.url).host}: connection refused`;
    failed(await running.done, { error, hint: again }, home);
  });
});
