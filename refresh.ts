#!/usr/bin/env node
// The entry: the only file that touches the process, the home folder and the clock. It picks the command, and sets the exit status.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { type Cure, findCure, findNotes, findRemedies } from './lib/advice';
import { type Args, explainHabit, help, options, parse } from './lib/args';
import { loadWriter, prepareTarget, saveCredentials, type Target } from './lib/credentials';
import { few, refuse, shellWord, UserError } from './lib/errors';
import type { Plan } from './lib/exchange';
import { type Files, readBundle, readFiles, readIsPatchable } from './lib/files';
import { type Identity, requireIdentity } from './lib/identity';
import type { SessionProfile } from './lib/profiles';
import * as profiles from './lib/profiles';
import * as report from './lib/report';
import { checkSession, clear, write } from './lib/session';
import type { Environment } from './lib/shell';
import { openStream } from './lib/streams';

type ArgsOf<Mode> = Extract<Args, { mode: Mode }>;

const env: Environment = { ...process.env };
const home = homedir();
const print = openStream(process.stdout, env.NO_COLOR);
const printError = openStream(process.stderr, env.NO_COLOR);
const printNote = (note: string) => printError(report.noteText(note));
const ended = new AbortController();
/** What went wrong; each is printed when it happens, and the run goes on with the next profile. */
const failures: unknown[] = [];
let isDue = false;

function fail(error: unknown): void {
  failures.push(error);
  printError(report.errorText(error));
}

async function main(): Promise<void> {
  const args = parse(process.argv.slice(2));
  if (args.mode === 'help') return print(help());
  if (args.mode === 'version') return print(`${readVersion()}\n`);
  if (args.mode === 'check') return check(args);
  if (args.mode === 'completion') {
    const { namesText, scripts } = await import('./lib/completion');
    const { shell } = args;
    return print(shell === 'names' ? namesText(profiles.findSessions(readFiles(env, home))) : scripts[shell](options));
  }
  const files = readFiles(env, home);
  const isTyped = args.profiles.length > 0;
  const variable = ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE'].find((variable) => !isTyped && env[variable]);
  const names = isTyped ? args.profiles : [env[variable ?? ''] ?? (await chooseName(files))];
  const sessions = findNamed(files, names, variable);
  printRoles(names, sessions);
  return args.mode === 'clear' ? clearAll(files, sessions) : refresh(args, files, sessions);
}

function readVersion(): string {
  return JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')).version;
}

/** For when neither the command line nor the environment names a profile. */
async function chooseName(files: Files): Promise<string> {
  const name = profiles.findOnlySession(files);
  if (name) return name;
  const names = profiles.findSessionNames(files);
  if (names.length === 0) throw explainNoSessions(files);
  if (!isatty(0) || !isatty(2)) throw new UserError('usage', 'which profile?', `session profiles: ${few(names)}`);
  const { chooseProfile } = await import('./lib/otp');
  return chooseProfile(names, process, ended.signal);
}

function explainNoSessions({ config, credentials }: Files): UserError {
  const what = `no session profile in ${config.path} or ${credentials.path}`;
  return refuse(what, 'for the steps to set one up: refresh-mfa <profile>');
}

/** The session profiles behind the names, each once; `variable` is where a name comes from that nobody typed. */
function findNamed(files: Files, names: readonly string[], variable?: string): SessionProfile[] {
  const sessions = new Map<string, SessionProfile>();
  for (const name of names) {
    try {
      const session = profiles.requireSession(files, name);
      sessions.set(session.name, session);
    } catch (error) {
      const habit = files.names.has(name) ? undefined : explainHabit(name);
      // something else was meant: no profile is touched
      if (habit) throw habit;
      const isNamed = variable && error instanceof UserError;
      fail(isNamed ? new UserError(error.code, `${variable}: ${error.message}`, error.hints) : error);
    }
  }
  return [...sessions.values()];
}

