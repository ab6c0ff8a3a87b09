// The call, against an STS on loopback that recomputes the signature and takes each code once.
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { codeOf, exchange, listen, type Options, open, openWarm, refusalOf, startStsFor } from './helpers/network';
import { startRelay } from './helpers/relay';
import { other, person, serial } from './helpers/scene';
import { type Behaviour, wrongCode } from './helpers/sts';

const hourMs = 3_600_000;
const concurrency = 4;

/** STS cuts its clock and the end to whole seconds, which may be two different ones. */
function requireAbout(found: number, wanted: number): void {
  assert.ok(Math.abs(found - wanted) <= 2, `${found}`);
}

describe('a session', { concurrency }, () => {
  test('is what STS gave, for the one call', async (t) => {
    const sts = await startStsFor(t);
    const code = codeOf();
    const { expires, lasts, ...given } = await exchange(t, sts.url, { region: 'eu-west-3' }, code);
    const [session] = sts.sessions;
    assert.deepEqual(given, {
      accessKeyId: session?.accessKeyId,
      secretAccessKey: session?.secretAccessKey,
      sessionToken: session?.sessionToken,
      clockAhead: 0,
    });
    requireAbout(lasts, 43_200);
    assert.equal(expires.toISOString().replace('.000', ''), session?.expiration);
    const [{ at: _, port: __, params, ...call } = assert.fail('no call'), ...more] = sts.calls;
    assert.deepEqual(more, []);
    assert.deepEqual(call, { action: 'GetSessionToken', accessKeyId: person.accessKeyId, region: 'eu-west-3' });
    const { Action, Version, ...own } = params;
    assert.deepEqual(own, { SerialNumber: serial, TokenCode: code });
  });

  test('lasts as long as was asked', async (t) => {
    const sts = await startStsFor(t);
    const { lasts } = await (await open(t, sts.url)).getSession(codeOf(), 129_600);
    assert.equal(sts.calls[0]?.params.DurationSeconds, '129600');
    requireAbout(lasts, 129_600);
  });

  for (const [seconds, calls, ahead] of [
    [3600, 2, -3600],
    [-3600, 2, 3600],
    [30 * 3600, 2, -108_000],
    [-90, 1, 90],
    [40, 1, 0],
  ] as const) {
    test(`a clock of STS that is ${seconds} s ahead: ${calls} calls, and the clock's error is told`, async (t) => {
      const sts = await startStsFor(t);
      sts.clockOffsetMs = seconds * 1000;
      const { expires, lasts, clockAhead } = await exchange(t, sts.url);
      assert.equal(sts.calls.length, calls);
      assert.ok(Math.abs(clockAhead - ahead) <= 3, `${clockAhead}`);
      requireAbout(lasts, 43_200);
      assert.ok(Math.abs(expires.getTime() - Date.now() - (43_200 + seconds) * 1000) < 60_000);
    });
  }

  for (const [name, behaviour, calls] of [
    ['an internal error', { kind: 'status', status: 500 }, 2],
    ['throttling', { kind: 'throttle' }, 2],
    ['throttling by its other name', { kind: 'error', status: 400, code: 'ThrottlingException', message: '' }, 2],
    ['a broken connection', { kind: 'drop' }, 2],
    ['an answer that takes 3 s', { kind: 'delay', ms: 3000 }, 1],
  ] as const satisfies readonly (readonly [string, Behaviour, number])[]) {
    test(`${name} does no harm`, async (t) => {
      const sts = await startStsFor(t);
      sts.behave(behaviour);
      await exchange(t, sts.url);
      assert.equal(sts.calls.length, calls);
    });
  }
});

