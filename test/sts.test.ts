// The call, against an STS on loopback that recomputes the signature and takes each code once.
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { listen } from './helpers/listen';
import { codeOf, exchange, open, openWarm, refusalOf, startStsFor } from './helpers/network';
import { person, serial } from './helpers/scene';
import type { Behaviour } from './helpers/sts';

const concurrency = 4;

const error = (status: number, code: string, message = ''): Behaviour => ({ kind: 'error', status, code, message });
const raw = (status: number, body: string): Behaviour => ({ kind: 'raw', status, contentType: 'text/xml', body });
const internal = error(500, 'InternalFailure');
const unavailable = error(503, 'ServiceUnavailable');
const drop: Behaviour = { kind: 'drop' };
const dropAfter: Behaviour = { kind: 'drop-after' };

/** STS cuts its clock and the end to whole seconds, which may be two different ones. */
function requireAbout(found: number, wanted: number): void {
  assert.ok(Math.abs(found - wanted) <= 2, `${found}`);
}

describe('a session', { concurrency }, () => {
  test('is what STS gave, for the one call', async (t) => {
    const sts = await startStsFor(t);
    const code = codeOf();
    const { expires, lasts, ...given } = await exchange(t, sts.url, { region: 'eu-west-3' }, code);
    const [{ expiration, ...issued } = assert.fail('no session')] = sts.sessions;
    assert.deepEqual(given, { ...issued, clockAhead: 0 });
    requireAbout(lasts, 43_200);
    assert.equal(expires.toISOString().replace('.000', ''), expiration);
    const params = { Action: 'GetSessionToken', Version: '2011-06-15', SerialNumber: serial, TokenCode: code };
    const call = { action: 'GetSessionToken', params, accessKeyId: person.accessKeyId, region: 'eu-west-3' };
    assert.deepEqual(sts.calls, [call]);
  });

  for (const [seconds, calls, ahead] of [
    [3600, 2, -3600],
    [-3600, 2, 3600],
    [-90, 1, 90],
    [40, 1, 0],
  ] as const) {
    test(`a clock of STS that is ${seconds} s ahead: ${calls} calls, and the clock's error is told`, async (t) => {
      const sts = await startStsFor(t);
      sts.clockOffsetMs = seconds * 1000;
      const { expires, lasts, clockAhead } = await exchange(t, sts.url);
      assert.equal(sts.calls.length, calls);
      requireAbout(clockAhead, ahead);
      requireAbout(lasts, 43_200);
      assert.ok(Math.abs(expires.getTime() - Date.now() - (43_200 + seconds) * 1000) < 60_000);
    });
  }

  for (const [name, behaviour] of [
    ['an internal error', internal],
    ['throttling by its other name', error(400, 'ThrottlingException')],
    ['a broken connection', drop],
  ] as const) {
    test(`${name} costs no more than another call`, async (t) => {
      const sts = await startStsFor(t);
      sts.behave(behaviour);
      await exchange(t, sts.url);
      assert.equal(sts.calls.length, 2);
    });
  }
});

describe('no session', { concurrency }, () => {
  const skewed = error(403, 'SignatureDoesNotMatch', 'Signature expired: 1 is now earlier than 2 (3 - 5 min.)');
  const clock = "this computer's clock is too far off for STS";
  const refused = `STS did not accept the code for ${serial}`;
  const busy = 'STS has an internal problem (ServiceUnavailable)';
  for (const [name, behaviours, message, hint, calls] of [
    ['a clock that no second call puts right', [skewed], clock, /^set it: /, 1],
    ['a busy STS, twice', [internal, unavailable], busy, /^try again/, 2],
    ['a connection that breaks twice', [drop, drop], 'connection to HOST broke (ECONNRESET)', /^check the network/, 2],
    ['a code that the call itself has used up', [dropAfter], refused, /: the call was repeated, so .* used up$/, 2],
  ] as const) {
    test(name, async (t) => {
      const sts = await startStsFor(t);
      sts.behave(...behaviours);
      const [, what, ...hints] = await refusalOf(exchange(t, sts.url));
      assert.equal(what, message.replace('HOST', new URL(sts.url).host));
      assert.match(hints.join(), hint);
      assert.equal(sts.calls.length, calls);
      assert.equal(new Set(sts.calls.map(({ params }) => params.TokenCode)).size, 1);
    });
  }

  const inHours = (hours: number) => ({ Expiration: new Date(Date.now() + hours * 3_600_000).toISOString() });
  const given = (fields: Readonly<Record<string, string>>) => {
    const all = { AccessKeyId: 'ASIAIOSFODNN7EXAMPLE', SecretAccessKey: 'a', SessionToken: 'a', ...fields };
    const xml = Object.entries(all).map(([tag, value]) => `<${tag}>${value}</${tag}>`);
    const result = `<GetSessionTokenResult><Credentials>${xml.join('')}</Credentials></GetSessionTokenResult>`;
    return raw(200, `<GetSessionTokenResponse>${result}</GetSessionTokenResponse>`);
  };
  for (const [name, behaviour] of [
    ...[200, 403, 503].map((status) => [`a portal with ${status}`, raw(status, '<html><h1>Sign in</h1>')] as const),
    ['nothing', raw(200, '')],
    ['nothing, with 403', raw(403, '')],
    ['half a document', raw(200, '<GetSessionTokenResponse><GetSession')],
    ['half an error', raw(400, '<ErrorResponse><Error><Code>Acc')],
    ['an error without a code', raw(403, '<ErrorResponse><Error><Message>one</Message></Error></ErrorResponse>')],
    ['two codes', raw(403, '<ErrorResponse><Error><Code>A</Code><Code>B</Code></Error></ErrorResponse>')],
    ['no token', given({ SessionToken: '', ...inHours(1) })],
    ['a token with a line break', given({ SessionToken: 'a\n[AcmeAccount]', ...inHours(1) })],
    ['two tokens', given({ SessionToken: 'a</SessionToken><SessionToken>b', ...inHours(1) })],
    ['no end', given({})],
    ['an end that is no time', given({ Expiration: 'tomorrow' })],
    ['an end that is past', given(inHours(-1))],
    ['an end in 37 hours', given(inHours(37))],
  ] as const) {
    test(`${name} is not from STS, and not asked for again`, async (t) => {
      const sts = await startStsFor(t);
      sts.behave(behaviour);
      const hint = 'log in to the network in a browser, or check HTTPS_PROXY and the endpoint';
      const words = ['network', `what answered for ${new URL(sts.url).host} is not STS`, hint];
      assert.deepEqual(await refusalOf(exchange(t, sts.url)), words);
      assert.equal(sts.calls.length, 1);
    });
  }

  test('an answer that never ends is not read to its end', async (t) => {
    let sent = 0;
    const server = createServer((_, response) => {
      const write = () => {
        while (!response.closed && response.write(' '.repeat(2 ** 16))) sent += 2 ** 16;
      };
      response.on('drain', write);
      write();
    });
    const host = await listen(t, server);
    const [, message] = await refusalOf(exchange(t, `http://${host}`));
    assert.equal(message, `what answered for ${host} is not STS`);
    // what the system's buffers hold comes on top
    assert.ok(sent < 2 ** 25, `${sent} bytes`);
  });
});