function printRoles(names: readonly string[], sessions: readonly SessionProfile[]): void {
  for (const { name, roles } of sessions) {
    for (const role of roles) if (names.includes(role)) printNote(`${role} is a role of ${name}`);
  }
}

/** Every outcome, also that the files cannot be read, is for --notify to tell. */
async function check({ profiles: names, within, json, notify }: ArgsOf<'check'>): Promise<void> {
  const now = Date.now();
  let all: report.Checked[] = [];
  try {
    const files = readFiles(env, home);
    const found = names.length > 0 ? findNamed(files, names) : profiles.findSessions(files);
    const sessions = found.filter(({ name }) => {
      const login = profiles.explainLogin(files, name);
      if (login) fail(login);
      return !login;
    });
    if (sessions.length === 0 && failures.length === 0) throw explainNoSessions(files);
    all = sessions.map((session) => ({ session, status: checkSession(session.section, within, now) }));
    if (json) print(report.checkJson(all, (session) => findNotes(files, session)));
    else if (!notify) {
      print(report.checkText(all, now));
      printRoles(names, sessions);
      for (const session of sessions) printNotes(files, session, names.length === 1);
    }
  } catch (error) {
    fail(error);
  }
  const due = all.filter(({ status }) => status.state !== 'valid');
  isDue = due.length > 0;
  if (notify && (isDue || failures.length > 0)) {
    const text = report.reminder(due, failures);
    printNote(text);
    const { notify } = await import('./lib/notify');
    await notify(text, process.platform, env, process.getuid?.());
  }
}

/** With the patch that mends what the notes say, if only this session was asked for. */
function printNotes(files: Files, session: SessionProfile, withPatch: boolean): void {
  const notes = findNotes(files, session);
  notes.forEach(printNote);
  if (notes.length === 0 || !withPatch) return;
  const cure = findCure(files, session, env);
  for (const remedy of findRemedies(files, session)) printError(`hint: ${remedy}\n`);
  if (cure) printPatch(files, `--check ${report.typed([session.name])}`, cure);
}

/** `args` are those that print this patch and nothing else. */
function printPatch({ config, credentials }: Files, args: string, { summary, diff }: Cure): void {
  const isReachable = [config, credentials].every((document) => readIsPatchable(document, home));
  // without -V none, the patch of macOS and BSD leaves the old file as credentials.orig
  const patch = process.platform === 'linux' ? 'patch' : 'patch -V none';
  const apply = isReachable
    ? `to apply it: refresh-mfa ${args} 2>&1 | ${patch} -p0 -d ~`
    : 'edit the files by hand: patch does not follow links or leave ~';
  printError(`hint: ${summary}\n${diff}hint: ${apply}\n`);
}

function makeTarget({ credentials, credentialsPath }: Files, sessions: readonly SessionProfile[]): Target {
  const others = [...credentials.sections.keys()].filter((name) => sessions.every((session) => session.name !== name));
  return { path: credentialsPath, shown: credentials.path, others };
}

function makeRun({ credentials }: Files, sessions: readonly SessionProfile[]): report.Run {
  const width = Math.max(...sessions.map(({ name }) => name.length));
  return { now: Date.now(), path: credentials.path, width };
}

async function clearAll(files: Files, sessions: readonly SessionProfile[]): Promise<void> {
  const target = makeTarget(files, sessions);
  for (const session of sessions) {
    try {
      clear(files.credentials, session.name);
      const status = checkSession(session.section, 0, Date.now());
      if (status.state !== 'never') await saveCredentials(target, (document) => clear(document, session.name));
      print(report.clearedText({ session, status }, makeRun(files, sessions)));
    } catch (error) {
      fail(error);
    }
  }
}

