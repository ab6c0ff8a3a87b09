// What is typed, and what it means: tables, in process. test/cases/habits.txt shows some of it as a person sees it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Args, explainHabit, help, options, parse, parseDuration } from '../lib/args';
import { UserError } from '../lib/errors';

type Mode<Name> = Extract<Args, { mode: Name }>;

const refresh: Mode<'refresh'> = {
  mode: 'refresh',
  profiles: [],
  duration: undefined,
  tokenCode: undefined,
  serialNumber: undefined,
  ifNeeded: false,
  within: 900,
};
const check: Mode<'check'> = { mode: 'check', profiles: [], within: 900, json: false, notify: false };
const device = 'arn:aws:iam::123456789012:mfa/phone';

function split(line: string): string[] {
  return line === '' ? [] : line.split(' ');
}

/** Message and hints of what is thrown. */
function refusal(action: () => unknown): { readonly message: string; readonly hints: readonly string[] } {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError);
    assert.equal(error.code, 'usage');
    return { message: error.message, hints: error.hints };
  }
  throw new Error('not refused');
}

describe('what is typed is understood', () => {
  const rows: readonly (readonly [typed: string, args: Args])[] = [
    ['', refresh],
    ['foobar acme', { ...refresh, profiles: ['foobar', 'acme'] }],
    ['foobar acme foobar', { ...refresh, profiles: ['foobar', 'acme'] }],
    ['-p foobar', { ...refresh, profiles: ['foobar'] }],
    ['-pfoobar', { ...refresh, profiles: ['foobar'] }],
    ['c -p a b --profile=d a -- -e', { ...refresh, profiles: ['c', 'a', 'b', 'd', '-e'] }],
    ['-- --check', { ...refresh, profiles: ['--check'] }],
    ['--profile=', { ...refresh, profiles: [''] }],
    ['--duration=45m', { ...refresh, duration: 2700 }],
    ['-d36h', { ...refresh, duration: 129_600 }],
    ['-d 15m -d 1h', { ...refresh, duration: 3600 }],
    ['--duration-seconds 3600', { ...refresh, duration: 3600 }],
    ['--duration-seconds=3600 -d 2h', { ...refresh, duration: 7200 }],
    ['-t 012345 foobar', { ...refresh, profiles: ['foobar'], tokenCode: '012345' }],
    ['--token-code=', { ...refresh, tokenCode: '' }],
    ['--serial-number GAHT12345678', { ...refresh, serialNumber: 'GAHT12345678' }],
    [`-s ${device}`, { ...refresh, serialNumber: device }],
    ['-n --within 36h foobar', { ...refresh, ifNeeded: true, within: 129_600, profiles: ['foobar'] }],
    ['-nw 0', { ...refresh, ifNeeded: true, within: 0 }],
    [
      `-n -d 1h -t 123456 -s ${device}`,
      { ...refresh, ifNeeded: true, duration: 3600, tokenCode: '123456', serialNumber: device },
    ],
    ['--check', check],
    ['-cw 0', { ...check, within: 0 }],
    ['--check --json', { ...check, json: true }],
    ['--notify --check -p a', { ...check, notify: true, profiles: ['a'] }],
    ['--clear foobar -p acme', { mode: 'clear', profiles: ['foobar', 'acme'] }],
    ['--completion bash', { mode: 'completion', shell: 'bash' }],
    ['--completion=zsh', { mode: 'completion', shell: 'zsh' }],
    ['--completion fish', { mode: 'completion', shell: 'fish' }],
    ['--completion names', { mode: 'completion', shell: 'names' }],
  ];
  for (const [line, args] of rows) {
    test(`refresh-mfa ${line}`, () => assert.deepEqual(parse(split(line)), args));
  }

  test('help and version count whatever else there is, help first', () => {
    for (const line of ['-h', '--help', 'foobar -h', '-h --version', '--check --json -h', '-t 123456 a b -h']) {
      assert.deepEqual(parse(split(line)), { mode: 'help' }, line);
    }
    for (const line of ['-V', '--version', 'foobar --version', '-c -V']) {
      assert.deepEqual(parse(split(line)), { mode: 'version' }, line);
    }
  });
});

test('times are seconds, minutes or hours, from 15 minutes to 36 hours', () => {
  const times = { 900: '900 900s 15m', 3600: '1h 60m', 43200: '12h', 129600: '36h 2160m 129600' };
  for (const [seconds, texts] of Object.entries(times)) {
    for (const text of texts.split(' '))
      assert.equal(parseDuration(text), Number(seconds), text);
  }
  const error = new UserError('config', 'duration_seconds must be a time from 15m to 36h (~/.aws/config:7)', [
    'write it as 900 (seconds), 45m or 12h',
  ]);
  const wrong = ['0', '899', '14m', '129601', '37h', '1d', '1.5h', '1h30m', '12 h', '-900', '0x384', '9e2'];
  for (const text of [...wrong, '٩٠٠', 'PT1H', 'h', '', '9999999']) {
    assert.throws(() => parseDuration(text, '~/.aws/config:7'), error, text);
  }
});

