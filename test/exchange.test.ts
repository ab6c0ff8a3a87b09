// One code for one session: who waits for whom, who is asked again, and what ends it all.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { UserError } from '../lib/errors';
import { getSession, type Plan } from '../lib/exchange';
import type { CodeSource } from '../lib/otp';
import type { Runtime } from '../lib/shell';
import type { Context } from '../lib/sts';
import { codeOf, identityOf, type Options, startStsFor } from './helpers/network';
import { person, serial } from './helpers/scene';
import { type LocalSts, wrongCode } from './helpers/sts';

const wrong = wrongCode(person.totpSecret);
const refused = `STS did not accept the code for ${serial}`;

/** Hands out the codes, and tells what it was asked; `undefined` is a code that never comes. */
function sourceOf(...codes: readonly (string | undefined)[]): CodeSource & { readonly log: string[] } {
  const log: string[] = [];
  const left = [...codes];
  return {
    log,
    attempts: codes.length,
    async ask(signal) {
      log.push('ask');
      signal.addEventListener('abort', () => log.push('abort'));
      const code = left.shift();
      if (code === undefined) await once(signal, 'abort').then(() => Promise.reject(new Error('aborted')));
      return code ?? '';
    },
    async next() {
      log.push('next');
    },
  };
}

interface Stage {
  readonly sts: LocalSts;
  readonly errors: UserError[];
  /** All that was written to the terminal. */
  readonly shown: () => string;
  readonly env: NodeJS.ProcessEnv;
  run(codes: CodeSource, options?: Options & Partial<Context>): ReturnType<typeof getSession>;
}

async function setUp(t: TestContext, { isTTY = false } = {}): Promise<Stage> {
  const sts = await startStsFor(t);
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  const env: NodeJS.ProcessEnv = { DEBUG: '*' };
  const runtime = { stderr, env, kill: process.kill } as unknown as Runtime;
  const errors: UserError[] = [];
  const shell = { PATH: process.env.PATH };
  const signal = new AbortController().signal;
  const context: Context = { env: shell, runtime, signal, now: Date.now, printError: (error) => errors.push(error) };
  return {
    sts,
    errors,
    // each read gives one chunk on Node 26, and all of them before
    shown: () =>
      [
        ...(function* () {
          for (let chunk = stderr.read(); chunk !== null; chunk = stderr.read()) yield chunk;
        })(),
      ].join(''),
    env,
    run(codes, { keys, ...changes } = {}) {
      const identity = identityOf(sts.url, keys ? { keys } : {});
      const plan: Plan = { identity, duration: undefined, ca: undefined, codes };
      return getSession(plan, { ...context, ...changes });
    },
  };
}

const signalOf = (t: TestContext): AbortController => {
  const cancel = new AbortController();
  t.after(() => cancel.abort());
  return cancel;
};

describe('a code', () => {
  test('that is right gives a session', async (t) => {
    const { run, sts, errors } = await setUp(t);
    const { accessKeyId } = await run(sourceOf(codeOf()));
    assert.equal(accessKeyId, sts.sessions[0]?.accessKeyId);
    assert.deepEqual(errors, []);
  });

  test('that is wrong is said, and another one asked for when it can be there', async (t) => {
    const { run, sts, errors } = await setUp(t);
    const codes = sourceOf(wrong, wrong, codeOf());
    await run(codes);
    assert.deepEqual(codes.log.slice(0, 5), ['ask', 'next', 'ask', 'next', 'ask']);
    assert.deepEqual(
      errors.map(({ message }) => message),
      [refused, refused],
    );
    assert.equal(sts.calls.length, 3);
  });

  test('is asked for no more often than its source allows; the last error is thrown', async (t) => {
    const { run, sts, errors } = await setUp(t);
    await assert.rejects(run(sourceOf(wrong, wrong)), { code: 'aws', message: refused });
    assert.equal(errors.length, 1);
    assert.equal(sts.calls.length, 2);
  });

  test('is asked for once where something else is wrong', async (t) => {
    const { run, sts, errors } = await setUp(t);
    sts.behave({ kind: 'error', status: 403, code: 'AccessDenied', message: 'no' });
    await assert.rejects(run(sourceOf(codeOf(), codeOf())), { message: /^AWS denied/ });
    assert.deepEqual([errors.length, sts.calls.length], [0, 1]);
  });
});

