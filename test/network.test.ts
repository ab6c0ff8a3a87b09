// What STS and the network can answer, or not: each its own sentence and cure, and the file as it was.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type Certificate, makeCertificate } from './helpers/certificate';
import { makeHome } from './helpers/home';
import { startProxy } from './helpers/proxy';
import { type Result, type RunOptions, run, start } from './helpers/run';
import { makeScene, other, person, type Scene, serial, sessionsIn, simple, typed } from './helpers/scene';
import { type Behaviour, type LocalSts, startSts, totp, type User } from './helpers/sts';
import { missing } from './helpers/which';

/** Some rows at a time, since many do nothing but wait. */
const concurrency = 6;
/** The longest that a call may take, and what it takes to start. */
const longestMs = 40_000;

interface Failure {
  readonly error: string | RegExp;
  readonly hint: string | RegExp;
}

/** Asserts exit 1 with one error and its cure, and the file as it was. */
function failed(result: Result, { error, hint }: Failure, home: Scene['home'], credentials = simple.credentials): void {
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
  assert.ok(result.ms < longestMs, `it took ${result.ms} ms`);
}

const again = 'see that the network, VPN or proxy is up, then try again with the next code';
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
    const { sts, home } = await makeScene(t, simple);
    await sts.close();
    const result = await run(['foobar'], { sts, home, stdin: typed() });
    failed(result, { error: `cannot connect to ${new URL(sts.url).host}: connection refused`, hint: again }, home);
  });

  test('a name that does not exist', async (t) => {
    const home = makeHome(t, simple);
    const env = { AWS_ENDPOINT_URL: 'http://sts.refresh-mfa.invalid' };
    const result = await run(['foobar'], { home, env, stdin: typed() });
    failed(result, { error: 'cannot find sts.refresh-mfa.invalid: no network, or no name service', hint: again }, home);
  });

  test('a server that takes the call and is silent: an error after 15 s', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    sts.behave({ kind: 'silent' });
    const result = await run(['foobar'], { sts, home, stdin: typed() });
    failed(result, { error: `${new URL(sts.url).host} did not answer within 15 s`, hint: again }, home);
    assert.ok(result.ms > 14_000 && result.ms < 20_000, `it took ${result.ms} ms`);
    assert.equal(sts.calls.length, 1);
  });

  test('an internal error and then silence: never longer than 35 s', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    sts.behave({ kind: 'status', status: 500 }, { kind: 'silent' });
    const result = await run(['foobar'], { sts, home, stdin: typed() });
    failed(result, { error: /did not answer within/, hint: again }, home);
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
      const server = createHttpServer((_, response) => {
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
    const url = await listen(t, createServer());
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `https://${url}` }, stdin: typed() });
    failed(
      result,
      { error: new RegExp(`^(${url} did not answer|cannot connect to ${url}) within`), hint: again },
      home,
    );
    assert.ok(result.ms < 20_000, `it took ${result.ms} ms`);
  });

  test('a server that does not take the connection: an error after 5 s', async (t) => {
    const home = makeHome(t, simple);
    const url = await listenDeafly(t);
    if (!url) return t.skip('this system takes every connection');
    const result = await run(['foobar'], { home, env: { AWS_ENDPOINT_URL: `http://${url}` }, stdin: typed() });
    failed(result, { error: `cannot connect to ${url} within 5 s`, hint: again }, home);
    assert.ok(result.ms < 10_000, `it took ${result.ms} ms`);
  });

  for (const { name, cut } of [
    { name: 'cut', cut: (sts: LocalSts) => sts.hangUp() },
    { name: 'cut, and the server gone', cut: (sts: LocalSts) => sts.close() },
  ]) {
    test(`an idle connection that is ${name} while the code is awaited`, async (t) => {
      const { sts, home } = await makeScene(t, simple);
      const running = start(['foobar'], { sts, home, stdin: 'open' });
      await sts.until(() => sts.connections === 1);
      await cut(sts);
      running.child.stdin?.end(typed());
      const result = await running.done;
      if (name === 'cut') assert.equal(result.status, 0, result.stderr);
      else failed(result, { error: /^cannot connect to [^ ]*: connection refused$/, hint: again }, home);
    });
  }

  test('the connection that was made while the code was awaited is the one that is used', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    const running = start(['foobar'], { sts, home, stdin: 'open' });
    await sts.until(() => sts.connections === 1);
    running.child.stdin?.end(typed());
    assert.equal((await running.done).status, 0);
    assert.equal(sts.connections, 1);
  });
});

