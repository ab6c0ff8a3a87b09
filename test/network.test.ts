// What STS and the network can answer, or not: each its own sentence and cure, and the file as it was.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type Home, makeHome } from './helpers/home';
import { again, type Failure, failed, listen, quickNames } from './helpers/network';
import { findQuietPort } from './helpers/port';
import { run } from './helpers/run';
import { makeScene, other, person, serial, sessionsIn, simple, typed } from './helpers/scene';
import { type Behaviour, totp, type User } from './helpers/sts';

/** Some rows at a time, since many do nothing but wait. */
const concurrency = 6;

const source = 'foobar-long-term ([foobar-long-term] in ~/.aws/credentials)';

describe('what STS says', { concurrency }, () => {
  const clock: Failure = {
    error: "this computer's clock is too far off for STS",
    hint: 'set the clock (timedatectl set-ntp true, or sntp -sS time.apple.com on macOS), then try again with the next code',
  };
  const portal: Failure = {
    error: /^what answered for 127\.0\.0\.1:\d+ is not STS \(a log-in page of the network, or a proxy\?\)$/,
    hint: /^open any web page in a browser and log in to the network, or correct HTTPS_PROXY or the endpoint/,
  };
  const internal = { kind: 'status', status: 500 } as const;
  const error = (status: number, code: string, message: string): Behaviour => ({
    kind: 'error',
    status,
    code,
    message,
  });

  const rows: {
    name: string;
    /** What STS does; or whom it knows; or what the file holds. */
    behaves?: readonly Behaviour[];
    users?: readonly User[];
    credentials?: string;
    fails: Failure;
    /** How often the code was sent. */
    calls: number;
  }[] = [
    {
      name: 'a deleted or disabled key',
      users: [],
      fails: {
        error: `STS does not know the access key of ${source}: it was deleted or disabled, or is of another partition`,
        hint: 'make a new one in the IAM console under Security credentials, and put it into [foobar-long-term] in ~/.aws/credentials',
      },
      calls: 1,
    },
    {
      name: 'a secret key that is not whole',
      credentials: simple.credentials.replace('EXAMPLEKEY', 'EXAMPLEKE'),
      fails: {
        error: `the secret key of ${source} does not belong to its access key`,
        hint: 'copy aws_secret_access_key again, whole, into [foobar-long-term] in ~/.aws/credentials',
      },
      calls: 1,
    },
    {
      name: 'keys in quotes, which aws takes for part of them',
      credentials: simple.credentials.replace(/= (.*)$/gm, '= "$1"'),
      fails: {
        error: /^STS does not know the access key of /,
        hint: 'the keys in [foobar-long-term] in ~/.aws/credentials stand in quotes, which aws takes for part of them: remove the quotes',
      },
      calls: 1,
    },
    {
      name: "another user's device",
      users: [{ ...person, serial: other.serial }],
      fails: {
        error: `STS could not check the code: ${serial} is not an MFA device of the user behind foobar-long-term, or does not give codes`,
        hint: 'correct mfa_serial; aws iam list-mfa-devices --profile foobar-long-term shows the device, if your keys may ask',
      },
      calls: 1,
    },
    {
      name: 'a denied call',
      behaves: [
        error(
          403,
          'AccessDenied',
          'User: arn:aws:iam::123456789012:user/bob is not authorized to perform: sts:GetSessionToken with an explicit deny',
        ),
      ],
      fails: {
        error:
          'AWS denied GetSessionToken to the user behind foobar-long-term: User: arn:aws:iam::123456789012:user/bob is not authorized to perform: sts:GetSessionToken with an explicit deny',
        hint: 'ask whoever administers the account to allow sts:GetSessionToken without MFA',
      },
      calls: 1,
    },
    {
      name: 'keys that belong to a session',
      behaves: [error(403, 'AccessDenied', 'Cannot call GetSessionToken with session credentials')],
      fails: {
        error: `the keys of ${source} belong to a session; STS gives sessions for long-lived keys only`,
        hint: 'let source_profile name the profile with the long-lived keys',
      },
      calls: 1,
    },
    {
      name: 'a clock that stays off',
      behaves: [
        error(
          403,
          'SignatureDoesNotMatch',
          'Signature expired: 20261121T080000Z is now earlier than 20261121T085500Z (20261121T090000Z - 5 min.)',
        ),
      ],
      fails: clock,
      calls: 1,
    },
    {
      name: 'a clock that is ahead',
      behaves: [
        error(
          403,
          'SignatureDoesNotMatch',
          'Signature not yet current: 20261121T100000Z is still later than 20261121T090500Z (20261121T090000Z + 5 min.)',
        ),
      ],
      fails: clock,
      calls: 1,
    },
    {
      name: 'throttling, twice',
      behaves: [{ kind: 'throttle' }, { kind: 'throttle' }],
      fails: {
        error: 'STS has too many calls at the moment (throttling)',
        hint: 'wait a minute, then try again with a new code',
      },
      calls: 2,
    },
    {
      name: 'an internal error, twice',
      behaves: [internal, internal],
      fails: { error: 'STS has an internal problem (InternalFailure)', hint: 'try again with the next code' },
      calls: 2,
    },
    {
      name: 'unavailable, twice',
      behaves: [
        { kind: 'status', status: 503 },
        { kind: 'status', status: 503 },
      ],
      fails: { error: 'STS has an internal problem (ServiceUnavailable)', hint: 'try again with the next code' },
      calls: 2,
    },
    {
      name: 'a region that is not active',
      behaves: [error(403, 'RegionDisabledException', 'STS is not activated in this region for account:123456789012')],
      fails: {
        error: 'STS is not active in us-east-1 for this account',
        hint: /^set region in the profile, or AWS_REGION, to one that is/,
      },
      calls: 1,
    },
    {
      name: 'something nobody has heard of',
      behaves: [error(400, 'TeapotException', 'short and stout\u0085\u001b[2J')],
      fails: {
        error: /^STS refused the call: TeapotException: short and stout/,
        hint: 'correct what it says, then try again with the next code',
      },
      calls: 1,
    },
    ...[200, 403, 503].map((status) => ({
      name: `a captive portal with status ${status}`,
      behaves: [{ kind: 'html', status } as const],
      fails: portal,
      calls: 1,
    })),
    { name: 'an answer without credentials', behaves: [{ kind: 'empty' }], fails: portal, calls: 1 },
    { name: 'an answer without a token', behaves: [{ kind: 'partial' }], fails: portal, calls: 1 },
    ...[
      { what: 'nothing', contentType: 'text/xml', body: '' },
      { what: 'JSON', contentType: 'application/json', body: '{"error":"no"}' },
      { what: 'half an XML document', contentType: 'text/xml', body: '<GetSessionTokenResponse><GetSession' },
      {
        what: 'a token with a line break',
        contentType: 'text/xml',
        body: '<GetSessionTokenResponse><GetSessionTokenResult><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>a</SecretAccessKey><SessionToken>a\n[AcmeAccount]</SessionToken><Expiration>2031-01-01T00:00:00Z</Expiration></Credentials></GetSessionTokenResult></GetSessionTokenResponse>',
      },
      {
        what: 'a session without an end',
        contentType: 'text/xml',
        body: '<GetSessionTokenResponse><GetSessionTokenResult><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>a</SecretAccessKey><SessionToken>a</SessionToken></Credentials></GetSessionTokenResult></GetSessionTokenResponse>',
      },
    ].map(({ what, ...raw }) => ({
      name: `status 200 and ${what}`,
      behaves: [{ kind: 'raw', status: 200, ...raw } as const],
      fails: portal,
      calls: 1,
    })),
    {
      name: 'a connection that breaks twice',
      behaves: [{ kind: 'drop' }, { kind: 'drop' }],
      fails: { error: /^the connection to 127\.0\.0\.1:\d+ broke \(ECONNRESET\)$/, hint: again },
      calls: 2,
    },
    {
      name: 'a connection that breaks once the code is used up',
      behaves: [{ kind: 'drop-after' }],
      fails: {
        error: `STS did not accept the code for ${serial}`,
        hint: 'wait for the next code: the call had to be repeated, so the code may have been used up',
      },
      calls: 2,
    },
  ];
  for (const { name, behaves = [], users = [person], credentials = simple.credentials, fails, calls } of rows) {
    test(name, async (t) => {
      const scene = await makeScene(t, { ...simple, credentials }, users);
      scene.sts.behave(...behaves);
      const result = await run(['foobar'], { ...scene, stdin: typed() });
      failed(result, fails, scene.home, credentials);
      assert.equal(scene.sts.calls.length, calls);
      assert.equal(new Set(scene.sts.calls.map(({ params }) => params.TokenCode)).size, 1);
    });
  }

  test('a wrong code from a pipe or an option is sent once', async (t) => {
    const scene = await makeScene(t, simple);
    const fails = {
      error: `STS did not accept the code for ${serial}`,
      hint: 'wait for the next code: each code is good once, for about 30 seconds',
    };
    failed(await run(['foobar'], { ...scene, stdin: typed(other) }), fails, scene.home);
    failed(await run(['foobar', '-t', totp(other.totpSecret)], scene), fails, scene.home);
    assert.equal(scene.sts.calls.length, 2);
  });

  test('a code that was used before is a wrong one', async (t) => {
    const scene = await makeScene(t, simple);
    const stdin = typed();
    assert.equal((await run(['foobar'], { ...scene, stdin })).status, 0);
    const result = await run(['foobar'], { ...scene, stdin });
    assert.equal(result.status, 1);
    assert.match(result.stderr, /^refresh-mfa: error: STS did not accept the code/);
    assert.deepEqual(sessionsIn(scene.home.credentialsPath), ['foobar']);
  });

  test('an error that repeats the code is not shown as it came', async (t) => {
    const scene = await makeScene(t, simple);
    const code = totp(person.totpSecret);
    scene.sts.behave(error(400, 'ValidationError', `Value '${code}' at 'tokenCode' failed to satisfy constraint`));
    // The runner would find the code.
    failed(
      await run(['foobar'], { ...scene, stdin: `${code}\n` }),
      {
        error: "STS refused the call: ValidationError: Value '******' at 'tokenCode' failed to satisfy constraint",
        hint: 'correct what it says, then try again with the next code',
      },
      scene.home,
    );
  });

  for (const { name, behaves, calls } of [
    { name: 'an internal error', behaves: [internal], calls: 2 },
    { name: 'throttling', behaves: [{ kind: 'throttle' }], calls: 2 },
    { name: 'a broken connection', behaves: [{ kind: 'drop' }], calls: 2 },
    { name: 'an answer that takes 8 s', behaves: [{ kind: 'delay', ms: 8000 }], calls: 1 },
  ] satisfies { name: string; behaves: Behaviour[]; calls: number }[]) {
    test(`${name} does no harm`, async (t) => {
      const scene = await makeScene(t, simple);
      scene.sts.behave(...behaves);
      const result = await run(['foobar'], { ...scene, stdin: typed() });
      assert.equal(result.status, 0, result.stderr);
      assert.equal(result.stderr, '');
      assert.equal(scene.sts.calls.length, calls);
    });
  }

  for (const hours of [1, -1, 30]) {
    test(`a clock that is ${Math.abs(hours)} h ${hours > 0 ? 'behind' : 'ahead'} is put right by one more call`, async (t) => {
      const scene = await makeScene(t, simple);
      scene.sts.clockOffsetMs = hours * 3_600_000;
      const result = await run(['foobar'], { ...scene, stdin: typed() });
      assert.equal(result.status, 0, result.stderr);
      assert.equal(scene.sts.calls.length, 2);
    });
  }
});

