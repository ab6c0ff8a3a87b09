// One code for one session: who waits for whom, who is asked again, and what ends it all.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { UserError } from '../lib/errors';
import { getSession } from '../lib/exchange';
import type { CodeSource } from '../lib/otp';
import type { Runtime } from '../lib/shell';
import { codeOf, identityOf, startStsFor } from './helpers/network';
import { person, serial } from './helpers/scene';
import { wrongCode } from './helpers/sts';

const wrong = wrongCode(person.totpSecret);
const cancelled = { code: 'interrupted', message: 'cancelled' };
/** Nobody ever finds the code. */
const endless: CodeSource = {
  attempts: 1,
  ask: (signal) => once(signal, 'abort').then(() => Promise.reject(new Error('aborted'))),
};

async function setUp(t: TestContext) {
  const sts = await startStsFor(t);
  const cancel = new AbortController();
  t.after(() => cancel.abort());
  const { signal } = cancel;
  const env: NodeJS.ProcessEnv = { DEBUG: '*' };
  const written: string[] = [];
  const runtime = { stderr: { write: (text: string) => written.push(text) }, env } as unknown as Runtime;
  const errors: string[] = [];
  const printError = ({ message }: UserError) => errors.push(message);
  const run = (codes: CodeSource) => {
    const plan = { identity: identityOf(sts.url), duration: undefined, ca: undefined, codes };
    return getSession(plan, { env: {}, runtime, signal, now: Date.now, printError });
  };
  return { sts, cancel, env, written, errors, run };
}

/** Hands out the codes, and logs what it is asked for. */
function sourceOf(...codes: readonly string[]): CodeSource & { readonly log: string[] } {
  const log: string[] = [];
  const left = [...codes];
  const ask = async () => {
    log.push('ask');
    return left.shift() ?? '';
  };
  const next = async () => {
    log.push('next');
  };
  return { log, attempts: codes.length, ask, next };
}

test('a code that is wrong is said, and another one asked for when it can be there', async (t) => {
  const { run, sts, errors } = await setUp(t);
  const codes = sourceOf(wrong, wrong, codeOf());
  const { accessKeyId } = await run(codes);
  assert.equal(accessKeyId, sts.sessions[0]?.accessKeyId);
  assert.deepEqual(codes.log, ['ask', 'next', 'ask', 'next', 'ask']);
  const refused = `STS did not accept the code for ${serial}`;
  assert.deepEqual(errors, [refused, refused]);
});

test('a code is asked for once where something else is wrong', async (t) => {
  const { run, sts, errors } = await setUp(t);
  sts.behave({ kind: 'error', status: 403, code: 'AccessDenied', message: 'no' });
  await assert.rejects(run(sourceOf(codeOf(), codeOf())), { message: /^AWS denied/ });
  assert.deepEqual([errors.length, sts.calls.length], [0, 1]);
});

test('a connection is opened while a code is looked for, and closed in the end', { timeout: 60_000 }, async (t) => {
  const { run, sts, cancel, env } = await setUp(t);
  const running = run(endless);
  const [socket] = await once(sts.server, 'connection');
  const closed = new Promise((done) => socket.on('close', done));
  await sts.until(() => sts.visits.length === 1);
  // the SDK reads no files, and says nothing by itself
  assert.deepEqual(env, {
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  });
  cancel.abort();
  await assert.rejects(running, cancelled);
  await closed;
  assert.equal(sts.calls.length, 0);
});

test('none is opened if the code is there at once', async (t) => {
  const { run, sts } = await setUp(t);
  await run(sourceOf(codeOf()));
  assert.deepEqual(sts.visits, []);
});

test('the end of the run ends the call', async (t) => {
  const { run, sts, cancel } = await setUp(t);
  sts.behave({ kind: 'silent' });
  const running = run(sourceOf(codeOf()));
  await sts.until(() => sts.calls.length === 1);
  cancel.abort();
  await assert.rejects(running, cancelled);
});

test('who is asked is not said where there is no terminal, however long it takes', async (t) => {
  const { run, sts, written } = await setUp(t);
  sts.behave({ kind: 'delay', ms: 1500 });
  await run(sourceOf(codeOf()));
  assert.deepEqual(written, []);
});
