import type { Status } from './check';
import { type ErrorCode, few, shellWord, systemCode, UserError } from './errors';
import type { SessionProfile } from './profiles';

const statuses: Readonly<Record<ErrorCode, number>> = {
  usage: 2,
  config: 2,
  file: 1,
  network: 1,
  aws: 1,
  interrupted: 130,
};

/** The exit status of a run: an interruption's, else that of the first thing that failed, else 0. */
export function exitStatus(failures: readonly unknown[]): number {
  const all = failures.map((error) => (error instanceof UserError ? statuses[error.code] : 1));
  return all.includes(130) ? 130 : (all[0] ?? 0);
}

/** An error and its hints as lines of stderr. */
export function errorLines(error: unknown): string {
  if (!(error instanceof UserError)) return `refresh-mfa: error: ${kindOf(error)} (unexpected: please report it)\n`;
  return [`error: ${error.message}`, ...error.hints.map((hint) => `hint: ${hint}`)].map(prefixed).join('');
}

/** Class, code and place, as `TypeError ERR_INVALID_ARG_TYPE at sections.js:12:3`: any other text of it may quote a key. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no error was thrown';
  const code = /^[A-Z][A-Z_]+$/.exec(systemCode(error))?.[0];
  const place = /^ {4}at (?!.*\bnode:).*?([\w.-]+:\d+:\d+)\)?$/m.exec(error.stack ?? '')?.[1];
  return [error.constructor.name, code, place && `at ${place}`].filter(Boolean).join(' ');
}

export function noteLine(note: string): string {
  return prefixed(`note: ${note}`);
}

function prefixed(text: string): string {
  return `refresh-mfa: ${printable(text)}\n`;
}

/** Names come from files and arguments; nothing in them may steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}

/** The line of a session just made, and, when its section is new, one with the role profiles that work from now on. */
export function refreshedLines(session: SessionProfile, expires: Date, path: string, now: number): string {
  const left = (expires.getTime() - now) / 1000;
  const line = `${session.name}: session until ${moment(expires, now)} (${span(left)}), written to ${path}\n`;
  const roles = session.roles.map(({ name }) => name);
  if (session.written || roles.length === 0) return line;
  return `${line}${session.name}: role profiles that use it: ${few(roles)}\n`;
}

/** The line of a session that --if-needed left alone. */
export function validLine({ session, expires, secondsLeft }: Status, now: number): string {
  return `${session.name}: session valid until ${expires ? moment(expires, now) : '?'} (${span(secondsLeft ?? 0)} left)\n`;
}

export function clearedLine(session: SessionProfile, { expires, state }: Status, path: string, now: number): string {
  if (!session.hasSession) return `${session.name}: no session in ${path}\n`;
  const still =
    state === 'expired' ? 'it has ended' : `AWS honours it until ${expires ? moment(expires, now) : 'it ends'}`;
  return `${session.name}: session removed from ${path}; ${still}\n`;
}

/** One aligned line a session. */
export function checkLines(all: readonly Status[], now: number, colour: boolean): string {
  const rows = all.map((status) => ({ status, name: printable(status.session.name), when: when(status, now) }));
  const widest = (column: 'name' | 'when') => rows.reduce((width, row) => Math.max(width, row[column].length), 0);
  const [nameWidth, whenWidth] = [widest('name'), widest('when')];
  const lines = rows.map(({ status: { state, secondsLeft }, name, when }) => {
    const word = (state === 'never' ? 'never refreshed' : state).padEnd(7);
    const left = secondsLeft ? `${span(secondsLeft)} left` : '';
    return `${name.padEnd(nameWidth)}  ${colour ? paint(word, state) : word}  ${when.padEnd(whenWidth)}  ${left}`.trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

function when({ state, expires }: Status, now: number): string {
  if (state === 'never') return '';
  if (!expires) return 'end not recorded';
  return `${state === 'expired' ? 'since' : 'until'} ${moment(expires, now)}`;
}

function paint(word: string, state: Status['state']): string {
  return `\x1b[${state === 'valid' ? 32 : state === 'due' ? 33 : 31}m${word}\x1b[39m`;
}

/** The document of --json; the README describes its shape, which only ever grows. */
export function checkJson(all: readonly Status[], notes: (session: SessionProfile) => readonly string[]): string {
  const sessions = all.map(({ session, state, expires, secondsLeft }) => ({
    profile: session.name,
    source: session.source ?? null,
    state,
    expires: expires ? timestamp(expires) : null,
    secondsLeft: secondsLeft ?? null,
    roles: session.roles.map(({ name }) => name),
    notes: notes(session),
  }));
  return `${JSON.stringify({ sessions }, undefined, 2)}\n`;
}

/** What the reminder says; it names the command to type. */
export function reminder(due: readonly Status[]): string {
  const names = due.map(({ session }) => session.name);
  const words = [...(names.some((name) => name.startsWith('-')) ? ['--'] : []), ...names.map(shellWord)];
  const [first] = due;
  const what =
    names.length > 1
      ? `the sessions of ${names.join(', ')} are due`
      : `the session of ${names[0]} ${first?.state === 'expired' ? 'has expired' : first?.state === 'never' ? 'is not there yet' : 'is about to end'}`;
  return `${what}: type refresh-mfa ${words.join(' ')}`;
}

/** RFC 3339 in UTC, to the second: what `x_security_token_expires` holds. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Local time: `20:31`, `tomorrow 08:31`, `2026-11-20 08:31`. */
function moment(date: Date, now: number): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const today = new Date(now);
  const day = new Date(today.getFullYear(), today.getMonth(), today.getDate());
  const days = Math.round(
    (new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() - day.getTime()) / 86_400_000,
  );
  if (days === 0) return time;
  if (days === 1) return `tomorrow ${time}`;
  if (days === -1) return `yesterday ${time}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** Seconds as `12 h`, `1 h 30 min`, `45 min`, `less than a minute`. */
function span(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return 'less than a minute';
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return [hours > 0 ? `${hours} h` : '', rest > 0 ? `${rest} min` : ''].filter(Boolean).join(' ');
}