/** All that can fail without a code fails first, for all profiles; then they are refreshed one after the other. */
async function refresh(args: ArgsOf<'refresh'>, files: Files, sessions: readonly SessionProfile[]): Promise<void> {
  const otp = await import('./lib/otp');
  const pipe = otp.openPipe(process);
  const fixed = args.tokenCode === undefined ? undefined : otp.fixedSource(args.tokenCode);
  const makeSource = ({ session: { name }, serial, mfaProcess }: Identity) => {
    if (fixed) return fixed;
    if (mfaProcess) return otp.processSource(mfaProcess, env, Date.now, printNote);
    if (!isatty(0)) return pipe(name);
    if (isatty(2)) return otp.terminalSource(`OTP for ${name} (${serial}):`, process);
    const what = `cannot ask for the code of ${name}: stderr is not a terminal`;
    throw new UserError('usage', what, 'do not redirect stderr, or give --token-code');
  };
  const plans: Plan[] = [];
  for (const session of sessions) {
    const status = checkSession(session.section, args.within, Date.now());
    if (args.ifNeeded && status.state === 'valid') {
      print(report.validText({ session, status }, makeRun(files, sessions)));
      continue;
    }
    try {
      const identity = requireIdentity(files, session, env, args.serialNumber);
      const ca = identity.caBundle && readBundle(identity.caBundle, env, home);
      plans.push({ identity, duration: args.duration ?? identity.duration, ca, codes: makeSource(identity) });
    } catch (error) {
      failWithCure(error, files, session, args);
    }
  }
  if (plans.length === 0) return;
  const planned = plans.map(({ identity }) => identity.session);
  const target = makeTarget(files, planned);
  for (const note of await prepareTarget(target)) printNote(note);
  const { getSession } = await import('./lib/exchange');
  const printRefused = (error: UserError) => printError(report.errorText(error));
  const context = { env, runtime: process, signal: ended.signal, now: Date.now, printError: printRefused };
  let written = false;
  for (const plan of plans) {
    const { session } = plan.identity;
    try {
      const asked = getSession(plan, context);
      setImmediate(() => loadWriter().catch(() => {}));
      const granted = await asked;
      await saveCredentials(target, (document) => write(document, session.name, granted));
      written = true;
      print(report.refreshedText(session, granted.expires, granted.lasts, makeRun(files, sessions)));
      report.findGrantNotes(granted.lasts, plan.duration ?? 43_200, granted.clockAhead).forEach(printNote);
      const notes = session.section ? [] : findNotes(files, session);
      if (notes.length > 0) printNote(report.countNotes(session.name, notes.length));
    } catch (error) {
      fail(error);
      if (report.exitStatus(failures) === 130) return;
    }
  }
  const hiding = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'].filter((name) => env[name]);
  if (written && hiding.length > 0) printNote(`environment keys override your profiles: unset ${hiding.join(' ')}`);
}

/** Behind the error of a layout, the patch that cures it where there is one. */
function failWithCure(error: unknown, files: Files, session: SessionProfile, args: ArgsOf<'refresh'>): void {
  const { serialNumber, profiles } = args;
  const isLayout = error instanceof UserError && error.code === 'config';
  const cure = isLayout ? findCure(files, session, env, serialNumber) : undefined;
  const device = serialNumber === undefined ? '' : `--serial-number ${shellWord(serialNumber)} `;
  const words = device + report.typed([session.name]);
  const isOnly = profiles.length <= 1;
  fail(cure ? refuse((error as UserError).message, isOnly ? [] : `for the edits: refresh-mfa ${words}`) : error);
  if (cure && isOnly) printPatch(files, words, cure);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    // gives the terminal back and ends the children; then the signal does what it does
    ended.abort();
    process.kill(process.pid, signal);
  });
}
// Node would print all that hangs on such an error, and on one of the SDK hang the call and its answer
process.on('uncaughtException', (error) => {
  fail(error);
  process.exit(1);
});
// a full disk or a limit on file sizes must end in an error, not in a signal
process.on('SIGXFSZ', () => {});
// a promise that never settles would end the process with 0
process.exitCode = 1;
main()
  .catch(fail)
  .then(() => {
    process.exitCode = failures.length > 0 ? report.exitStatus(failures) : isDue ? 3 : 0;
  });
