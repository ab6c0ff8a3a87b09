// What the tool waits for may never come. Each limit is waited for in full, all at the same time.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathWith } from './helpers/programs';
import { startRelay } from './helpers/relay';
import { run } from './helpers/run';
import { keys, makeScene, oldSession, serial, simple, typed } from './helpers/scene';
import { openTerminal, terminalMissing } from './helpers/terminal';

/** The tool can end the shell; what that has started lives on and holds the pipe that the code was to come through. */
const endless = 'sleep 100 2>/dev/null; echo 287082';

describe('whatever hangs, the run ends', { concurrency: true }, () => {
  test('standard input that nobody fills', async (t) => {
    const scene = await makeScene(t, simple);
    const { status, stdout, stderr } = await run(['foobar'], { ...scene, stdin: 'open' });
    assert.equal(stdout, '');
    assert.equal(
      stderr,
      `refresh-mfa: error: no code for foobar: nothing came on standard input within 60 s
refresh-mfa: hint: run it in a terminal, give --token-code, or pipe in one code a line
`,
    );
    assert.equal(status, 2);
    assert.equal(scene.sts.calls.length, 0);
    assert.equal(scene.home.readCredentials(), simple.credentials);
  });

  test('an mfa_process', async (t) => {
    const scene = await makeScene(t, { ...simple, config: `${simple.config}mfa_process = ${endless}\n` });
    const { status, stdout, stderr } = await run(['foobar'], { ...scene, stdin: 'open' });
    assert.equal(stdout, '');
    assert.equal(
      stderr,
      `refresh-mfa: error: the mfa_process of [profile foobar] in ~/.aws/config line 3 did not end within 60 s
refresh-mfa: hint: run that command by hand: it should print one code
`,
    );
    assert.equal(status, 2);
    assert.equal(scene.sts.calls.length, 0);
    assert.equal(scene.home.readCredentials(), simple.credentials);
  });

  test('a credential_process, with the code given', async (t) => {
    const config = `[profile foobar]\nsource_profile = Keys\nmfa_serial = ${serial}\n\n[profile Keys]\ncredential_process = ${endless}\n`;
    const scene = await makeScene(t, { config, credentials: `[acme-long-term]\n${keys}` });
    const { status, stdout, stderr } = await run(['foobar'], { ...scene, stdin: typed() });
    assert.equal(stdout, '');
    assert.equal(
      stderr,
      `refresh-mfa: error: the credential_process of [profile Keys] in ~/.aws/config line 6 did not end within 60 s
refresh-mfa: hint: run that command by hand: it should print JSON with Version, AccessKeyId and SecretAccessKey
`,
    );
    assert.equal(status, 2);
    assert.equal(scene.sts.calls.length, 0);
    assert.equal(scene.home.readCredentials(), `[acme-long-term]\n${keys}`);
  });

  test('a connection that the network has forgotten while the code was looked for', {
    skip: terminalMissing,
  }, async (t) => {
    const { sts, home } = await makeScene(t, simple);
    const relay = await startRelay(Number(new URL(sts.url).port), 0);
    t.after(() => relay.close());
    const terminal = openTerminal(t, ['foobar'], { sts, home, env: { AWS_ENDPOINT_URL_STS: `http://${relay.host}` } });
    await terminal.waitFor('OTP for foobar');
    await relay.answered;
    relay.forget();
    // longer than a connection is trusted that nobody uses
    await sleep(75_000);
    terminal.type(`${typed().trim()}\r`);
    await terminal.waitFor('foobar: session until');
    assert.deepEqual(await terminal.exit, { status: 0, signal: null });
    assert.equal(sts.calls.length, 1);
  });

  test('a notifier', async (t) => {
    const { home } = await makeScene(t, { ...simple, credentials: `${simple.credentials}\n[foobar]\n${oldSession}` });
    const { PATH } = pathWith(t, { 'notify-send': endless, osascript: endless });
    const { status, stdout, stderr } = await run(['--check', '--notify', 'foobar'], { home, env: { PATH } });
    assert.equal(stdout, '');
    assert.equal(stderr, 'refresh-mfa: note: the session of foobar is about to end: type refresh-mfa foobar\n');
    assert.equal(status, 3);
  });
});