describe('no session', { concurrency }, () => {
  const error = (status: number, code: string, message: string): Behaviour => ({
    kind: 'error',
    status,
    code,
    message,
  });
  const skewed = error(403, 'SignatureDoesNotMatch', 'Signature expired: 1 is now earlier than 2 (3 - 5 min.)');
  const broken = ([500, 503] as const).map((status): Behaviour => ({ kind: 'status', status }));
  const raw = (status: number, body: string): Behaviour => ({ kind: 'raw', status, contentType: 'text/xml', body });
  const given = (fields: Readonly<Record<string, string>>) => {
    const all = { AccessKeyId: 'ASIAIOSFODNN7EXAMPLE', SecretAccessKey: 'a', SessionToken: 'a', ...fields };
    const xml = Object.entries(all).map(([tag, value]) => `<${tag}>${value}</${tag}>`);
    const result = `<GetSessionTokenResult><Credentials>${xml.join('')}</Credentials></GetSessionTokenResult>`;
    return raw(200, `<GetSessionTokenResponse>${result}</GetSessionTokenResponse>`);
  };
  const inHours = (hours: number) => ({ Expiration: new Date(Date.now() + hours * hourMs).toISOString() });
  const errorXml = (inner: string) => raw(403, `<ErrorResponse><Error>${inner}</Error></ErrorResponse>`);
  const mixed = (key: typeof person, secret: typeof person) => {
    return { keys: { accessKeyId: key.accessKeyId, secretAccessKey: secret.secretAccessKey, where: 'here' } };
  };
  const refused = `STS did not accept the code for ${serial}`;
  const portal = /^what answered for 127\.0\.0\.1:\d+ is not STS$/;

  const rows: readonly (readonly [
    name: string,
    behaviours: readonly Behaviour[],
    message: string | RegExp,
    calls: number,
    options?: Options & { readonly code?: string },
  ])[] = [
    ['a code of long ago', [], refused, 1, { code: wrongCode(person.totpSecret) }],
    ["another user's code", [], refused, 1, { code: codeOf(other) }],
    ["another user's device", [], `STS could not check the code with ${other.serial}`, 1, { serial: other.serial }],
    ['a key that STS does not know', [], 'access key unknown in us-east-1 (here)', 1, mixed(other, person)],
    ['another secret key', [], 'wrong aws_secret_access_key (here)', 1, mixed(person, other)],
    ['a clock that no second call puts right', [skewed], "this computer's clock is too far off for STS", 1],
    ['throttling, twice', [{ kind: 'throttle' }, { kind: 'throttle' }], 'STS gets too many calls (throttling)', 2],
    ['an internal error, twice', broken, 'STS has an internal problem (ServiceUnavailable)', 2],
    [
      'a connection that breaks twice',
      [{ kind: 'drop' }, { kind: 'drop' }],
      /^connection to \S+ broke \(ECONNRESET\)$/,
      2,
    ],
    ...[200, 403, 503].map((status) => [`a portal with ${status}`, [{ kind: 'html', status }], portal, 1] as const),
    ['an answer without credentials', [{ kind: 'empty' }], portal, 1],
    ['an answer without a token', [{ kind: 'partial' }], portal, 1],
    ['nothing', [raw(200, '')], portal, 1],
    ['nothing, with 403', [raw(403, '')], portal, 1],
    ['JSON', [raw(200, '{"error":"no"}')], portal, 1],
    ['half a document', [raw(200, '<GetSessionTokenResponse><GetSession')], portal, 1],
    ['half an error', [raw(400, '<ErrorResponse><Error><Code>Acc')], portal, 1],
    ['an answer of more than 1 MiB', [raw(200, ' '.repeat(2 ** 20 + 1))], portal, 1],
    ['an error of more than 1 MiB', [error(403, 'AccessDenied', 'x'.repeat(2 ** 20))], portal, 1],
    ['a token with a line break', [given({ SessionToken: 'a\n[AcmeAccount]', ...inHours(1) })], portal, 1],
    ['two tokens', [given({ SessionToken: 'a</SessionToken><SessionToken>b', ...inHours(1) })], portal, 1],
    ['no end', [given({})], portal, 1],
    ['an end that is no time', [given({ Expiration: 'tomorrow' })], portal, 1],
    ['an end that is past', [given(inHours(-1))], portal, 1],
    ['an end in 2001', [given({ Expiration: '2001-01-01T00:00:00Z' })], portal, 1],
    ['an end in 37 hours', [given(inHours(37))], portal, 1],
    ['an end in 9999', [given({ Expiration: '9999-12-31T23:59:59Z' })], portal, 1],
    [
      'two messages',
      [errorXml('<Code>AccessDenied</Code><Message>one</Message><Message>two</Message>')],
      'AWS denied GetSessionToken to the user of foobar-long-term',
      1,
    ],
    ['two codes', [errorXml('<Code>AccessDenied</Code><Code>Teapot</Code><Message>one</Message>')], portal, 1],
    ['no code', [errorXml('<Message>one</Message>')], portal, 1],
  ];
  for (const [name, behaviours, wanted, calls, { code = codeOf(), ...options } = {}] of rows) {
    test(name, async (t) => {
      const sts = await startStsFor(t);
      sts.behave(...behaviours);
      const [kind, message = ''] = await refusalOf(exchange(t, sts.url, options, code), code);
      if (typeof wanted === 'string') assert.equal(message, wanted);
      else assert.match(message, wanted);
      assert.equal(kind, /is not STS|connection/.test(message) ? 'network' : 'aws');
      assert.equal(sts.calls.length, calls);
      assert.equal(new Set(sts.calls.map(({ params }) => params.TokenCode)).size, 1);
    });
  }

  test('a code that was used before', async (t) => {
    const sts = await startStsFor(t);
    const code = codeOf();
    await exchange(t, sts.url, {}, code);
    const words = ['aws', refused, 'wait for the next code: each code works once'];
    assert.deepEqual(await refusalOf(exchange(t, sts.url, {}, code)), words);
  });

  test('what the call repeats may have used up the code', async (t) => {
    const sts = await startStsFor(t);
    sts.behave({ kind: 'drop-after' });
    const [, message, hint] = await refusalOf(exchange(t, sts.url));
    assert.equal(message, refused);
    assert.equal(hint, 'wait for the next code: the call was repeated, so this one may be used up');
  });

  test('an answer that never ends', async (t) => {
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

  test('when the run is ended meanwhile', async (t) => {
    const sts = await startStsFor(t);
    sts.behave({ kind: 'silent' });
    const cancel = new AbortController();
    const call = exchange(t, sts.url, { signal: cancel.signal });
    await sts.until(() => sts.calls.length === 1);
    cancel.abort();
    await assert.rejects(call);
  });
});

describe('where STS is', () => {
  for (const [region, host] of [
    ['us-east-1', 'sts.us-east-1.amazonaws.com'],
    ['ap-east-1', 'sts.ap-east-1.amazonaws.com'],
    ['cn-north-1', 'sts.cn-north-1.amazonaws.com.cn'],
    ['us-gov-west-1', 'sts.us-gov-west-1.amazonaws.com'],
  ] as const) {
    test(region, async (t) => {
      assert.equal((await open(t, undefined, { region })).host, host);
    });
  }
});

describe('credential_process', () => {
  const { accessKeyId, secretAccessKey } = person;
  const keys = { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey };
  const openWith = async (t: TestContext, output: unknown, after = '') => {
    const sts = await startStsFor(t);
    const text = typeof output === 'string' ? output : JSON.stringify(output);
    const process = `printf %s '${text}'; ${after}`;
    const env = { PATH: globalThis.process.env.PATH };
    return { sts, opened: open(t, sts.url, { env, keys: { process, where: '~/.aws/config:7' } }) };
  };

  test('gives the keys', async (t) => {
    const { sts, opened } = await openWith(t, keys);
    await (await opened).getSession(codeOf(), undefined);
    assert.equal(sts.calls[0]?.accessKeyId, accessKeyId);
  });

  for (const [why, output, after] of [
    ['ended with status 3', keys, 'exit 3'],
    ['printed more than 1 MiB', keys, 'yes'],
    ['printed no JSON', 'SECRET'],
    ['printed no JSON', ''],
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
      const { sts, opened } = await openWith(t, output, after);
      assert.deepEqual(await refusalOf(opened, 'SECRET'), [
        'config',
        `credential_process ${why} (~/.aws/config:7)`,
        'run it by hand: it should print JSON with AccessKeyId, SecretAccessKey',
      ]);
      assert.equal(sts.connections, 0);
    });
  }
});

test('credential_process has a minute', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let words: readonly string[] | undefined;
  const keys = { process: 'sleep 100', where: 'here' };
  refusalOf(open(t, 'http://localhost:1', { env: { PATH: process.env.PATH }, keys })).then((lines) => {
    words = lines;
  });
  for (; !words; t.mock.timers.tick(1000)) await new Promise((done) => setImmediate(done));
  assert.equal(words[1], 'credential_process did not end within 60 s (here)');
});

