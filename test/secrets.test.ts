// No secret leaves a run but through the credentials file and the connection that it is for. Some cases run under strace where there
// is one; with REFRESH_MFA_TRACE=all (npm run trace) all do.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { caseTopics } from './helpers/cases';
import { makeCertificate } from './helpers/certificate';
import { makeHome } from './helpers/home';
import { startProxy } from './helpers/proxy';
import { command, run, secretsOf } from './helpers/run';
import { makeScene, person, simple, typed } from './helpers/scene';
import { secretTopics, testTopic } from './helpers/stage';
import { startSts, totp, wrongCode } from './helpers/sts';
import { openTerminal, terminalMissing } from './helpers/terminal';
import { findLeaks, holds, straceMissing, traced } from './helpers/trace';
import { missing } from './helpers/which';

const topics = process.env.REFRESH_MFA_TRACE === 'all' ? caseTopics() : secretTopics;
for (const topic of topics) testTopic(topic, { trace: !straceMissing });

test('no secret leaves a terminal', { skip: terminalMissing || straceMissing }, async (t) => {
  const { home, sts } = await makeScene(t, simple);
  const [code, wrong] = [totp(person.totpSecret), wrongCode(person.totpSecret)];
  const terminal = openTerminal(t, ['foobar'], { home, sts, program: traced(command(), join(home.path, 'trace')) });
  for (const [index, line] of [wrong, code.slice(0, 3), code].entries()) {
    await terminal.waitFor('OTP for foobar', index + 1);
    terminal.type(`${line}\r`);
    await terminal.waitFor(line === code ? 'foobar: session until' : line === wrong ? /did not accept/ : /six digits/);
  }
  assert.equal(await terminal.exit, 0);
  const secrets = new Map([...secretsOf({ home, sts }).keys()].map((key) => [key, 'a key']));
  for (const one of [code, wrong]) secrets.set(one, 'a code');
  assert.deepEqual(findLeaks(join(home.path, 'trace'), secrets), []);
});

const debug = { DEBUG: '*', NODE_DEBUG: 'http,https,http2,net,tls,fetch,undici,timer,module', AWS_LOG_LEVEL: 'trace' };

for (const isRefused of [false, true]) {
  const what = `the password of a proxy reaches the proxy alone, ${isRefused ? 'which refuses it' : 'which wants it'}`;
  test(what, { skip: straceMissing || missing('openssl') }, async (t: TestContext) => {
    const home = makeHome(t, simple);
    const certificate = makeCertificate(home.path);
    const sts = await startSts({ tls: certificate });
    t.after(() => sts.close());
    sts.addUser(person);
    const password = 'correct+horse/battery=staple';
    const proxy = await startProxy(t, { wants: isRefused ? 'bob:another' : `bob:${password}` });
    const HTTPS_PROXY = proxy.url.replace('//', `//bob:${encodeURIComponent(password)}@`);
    const env = { HTTPS_PROXY, AWS_CA_BUNDLE: certificate.path, ...(isRefused ? {} : debug) };
    const program = traced(command(), join(home.path, 'trace'));
    const { status, stdout, stderr } = await run(['foobar'], { home, sts, env, program, stdin: typed() });
    assert.equal(status, isRefused ? 1 : 0, stderr);
    assert.equal(holds(`${stdout}${stderr}`, password), false);
    const isMeant = (place: string) => place === `port ${proxy.host.split(':')[1]}`;
    assert.deepEqual(findLeaks(join(home.path, 'trace'), new Map([[password, 'a password']]), isMeant), []);
  });
}

// without these, nobody would know that the searches above can find anything
describe('the search finds a secret that', { concurrency: 2, skip: straceMissing }, () => {
  const leaks: readonly (readonly [name: string, script: string, where: RegExp])[] = [
    ['is an argument', 'spawn("true", [secret])', /^an argument or a variable shows it$/m],
    ['is in the environment', 'spawn("true", { env: { KEY: secret } })', /^an argument or a variable shows it$/m],
    ['is in a name', 'fs.existsSync(encodeURIComponent(secret))', /^a name shows it$/m],
    ['is printed in base64', 'console.log(btoa("bob:" + secret))', /^(socket|pipe):\S+ shows it$/m],
    ['is printed as bytes', 'console.log(Buffer.from(secret))', /^(socket|pipe):\S+ shows it$/m],
    ['is written in pieces', 'for (const part of secret) fs.appendFileSync("x", part)', /\/x shows it$/m],
    ['is written by a thread', 'fs.promises.writeFile("x", secret)', /\/x shows it$/m],
    ['goes to a server', 'require("net").connect(PORT, "127.0.0.1").end(secret)', /^port \d+ shows it$/m],
    ['is copied by the system', 'fs.copyFileSync("secret", "x")', /^bytes that strace does not show/m],
  ];
  for (const [index, [name, script, where]] of leaks.entries()) {
    test(name, async (t) => {
      const sts = await startSts();
      t.after(() => sts.close());
      const home = makeHome(t);
      const secret = index % 2 ? '287082' : 'Zp9Utk+h3yCo8nvbAMISPLACEDKEY/je7MtGbClw';
      writeFileSync(join(home.path, 'secret'), secret);
      const code = `const fs = require('node:fs'); const { spawn } = require('node:child_process');
        const secret = fs.readFileSync('secret', 'utf8'); ${script.replace('PORT', new URL(sts.url).port)}`;
      await run([], { home, program: traced({ file: process.execPath, args: ['-e', code] }, 'trace') });
      const found = findLeaks(join(home.path, 'trace'), new Map([[secret, 'it']]), () => false);
      assert.match(found.join('\n'), where);
    });
  }

  test('is there but for its ends, and none where only a part or a longer number is', () => {
    const secret = 'Zp9Utk+h3yCo8nvbAMISPLACEDKEY/je7MtGbClw';
    assert.equal(holds(secret.slice(4, -5), secret), true);
    assert.equal(holds(`${secret.slice(0, 15)} ${secret.slice(17, 31)}`, secret), false);
    assert.equal(holds('12870827 and 287 082', '287082'), false);
  });
});