describe('credential_process', () => {
  const { accessKeyId, secretAccessKey } = person;
  const keys = { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey };
  const refusalBy = (t: TestContext, process: string) => {
    const env = { PATH: globalThis.process.env.PATH };
    return refusalOf(open(t, 'http://127.0.0.1:1', { env, keys: { process, where: '~/.aws/config:7' } }), 'SECRET');
  };

  for (const [why, output, after = ''] of [
    ['ended with status 3', keys, 'exit 3'],
    ['printed more than 1 MiB', keys, 'yes'],
    ['printed no JSON', 'SECRET'],
    ['printed no "Version": 1', { ...keys, Version: 2 }],
    ['printed no "Version": 1', 'null'],
    ['gives a session, not long-lived keys', { ...keys, SessionToken: 'SECRET' }],
    ['gives a session, not long-lived keys', { ...keys, AccessKeyId: 'ASIAIOSFODNN7EXAMPLE' }],
    ['printed no AccessKeyId or no SecretAccessKey', { Version: 1, SecretAccessKey: secretAccessKey }],
    ['printed no AccessKeyId or no SecretAccessKey', { ...keys, SecretAccessKey: '' }],
    ['printed keys that are none', { ...keys, AccessKeyId: secretAccessKey, SecretAccessKey: accessKeyId }],
    ['printed keys that are none', { ...keys, SecretAccessKey: 'SECRET with blanks' }],
    ['printed keys that are none', { ...keys, AccessKeyId: ['SECRET'] }],
  ] as const) {
    test(`${why}: ${JSON.stringify(output).slice(0, 60)}`, async (t) => {
      const text = typeof output === 'string' ? output : JSON.stringify(output);
      assert.deepEqual(await refusalBy(t, `printf %s '${text}'; ${after}`), [
        'config',
        `credential_process ${why} (~/.aws/config:7)`,
        'run it by hand: it should print JSON with AccessKeyId, SecretAccessKey',
      ]);
    });
  }

  test('has a minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const ticks = setInterval(() => t.mock.timers.tick(1000));
    const [, message] = await refusalBy(t, 'sleep 100').finally(() => clearInterval(ticks));
    assert.equal(message, 'credential_process did not end within 60 s (~/.aws/config:7)');
  });
});

describe('the connection that is opened while the code is awaited', () => {
  test('is the one that the call uses, and carries no key and no signature', async (t) => {
    const sts = await startStsFor(t);
    await (await openWarm(t, sts.url)).getSession(codeOf(), undefined);
    assert.deepEqual(sts.visits, ['GET / connection host']);
    assert.deepEqual([sts.connections, sts.calls.length], [1, 1]);
  });

  test('one that STS has closed since costs nothing', async (t) => {
    const sts = await startStsFor(t);
    const opened = await openWarm(t, sts.url);
    await sts.until(() => sts.visits.length === 1);
    sts.server.closeAllConnections();
    await opened.getSession(codeOf(), undefined);
    assert.equal(sts.calls.length, 1);
  });

  test('one that was opened a minute ago is not trusted', async (t) => {
    const sts = await startStsFor(t);
    let now = Date.now();
    const opened = await openWarm(t, sts.url, { now: () => now });
    now += 61_000;
    await opened.getSession(codeOf(), undefined);
    assert.equal(sts.connections, 2);
  });

  for (const [name, answer] of [
    ['is silent', () => {}],
    ['hangs up', (response) => response.destroy()],
    [
      'answers at length',
      (response) => response.socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${'x'.repeat(100_000)}`),
    ],
  ] as const satisfies readonly (readonly [string, (response: ServerResponse) => unknown])[]) {
    test(`an STS that ${name} when it is opened costs nothing`, async (t) => {
      const sts = await startStsFor(t);
      sts.onVisit = answer;
      const opened = await open(t, sts.url, { isIdle: true });
      await sts.until(() => sts.visits.length === 1);
      await opened.getSession(codeOf(), undefined);
      assert.equal(sts.calls.length, 1);
    });
  }
});
