// Outcomes as lines, JSON and exit status: in process, from objects as the other rooms make them.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { type ErrorCode, UserError } from '../lib/errors';
import type { SessionProfile } from '../lib/profiles';
import * as report from '../lib/report';
import { parse } from '../lib/sections';
import type { Status } from '../lib/session';
import type { Text } from '../lib/streams';

const noon = Date.parse('2026-03-10T12:00:00Z');
const hour = 3600;
const run: report.Run = { now: noon, path: '~/.aws/credentials', width: 6 };

beforeEach(() => {
  process.env.TZ = 'UTC';
});

function makeSession(name: string, ...roles: string[]): SessionProfile {
  const link = undefined;
  const all = roles.map((role) => ({ name: role, serial: undefined, duration: undefined }));
  return { name, source: `${name}-long-term`, link, section: undefined, roles: all };
}

const section = parse(Buffer.from('[foobar]\nregion = x\n'), '~/.aws/credentials').sections.get('foobar');
const never: Status = { state: 'never', expires: undefined, secondsLeft: undefined };
const unknown: Status = { state: 'due', expires: undefined, secondsLeft: undefined };

/** A session that ends so many seconds after noon. */
function ending(seconds: number, state: Status['state'] = 'valid'): Status {
  return { state, expires: new Date(noon + seconds * 1000), secondsLeft: Math.max(0, seconds) };
}

function check(name: string, status: Status): report.Checked {
  return { session: makeSession(name), status };
}

/** As lib/streams.ts prints it where there is no color. */
function plain(text: Text): string {
  const parts = [text].flat().map((part) => (typeof part === 'string' ? part : (part.plain ?? part.text)));
  return parts.join('');
}

test('the exit status is that of the first failure, but an interruption goes before all', () => {
  const rows: readonly (readonly [failures: readonly (ErrorCode | 'unexpected')[], status: number])[] = [
    [[], 0],
    [['usage', 'file'], 2],
    [['config', 'aws'], 2],
    [['file', 'config'], 1],
    [['network'], 1],
    [['aws'], 1],
    [['unexpected', 'usage'], 1],
    [['config', 'interrupted', 'aws'], 130],
  ];
  for (const [codes, status] of rows) {
    const failures = codes.map((code) => (code === 'unexpected' ? new TypeError(code) : new UserError(code, code)));
    assert.equal(report.exitStatus(failures), status, codes.join());
  }
});

describe('an error', () => {
  test('is a line with the name of the program, then its hints without', () => {
    const error = new UserError('config', 'no device (~/.aws/config:7)', ['add mfa_serial', 'or give --serial-number']);
    const said =
      'refresh-mfa: error: no device (~/.aws/config:7)\nhint: add mfa_serial\nhint: or give --serial-number\n';
    assert.equal(report.errorText(error), said);
    assert.equal(report.errorText(new UserError('aws', 'no')), 'refresh-mfa: error: no\n');
  });

  test('is one line, whatever the names in it; so is a note', () => {
    const error = new UserError('usage', 'no profile "a\nhint: rm -r ~\r\n\tb"', 'c\nd');
    assert.equal(report.errorText(error), 'refresh-mfa: error: no profile "a hint: rm -r ~ b"\nhint: c d\n');
    assert.equal(report.noteText('a\nb'), 'refresh-mfa: note: a b\n');
  });

  test('that nobody expected shows its class, code and place, and never its text', () => {
    const secret = 'wJalrXUtnFEMI';
    class StrangeError extends Error {
      readonly code = 'ERR_STRANGE';
    }
    const place = 'at report\\.\\w+\\.?\\w*:\\d+:\\d+';
    const rows: readonly (readonly [error: unknown, shown: string])[] = [
      [new TypeError(secret), `TypeError ${place}`],
      [new StrangeError(secret), `StrangeError ERR_STRANGE ${place}`],
      [Object.assign(new Error(secret), { code: secret }), `Error ${place}`],
      [Object.assign(new Error(secret), { stack: undefined }), 'Error'],
      [secret, `Error ${place}`],
      [null, `Error ${place}`],
    ];
    for (const [error, shown] of rows) {
      const said = `${shown} \\(unexpected: please report it\\)`;
      assert.match(report.errorText(error), new RegExp(`^refresh-mfa: error: ${said}\n$`));
      assert.match(report.reminder([], [error]), new RegExp(`^the check failed: ${said}$`));
    }
  });
});

