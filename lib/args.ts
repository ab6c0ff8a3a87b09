import { parseArgs } from 'node:util';
import { UserError } from './errors';

/** What was typed, checked as far as it can be without looking at a file. Times are in seconds. */
export interface Args {
  readonly mode: 'refresh' | 'check' | 'clear' | 'completion' | 'help' | 'version';
  readonly profiles: readonly string[];
  readonly duration?: number;
  readonly tokenCode?: string;
  readonly serialNumber?: string;
  readonly ifNeeded: boolean;
  readonly within: number;
  readonly json: boolean;
  readonly notify: boolean;
  readonly shell?: Shell;
}

/** `names` is what the three scripts call: it prints the profiles to complete with. */
export type Shell = 'bash' | 'zsh' | 'fish' | 'names';

export interface Option {
  readonly name: string;
  readonly short?: string;
  /** The name of its value in the help; an option without one is a switch. */
  readonly value?: string;
  readonly help: string;
}

/** The one list of options: parsing, `--help` and the completion scripts are made from it. */
export const options: readonly Option[] = [
  {
    name: 'duration',
    short: 'd',
    value: 'time',
    help: 'length of the session: 900, 45m, 12h; 15m to 36h, default 12h',
  },
  { name: 'token-code', short: 't', value: 'code', help: 'the one-time password, instead of asking; one profile only' },
  { name: 'serial-number', short: 's', value: 'arn', help: 'the MFA device, instead of the configured one' },
  { name: 'check', short: 'c', help: 'change nothing, ask nothing: report the sessions; exit 3 when one is due' },
  { name: 'if-needed', short: 'n', help: 'refresh only the sessions that --check would call due' },
  { name: 'within', short: 'w', value: 'time', help: 'due means less than this left; default 15m' },
  { name: 'json', help: 'with --check: one JSON document on stdout' },
  { name: 'notify', help: 'with --check: silent unless something is due, then a desktop notification too' },
  { name: 'clear', help: 'remove what the tool wrote from the named sections, and nothing else' },
  { name: 'completion', value: 'shell', help: 'print the completion script for bash, zsh or fish' },
  { name: 'help', short: 'h', help: 'print this help' },
  { name: 'version', short: 'V', help: 'print the version' },
];

const seeHelp = 'refresh-mfa --help lists the options';

/** @throws UserError `usage` */
export function parse(argv: readonly string[]): Args {
  const { values, positionals: profiles } = tokenize(argv);
  const text = (name: string) => values[name] as string | undefined;
  const modes = (['help', 'version', 'completion', 'check', 'clear'] as const).filter(
    (name) => values[name] !== undefined,
  );
  const mode = modes[0] ?? 'refresh';
  if (mode === 'help' || mode === 'version')
    return { mode, profiles, ifNeeded: false, within: 0, json: false, notify: false };

  const refused = Object.keys(values).find((name) => !allowed[mode].includes(name) && name !== mode);
  if (refused) {
    const message =
      mode === 'refresh' ? `--${refused} goes with ${companions(refused)}` : `--${refused} does not go with --${mode}`;
    throw new UserError('usage', message, seeHelp);
  }
  if (values.within !== undefined && mode === 'refresh' && !values['if-needed']) {
    throw new UserError('usage', '--within goes with --check or --if-needed', seeHelp);
  }
  if (mode === 'completion' && profiles.length > 0) {
    throw new UserError('usage', '--completion takes the name of a shell and nothing else', seeHelp);
  }
  if (text('token-code') !== undefined && profiles.length > 1) {
    throw new UserError(
      'usage',
      '--token-code goes with one profile: each code is good once',
      'name one profile a run, or leave out --token-code',
    );
  }
  const duration = text('duration');
  const tokenCode = text('token-code');
  const serialNumber = text('serial-number');
  const shell = text('completion');
  return {
    mode,
    profiles: [...new Set(profiles)],
    ...(duration !== undefined && { duration: parseDuration(duration, '--duration', 'usage') }),
    ...(tokenCode !== undefined && { tokenCode }),
    ...(serialNumber !== undefined && { serialNumber }),
    ...(shell !== undefined && { shell: parseShell(shell) }),
    ifNeeded: values['if-needed'] === true,
    within: parseWithin(text('within') ?? '15m'),
    json: values.json === true,
    notify: values.notify === true,
  };
}

