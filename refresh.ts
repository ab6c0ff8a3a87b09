#!/usr/bin/env node
// The wiring: the only file that touches `process`, the home folder and the clock, and the only one that knows all others.
import { existsSync, readFileSync } from 'node:fs';
import { devNull, homedir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { type Args, help, options, parse, parseDuration } from './lib/args';
import { checkSession, findNotes } from './lib/check';
import type { Environment } from './lib/command';
import { loadWriter, prepareTarget, saveCredentials, type Target } from './lib/credentials';
import { few, UserError } from './lib/errors';
import type { CodeSource } from './lib/otp';
import * as profiles from './lib/profiles';
import * as report from './lib/report';
import { splice, unsplice } from './lib/sections';
import type { Session } from './lib/sts';

const env: Environment = { ...process.env };
const home = homedir();

async function main(): Promise<number> {
  const args = parse(process.argv.slice(2));
  if (args.mode === 'help') return print(help());
  if (args.mode === 'version') return print(`${readVersion()}\n`);
  if (args.shell && args.shell !== 'names') {
    const { script } = await import('./lib/completion');
    return print(script(args.shell, options));
  }
  const files = profiles.readFiles(env, home);
  if (args.mode === 'completion') {
    const lines = profiles.findNames(files).map((name) => `${name}\n`);
    return print(lines.join(''));
  }
  if (args.mode === 'check') return check(args, files);
  const names = args.profiles.length > 0 ? args.profiles : [await chooseName(files)];
  return args.mode === 'clear' ? clear(files, names) : refresh(args, files, names);
}

function print(text: string): number {
  // `refresh-mfa --help | head -1` is no error
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => {});
  process.stdout.write(text);
  return 0;
}

function stderr(text: string): void {
  process.stderr.write(text);
}

function note(text: string): void {
  stderr(report.noteLine(text));
}

/** Beside the source, or one folder above what was built from it. */
function readVersion(): string {
  const path = [__dirname, join(__dirname, '..')]
    .map((folder) => join(folder, 'package.json'))
    .find((file) => existsSync(file));
  return JSON.parse(readFileSync(path ?? '', 'utf8')).version;
}

/** The session profiles behind the names, each once; what is wrong with a name is said and kept in `failures`. */
function findSessions(files: profiles.Files, names: readonly string[], failures: unknown[]): profiles.SessionProfile[] {
  const roles = profiles.findRoles(files);
  const sessions = new Map<string, profiles.SessionProfile>();
  for (const name of names) {
    try {
      const session = profiles.findSession(files, roles, name);
      sessions.set(session.name, session);
    } catch (error) {
      fail(failures, error);
    }
  }
  return [...sessions.values()];
}

/** Whoever typed the name of a role is told which session is meant. */
function noteRoles(names: readonly string[], { name, roles }: profiles.SessionProfile): void {
  for (const role of roles) {
    if (names.includes(role.name)) note(`${role.name} uses the session of ${name}`);
  }
}

/** Says what went wrong; the caller goes on with the next profile. */
function fail(failures: unknown[], error: unknown): void {
  failures.push(error);
  stderr(report.errorLines(error));
}

async function chooseName(files: profiles.Files): Promise<string> {
  if (env.AWS_PROFILE) return env.AWS_PROFILE;
  const names = profiles.findSessionNames(files);
  if (names.length === 1 && names[0]) return names[0];
  if (names.length === 0) throw noSessions(files);
  if (isatty(0) && isatty(2)) {
    const { chooseProfile } = await import('./lib/otp');
    return chooseProfile(names, process);
  }
  throw new UserError('usage', 'which profile?', `name one of the session profiles: ${few(names)}`);
}

function noSessions({ config, credentials }: profiles.Files): UserError {
  const hint = 'name a profile, and the next message says what is missing: refresh-mfa <profile>';
  return new UserError('config', `no session profile in ${config.path} or ${credentials.path}`, hint);
}