describe('TLS and proxies', { concurrency, skip: missing('openssl') }, () => {
  let folder = '';
  let certificate: Certificate;
  before(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'refresh-mfa-tls-')));
    certificate = makeCertificate(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** An STS behind TLS, a home, and what makes the first trusted. */
  async function makeSecureScene(t: TestContext, host: string) {
    const sts = await startSts({ tls: certificate, host });
    t.after(() => sts.close());
    sts.addUser(person);
    return { sts, home: makeHome(t, simple), trust: { AWS_CA_BUNDLE: certificate.path } };
  }

  async function refreshes(options: RunOptions): Promise<void> {
    const result = await run(['foobar'], { ...options, stdin: typed() });
    assert.equal(result.status, 0, result.stderr);
    assert.equal(result.stderr, '');
    assert.deepEqual(sessionsIn(options.home.credentialsPath), ['foobar']);
  }

  for (const host of ['localhost', '127.0.0.1']) {
    test(`${host}: AWS_CA_BUNDLE says whom to trust`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, host);
      await refreshes({ sts, home, env: trust });
      assert.equal(sts.calls.length, 1);
    });
  }

  test('ca_bundle of the profile says whom to trust, with a leading ~', async (t) => {
    const { sts, home } = await makeSecureScene(t, 'localhost');
    writeFileSync(join(home.path, 'company.pem'), certificate.cert);
    home.writeConfig(`${simple.config}ca_bundle = ~/company.pem\n`);
    await refreshes({ sts, home });
  });

  test('a certificate that nobody vouches for is not trusted', async (t) => {
    const { sts, home } = await makeSecureScene(t, 'localhost');
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
      { error: /^cannot trust the certificate of [^ ]* \(ERR_TLS_CERT_ALTNAME_INVALID\)$/, hint: /./ },
      home,
    );
    assert.equal(sts.calls.length, 0);
  });

  test('a missing AWS_CA_BUNDLE is refused before anything is asked', async (t) => {
    const { sts, home } = await makeSecureScene(t, 'localhost');
    const env = { AWS_CA_BUNDLE: '~/nowhere.pem' };
    const result = await run(['foobar'], { sts, home, env, stdin: 'open', timeoutMs: 30_000 });
    assert.equal(result.status, 2);
    assert.equal(
      result.stderr,
      'refresh-mfa: error: cannot read the certificate bundle ~/nowhere.pem (ENOENT)\nrefresh-mfa: hint: correct AWS_CA_BUNDLE, or ca_bundle in the config\n',
    );
    assert.equal(sts.connections, 0);
    assert.equal(home.readCredentials(), simple.credentials);
  });

  test('an AWS_CA_BUNDLE that holds no certificate trusts nobody', async (t) => {
    const { sts, home } = await makeSecureScene(t, 'localhost');
    writeFileSync(join(home.path, 'empty.pem'), '');
    const result = await run(['foobar'], {
      sts,
      home,
      env: { AWS_CA_BUNDLE: '~/empty.pem' },
      stdin: 'open',
      timeoutMs: 30_000,
    });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: [^\n]*~\/empty\.pem/);
    assert.equal(sts.calls.length, 0);
  });

  for (const variable of ['HTTPS_PROXY', 'https_proxy']) {
    test(`${variable}: the call goes through the proxy`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, 'localhost');
      const proxy = await startProxy(t);
      await refreshes({ sts, home, env: { ...trust, [variable]: proxy.url } });
      assert.deepEqual(proxy.targets, [new URL(sts.url).host]);
    });
  }

  test('a proxy without a scheme, with a name and a password', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, 'localhost');
    const proxy = await startProxy(t);
    const password = 'correct%20horse%20battery';
    sts.secrets.add(password);
    await refreshes({ sts, home, env: { ...trust, HTTPS_PROXY: `bob:${password}@127.0.0.1:${proxy.port}` } });
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
        const { sts, home, trust } = await makeSecureScene(t, host);
        const proxy = await startProxy(t);
        const env = { ...trust, HTTPS_PROXY: proxy.url, [variable]: noProxy(new URL(sts.url).port) };
        await refreshes({ sts, home, env });
        assert.deepEqual(proxy.targets, direct ? [] : [new URL(sts.url).host]);
      });
    }
  }

  test('lower case is believed before upper case', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, 'localhost');
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

  test('an endpoint without TLS is not sent through HTTPS_PROXY', async (t) => {
    const { sts, home } = await makeScene(t, simple);
    const proxy = await startProxy(t);
    await refreshes({ sts, home, env: { HTTPS_PROXY: proxy.url } });
    assert.deepEqual(proxy.targets, []);
  });

  for (const status of [407, 403, 502]) {
    test(`a proxy that refuses with ${status}: the error speaks of a proxy`, async (t) => {
      const { sts, home, trust } = await makeSecureScene(t, 'localhost');
      const proxy = await startProxy(t, status);
      const result = await run(['foobar'], { sts, home, env: { ...trust, HTTPS_PROXY: proxy.url }, stdin: typed() });
      failed(result, { error: /a proxy/, hint: /HTTPS_PROXY/ }, home);
      assert.equal(sts.connections, 0);
    });
  }

  test('a proxy that is not there: the error names the proxy, without its password', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, 'localhost');
    const gone = createServer();
    const url = await listen(t, gone);
    await new Promise((done) => gone.close(done));
    const password = 'correct-horse-battery';
    sts.secrets.add(password);
    const env = { ...trust, HTTPS_PROXY: `http://bob:${password}@${url}` };
    const result = await run(['foobar'], { sts, home, env, stdin: typed() });
    failed(result, { error: new RegExp(`proxy ${url}.*refused`), hint: /HTTPS_PROXY|proxy is up/ }, home);
    assert.equal(sts.connections, 0);
  });

  test('a proxy that is silent: an error within 15 s', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, 'localhost');
    const url = await listen(t, createServer());
    const result = await run(['foobar'], {
      sts,
      home,
      env: { ...trust, HTTPS_PROXY: `http://${url}` },
      stdin: typed(),
    });
    failed(result, { error: /within \d+ s$/, hint: again }, home);
    assert.ok(result.ms < 20_000, `it took ${result.ms} ms`);
  });

  test('a HTTPS_PROXY that is no URL is refused before anything is sent', async (t) => {
    const { sts, home, trust } = await makeSecureScene(t, 'localhost');
    const env = { ...trust, HTTPS_PROXY: 'http://:://' };
    const result = await run(['foobar'], { sts, home, env, stdin: typed() });
    assert.equal(result.status, 2);
    assert.match(result.stderr, /^refresh-mfa: error: HTTPS_PROXY is not the URL of a proxy\n/);
    assert.equal(sts.connections, 0);
  });
});

/** Listens on a free port until the test ends, and cuts what is then open; returns host and port. */
async function listen(t: TestContext, server: ReturnType<typeof createServer>): Promise<string> {
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
    const taken = await once(socket, 'connect', { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    if (!taken) return `127.0.0.1:${port}`;
  }
  return undefined;
}
