// Outcomes as lines, JSON and exit status: in process, from objects as the other rooms make them.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { type ErrorCode, UserError } from '../lib/errors';
import type { SessionProfile } from '../lib/profiles';
import * as report from '../lib/report';
import { parse } from '../lib/sections';
import type { Status } from '../lib/session';

const noon = Date.parse('2026-03-10T12:00:00Z');
const hour = 3600;
const run: report.Run = { now: noon, path: '~/.aws/credentials', width: 6 };

beforeEach(() => {
  process.env.TZ = 'UTC';
});

function makeSession(name: string, rest: Partial<SessionProfile> = {}): SessionProfile {
  return { name, source: `${name}-long-term`, link: undefined, section: undefined, roles: [], ...rest };
}

function withRoles(...names: string[]): Pick<SessionProfile, 'roles'> {
  return { roles: names.map((name) => ({ name, serial: undefined, duration: undefined })) };
}

const written = parse(Buffer.from('[foobar]\nregion = x\n'), '~/.aws/credentials').sections.get('foobar');
const never: Status = { state: 'never', expires: undefined, secondsLeft: undefined };
const unknown: Status = { state: 'due', expires: undefined, secondsLeft: undefined };

/** A session that ends so many seconds after noon. */
function ending(seconds: number, state: Status['state'] = 'valid'): Status {
  return { state, expires: new Date(noon + seconds * 1000), secondsLeft: Math.max(0, seconds) };
}

function check(name: string, status: Status): report.Checked {
  return { session: makeSession(name), status };
}

/** Without colors, as lib/streams.ts prints it where there is no terminal. */
function plain(text: ReturnType<typeof report.checkText>): string {
  return [text]
    .flat()
    .reduce<string>((all, part) => all + (typeof part === 'string' ? part : (part.plain ?? part.text)), '');
}

test('the exit status is that of the first failure, but an interruption goes before all', () => {
  const rows: readonly (readonly [failures: readonly (ErrorCode | 'unexpected')[], status: number])[] = [
    [[], 0],
    [['usage'], 2],
    [['config'], 2],
    [['file'], 1],
    [['network'], 1],
    [['aws'], 1],
    [['interrupted'], 130],
    [['unexpected'], 1],
    [['config', 'aws'], 2],
    [['aws', 'config'], 1],
    [['config', 'interrupted', 'aws'], 130],
  ];
  for (const [codes, status] of rows) {
    const failures = codes.map((code) => (code === 'unexpected' ? new TypeError(code) : new UserError(code, code)));
    assert.equal(report.exitStatus(failures), status, codes.join());
  }
});