describe('a session just granted', () => {
  const end = new Date(noon + 12 * hour * 1000 - 60_000);
  const line = 'foobar: session until 23:59 (12 h), written to ~/.aws/credentials\n';

  test('is one line, with a tick before it where color shows; a new section names its roles, too', () => {
    const old = report.refreshedText({ ...makeSession('foobar', 'dev'), section }, end, 12 * hour, run);
    assert.equal(plain(old), line);
    assert.deepEqual(old[0], { text: '✓ ', color: 'green', plain: '' });
    const rows = { '': '', dev: 'dev', 'a b c d e': 'a, b, c, d, e', 'a b c d e f': 'a, b, c, d and 2 more' };
    for (const [roles, said] of Object.entries(rows)) {
      const text = report.refreshedText(
        makeSession('foobar', ...roles.split(' ').filter(Boolean)),
        end,
        12 * hour,
        run,
      );
      assert.equal(plain(text), said === '' ? line : `${line}foobar: role profiles that use it: ${said}\n`);
    }
  });

  test('is noted when it is shorter than asked, or by another clock', () => {
    const clock = (off: string) => `this computer's clock is ${off} STS: set it, or --check is wrong`;
    const rows: readonly (readonly [lasts: number, asked: number, ahead: number, ...notes: string[]])[] = [
      [12 * hour, 12 * hour, 0],
      [12 * hour - 1, 12 * hour, 0],
      [12 * hour, hour, 0],
      [hour, 12 * hour, 0, 'STS granted 1 h instead of 12 h: root user keys get one hour at most'],
      [2 * hour, 12 * hour, 0, 'STS granted 2 h instead of 12 h'],
      [hour, hour, 13 * hour, clock('13 h ahead of')],
      [2 * hour, 3 * hour, -5400, 'STS granted 2 h instead of 3 h', clock('1 h 30 min behind')],
    ];
    for (const [lasts, asked, ahead, ...notes] of rows) {
      assert.deepEqual(report.findGrantNotes(lasts, asked, ahead), notes);
    }
  });

  test('with notes on its layout says how to see them', () => {
    assert.equal(report.countNotes('foobar', 2), '2 notes on this layout: refresh-mfa --check foobar');
    assert.equal(report.countNotes('my account', 1), "1 note on this layout: refresh-mfa --check 'my account'");
    assert.equal(report.countNotes('-x', 1), '1 note on this layout: refresh-mfa --check -- -x');
  });
});

