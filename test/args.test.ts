// What is typed, and what it means: tables, in process. test/cases/habits.txt shows some of it as a person sees it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Args, explainHabit, help, options, parse, parseDuration } from '../lib/args';
import { UserError } from '../lib/errors';

type Mode<Name> = Extract<Args, { mode: Name }>;

const none = { duration: undefined, tokenCode: undefined, serialNumber: undefined };
const refresh: Mode<'refresh'> = { mode: 'refresh', profiles: [], ...none, ifNeeded: false, within: 900 };
const check: Mode<'check'> = { mode: 'check', profiles: [], within: 900, json: false, notify: false };
const device = 'arn:aws:iam::123456789012:mfa/phone';

function split(line: string): string[] {
  return line === '' ? [] : line.split(' ');
}

describe('what is typed is understood', () => {
  const all = { duration: 3600, tokenCode: '123456', serialNumber: device };
  const rows: readonly (readonly [typed: string, args: Args])[] = [
    ['', refresh],
    ['foobar acme foobar', { ...refresh, profiles: ['foobar', 'acme'] }],
    ['c -p a b -pc --profile=d a -- -e --check', { ...refresh, profiles: ['c', 'a', 'b', 'd', '-e', '--check'] }],
    ['--profile=', { ...refresh, profiles: [''] }],
    ['-d36h', { ...refresh, duration: 129_600 }],
    ['--duration=15m -d 1h', { ...refresh, duration: 3600 }],
    ['--duration-seconds=3600 -d 2h', { ...refresh, duration: 7200 }],
    ['-t 012345 foobar', { ...refresh, profiles: ['foobar'], tokenCode: '012345' }],
    ['--token-code=', { ...refresh, tokenCode: '' }],
    ['--serial-number GAHT12345678', { ...refresh, serialNumber: 'GAHT12345678' }],
    ['-n --within 36h foobar', { ...refresh, ifNeeded: true, within: 129_600, profiles: ['foobar'] }],
    [`-n -d 1h -t 123456 -s ${device}`, { ...refresh, ...all, ifNeeded: true }],
    ['--check', check],
    ['-cw 0', { ...check, within: 0 }],
    ['--check --json', { ...check, json: true }],
    ['--notify --check -p a', { ...check, notify: true, profiles: ['a'] }],
    ['--clear foobar -p acme', { mode: 'clear', profiles: ['foobar', 'acme'] }],
    ['--completion bash', { mode: 'completion', shell: 'bash' }],
    ['--completion=zsh', { mode: 'completion', shell: 'zsh' }],
    ['--completion fish', { mode: 'completion', shell: 'fish' }],
    ['--completion names', { mode: 'completion', shell: 'names' }],
    // help and version count whatever else there is, help first
    ...['-h', '-h --version', '--check --json --help', '-t 123456 a b -h'].map(
      (typed) => [typed, { mode: 'help' }] as const,
    ),
    ...['-V', 'foobar --version', '-c -V'].map((typed) => [typed, { mode: 'version' }] as const),
  ];
  for (const [line, args] of rows) test(`refresh-mfa ${line}`, () => assert.deepEqual(parse(split(line)), args));
});

test('times are seconds, minutes or hours, from 15 minutes to 36 hours', () => {
  const times = { 900: '900 900s 15m', 3600: '1h 60m', 43200: '12h', 129600: '36h 2160m 129600' };
  for (const [time, texts] of Object.entries(times)) {
    for (const text of texts.split(' ')) assert.equal(parseDuration(text), Number(time), text);
  }
  const what = 'duration_seconds must be from 15m to 36h (~/.aws/config:7)';
  const error = new UserError('config', what, ['write it as 900 (seconds), 45m or 12h']);
  const wrong = ['0', '899', '14m', '129601', '37h', '1d', '1.5h', '1h30m', '12 h', '-900', '0x384', '9e2'];
  for (const text of [...wrong, '٩٠٠', 'PT1H', 'h', '', '9999999']) {
    assert.throws(() => parseDuration(text, '~/.aws/config:7'), error, text);
  }
});

