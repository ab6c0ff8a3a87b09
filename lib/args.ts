// What was typed, checked as far as it can be without a file. No message repeats a value: it may be a code.
import { parseArgs } from 'node:util';
import { closest, UserError } from './errors';

/** One shape for each mode; times are in seconds. */
export type Args = Readonly<ReturnType<typeof parse>>;

/** `names` is what the three scripts call: it prints the profiles to complete with. */
const shells = ['bash', 'zsh', 'fish', 'names'] as const;

/** `value` is the name of its value in the help; an option without one is a switch. */
export type Option = Readonly<{ name: string; short?: string; value?: string; help: string }>;

/** The one list of options: parsing, `--help` and the completion scripts are made from it. */
export const options: readonly Option[] = [
  { name: 'profile', short: 'p', value: 'name', help: 'the same as a plain argument; may be repeated' },
  { name: 'duration', short: 'd', value: 'time', help: '15m to 36h, as 900, 45m or 12h; default 12h' },
  { name: 'token-code', short: 't', value: 'code', help: 'use this code (one profile only)' },
  { name: 'serial-number', short: 's', value: 'arn', help: 'use this MFA device, not the configured one' },
  { name: 'check', short: 'c', help: 'report sessions; exit 3 if one is due' },
  { name: 'if-needed', short: 'n', help: 'skip sessions that are still valid' },
  { name: 'within', short: 'w', value: 'time', help: 'due means it ends within this time; default 15m' },
  { name: 'json', help: 'with --check: print one JSON document' },
  { name: 'notify', help: 'with --check: silent; a desktop notification if due' },
  { name: 'clear', help: 'remove the keys of the session, and nothing else' },
  { name: 'completion', value: 'shell', help: 'print the completion script: bash, zsh or fish' },
  { name: 'help', short: 'h', help: 'print this help' },
  { name: 'version', short: 'V', help: 'print the version' },
];

const modes = ['help', 'version', 'completion', 'check', 'clear'] as const;

/** The options that go with a mode; none go with the others. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  check: ['within', 'json', 'notify'],
  refresh: ['duration', 'token-code', 'serial-number', 'if-needed', 'within'],
};

/** @throws UserError `usage` */
export function parse(argv: readonly string[]) {
  const { given, profiles } = tokenize(argv);
  const mode = modes.find((name) => given.has(name)) ?? ('refresh' as const);
  if (mode === 'help') return { mode };
  if (mode === 'version') return { mode };

  const refused = [...given.keys()].find((name) => name !== mode && !allowed[mode]?.includes(name));
  const why = mode === 'refresh' ? 'requires --check' : `cannot be used with --${mode}`;
  if (refused) throw usage(`--${refused} ${why}`);
  if (mode === 'clear') return { mode, profiles };
  if (mode === 'completion') {
    const shell = shells.find((name) => name === given.get('completion'));
    if (!shell) throw usage('--completion must be bash, zsh or fish');
    if (profiles.length > 0) throw usage('--completion takes no profile');
    return { mode, shell };
  }

  const within = parseTime(given.get('within') ?? '15m', 0);
  if (within === undefined) throw usage('--within must be a time up to 36h', 'write it as 900 (seconds), 15m or 2h');
  if (mode === 'check') return { mode, profiles, within, json: given.has('json'), notify: given.has('notify') };

  const ifNeeded = given.has('if-needed');
  if (given.has('within') && !ifNeeded) throw usage('--within requires --check or --if-needed');
  const tokenCode = given.get('token-code');
  const isShared = tokenCode !== undefined && profiles.length > 1;
  if (isShared) throw usage('--token-code takes one profile: a code works once', 'run refresh-mfa once per profile');
  const duration = given.has('duration') ? parseDuration(given.get('duration') ?? '') : undefined;
  return { mode, profiles, duration, tokenCode, serialNumber: given.get('serial-number'), ifNeeded, within };
}

function usage(message: string, hint = 'see refresh-mfa --help'): UserError {
  return new UserError('usage', message, hint);
}