describe('the connection that is opened while the code is awaited', { concurrency }, () => {
  test('is the one that the call uses, and carries no key and no signature', async (t) => {
    const sts = await startStsFor(t);
    await (await openWarm(t, sts.url)).getSession(codeOf(), undefined);
    const [{ headers, ...visit } = assert.fail('nothing was opened'), ...more] = sts.visits;
    assert.deepEqual(more, []);
    assert.deepEqual(visit, { method: 'GET', url: '/', port: sts.calls[0]?.port });
    const names = headers.filter((_, index) => index % 2 === 0).map((header) => header.toLowerCase());
    assert.deepEqual(names.sort(), ['connection', 'host']);
    assert.deepEqual([sts.connections, sts.calls.length], [1, 1]);
  });

  test('one that STS has closed since costs nothing', async (t) => {
    const sts = await startStsFor(t);
    const opened = await openWarm(t, sts.url);
    sts.hangUp();
    await opened.getSession(codeOf(), undefined);
    assert.equal(sts.calls.length, 1);
  });

  test('one that STS closes as the call comes in costs no more than another call', async (t) => {
    const sts = await startStsFor(t);
    sts.behave({ kind: 'drop' });
    await (await openWarm(t, sts.url)).getSession(codeOf(), undefined);
    assert.equal(sts.calls.length, 2);
  });

  test('none is opened when the code is at hand', async (t) => {
    const sts = await startStsFor(t);
    await exchange(t, sts.url);
    assert.deepEqual(sts.visits, []);
    assert.equal(sts.connections, 1);
  });

  test('one that nobody has used for a minute is not trusted', async (t) => {
    const sts = await startStsFor(t);
    const relay = await startRelay(Number(new URL(sts.url).port), 0);
    t.after(() => relay.close());
    let now = Date.now();
    const opened = await openWarm(t, `http://${relay.host}`, { now: () => now });
    relay.forget();
    now += 61_000;
    await opened.getSession(codeOf(), undefined);
    assert.equal(sts.connections, 2);
  });

  for (const [name, answer] of [
    ['is silent', () => {}],
    ['hangs up', (response) => response.destroy()],
    ['has an internal problem', (response) => response.writeHead(500).end()],
    ['closes it behind its answer', (response) => response.writeHead(302, { Connection: 'close' }).end()],
    ['answers half', (response) => response.socket?.write('HTTP/1.1 302 Fou')],
    ['answers in another language', (response) => response.socket?.write('220 mail.example.com ESMTP\r\n')],
    [
      'answers at length',
      (response) => response.socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${'x'.repeat(100_000)}`),
    ],
    [
      'breaks off its answer',
      (response) => response.writeHead(200, { 'Content-Length': 9 }).write('half', () => response.destroy()),
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
