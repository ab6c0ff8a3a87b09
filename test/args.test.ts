import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, test } from 'node:test';
import { type Args, help, options, parse, parseDuration } from '../lib/args';
import { UserError } from '../lib/errors';
import { makeHome } from './helpers/home';
import { run } from './helpers/run';
import { makeScene, serial, simple, typed } from './helpers/scene';

const plain: Args = { mode: 'refresh', profiles: [], ifNeeded: false, within: 900, json: false, notify: false };

describe('what is typed is understood', () => {
  const rows: readonly (readonly [typed: string, args: Partial<Args>])[] = [
    ['', {}],
    ['foobar', { profiles: ['foobar'] }],
    ['foobar acme', { profiles: ['foobar', 'acme'] }],
    ['foobar acme foobar', { profiles: ['foobar', 'acme'] }],
    ['-- --check', { profiles: ['--check'] }],
    ['--duration 900 foobar', { profiles: ['foobar'], duration: 900 }],
    ['--duration=45m', { duration: 2700 }],
    ['-d 12h', { duration: 43_200 }],
    ['-d36h', { duration: 129_600 }],
    ['-d 15m -d 1h', { duration: 3600 }],
    ['--token-code 123456', { tokenCode: '123456' }],
    ['-t 012345 foobar', { profiles: ['foobar'], tokenCode: '012345' }],
    ['--serial-number GAHT12345678', { serialNumber: 'GAHT12345678' }],
    ['-s arn:aws:iam::123456789012:mfa/phone', { serialNumber: 'arn:aws:iam::123456789012:mfa/phone' }],
    ['--check', { mode: 'check' }],
    ['-c foobar', { mode: 'check', profiles: ['foobar'] }],
    ['-c -w 2h', { mode: 'check', within: 7200 }],
    ['-cw 0', { mode: 'check', within: 0 }],
    ['--check --json', { mode: 'check', json: true }],
    ['--check --notify', { mode: 'check', notify: true }],
    ['--if-needed', { ifNeeded: true }],
    ['-n --within 36h foobar', { ifNeeded: true, within: 129_600, profiles: ['foobar'] }],
    [
      '-n -d 1h -t 123456 -s GAHT12345678',
      { ifNeeded: true, duration: 3600, tokenCode: '123456', serialNumber: 'GAHT12345678' },
    ],
    ['--clear foobar', { mode: 'clear', profiles: ['foobar'] }],
    ['--completion bash', { mode: 'completion', shell: 'bash' }],
    ['--completion=zsh', { mode: 'completion', shell: 'zsh' }],
    ['--completion fish', { mode: 'completion', shell: 'fish' }],
  ];
  for (const [line, args] of rows) {
    test(`refresh-mfa ${line}`, () => {
      assert.deepEqual(parse(line === '' ? [] : line.split(' ')), { ...plain, ...args });
    });
  }

  for (const line of ['-h', '--help', 'foobar -h', '-h --version', '--check --json -h', '-t 123456 a b -h']) {
    test(`refresh-mfa ${line}: help, whatever else there is`, () => {
      assert.equal(parse(line.split(' ')).mode, 'help');
    });
  }
  for (const line of ['-V', '--version', 'foobar --version', '-c -V']) {
    test(`refresh-mfa ${line}: the version, whatever else there is`, () => {
      assert.equal(parse(line.split(' ')).mode, 'version');
    });
  }
});

describe('times', () => {
  const rows: readonly (readonly [text: string, seconds: number | undefined])[] = [
    ['900', 900],
    ['900s', 900],
    ['15m', 900],
    ['90m', 5400],
    ['1h', 3600],
    ['12h', 43_200],
    ['36h', 129_600],
    ['2160m', 129_600],
    ['129600', 129_600],
    ['0', undefined],
    ['15', undefined],
    ['899', undefined],
    ['14m', undefined],
    ['129601', undefined],
    ['37h', undefined],
    ['1d', undefined],
    ['1.5h', undefined],
    ['1h30m', undefined],
    ['12 h', undefined],
    ['-900', undefined],
    ['0x384', undefined],
    ['9e2', undefined],
    ['٩٠٠', undefined],
    ['PT1H', undefined],
    ['h', undefined],
    ['', undefined],
  ];
  for (const [text, seconds] of rows) {
    test(`"${text}" is ${seconds === undefined ? 'no length of a session' : `${seconds} seconds`}`, () => {
      if (seconds !== undefined) assert.equal(parseDuration(text, '--duration', 'usage'), seconds);
      else assert.throws(() => parseDuration(text, '--duration', 'usage'), UserError);
    });
  }
});