/** The last value of each option ('' for a switch), and the profiles in the order typed, each once. */
function tokenize(argv: readonly string[]): { given: ReadonlyMap<string, string>; profiles: readonly string[] } {
  // accepted, since `aws` has it, but not listed
  const all: readonly Option[] = [...options, { name: 'duration-seconds', value: 'time', help: '' }];
  const config = all.map((option) => [option.name, { ...option, type: option.value ? 'string' : 'boolean' }] as const);
  const args = { args: [...argv], options: Object.fromEntries(config), strict: false, tokens: true } as const;
  const given = new Map<string, string>();
  const profiles = new Set<string>();
  for (const token of parseArgs(args).tokens) {
    if (token.kind === 'positional') profiles.add(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue, index } = token;
    const option = all.find((option) => option.name === name);
    if (!option) throw explainOption(rawName, argv[index] ?? rawName);
    if (!option.value && value !== undefined) throw usage(`${rawName} takes no value`);
    const lacksValue = value === undefined || (!inlineValue && /^-./.test(value));
    if (option.value && lacksValue) throw usage(`${rawName} needs a value`);
    if (name === 'profile') profiles.add(value ?? '');
    else given.set(name === 'duration-seconds' ? 'duration' : name, value ?? '');
  }
  return { given, profiles: [...profiles] };
}

/** What people type who know other tools. */
const habits: readonly (readonly [typed: RegExp, hint: string])[] = [
  [/^--(token|mfa-token|code)$/, 'use --token-code <code>'],
  [/^--(device|mfa-serial)$/, 'use --serial-number <arn>'],
  [/^--region$/, 'set it in the environment: AWS_REGION=<region> refresh-mfa'],
  [/^--force$/, 'leave it out: every run refreshes'],
  [/^(check|status|list)$/, 'to report sessions: refresh-mfa --check'],
  [/^clear$/, 'to remove a session: refresh-mfa --clear <profile>'],
  [/^help$/, 'to see the options: refresh-mfa --help'],
];

/** What a word means to people who know other tools; for a name that is no profile. */
export function explainHabit(word: string, what = `no profile "${word}"`): UserError | undefined {
  const isCode = /^\s*\d{3}\s*\d{3}\s*$|^-[\w-]*\d{6}/.test(word);
  if (isCode) return usage('a code needs --token-code', 'refresh-mfa --token-code <code> <profile>');
  const habit = habits.find(([typed]) => typed.test(word));
  return habit && usage(what, habit[1]);
}

/** `argument` is all that was typed, of which the option may be one letter. */
function explainOption(option: string, argument: string): UserError {
  const word = argument.replace(/=.*/s, '');
  const names = options.map(({ name }) => name);
  const [near] = closest(word.replace(/^-+/, ''), names);
  const what = `unknown option ${option}`;
  return explainHabit(word, what) ?? usage(what, near && `did you mean --${near}?`);
}

/**
 * The length of a session in seconds.
 * @param where the place in a file, as `~/.aws/config:7`; without it, the option was typed
 * @throws UserError when STS would not take it: GetSessionToken allows 900 to 129600 seconds
 */
export function parseDuration(text: string, where?: string): number {
  const time = parseTime(text, 900);
  if (time !== undefined) return time;
  const rule = 'must be from 15m to 36h';
  const message = where ? `duration_seconds ${rule} (${where})` : `--duration ${rule}`;
  throw new UserError(where ? 'config' : 'usage', message, 'write it as 900 (seconds), 45m or 12h');
}

/** Seconds, from `least` to 36 hours. */
function parseTime(text: string, least: number): number | undefined {
  const [, number, unit] = /^(\d{1,6})([smh]?)$/.exec(text.trim()) ?? [];
  const time = Number(number) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
  return time >= least && time <= 129_600 ? time : undefined;
}

/** What `--help` prints. */
export function help(): string {
  const rows = options.map(({ name, short, value, help }) => {
    const left = `${short ? `-${short}, ` : '    '}--${name}${value ? ` <${value}>` : ''}`;
    return `  ${left.padEnd(27)}${help}\n`;
  });
  return `Usage: refresh-mfa [options] [profile ...]

Asks for a code of your MFA device, gets a session from AWS STS, and writes its
keys to ~/.aws/credentials. Roles with source_profile = <profile> then work in
aws, the SDKs and Terraform until the session ends.

${rows.join('')}
Without a profile: $AWS_PROFILE, $AWS_DEFAULT_PROFILE, the only session profile,
or a list to choose from. --check without a profile reports all sessions.

Exit status: 0 done, 1 AWS, network or file error, 2 usage or configuration,
3 --check: a session is due, 130 interrupted.

Examples:
  refresh-mfa foobar                       ask for a code, write the session
  refresh-mfa --check                      report all sessions
  refresh-mfa -n foobar && terraform plan  refresh only if due
`;
}