describe('what cannot be meant is refused, in our own words, and no value is repeated', () => {
  const code = 'use --token-code <code>';
  const seeHelp = 'see refresh-mfa --help';
  const within = 'write it as 900 (seconds), 15m or 2h';
  const bare = 'a code needs --token-code';
  const bareHint = 'refresh-mfa --token-code <code> <profile>';
  const rows: readonly (readonly [typed: string, message: string, hint?: string])[] = [
    ['--colour', 'unknown option --colour'],
    ['-x', 'unknown option -x'],
    ['-cx', 'unknown option -x'],
    ['--constructor', 'unknown option --constructor'],
    ['--help --nope', 'unknown option --nope'],
    // the closest one
    ['--chekc', 'unknown option --chekc', 'did you mean --check?'],
    ['--Check', 'unknown option --Check', 'did you mean --check?'],
    ['-check', 'unknown option -e', 'did you mean --check?'],
    ['--profle=foobar', 'unknown option --profle', 'did you mean --profile?'],
    ['--serial foo', 'unknown option --serial', 'did you mean --serial-number?'],
    ['--dur 12h', 'unknown option --dur', 'did you mean --duration?'],
    // what other tools call it
    ['--token=123456', 'unknown option --token', code],
    ['--mfa-token 123456', 'unknown option --mfa-token', code],
    ['--code 123456', 'unknown option --code', code],
    [`--device ${device}`, 'unknown option --device', 'use --serial-number <arn>'],
    [`--mfa-serial=${device}`, 'unknown option --mfa-serial', 'use --serial-number <arn>'],
    ['--region us-west-2', 'unknown option --region', 'set it in the environment: AWS_REGION=<region> refresh-mfa'],
    ['--force foobar', 'unknown option --force', 'leave it out: every run refreshes'],
    // a code, wherever it was typed
    ['--otp=123456', 'unknown option --otp'],
    ['--123456', bare, bareHint],
    ['-123456', bare, bareHint],
    ['--token-code123456', bare, bareHint],
    // values
    ['-d', '-d needs a value'],
    ['-t -c', '-t needs a value'],
    ['foobar -cp', '-p needs a value'],
    ['--check=yes', '--check takes no value'],
    ['--if-needed=', '--if-needed takes no value'],
    ['--duration 123456789', '--duration must be a time from 15m to 36h', 'write it as 900 (seconds), 45m or 12h'],
    ['-c --within 37h', '--within must be a time up to 36h', within],
    ['-n -w 654321', '--within must be a time up to 36h', within],
    ['-c -w 129601', '--within must be a time up to 36h', within],
    ['--completion tcsh', '--completion must be bash, zsh or fish'],
    // what goes together
    ['--json', '--json requires --check'],
    ['--notify foobar', '--notify requires --check'],
    ['--within 1h foobar', '--within requires --check or --if-needed'],
    ['--check --duration 1h', '--duration cannot be used with --check'],
    ['--check --duration-seconds 900', '--duration cannot be used with --check'],
    [`--check --serial-number ${device}`, '--serial-number cannot be used with --check'],
    ['--check --if-needed', '--if-needed cannot be used with --check'],
    ['--check --clear', '--clear cannot be used with --check'],
    ['--clear --if-needed foobar', '--if-needed cannot be used with --clear'],
    ['--completion bash --check', '--check cannot be used with --completion'],
    ['--completion bash -p foobar', '--completion takes no profile'],
    [
      '--token-code 123456 foobar -p acme',
      '--token-code takes one profile: a code works once',
      'run refresh-mfa once per profile',
    ],
  ];
  for (const [line, message, hint = seeHelp] of rows) {
    test(`refresh-mfa ${line}`, () => {
      assert.deepEqual(
        refusal(() => parse(split(line))),
        { message, hints: [hint] },
      );
    });
  }
});

test('what is no profile may be a habit', () => {
  const checks = 'to report sessions: refresh-mfa --check';
  const rows: readonly (readonly [word: string, message: string, hint: string])[] = [
    ['check', 'no profile "check"', checks],
    ['status', 'no profile "status"', checks],
    ['list', 'no profile "list"', checks],
    ['clear', 'no profile "clear"', 'to remove a session: refresh-mfa --clear <profile>'],
    ['help', 'no profile "help"', 'to see the options: refresh-mfa --help'],
    ['123456', 'a code needs --token-code', 'refresh-mfa --token-code <code> <profile>'],
    ['123 456', 'a code needs --token-code', 'refresh-mfa --token-code <code> <profile>'],
  ];
  for (const [word, message, hint] of rows) assert.deepEqual(explainHabit(word), new UserError('usage', message, hint));
  for (const word of ['foobar', 'Check', 'checks', '12345', '123456789012', 'constructor', '']) {
    assert.equal(explainHabit(word), undefined, word);
  }
});

describe('help', () => {
  // as the users know them: one that is missing here is missing in the README, too
  const lefts = [
    ...['-p, --profile <name>', '-d, --duration <time>', '-t, --token-code <code>', '-s, --serial-number <arn>'],
    ...['-c, --check', '-n, --if-needed', '-w, --within <time>', '    --json', '    --notify', '    --clear'],
    ...['    --completion <shell>', '-h, --help', '-V, --version'],
  ];

  test('lists these options, in this order, and no others', () => {
    const lines = help()
      .split('\n')
      .filter((line) => /^ {2,6}-/.test(line));
    assert.deepEqual(
      lines.map((line) => line.slice(2, 29).trimEnd()),
      lefts,
    );
    assert.deepEqual(
      lines.map((line) => line.slice(29)),
      options.map((option) => option.help),
    );
  });

  test('fits 80 columns and ends with three examples', () => {
    assert.match(help(), /^Usage: refresh-mfa \[options\] \[profile \.\.\.\]\n/);
    assert.match(help(), /\n\nExamples:\n( {2}refresh-mfa .*\n){3}$/);
    for (const line of help().split('\n')) assert.ok(line.length <= 80, line);
  });

  test('has nothing that a completion script would have to quote', () => {
    for (const { help } of options) assert.doesNotMatch(help, /['\\[\]`$]/);
  });
});