describe('what does not go together is refused, in our own words', { concurrency: 4 }, () => {
  const seeHelp = 'refresh-mfa --help lists the options';
  const rows: readonly (readonly [typed: readonly string[], error: string, hint?: string])[] = [
    [['--colour'], 'there is no option --colour'],
    [['-x'], 'there is no option -x'],
    [['-cx'], 'there is no option -x'],
    [['--Check'], 'there is no option --Check'],
    [['--no-check'], 'there is no option --no-check'],
    [['--duration'], '--duration needs a value'],
    [['-d'], '--duration needs a value'],
    [['-t', '-c'], '-t needs a value'],
    [['--check=yes'], '--check takes no value'],
    [['--json'], '--json goes with --check'],
    [['--notify', 'foobar'], '--notify goes with --check'],
    [['--within', '1h', 'foobar'], '--within goes with --check or --if-needed'],
    [['--check', '--duration', '1h'], '--duration does not go with --check'],
    [['--check', '--token-code', '123456'], '--token-code does not go with --check'],
    [['--check', '--serial-number', serial], '--serial-number does not go with --check'],
    [['--check', '--if-needed'], '--if-needed does not go with --check'],
    [['--check', '--clear'], '--clear does not go with --check'],
    [['--clear', '--within', '1h'], '--within does not go with --clear'],
    [['--clear', '--if-needed', 'foobar'], '--if-needed does not go with --clear'],
    [['--clear', '--json', 'foobar'], '--json does not go with --clear'],
    [['--completion', 'bash', '--check'], '--check does not go with --completion'],
    [['--completion', 'bash', 'foobar'], '--completion takes the name of a shell and nothing else'],
    [['--completion', 'tcsh'], 'no completion for "tcsh"', 'bash, zsh and fish have one'],
    [
      ['--token-code', '123456', 'foobar', 'acme'],
      '--token-code goes with one profile: each code is good once',
      'name one profile a run, or leave out --token-code',
    ],
    [['--duration', '14m'], '--duration "14m" is not a time from 15m to 36h', 'write it as 900 (seconds), 45m or 12h'],
    [['-c', '--within', '37h'], '--within "37h" is not a time up to 36h', 'write it as 900 (seconds), 15m or 2h'],
    [['-c', '--within', 'soon'], '--within "soon" is not a time up to 36h', 'write it as 900 (seconds), 15m or 2h'],
  ];
  for (const [args, error, hint = seeHelp] of rows) {
    test(`refresh-mfa ${args.join(' ')}`, async (t) => {
      const home = makeHome(t);
      const { status, stdout, stderr } = await run(args, { home, stdin: 'open' });
      assert.deepEqual(
        { status, stdout, stderr },
        { status: 2, stdout: '', stderr: `refresh-mfa: error: ${error}\nrefresh-mfa: hint: ${hint}\n` },
      );
      assert.deepEqual(home.listAws(), []);
    });
  }
});

describe('help and version', () => {
  // The options as the users know them: one that is missing here is missing in the README too.
  const rows: readonly (readonly [option: string, short?: string | undefined, value?: string])[] = [
    ['duration', 'd', 'time'],
    ['token-code', 't', 'code'],
    ['serial-number', 's', 'arn'],
    ['check', 'c'],
    ['if-needed', 'n'],
    ['within', 'w', 'time'],
    ['json'],
    ['notify'],
    ['clear'],
    ['completion', undefined, 'shell'],
    ['help', 'h'],
    ['version', 'V'],
  ];

  test('there are these options, in this order, and no others', () => {
    assert.deepEqual(
      options.map(({ name }) => name),
      rows.map(([name]) => name),
    );
  });

  for (const [name, short, value] of rows) {
    test(`--help shows --${name}${short ? ` and -${short}` : ''}`, () => {
      const left = `  ${short ? `-${short}, ` : '    '}--${name}${value ? ` <${value}>` : ''}  `;
      assert.equal(
        help()
          .split('\n')
          .filter((line) => line.startsWith(left)).length,
        1,
      );
    });
  }

  for (const option of ['--help', '-h']) {
    test(`${option} goes to stdout, fits a terminal of 120 columns, and needs no files`, async (t) => {
      const home = makeHome(t, { config: 'not a config', credentials: 'nor credentials' });
      const { status, stdout, stderr } = await run(['nosuch', option], { home });
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: help(), stderr: '' });
      assert.match(stdout, /^Usage: refresh-mfa \[options\] \[profile \.\.\.\]\n/);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 120, line);
    });
  }

  for (const option of ['--version', '-V']) {
    test(`${option} prints the version of package.json`, async (t) => {
      const { version } = JSON.parse(readFileSync(resolve(__dirname, '../package.json'), 'utf8'));
      const { status, stdout, stderr } = await run([option], { home: makeHome(t, { config: 'not a config' }) });
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${version}\n`, stderr: '' });
    });
  }
});

describe('streams', () => {
  test('a refresh reports on stdout, and says nothing on stderr', async (t) => {
    const scene = await makeScene(t, simple);
    const { status, stdout, stderr } = await run(['foobar'], { ...scene, stdin: typed() });
    assert.equal(status, 0);
    assert.equal(stderr, '');
    // Whatever the time of day, twelve hours from now are today or tomorrow.
    assert.match(stdout, /^foobar: session until (tomorrow )?\d\d:\d\d \(12 h\), written to ~\/\.aws\/credentials\n$/);
  });

  test('names that come from files cannot steer the terminal', async (t) => {
    const home = makeHome(t, { config: '[profile a\x1b[2Jb]\nregion = x\n' });
    const { status, stderr } = await run(['a\x1b[2Jb'], { home });
    assert.equal(status, 2);
    assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f]/);
  });
});