async function check(args: Args, files: profiles.Files): Promise<number> {
  const failures: unknown[] = [];
  const sessions =
    args.profiles.length > 0 ? findSessions(files, args.profiles, failures) : profiles.findSessions(files);
  if (sessions.length === 0 && failures.length === 0) throw noSessions(files);
  const now = Date.now();
  const all = sessions.map((session) => checkSession(session, args.within, now));
  const due = all.filter(({ state }) => state !== 'valid');
  if (args.json) print(report.checkJson(all, findNotes));
  else if (!args.notify) {
    print(report.checkLines(all, now, process.stdout.isTTY && !env.NO_COLOR));
    for (const session of sessions) {
      noteRoles(args.profiles, session);
      findNotes(session).forEach(note);
    }
  }
  if (args.notify && due.length > 0) {
    const text = report.reminder(due);
    note(text);
    const { notify } = await import('./lib/notify');
    await notify(text, process.platform, process.getuid?.(), env);
  }
  return failures.length > 0 ? report.exitStatus(failures) : due.length > 0 ? 3 : 0;
}

function makeTarget(
  { credentials, credentialsPath }: profiles.Files,
  sessions: readonly profiles.SessionProfile[],
): Target {
  const own = new Set(sessions.map(({ name }) => name));
  const others = [...credentials.sections.keys()].filter((name) => !own.has(name));
  return { path: credentialsPath, shown: credentials.path, others };
}

async function clear(files: profiles.Files, names: readonly string[]): Promise<number> {
  const failures: unknown[] = [];
  const sessions = findSessions(files, names, failures);
  const target = makeTarget(files, sessions);
  for (const session of sessions) {
    noteRoles(names, session);
    try {
      profiles.checkTarget(files.credentials, session.name);
      await saveCredentials(
        target,
        (document) => {
          profiles.checkTarget(document, session.name);
          return unsplice(document, session.name, profiles.sessionKeys);
        },
        Date.now,
      );
      const now = Date.now();
      print(report.clearedLine(session, checkSession(session, 0, now), target.shown, now));
    } catch (error) {
      fail(failures, error);
    }
  }
  return report.exitStatus(failures);
}

interface Plan {
  readonly identity: profiles.Identity;
  readonly duration: number | undefined;
  /** Certificate authorities to trust beside Node's own, PEM. */
  readonly ca: string | undefined;
  readonly ask: CodeSource;
  /** How many codes the source may be asked for when STS does not accept one. */
  readonly attempts: number;
}

/** Everything that can fail without a code fails first, for all profiles; then they are refreshed one after the other. */
async function refresh(args: Args, files: profiles.Files, names: readonly string[]): Promise<number> {
  const failures: unknown[] = [];
  const otp = await import('./lib/otp');
  const tokenCode = args.tokenCode === undefined ? undefined : otp.parseTokenCode(args.tokenCode);
  const pipe = otp.openPipe(process);
  const codes = ({ session, serial, mfaProcess }: profiles.Identity): Pick<Plan, 'ask' | 'attempts'> => {
    if (tokenCode !== undefined) return { ask: async () => tokenCode, attempts: 1 };
    if (mfaProcess) return { ask: otp.processSource(mfaProcess, env), attempts: 2 };
    if (!isatty(0)) return { ask: pipe.source(session.name), attempts: 1 };
    if (!isatty(2)) {
      const what = `cannot ask for the code of ${session.name}: the question goes to stderr, which is no terminal`;
      throw new UserError('usage', what, 'do not redirect stderr, or give --token-code');
    }
    const message = `OTP for ${session.name} (${serial}):`;
    return { ask: otp.terminalSource(message, process), attempts: 3 };
  };

  const now = Date.now();
  const plans: Plan[] = [];
  for (const session of findSessions(files, names, failures)) {
    const status = checkSession(session, args.within, now);
    if (args.ifNeeded && status.state === 'valid') {
      print(report.validLine(status, now));
      continue;
    }
    noteRoles(names, session);
    try {
      const identity = profiles.findIdentity(files, session, env, args.serialNumber);
      const { duration, caBundle } = identity;
      const configured = duration && parseDuration(duration.value, `duration_seconds of ${duration.where}`, 'config');
      const ca = caBundle === undefined ? undefined : profiles.readBundle(caBundle, home);
      plans.push({ identity, duration: args.duration ?? configured, ca, ...codes(identity) });
    } catch (error) {
      fail(failures, error);
    }
  }
  const target = makeTarget(
    files,
    plans.map(({ identity }) => identity.session),
  );
  try {
    if (plans.length > 0) prepareTarget(target).forEach(note);
  } catch (error) {
    fail(failures, error);
    return report.exitStatus(failures);
  }

  let written = false;
  for (const plan of plans) {
    const { session } = plan.identity;
    try {
      const made = await getSession(plan);
      await save(target, session.name, made);
      written = true;
      print(report.refreshedLines(session, made.expires, target.shown, Date.now()));
      if (!session.written) findNotes(session).forEach(note);
    } catch (error) {
      fail(failures, error);
      if (report.exitStatus(failures) === 130) return 130;
    }
  }
  pipe.close();
  const hiding = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'].filter((name) => env[name]);
  if (written && hiding.length > 0) {
    note(
      `${hiding.join(', ')} in the environment hide the profiles from the aws command and the SDKs: unset ${hiding.join(' ')}`,
    );
  }
  return report.exitStatus(failures);
}