describe('what cannot be meant is refused, in our own words, and no value is repeated', () => {
  const [token, serial] = ['use --token-code <code>', 'use --serial-number <arn>'];
  const within = ['--within must be a time up to 36h', 'write it as 900 (seconds), 15m or 2h'] as const;
  const rows: readonly (readonly [typed: string, message: string, hint?: string])[] = [
    ['--colour; --help --colour', 'unknown option --colour'],
    ['-x; -cx', 'unknown option -x'],
    ['--constructor', 'unknown option --constructor'],
    // the closest one
    ['--chekc', 'unknown option --chekc', 'did you mean --check?'],
    ['--Check', 'unknown option --Check', 'did you mean --check?'],
    ['-check', 'unknown option -e', 'did you mean --check?'],
    ['--profle=foobar', 'unknown option --profle', 'did you mean --profile?'],
    ['--serial foo', 'unknown option --serial', 'did you mean --serial-number?'],
    ['--dur 12h', 'unknown option --dur', 'did you mean --duration?'],
    // what other tools call it
    ['--token=123456', 'unknown option --token', token],
    ['--mfa-token 123456', 'unknown option --mfa-token', token],
    ['--code 123456', 'unknown option --code', token],
    [`--device ${device}`, 'unknown option --device', serial],
    [`--mfa-serial=${device}`, 'unknown option --mfa-serial', serial],
    ['--region us-west-2', 'unknown option --region', 'set it in the environment: AWS_REGION=<region> refresh-mfa'],
    ['--force foobar', 'unknown option --force', 'leave it out: every run refreshes'],
    // a code, wherever it was typed
    ['--otp=123456', 'unknown option --otp'],
    ['--123456; -123456; --token-code123456', 'a code needs --token-code', 'refresh-mfa --token-code <code> <profile>'],
    // values
    ['-d', '-d needs a value'],
    ['-t -c', '-t needs a value'],
    ['foobar -cp', '-p needs a value'],
    ['--check=yes', '--check takes no value'],
    ['--if-needed=', '--if-needed takes no value'],
    ['--duration 123456789', '--duration must be from 15m to 36h', 'write it as 900 (seconds), 45m or 12h'],
    ['-c --within 37h; -n -w 654321; -c -w 129601', ...within],
    ['--completion tcsh', '--completion must be bash, zsh or fish'],
    // what goes together
    ['--json', '--json requires --check'],
    ['--notify foobar', '--notify requires --check'],
    ['--within 1h foobar', '--within requires --check or --if-needed'],
    ['-c --duration 1h; -c --duration-seconds 900', '--duration cannot be used with --check'],
    [`--check --serial-number ${device}`, '--serial-number cannot be used with --check'],
    ['--check --if-needed', '--if-needed cannot be used with --check'],
    ['--check --clear', '--clear cannot be used with --check'],
    ['--clear --if-needed foobar', '--if-needed cannot be used with --clear'],
    ['--completion bash --check', '--check cannot be used with --completion'],
    ['--completion bash -p foobar', '--completion takes no profile'],
    ['-t 1 foobar -p acme', '--token-code takes one profile: a code works once', 'run refresh-mfa once per profile'],
  ];
  for (const [lines, message, hint = 'see refresh-mfa --help'] of rows) {
    const error = new UserError('usage', message, hint);
    test(lines, () => {
      for (const line of lines.split('; ')) assert.throws(() => parse(split(line)), error, line);
    });
  }
});

test('what is no profile may be a habit', () => {
  const checks = 'to report sessions: refresh-mfa --check';
  const clear = 'to remove a session: refresh-mfa --clear <profile>';
  const hints = { check: checks, status: checks, list: checks, clear, help: 'to see the options: refresh-mfa --help' };
  for (const [word, hint] of Object.entries(hints)) {
    assert.deepEqual(explainHabit(word), new UserError('usage', `no profile "${word}"`, hint));
  }
  const code = new UserError('usage', 'a code needs --token-code', 'refresh-mfa --token-code <code> <profile>');
  for (const word of ['123456', '123 456', ' 123456 ']) assert.deepEqual(explainHabit(word), code);
  for (const word of ['foobar', 'Check', 'checks', '12345', '123456789012', 'constructor', 'a-123456', '']) {
    assert.equal(explainHabit(word), undefined, word);
  }
});

test('the help lists these options, fits 80 columns, and has nothing that a completion script would have to quote', () => {
  // as the users know them: one that is missing here is missing in the README, too
  const lefts = [
    ...['-p, --profile <name>', '-d, --duration <time>', '-t, --token-code <code>', '-s, --serial-number <arn>'],
    ...['-c, --check', '-n, --if-needed', '-w, --within <time>', '    --json', '    --notify', '    --clear'],
    ...['    --completion <shell>', '-h, --help', '-V, --version'],
  ];
  const lines = help().split('\n');
  const listed = lines.filter((line) => /^ {2,6}-/.test(line));
  const expected = lefts.map((left, row) => `  ${left.padEnd(27)}${options[row]?.help}`);
  assert.deepEqual(listed, expected);
  assert.equal(lines[0], 'Usage: refresh-mfa [options] [profile ...]');
  assert.match(help(), /\n\nExamples:\n( {2}refresh-mfa .*\n){3}$/);
  for (const line of lines) assert.ok(line.length <= 80, line);
  for (const { help } of options) assert.doesNotMatch(help, /['\\[\]`$]/);
});