const allowed: Readonly<Record<Args['mode'], readonly string[]>> = {
  refresh: ['duration', 'token-code', 'serial-number', 'if-needed', 'within'],
  check: ['within', 'json', 'notify'],
  clear: [],
  completion: [],
  help: [],
  version: [],
};

function companions(name: string): string {
  return Object.entries(allowed)
    .filter(([, names]) => names.includes(name))
    .map(([mode]) => `--${mode}`)
    .join(' or ');
}

function tokenize(argv: readonly string[]) {
  const config = Object.fromEntries(
    options.map(({ name, short, value }) => [
      name,
      { type: value ? ('string' as const) : ('boolean' as const), ...(short && { short }) },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options: config, allowPositionals: true });
  } catch (error) {
    throw new UserError('usage', inOurWords(error as Error), seeHelp);
  }
}

/** Node's own sentences are long and point to its documentation. */
function inOurWords(error: Error): string {
  const [, option = ''] = /'(?:-\w, )?(-[^\s']*)/.exec(error.message) ?? [];
  if (/^Unknown option/.test(error.message)) return `there is no option ${option}`;
  if (/argument missing|is ambiguous/.test(error.message)) return `${option} needs a value`;
  if (/does not take an argument/.test(error.message)) return `${option} takes no value`;
  return error.message;
}

function parseShell(text: string): Shell {
  if (text === 'bash' || text === 'zsh' || text === 'fish' || text === 'names') return text;
  throw new UserError('usage', `no completion for "${text}"`, 'bash, zsh and fish have one');
}

function parseWithin(text: string): number {
  const seconds = parseTime(text);
  if (seconds !== undefined && seconds <= 36 * 3600) return seconds;
  throw new UserError('usage', `--within "${text}" is not a time up to 36h`, 'write it as 900 (seconds), 15m or 2h');
}

/**
 * The length of a session in seconds; `name` says where it was written.
 * @throws UserError when STS would not take it: GetSessionToken allows 900 to 129600 seconds
 */
export function parseDuration(text: string, name: string, code: 'usage' | 'config'): number {
  const seconds = parseTime(text);
  if (seconds !== undefined && seconds >= 900 && seconds <= 129_600) return seconds;
  throw new UserError(code, `${name} "${text}" is not a time from 15m to 36h`, 'write it as 900 (seconds), 45m or 12h');
}

function parseTime(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,6})([smh]?)$/.exec(text.trim()) ?? [];
  return number === undefined ? undefined : Number(number) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
}

/** What `--help` prints. */
export function help(): string {
  const rows = options.map(({ name, short, value, help }) => {
    const left = `${short ? `-${short}, ` : '    '}--${name}${value ? ` <${value}>` : ''}`;
    return `  ${left.padEnd(28)}${help}\n`;
  });
  return `Usage: refresh-mfa [options] [profile ...]

Asks for the one-time password of your MFA device, calls STS GetSessionToken with the
long-lived keys of the profile's source, and writes the session's keys to the profile's
section of ~/.aws/credentials. Role profiles with source_profile = <profile> then work
in the aws command, the SDKs and Terraform until the session ends.

${rows.join('')}
Without a profile: $AWS_PROFILE, else the only session profile there is, else a list to
choose from. --check without a profile reports all of them.

Exit status: 0 done, 1 AWS, the network or the file said no, 2 usage or configuration,
3 --check found a session due, 130 interrupted.
`;
}
