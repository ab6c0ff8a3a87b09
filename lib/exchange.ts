// One code becomes one session. While the person types, the SDK is loaded, the keys are fetched and the connection is opened.
import { devNull } from 'node:os';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { UserError, WrongCode } from './errors';
import type { Identity } from './identity';
import type { CodeSource } from './otp';
import type { Context, Granted } from './sts';

export interface Plan {
  readonly identity: Identity;
  /** In seconds; STS's own 12 hours if undefined. */
  readonly duration: number | undefined;
  /** Certificate authorities to trust beside Node's own, PEM. */
  readonly ca: string | undefined;
  readonly codes: CodeSource;
}

/** @throws UserError `interrupted` when the signal aborts or the question is cancelled */
export async function getSession(plan: Plan, context: Context): Promise<Granted> {
  const { codes, duration } = plan;
  const over = new AbortController();
  const signal = AbortSignal.any([context.signal, over.signal]);
  try {
    let code = codes.ask(signal);
    const opening = open(plan, { ...context, signal }, code);
    for (let attempt = 1; ; attempt++) {
      const [typed, sts] = await Promise.all([code, opening]);
      try {
        return await announce(sts.host, context.runtime.stderr, sts.getSession(typed, duration));
      } catch (error) {
        if (!(error instanceof WrongCode) || attempt >= codes.attempts) throw error;
        context.printError(error);
      }
      await codes.next?.(signal);
      code = codes.ask(signal);
    }
  } catch (error) {
    throw context.signal.aborted ? new UserError('interrupted', 'cancelled') : error;
  } finally {
    over.abort();
  }
}

/**
 * The SDK would warn about old Nodes at every call, and read both files again for settings of `AWS_PROFILE` or `[default]`,
 * which are not this call's; with `DEBUG` the proxy's agent would print the proxy's password.
 */
async function open({ identity, ca }: Plan, context: Context, code: Promise<unknown>) {
  const { env } = context.runtime;
  env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  env.AWS_CONFIG_FILE = devNull;
  env.AWS_SHARED_CREDENTIALS_FILE = devNull;
  delete env.DEBUG;
  // the question is shown first
  await turn();
  const { openSts } = await import('./sts');
  const isIdle = await Promise.race([code.then(() => false), turn(true)]);
  return openSts(identity, context, isIdle, ca);
}

/** Says on a terminal who is being asked, when the answer takes half a second; the line goes when it comes. */
async function announce<T>(host: string, stderr: NodeJS.WriteStream, answer: Promise<T>): Promise<T> {
  const isLate = await Promise.race([answer.then(() => false), sleep(500, stderr.isTTY, { ref: false })]);
  if (!isLate) return answer;
  stderr.write(`asking ${host} …`.slice(0, stderr.columns - 1));
  return answer.finally(() => stderr.write('\r\x1b[K'));
}
