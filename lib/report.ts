// Outcomes as lines for a person, as JSON, and as the exit status. Pure: lib/streams.ts makes the text printable and colors it.
import { few, shellWord, systemCode, UserError } from './errors';
import type { SessionProfile } from './profiles';
import { type State, type Status, timestamp } from './session';
import type { Part, Text } from './streams';

/** A session profile, and what the credentials file says about its session. */
export type Checked = Readonly<{ session: SessionProfile; status: Status }>;

/** What the lines of one run share: the time in ms, the credentials file as shown, the length of the longest name. */
export type Run = Readonly<{ now: number; path: string; width: number }>;

const statuses = { usage: 2, config: 2, file: 1, network: 1, aws: 1, interrupted: 130 } as const;

/** 130 after an interruption, else the status of the first failure, else 0. */
export function exitStatus(failures: readonly unknown[]): number {
  const all = failures.map((error) => (error instanceof UserError ? statuses[error.code] : 1));
  return all.includes(130) ? 130 : (all[0] ?? 0);
}

/** An error and its hints. */
export function errorText(error: unknown): string {
  const hints = error instanceof UserError ? error.hints : [];
  const lines = [`refresh-mfa: error: ${describe(error)}`, ...hints.map((hint) => `hint: ${hint}`)];
  return lines.map((line) => `${oneLine(line)}\n`).join('');
}

export function noteText(note: string): string {
  return `refresh-mfa: note: ${oneLine(note)}\n`;
}

/** Of an unexpected error only class, code and place, as `TypeError ERR_X at refresh.js:12:3`: its text may quote a key. */
function describe(error: unknown): string {
  if (error instanceof UserError) return error.message;
  const { name, stack } = error instanceof Error ? { name: error.constructor.name, stack: error.stack } : Error('');
  const code = /^[A-Z][A-Z_]+$/.exec(systemCode(error))?.[0];
  const place = /^ {4}at (?!.*\bnode:).*?([\w.-]+:\d+:\d+)\)?$/m.exec(stack ?? '')?.[1];
  return `${[name, code, place && `at ${place}`].filter(Boolean).join(' ')} (unexpected: please report it)`;
}

/** A name with a line break in it must not look like two lines. */
function oneLine(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ');
}

function startLine({ name }: SessionProfile, { width }: Run): string {
  return `${oneLine(name)}:`.padEnd(width + 1);
}

/** The line of a new session that lasts so many seconds; where its section is new, also the roles that work from now on. */
export function refreshedText(session: SessionProfile, expires: Date, lasts: number, run: Run): Text {
  const start = startLine(session, run);
  const line = `${start} session until ${moment(expires, run.now)} (${span(lasts)}), written to ${run.path}\n`;
  const isKnown = session.section || session.roles.length === 0;
  const users = isKnown ? '' : `${start} role profiles that use it: ${few(session.roles)}\n`;
  return [{ text: '✓ ', color: 'green', plain: '' }, line, users];
}

/** The line of a session that --if-needed left alone. */
export function validText({ session, status }: Checked, run: Run): string {
  const left = span(status.secondsLeft ?? 0);
  return `${startLine(session, run)} session valid ${describeEnd(status, run.now)} (${left} left)\n`;
}

/** `status` is what the file said before the session was removed. */
export function clearedText({ session, status }: Checked, run: Run): string {
  const end = status.expires ? describeEnd(status, run.now) : 'until it expires';
  const rest = status.state === 'expired' ? 'it has expired' : `AWS accepts it ${end}`;
  const what = status.state === 'never' ? `no session in ${run.path}` : `session removed from ${run.path}; ${rest}`;
  return `${startLine(session, run)} ${what}\n`;
}

/** What a person should know about a session just granted, in seconds; `clockAhead` is negative where their clock is behind. */
export function findGrantNotes(lasts: number, asked: number, clockAhead: number): string[] {
  const reason = lasts > 3600 ? '' : ': root user keys get one hour at most';
  const off = `${span(Math.abs(clockAhead))} ${clockAhead > 0 ? 'ahead of' : 'behind'} STS`;
  // the end is cut to whole seconds
  const short = lasts < asked - 60 && `STS granted ${span(lasts)} instead of ${span(asked)}${reason}`;
  const clock = clockAhead !== 0 && `this computer's clock is ${off}: set it, or --check is wrong`;
  return [short, clock].filter((note) => note !== false);
}