describe('a network that does not work', { concurrency }, () => {
  test('nobody listens', async (t) => {
    const home = makeHome(t, simple);
    const host = `127.0.0.1:${await findQuietPort()}`;
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `http://${host}` }, stdin: typed() });
    failed(result, { error: `cannot connect to ${host}: connection refused`, hint: again }, home);
  });

  test('an address that no network leads to', async (t) => {
    const home = makeHome(t, simple);
    const host = '255.255.255.255';
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `http://${host}` }, stdin: typed() });
    failed(result, { error: /^cannot connect to 255\.255\.255\.255 \(E[A-Z]+\)$/, hint: again }, home);
  });

  test('a name that does not exist', async (t) => {
    const home = makeHome(t, simple);
    const env = { ...quickNames, AWS_ENDPOINT_URL: 'http://sts.refresh-mfa.invalid' };
    const result = await run(['foobar'], { home, env, stdin: typed() });
    failed(result, { error: 'cannot find sts.refresh-mfa.invalid: no network, or no name service', hint: again }, home);
  });

  test('a server that takes the call and is silent: an error after 15 s', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    sts.behave({ kind: 'silent' });
    const result = await run(['foobar'], { sts, home, stdin: typed() });
    failed(result, { error: `${new URL(sts.url).host} did not answer within 15 s`, hint: again }, home);
    const waited = Date.now() - (sts.calls[0]?.at ?? 0);
    assert.ok(waited > 14_000 && waited < 20_000, `it took ${waited} ms`);
    assert.equal(sts.calls.length, 1);
  });

  test('an internal error and then silence: never longer than 35 s', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    sts.behave({ kind: 'status', status: 500 }, { kind: 'silent' });
    const result = await run(['foobar'], { sts, home, stdin: typed() });
    failed(result, { error: /did not answer within/, hint: again }, home);
    const waited = Date.now() - (sts.calls[0]?.at ?? 0);
    assert.ok(waited < 35_000, `it took ${waited} ms`);
  });

  for (const { name, answer } of [
    {
      name: 'an answer that stops half-way',
      answer: (response: ServerResponse) => response.write('<GetSessionTokenResponse>'),
    },
    {
      name: 'an answer that trickles',
      answer: (response: ServerResponse) => {
        response.write('<GetSessionTokenResponse>');
        const timer = setInterval(() => response.write(' '), 1000);
        response.on('close', () => clearInterval(timer));
      },
    },
    {
      name: 'an answer that breaks off',
      answer: (response: ServerResponse) => response.write('<GetSessionTokenResponse>', () => response.destroy()),
    },
  ]) {
    test(`${name}: an error, and never longer than 35 s`, async (t) => {
      const home = makeHome(t, simple);
      let called = 0;
      const server = createHttpServer((_, response) => {
        called ||= Date.now();
        response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': 1000 });
        answer(response);
      });
      const url = await listen(t, server);
      const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `http://${url}` }, stdin: typed() });
      failed(
        result,
        { error: new RegExp(`^(the connection to ${url} broke|${url} did not answer)`), hint: again },
        home,
      );
      const waited = Date.now() - called;
      assert.ok(waited < 35_000, `it took ${waited} ms`);
    });
  }

  test('a server that speaks another language', async (t) => {
    const home = makeHome(t, simple);
    const server = createServer((socket) => socket.end('220 mail.example.com ESMTP\r\n'));
    const url = await listen(t, server);
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `http://${url}` }, stdin: typed() });
    failed(result, { error: new RegExp(url), hint: /./ }, home);
  });

  test('a server that takes the connection and never begins TLS: an error within 15 s', async (t) => {
    const home = makeHome(t, simple);
    let connected = 0;
    const url = await listen(
      t,
      createServer(() => {
        connected ||= Date.now();
      }),
    );
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `https://${url}` }, stdin: typed() });
    failed(
      result,
      { error: new RegExp(`^(${url} did not answer|cannot connect to ${url}) within`), hint: again },
      home,
    );
    const waited = Date.now() - connected;
    assert.ok(waited < 20_000, `it took ${waited} ms`);
  });

  test('a server that does not take the connection: an error after 5 s', async (t) => {
    const home = makeHome(t, simple);
    const url = await listenDeafly(t);
    if (!url) return t.skip('this system takes every connection');
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `http://${url}` }, stdin: typed() });
    failed(result, { error: `cannot connect to ${url} within 5 s`, hint: again }, home);
  });

  test('a name of which one address does not take the connection and the other refuses it', async (t) => {
    const home = makeHome(t, simple);
    const url = await listenDeafly(t);
    if (!url) return t.skip('this system takes every connection');
    const host = url.replace('127.0.0.1', 'two.example.com');
    const env = { ...withTwoAddresses(home, 'two.example.com'), AWS_ENDPOINT_URL: `http://${host}` };
    const result = await run(['foobar'], { home, env, stdin: typed() });
    failed(result, { error: `cannot connect to ${host}: none of its addresses answers`, hint: again }, home);
  });
});

/** Lets `name` have two addresses on one port: 127.0.0.1 and ::1. */
function withTwoAddresses(home: Home, name: string): Readonly<Record<string, string>> {
  const path = join(home.path, 'addresses.cjs');
  writeFileSync(
    path,
    `const dns = require('node:dns');
const { lookup } = dns;
const both = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }];
dns.lookup = (name, options, done) => name === '${name}' ? process.nextTick(done, null, both) : lookup(name, options, done);
`,
  );
  return { NODE_OPTIONS: `--require ${path}` };
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