test('the names of one run are aligned', () => {
  const lines = [
    plain(report.refreshedText(makeSession('foobar'), new Date(noon), hour, run)),
    report.validText(check('acme', ending(hour)), run),
    report.clearedText(check('a\tb', ending(hour)), run),
  ];
  assert.equal(
    lines.join(''),
    `foobar: session until 12:00 (1 h), written to ~/.aws/credentials
acme:   session valid until 13:00 (1 h left)
a b:    session removed from ~/.aws/credentials; AWS accepts it until 13:00
`,
  );
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

test('times are those of the place, with the day where it is another', () => {
  const rows: readonly (readonly [TZ: string, now: string, end: string, said: string])[] = [
    ['UTC', '2026-03-10T12:00:00Z', '2026-03-10T20:31:59Z', '20:31'],
    ['UTC', '2026-03-10T12:00:00Z', '2026-03-11T00:00:00Z', 'tomorrow 00:00'],
    ['UTC', '2026-03-10T12:00:00Z', '2026-03-12T00:00:00Z', '2026-03-12 00:00'],
    ['UTC', '2026-03-10T12:00:00Z', '2026-03-09T23:59:00Z', 'yesterday 23:59'],
    ['UTC', '2026-03-10T12:00:00Z', '2026-03-08T23:59:00Z', '2026-03-08 23:59'],
    ['Europe/Berlin', '2026-03-10T12:00:00Z', '2020-07-15T11:00:00.5Z', '2020-07-15 13:00'],
    ['Asia/Kolkata', '2026-03-10T12:00:00Z', '2026-03-10T20:00:00Z', 'tomorrow 01:30'],
    ['America/New_York', '2026-03-10T12:00:00Z', '2026-03-10T03:00:00Z', 'yesterday 23:00'],
    // days of 23 and of 25 hours
    ['Europe/Berlin', '2026-03-28T12:00:00+01:00', '2026-03-29T20:00:00+02:00', 'tomorrow 20:00'],
    ['Europe/Berlin', '2026-03-29T00:30:00+01:00', '2026-03-29T23:30:00+02:00', '23:30'],
    ['Europe/Berlin', '2026-10-24T23:30:00+02:00', '2026-10-25T23:30:00+01:00', 'tomorrow 23:30'],
    ['Europe/Berlin', '2026-10-25T23:30:00+01:00', '2026-10-24T23:30:00+02:00', 'yesterday 23:30'],
  ];
  for (const [TZ, now, end, said] of rows) {
    process.env.TZ = TZ;
    const status: Status = { state: 'due', expires: new Date(end), secondsLeft: 60 };
    const text = report.checkText([check('a', status)], Date.parse(now));
    assert.equal(plain(text), `a  due      until ${said}  1 min left\n`, TZ);
  }
});

test('what is left is hours and minutes', () => {
  const spans = {
    29: 'less than a minute',
    30: '1 min',
    3569: '59 min',
    3570: '1 h',
    5400: '1 h 30 min',
    129599: '36 h',
  };
  for (const [seconds, said] of Object.entries(spans)) {
    assert.match(report.validText(check('foobar', ending(Number(seconds))), run), new RegExp(`\\(${said} left\\)\\n$`));
  }
});

describe('--check', () => {
  const all = [
    check('today', ending(5 * hour + 20)),
    check('tomorrow', ending(20.5 * hour)),
    check('later', ending(36 * hour)),
    check('soon', ending(600, 'due')),
    check('yesterday', ending(-20 * hour, 'expired')),
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
unknown      due      end not recorded
never there  never refreshed
`,
    );
    assert.equal(plain(report.checkText([], noon)), '');
  });

  test('colors the state and nothing else', () => {
    const parts = [report.checkText(all, noon)].flat().filter((part) => typeof part !== 'string');
    assert.deepEqual(
      parts.map(({ text, color }) => `${text.trimEnd()} ${color}`),
      ['valid green', 'valid green', 'valid green', 'due yellow', 'expired red', 'due yellow', 'never refreshed red'],
    );
  });

  test('--json is one document of a fixed shape, with the notes', () => {
    const text = report.checkJson(
      [
        { session: makeSession('foobar', 'dev', 'arch'), status: ending(5 * hour) },
        check('past', ending(-1, 'expired')),
        check('late', unknown),
        { session: { ...makeSession('none'), source: undefined }, status: never },
      ],
      ({ name }) => (name === 'foobar' ? ['one', 'two'] : []),
    );
    const rows: readonly (readonly [string, string | null, string, string | null, number | null])[] = [
      ['foobar', 'foobar-long-term', 'valid', '2026-03-10T17:00:00Z', 18_000],
      ['past', 'past-long-term', 'expired', '2026-03-10T11:59:59Z', 0],
      ['late', 'late-long-term', 'due', null, null],
      ['none', null, 'never', null, null],
    ];
    const sessions = rows.map(([profile, source, state, expires, secondsLeft]) => {
      const [roles, notes] =
        profile === 'foobar'
          ? [
              ['dev', 'arch'],
              ['one', 'two'],
            ]
          : [[], []];
      return { profile, source, state, expires, secondsLeft, roles, notes };
    });
    assert.equal(text, `${JSON.stringify({ sessions }, undefined, 2)}\n`);
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
  const six = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => check(name, never));
  const rows: readonly (readonly [due: readonly report.Checked[], failures: readonly unknown[], said: string])[] = [
    [[check('foobar', ending(-1, 'expired'))], [], 'the session of foobar has expired: type refresh-mfa foobar'],
    [[check('foobar', ending(9, 'due'))], [], 'the session of foobar is about to expire: type refresh-mfa foobar'],
    [[check("a'b c", never)], [], `the session of a'b c does not exist yet: type refresh-mfa 'a'\\''b c'`],
    [[check('-x', never)], [], 'the session of -x does not exist yet: type refresh-mfa -- -x'],
    [[check('a', never), check('-b', unknown)], [], 'the sessions of a, -b are due: type refresh-mfa -- a -b'],
    [six.slice(0, 5), [], 'the sessions of a, b, c, d, e are due: type refresh-mfa a b c d e'],
    [six, [], 'the sessions of a, b, c, d and 2 more are due: type refresh-mfa --check'],
    [[], [failed], 'the check failed: cannot read ~/.aws/config (EACCES)'],
    [
      [check('a', never)],
      [new UserError('config', 'no profile "x\ny"'), failed],
      'the session of a does not exist yet: type refresh-mfa a; the check failed: no profile "x y"',
    ],
  ];
  for (const [due, failures, said] of rows) test(said, () => assert.equal(report.reminder(due, failures), said));
});