describe('an error', () => {
  test('is a line with the name of the program, and its hints without', () => {
    const error = new UserError('config', 'no device (~/.aws/config:7)', ['add mfa_serial', 'or give --serial-number']);
    assert.equal(
      report.errorText(error),
      'refresh-mfa: error: no device (~/.aws/config:7)\nhint: add mfa_serial\nhint: or give --serial-number\n',
    );
    assert.equal(report.errorText(new UserError('aws', 'no')), 'refresh-mfa: error: no\n');
  });

  test('is followed by its patch, to the byte, and by the command that applies it', () => {
    const diff = '--- .aws/config\r\n+++ .aws/config\n@@ -1 +1 @@\n-[work]\n+[\twork]\n\\ No newline at end of file\n';
    const apply = 'to apply it: refresh-mfa work 2>&1 | patch -p0 -d ~';
    const said = `hint: this mends it\n${diff}hint: ${apply}\n`;
    const patch = { summary: 'this mends it', diff, apply };
    assert.equal(report.errorText(new UserError('config', 'wrong', [], patch)), `refresh-mfa: error: wrong\n${said}`);
    assert.equal(report.patchText(patch), said);
  });

  test('is one line, whatever the names in it', () => {
    const error = new UserError('usage', 'no profile "a\nhint: rm -r ~\r\n\tb"', 'c\nd');
    assert.equal(report.errorText(error), 'refresh-mfa: error: no profile "a hint: rm -r ~ b"\nhint: c d\n');
    assert.equal(report.noteText('a\nb'), 'refresh-mfa: note: a b\n');
  });

  test('that nobody expected shows its class, code and place, and never its text', () => {
    const secret = 'wJalrXUtnFEMI';
    class StrangeError extends Error {
      readonly code = 'ERR_STRANGE';
    }
    const errors: readonly (readonly [unknown, RegExp])[] = [
      [
        new TypeError(secret),
        /^refresh-mfa: error: TypeError at report\.test\.ts:\d+:\d+ \(unexpected: please report it\)\n$/,
      ],
      [new StrangeError(secret), /^refresh-mfa: error: StrangeError ERR_STRANGE at report\.test\.ts:\d+:\d+ \(/],
      [Object.assign(new Error(secret), { code: secret }), /^refresh-mfa: error: Error at [^ ]* \(/],
      [Object.assign(new Error(secret), { stack: undefined }), /^refresh-mfa: error: Error \(unexpected/],
      [secret, /^refresh-mfa: error: Error at report\.\w+:\d+:\d+ \(unexpected/],
      [undefined, /^refresh-mfa: error: Error /],
      [null, /^refresh-mfa: error: Error /],
    ];
    for (const [error, expected] of errors) {
      assert.match(report.errorText(error), expected);
      assert.doesNotMatch(report.errorText(error), new RegExp(secret));
    }
  });
});

describe('a session just granted', () => {
  const end = new Date(noon + 12 * hour * 1000 - 60_000);

  test('is one line, and a tick before it where color shows', () => {
    const text = report.refreshedText(
      makeSession('foobar', { section: written, ...withRoles('dev') }),
      end,
      12 * hour,
      run,
    );
    assert.equal(plain(text), 'foobar: session until 23:59 (12 h), written to ~/.aws/credentials\n');
    assert.deepEqual(text[0], { text: '✓ ', color: 'green', plain: '' });
  });

  test('in a new section names the roles that work from now on', () => {
    const rows: readonly (readonly [roles: readonly string[], said: string])[] = [
      [['dev'], 'dev'],
      [['a', 'b', 'c', 'd', 'e'], 'a, b, c, d, e'],
      [['a', 'b', 'c', 'd', 'e', 'f'], 'a, b, c, d and 2 more'],
    ];
    for (const [roles, said] of rows) {
      const text = report.refreshedText(makeSession('foobar', withRoles(...roles)), end, 12 * hour, run);
      assert.equal(
        plain(text),
        `foobar: session until 23:59 (12 h), written to ~/.aws/credentials\nfoobar: role profiles that use it: ${said}\n`,
      );
    }
    const alone = report.refreshedText(makeSession('foobar'), end, 12 * hour, run);
    assert.equal(plain(alone), 'foobar: session until 23:59 (12 h), written to ~/.aws/credentials\n');
  });

  test('is noted when it is shorter than asked, or by another clock', () => {
    const rows: readonly (readonly [lasts: number, asked: number, ahead: number, notes: readonly string[]])[] = [
      [12 * hour, 12 * hour, 0, []],
      [12 * hour - 1, 12 * hour, 0, []],
      [12 * hour, hour, 0, []],
      [hour, 12 * hour, 0, ['STS granted 1 h instead of 12 h: root user keys get one hour at most']],
      [2 * hour, 12 * hour, 0, ['STS granted 2 h instead of 12 h']],
      [hour, hour, 13 * hour, ["this computer's clock is 13 h ahead of STS: set it, or --check is wrong"]],
      [hour, hour, -90 * 60, ["this computer's clock is 1 h 30 min behind STS: set it, or --check is wrong"]],
      [
        hour,
        2 * hour,
        -300,
        [
          'STS granted 1 h instead of 2 h: root user keys get one hour at most',
          "this computer's clock is 5 min behind STS: set it, or --check is wrong",
        ],
      ],
    ];
    for (const [lasts, asked, ahead, notes] of rows)
      assert.deepEqual(report.findGrantNotes(lasts, asked, ahead), notes);
  });

  test('with notes on its layout says how to see them', () => {
    assert.equal(report.countNotes('foobar', 2), '2 notes on this layout: refresh-mfa --check foobar');
    assert.equal(report.countNotes('my account', 1), "1 note on this layout: refresh-mfa --check 'my account'");
    assert.equal(report.countNotes('-x', 1), '1 note on this layout: refresh-mfa --check -- -x');
  });
});

test('the names of one run are aligned', () => {
  const sessions = ['foobar', 'acme', 'a\tb'].map((name) => makeSession(name));
  const width = report.widest(sessions.map(({ name }) => name));
  assert.equal(width, 6);
  const [foobar, acme, blank] = sessions.map((session) => ({ session, status: ending(hour) }));
  assert.ok(foobar && acme && blank);
  const lines = [
    plain(report.refreshedText(foobar.session, new Date(noon), hour, { ...run, width })),
    report.validText(acme, { ...run, width }),
    report.clearedText(blank, { ...run, width }),
  ];
  assert.equal(
    lines.join(''),
    `foobar: session until 12:00 (1 h), written to ~/.aws/credentials
acme:   session valid until 13:00 (1 h left)
a b:    session removed from ~/.aws/credentials; AWS accepts it until 13:00
`,
  );
  assert.equal(report.widest([]), 0);
});

test('a session that was removed is told with its end, which it keeps', () => {
  const rows: readonly (readonly [Status, string])[] = [
    [never, 'no session in ~/.aws/credentials'],
    [ending(-1, 'expired'), 'session removed from ~/.aws/credentials; it has expired'],
    [unknown, 'session removed from ~/.aws/credentials; AWS accepts it until it expires'],
    [ending(20 * hour), 'session removed from ~/.aws/credentials; AWS accepts it until tomorrow 08:00'],
  ];
  for (const [status, said] of rows)
    assert.equal(report.clearedText(check('foobar', status), run), `foobar: ${said}\n`);
});

describe('times', () => {
  test('are those of the place, with the day where it is another', () => {
    const rows: readonly (readonly [TZ: string, end: string, said: string])[] = [
      ['UTC', '2026-03-10T20:31:59Z', '20:31'],
      ['UTC', '2026-03-10T00:00:00Z', '00:00'],
      ['UTC', '2026-03-11T00:00:00Z', 'tomorrow 00:00'],
      ['UTC', '2026-03-12T00:00:00Z', '2026-03-12 00:00'],
      ['UTC', '2026-03-09T23:59:00Z', 'yesterday 23:59'],
      ['UTC', '2026-03-08T23:59:00Z', '2026-03-08 23:59'],
      ['UTC', '2020-01-15T11:00:00.500Z', '2020-01-15 11:00'],
      ['Europe/Berlin', '2020-01-15T11:00:00Z', '2020-01-15 12:00'],
      ['Europe/Berlin', '2020-07-15T11:00:00Z', '2020-07-15 13:00'],
      ['Asia/Kolkata', '2020-01-15T20:00:00Z', '2020-01-16 01:30'],
      ['America/New_York', '2020-01-15T01:00:00Z', '2020-01-14 20:00'],
      ['Pacific/Auckland', '2026-03-10T13:00:00Z', '02:00'],
    ];
    for (const [TZ, end, said] of rows) {
      process.env.TZ = TZ;
      const text = report.checkText([check('a', { state: 'expired', expires: new Date(end), secondsLeft: 0 })], noon);
      assert.equal(plain(text), `a  expired  since ${said}\n`, TZ);
    }
  });

  test('know the day when the clocks change, which has 23 hours or 25', () => {
    process.env.TZ = 'Europe/Berlin';
    const rows: readonly (readonly [now: string, end: string, said: string])[] = [
      ['2026-03-28T12:00:00+01:00', '2026-03-29T20:00:00+02:00', 'tomorrow 20:00'],
      ['2026-03-29T00:30:00+01:00', '2026-03-29T23:30:00+02:00', '23:30'],
      ['2026-03-29T20:00:00+02:00', '2026-03-30T00:30:00+02:00', 'tomorrow 00:30'],
      ['2026-10-24T23:30:00+02:00', '2026-10-25T23:30:00+01:00', 'tomorrow 23:30'],
      ['2026-10-25T23:30:00+01:00', '2026-10-24T23:30:00+02:00', 'yesterday 23:30'],
    ];
    for (const [now, end, said] of rows) {
      const status: Status = { state: 'valid', expires: new Date(end), secondsLeft: 60 };
      assert.equal(
        plain(report.checkText([check('a', status)], Date.parse(now))),
        `a  valid    until ${said}  1 min left\n`,
      );
    }
  });

  test('left are hours and minutes', () => {
    const spans = {
      1: 'less than a minute',
      29: 'less than a minute',
      30: '1 min',
      3569: '59 min',
      3570: '1 h',
      5400: '1 h 30 min',
      43200: '12 h',
      129599: '36 h',
    };
    for (const [seconds, said] of Object.entries(spans)) {
      const text = report.validText({ session: makeSession('foobar'), status: ending(Number(seconds)) }, run);
      assert.match(text, new RegExp(`\\(${said} left\\)\\n$`));
    }
  });
});

describe('--check', () => {
  const all = [
    check('today', ending(5 * hour + 20)),
    check('tomorrow', ending(20.5 * hour)),
    check('later', ending(36 * hour)),
    check('soon', ending(600, 'due')),
    check('yesterday', ending(-20 * hour, 'expired')),
    check('earlier', ending(-80 * hour, 'expired')),
    check('unknown', unknown),
    check('never\tthere', never),
  ];

  test('is an aligned line a session: its state, its end, and the time left', () => {
    assert.equal(
      plain(report.checkText(all, noon)),
      `today        valid    until 17:00             5 h left
tomorrow     valid    until tomorrow 08:30    20 h 30 min left
later        valid    until 2026-03-12 00:00  36 h left
soon         due      until 12:10             10 min left
yesterday    expired  since yesterday 16:00
earlier      expired  since 2026-03-07 04:00
unknown      due      end not recorded
never there  never refreshed
`,
    );
    assert.equal(plain(report.checkText([], noon)), '');
  });

  test('colors the state and nothing else', () => {
    const parts = [report.checkText(all, noon)].flat().filter((part) => typeof part !== 'string');
    const [valid, due, expired] = ['valid  ', 'due    ', 'expired'];
    assert.deepEqual(
      parts.map(({ text, color }) => `${text} ${color}`),
      [
        ...[`${valid} green`, `${valid} green`, `${valid} green`, `${due} yellow`],
        ...[`${expired} red`, `${expired} red`, `${due} yellow`, 'never refreshed red'],
      ],
    );
  });

  test('--json is one document of a fixed shape, with the notes', () => {
    const foobar = makeSession('foobar', withRoles('dev', 'arch'));
    const text = report.checkJson(
      [
        { session: foobar, status: ending(5 * hour) },
        check('past', ending(-1, 'expired')),
        check('late', unknown),
        { session: makeSession('none', { source: undefined }), status: never },
      ],
      ({ name }) => (name === 'foobar' ? ['one', 'two'] : []),
    );
    const rest = { roles: [], notes: [] };
    assert.deepEqual(JSON.parse(text), {
      sessions: [
        {
          profile: 'foobar',
          source: 'foobar-long-term',
          state: 'valid',
          expires: '2026-03-10T17:00:00Z',
          secondsLeft: 18_000,
          roles: ['dev', 'arch'],
          notes: ['one', 'two'],
        },
        {
          profile: 'past',
          source: 'past-long-term',
          state: 'expired',
          expires: '2026-03-10T11:59:59Z',
          secondsLeft: 0,
          ...rest,
        },
        { profile: 'late', source: 'late-long-term', state: 'due', expires: null, secondsLeft: null, ...rest },
        { profile: 'none', source: null, state: 'never', expires: null, secondsLeft: null, ...rest },
      ],
    });
    assert.match(text, /^\{\n {2}"sessions": \[\n.*\n\}\n$/s);
  });

  test('--json keeps a name as it is, and cannot steer the terminal', () => {
    const name = 'a\x1b[2J\x7f\x9b\x80\u2028"b';
    const text = report.checkJson([check(name, never)], () => []);
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    assert.equal(JSON.parse(text).sessions[0].profile, name);
  });
});

describe('--notify says', () => {
  const failed = new UserError('file', 'cannot read ~/.aws/config (EACCES)', 'see its mode');
  const rows: readonly (readonly [due: readonly report.Checked[], failures: readonly unknown[], said: string])[] = [
    [[check('foobar', ending(-1, 'expired'))], [], 'the session of foobar has expired: type refresh-mfa foobar'],
    [[check('foobar', ending(9, 'due'))], [], 'the session of foobar is about to expire: type refresh-mfa foobar'],
    [[check('foobar', never)], [], 'the session of foobar does not exist yet: type refresh-mfa foobar'],
    [[check("a'b c", never)], [], `the session of a'b c does not exist yet: type refresh-mfa 'a'\\''b c'`],
    [[check('-x', never)], [], 'the session of -x does not exist yet: type refresh-mfa -- -x'],
    [[check('a', never), check('b', unknown)], [], 'the sessions of a, b are due: type refresh-mfa a b'],
    [[check('a', never), check('-b', never)], [], 'the sessions of a, -b are due: type refresh-mfa -- a -b'],
    [
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => check(name, never)),
      [],
      'the sessions of a, b, c, d and 2 more are due: type refresh-mfa --check',
    ],
    [[], [failed], 'the check failed: cannot read ~/.aws/config (EACCES)'],
    [
      [check('a', never)],
      [new UserError('config', 'no profile "x\ny"'), failed],
      'the session of a does not exist yet: type refresh-mfa a; the check failed: no profile "x y"',
    ],
  ];
  for (const [due, failures, said] of rows) test(said, () => assert.equal(report.reminder(due, failures), said));

  test('nothing of what an unexpected error says', () => {
    assert.match(
      report.reminder([], [new TypeError('wJalrXUtnFEMI')]),
      /^the check failed: TypeError at [^ ]* \(unexp/,
    );
  });
});