describe('while a code is looked for', () => {
  test('the connection is opened, and the SDK kept from the files and from its own words', async (t) => {
    const { run, sts, env } = await setUp(t);
    const cancel = signalOf(t);
    const running = run(sourceOf(undefined), { signal: cancel.signal });
    await sts.until(() => sts.visits.length === 1);
    assert.deepEqual(env, {
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    });
    cancel.abort();
    await assert.rejects(running, { code: 'interrupted', message: 'cancelled' });
    assert.equal(sts.calls.length, 0);
  });

  test('none is opened if the code is there at once', async (t) => {
    const { run, sts } = await setUp(t);
    await run(sourceOf(codeOf()));
    assert.deepEqual(sts.visits, []);
  });

  test('keys that cannot be fetched end the question, so that no code is typed for nothing', async (t) => {
    const { run, sts } = await setUp(t);
    const codes = sourceOf(undefined);
    const keys = { process: 'exit 3', where: '~/.aws/config:7' };
    await assert.rejects(run(codes, { keys }), { message: 'credential_process ended with status 3 (~/.aws/config:7)' });
    assert.deepEqual(codes.log, ['ask', 'abort']);
    assert.equal(sts.calls.length, 0);
  });

  test('a cancelled question ends the command that fetches the keys', async (t) => {
    const { run } = await setUp(t);
    const began = performance.now();
    const codes = sourceOf();
    const cancelled = {
      ...codes,
      ask: async () => Promise.reject(Object.assign(new Error('cancelled'), { code: 'interrupted' })),
    };
    await assert.rejects(run(cancelled, { keys: { process: 'sleep 50', where: '' } }), { message: 'cancelled' });
    assert.ok(performance.now() - began < 40_000);
  });
});

describe('the end of the run ends', () => {
  test('the call', async (t) => {
    const { run, sts } = await setUp(t);
    sts.behave({ kind: 'silent' });
    const cancel = signalOf(t);
    const running = run(sourceOf(codeOf()), { signal: cancel.signal });
    await sts.until(() => sts.calls.length === 1);
    cancel.abort();
    await assert.rejects(running, { code: 'interrupted', message: 'cancelled' });
  });

  test('the command that fetches the keys', async (t) => {
    const { run } = await setUp(t);
    const keys = { process: 'sleep 100', where: '' };
    const cancel = signalOf(t);
    const running = run(sourceOf(codeOf()), { keys, signal: cancel.signal });
    await turn();
    cancel.abort();
    await assert.rejects(running, { code: 'interrupted', message: 'cancelled' });
  });
});

describe('an answer that takes its time', () => {
  for (const [outcome, makeCode] of [
    ['fulfilled', codeOf],
    ['rejected', () => wrong],
  ] as const) {
    test(`has a line on the terminal that says who is asked, and goes when it comes: ${outcome}`, async (t) => {
      const { run, sts, shown } = await setUp(t, { isTTY: true });
      sts.behave({ kind: 'delay', ms: 1500 });
      const [{ status }] = await Promise.allSettled([run(sourceOf(makeCode()))]);
      assert.equal(status, outcome);
      assert.equal(shown(), `asking ${new URL(sts.url).host} …\r\u001b[K`);
    });
  }

  test('has none elsewhere', async (t) => {
    const { run, sts, shown } = await setUp(t);
    sts.behave({ kind: 'delay', ms: 1500 });
    await run(sourceOf(codeOf()));
    assert.equal(shown(), '');
  });
});