/** The one line that stands for the notes when a section is new. */
export function countNotes(name: string, count: number): string {
  return `${count} ${count === 1 ? 'note' : 'notes'} on this layout: refresh-mfa --check ${typed([name])}`;
}

const colors: Readonly<Record<State, Part['color']>> = { valid: 'green', due: 'yellow', expired: 'red', never: 'red' };

/** One aligned line a session. */
export function checkText(all: readonly Checked[], now: number): Text {
  const names = all.map(({ session }) => oneLine(session.name));
  const ends = all.map(({ status }) => describeEnd(status, now));
  const nameWidth = Math.max(...names.map(({ length }) => length));
  const endWidth = Math.max(...ends.map(({ length }) => length));
  return all.flatMap(({ status: { state, secondsLeft } }, row) => {
    const left = secondsLeft ? `${span(secondsLeft)} left` : '';
    const text = state === 'never' ? 'never refreshed' : state.padEnd(7);
    const rest = `  ${ends[row]?.padEnd(endWidth)}  ${left}`.trimEnd();
    return [`${names[row]?.padEnd(nameWidth)}  `, { text, color: colors[state] }, `${rest}\n`];
  });
}

function describeEnd({ state, expires }: Status, now: number): string {
  if (state === 'never') return '';
  return expires ? `${state === 'expired' ? 'since' : 'until'} ${moment(expires, now)}` : 'end not recorded';
}

/** The document of --json; its shape only ever grows. */
export function checkJson(all: readonly Checked[], notes: (session: SessionProfile) => readonly string[]): string {
  const sessions = all.map(({ session, status: { state, expires, secondsLeft = null } }) => ({
    profile: session.name,
    source: session.source ?? null,
    state,
    expires: expires ? timestamp(expires) : null,
    secondsLeft,
    roles: session.roles,
    notes: notes(session),
  }));
  // JSON.stringify leaves these as they are, and they would be printed as blanks
  const unicode = (character: string) => `\\u00${character.charCodeAt(0).toString(16)}`;
  return `${JSON.stringify({ sessions }, undefined, 2).replace(/[\x7f-\x9f]/g, unicode)}\n`;
}

const dueWords = { valid: '', due: 'is about to expire', expired: 'has expired', never: 'does not exist yet' };

/** What --notify says: what is due and the command to type, and why the check failed. */
export function reminder(due: readonly Checked[], failures: readonly unknown[]): string {
  const names = due.map(({ session }) => session.name);
  const [one] = due.map(({ session, status }) => `the session of ${session.name} ${dueWords[status.state]}`);
  const what = due.length > 1 ? `the sessions of ${few(names)} are due` : one;
  const type = `type refresh-mfa ${names.length > 5 ? '--check' : typed(names)}`;
  const why = failures.length > 0 && `the check failed: ${describe(failures[0])}`;
  return oneLine([what && `${what}: ${type}`, why].filter(Boolean).join('; '));
}

/** Names as arguments in a shell. */
export function typed(names: readonly string[]): string {
  return [...(names.some((name) => name.startsWith('-')) ? ['--'] : []), ...names.map(shellWord)].join(' ');
}

/** Local time: `20:31`, `tomorrow 08:31`, `2026-11-20 08:31`. */
function moment(date: Date, now: number): string {
  const local = (date: Date) => new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
  const [day = '', time = ''] = local(date).split(/[T.]/);
  const days = (Date.parse(day) - Date.parse(local(new Date(now)).slice(0, 10))) / 86_400_000;
  const word = days === 0 ? '' : days === 1 ? 'tomorrow ' : days === -1 ? 'yesterday ' : `${day} `;
  return `${word}${time.slice(0, 5)}`;
}

/** Seconds as `12 h`, `1 h 30 min`, `45 min`, `less than a minute`. */
function span(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return [hours && `${hours} h`, rest && `${rest} min`].filter(Boolean).join(' ') || 'less than a minute';
}