/** Asks, and while the person types loads the SDK, fetches the keys and connects; then exchanges the code for a session. */
async function getSession({ identity, duration, ca, ask, attempts }: Plan): Promise<Session> {
  const cancel = new AbortController();
  let code = ask(cancel.signal);
  let isWaiting = true;
  code.then(
    () => {
      isWaiting = false;
    },
    () => {},
  );
  await new Promise((shown) => setImmediate(shown));
  const { getKeys, openSts, WrongCode } = await loadSts();
  loadWriter().catch(() => {});
  const keys = getKeys(identity.keys, env);
  const sts = openSts(identity, keys, env, ca, Date.now);
  const ready = Promise.all([sts, keys]);
  const failed = ready.then(() => new Promise<never>(() => {}));
  // a code must not be typed for nothing
  failed.catch(() => cancel.abort());
  sts.then((opened) => isWaiting && opened.prepare()).catch(() => {});
  try {
    for (let attempt = 1; ; attempt++) {
      const typed = await Promise.race([failed, code]);
      await ready;
      try {
        return await (await sts).getSession(typed, duration);
      } catch (error) {
        if (!(error instanceof WrongCode) || attempt === attempts) throw error;
        stderr(report.errorLines(error));
      }
      if (identity.mfaProcess) await nextCode();
      code = ask(cancel.signal);
    }
  } finally {
    await sts.then(
      (opened) => opened.close(),
      () => {},
    );
  }
}

/**
 * The SDK would warn about old Nodes at every call, and read both files again for settings of `AWS_PROFILE` or `[default]`,
 * which are not this call's; with `DEBUG` the proxy's agent would print the proxy's password.
 */
function loadSts() {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  process.env.AWS_CONFIG_FILE = devNull;
  process.env.AWS_SHARED_CREDENTIALS_FILE = devNull;
  delete process.env.DEBUG;
  return import('./lib/sts');
}

/** Devices show a new code every 30 seconds of the clock (RFC 6238). */
async function nextCode(): Promise<void> {
  const wait = 30_000 - (Date.now() % 30_000);
  note(`asking mfa_process again in ${Math.ceil(wait / 1000)} s, when there is a new code`);
  await new Promise((resume) => setTimeout(resume, wait));
}

/** Long-lived keys may have been put there since the file was read first, so the section is looked at again. */
function save(target: Target, name: string, session: Session): Promise<void> {
  const values = {
    aws_access_key_id: session.accessKeyId,
    aws_secret_access_key: session.secretAccessKey,
    aws_session_token: session.sessionToken,
    x_security_token_expires: report.timestamp(session.expires),
    aws_security_token: undefined,
  };
  return saveCredentials(
    target,
    (document) => {
      profiles.checkTarget(document, name);
      return splice(document, name, values);
    },
    Date.now,
  );
}

// Node would print all that hangs on such an error, and on one of the SDK hang the call and its answer
process.on('uncaughtException', (error) => {
  stderr(report.errorLines(error));
  process.exit(1);
});
// a full disk or a limit on file sizes must end in an error, not in a signal
process.on('SIGXFSZ', () => {});
// a promise that never settles would end the process with 0
process.exitCode = 1;
main()
  .catch((error) => {
    stderr(report.errorLines(error));
    return report.exitStatus([error]);
  })
  .then((status) => {
    process.exitCode = status;
  });
