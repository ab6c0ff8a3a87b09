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
  return { name, source: `${name}-long-term`, link: undefined, section: undefined, roles };
}

const never: Status = { state: 'never' };
const unknown: Status = { state: 'due' };

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
  const fail = (codes: string) => codes.split(' ').map((code) => new UserError(code as ErrorCode, code));
  const rows = { 'usage file': 2, 'config aws': 2, 'file config': 1, network: 1, aws: 1 };
  for (const [codes, status] of Object.entries(rows)) assert.equal(report.exitStatus(fail(codes)), status, codes);
  assert.equal(report.exitStatus([]), 0);
  assert.equal(report.exitStatus(fail('config interrupted aws')), 130);
  assert.equal(report.exitStatus([new TypeError(), ...fail('usage')]), 1);
});

describe('an error', () => {
  test('is a line with the name of the program, then its hints without, whatever the names in it; so is a note', () => {
    const error = new UserError('usage', 'no profile "a\nhint: rm -r ~\r\n\tb"', ['c\nd', 'or e']);
    const said = 'refresh-mfa: error: no profile "a hint: rm -r ~ b"\nhint: c d\nhint: or e\n';
    assert.equal(report.errorText(error), said);
    assert.equal(report.errorText(new UserError('aws', 'no')), 'refresh-mfa: error: no\n');
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
  const line = 'foobar: session until 23:59 (12 h), written to ~/.aws/credentials\n';
  const textOf = (session: SessionProfile) =>
    report.refreshedText(session, new Date(noon + 12 * hour * 1000 - 60_000), 12 * hour, run);

  test('is one line, with a tick before it where color shows; a new section names its roles, too', () => {
    const section = parse(Buffer.from('[foobar]\nregion = x\n'), '~/.aws/credentials').sections.get('foobar');
    const old = textOf({ ...makeSession('foobar', 'dev'), section });
    assert.equal(plain(old), line);
    assert.deepEqual(old[0], { text: '✓ ', color: 'green', plain: '' });
    assert.equal(plain(textOf(makeSession('foobar'))), line);
    const rows = { dev: 'dev', 'a b c d e': 'a, b, c, d, e', 'a b c d e f': 'a, b, c, d and 2 more' };
    for (const [roles, said] of Object.entries(rows)) {
      const text = plain(textOf(makeSession('foobar', ...roles.split(' '))));
      assert.equal(text, `${line}foobar: role profiles that use it: ${said}\n`);
    }
  });

  test('is noted when it is shorter than asked, or by another clock', () => {
    const clock = (off: string) => `this computer's clock is ${off} STS: set it, or --check is wrong`;
    const rows: readonly (readonly [lasts: number, asked: number, ahead: number, ...notes: string[]])[] = [
      [12 * hour - 1, 12 * hour, 0],
      [12 * hour, hour, 0],
      [hour, 12 * hour, 0, 'STS granted 1 h instead of 12 h: root user keys get one hour at most'],
      [hour, hour, 13 * hour, clock('13 h ahead of')],
      [2 * hour, 3 * hour, -5400, 'STS granted 2 h instead of 3 h', clock('1 h 30 min behind')],
    ];
    for (const [lasts, asked, ahead, ...notes] of rows) {
      assert.deepEqual(report.findGrantNotes(lasts, asked, ahead), notes);
    }
  });

  test('with notes on its layout says how to see them', () => {
    assert.equal(report.countNotes('foobar', 2), '2 notes on this layout: refresh-mfa --check foobar');
    assert.equal(report.countNotes('-x', 1), '1 note on this layout: refresh-mfa --check -- -x');
  });
});

test('the names of one run are aligned; a session that was removed is told with its end, which it keeps', () => {
  const removed = (name: string, status: Status) => report.clearedText(check(name, status), run);
  const text = [
    plain(report.refreshedText(makeSession('foobar'), new Date(noon), hour, run)),
    report.validText(check('acme', ending(hour)), run),
    removed('a\tb', ending(hour)),
    removed('none', never),
    removed('past', ending(-1, 'expired')),
    removed('x', unknown),
  ];
  const expected = `foobar: session until 12:00 (1 h), written to ~/.aws/credentials
acme:   session valid until 13:00 (1 h left)
a b:    session removed from ~/.aws/credentials; AWS accepts it until 13:00
none:   no session in ~/.aws/credentials
past:   session removed from ~/.aws/credentials; it has expired
x:      session removed from ~/.aws/credentials; AWS accepts it until it expires
`;
  assert.equal(text.join(''), expected);
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
    // days of 23 and of 25 hours
    ['Europe/Berlin', '2026-03-28T12:00:00+01:00', '2026-03-29T20:00:00+02:00', 'tomorrow 20:00'],
    ['Europe/Berlin', '2026-03-29T00:30:00+01:00', '2026-03-29T23:30:00+02:00', '23:30'],
    ['Europe/Berlin', '2026-10-24T23:30:00+02:00', '2026-10-25T23:30:00+01:00', 'tomorrow 23:30'],
  ];
  for (const [TZ, now, end, said] of rows) {
    process.env.TZ = TZ;
    const status: Status = { state: 'due', expires: new Date(end), secondsLeft: 60 };
    const text = report.checkText([check('a', status)], Date.parse(now));
    assert.equal(plain(text), `a  due      until ${said}  1 min left\n`, TZ);
  }
});

test('what is left is hours and minutes', () => {
  const short = { 29: 'less than a minute', 30: '1 min', 3569: '59 min' };
  const spans = { ...short, 3570: '1 h', 5400: '1 h 30 min', 129599: '36 h' };
  for (const [seconds, said] of Object.entries(spans)) {
    assert.match(report.validText(check('foobar', ending(Number(seconds))), run), new RegExp(`\\(${said} left\\)\\n$`));
  }
});

describe('--check', () => {
  test('is an aligned line a session: its state in color, its end, and the time left', () => {
    const rows: readonly (readonly [name: string, status: Status, line: string])[] = [
      ['today', ending(5 * hour + 20), 'today        <green>valid  </>  until 17:00             5 h left'],
      ['tomorrow', ending(20.5 * hour), 'tomorrow     <green>valid  </>  until tomorrow 08:30    20 h 30 min left'],
      ['later', ending(36 * hour), 'later        <green>valid  </>  until 2026-03-12 00:00  36 h left'],
      ['soon', ending(600, 'due'), 'soon         <yellow>due    </>  until 12:10             10 min left'],
      ['yesterday', ending(-20 * hour, 'expired'), 'yesterday    <red>expired</>  since yesterday 16:00'],
      ['unknown', unknown, 'unknown      <yellow>due    </>  end not recorded'],
      ['never\tthere', never, 'never there  <red>never refreshed</>'],
    ];
    const all = rows.map(([name, status]) => check(name, status));
    const parts = [report.checkText(all, noon)].flat();
    const text = parts.map((part) => (typeof part === 'string' ? part : `<${part.color}>${part.text}</>`)).join('');
    assert.deepEqual(text.split('\n'), [...rows.map(([, , line]) => line), '']);
    assert.equal(plain(report.checkText([], noon)), '');
  });

  test('--json is one document of a fixed shape, with the notes', () => {
    const all = [
      { session: makeSession('foobar', 'dev', 'arch'), status: ending(5 * hour) },
      check('past', ending(-1, 'expired')),
      { session: { ...makeSession('none'), source: undefined }, status: never },
    ];
    const text = report.checkJson(all, ({ name }) => (name === 'foobar' ? ['one', 'two'] : []));
    const one = { profile: 'foobar', source: 'foobar-long-term', state: 'valid', expires: '2026-03-10T17:00:00Z' };
    const past = { profile: 'past', source: 'past-long-term', state: 'expired', expires: '2026-03-10T11:59:59Z' };
    const sessions = [
      { ...one, secondsLeft: 18_000, roles: ['dev', 'arch'], notes: ['one', 'two'] },
      { ...past, secondsLeft: 0, roles: [], notes: [] },
      { profile: 'none', source: null, state: 'never', expires: null, secondsLeft: null, roles: [], notes: [] },
    ];
    assert.equal(text, `${JSON.stringify({ sessions }, undefined, 2)}\n`);
  });

  test('--json keeps a name as it is, and cannot steer the terminal', () => {
    const name = 'a\x1b[2J\x7f\x9b\x80\u2028"b';
    const text = report.checkJson([check(name, never)], () => []);
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    assert.equal(JSON.parse(text).sessions[0].profile, name);
  });
});

test('--notify says what is due, as a shell takes the names, and why the check failed', () => {
  const due = (names: string) => names.split('|').map((name) => check(name, never));
  const remind = (names: string, ...failures: unknown[]) => report.reminder(due(names), failures);
  assert.equal(remind("a'b c"), "the session of a'b c does not exist yet: type refresh-mfa 'a'\\''b c'");
  assert.equal(remind('a|-b'), 'the sessions of a, -b are due: type refresh-mfa -- a -b');
  assert.equal(remind('a|b|c|d|e'), 'the sessions of a, b, c, d, e are due: type refresh-mfa a b c d e');
  assert.equal(remind('a|b|c|d|e|f'), 'the sessions of a, b, c, d and 2 more are due: type refresh-mfa --check');
  const said = 'the session of a does not exist yet: type refresh-mfa a; the check failed: no profile "x y"';
  assert.equal(remind('a', new UserError('config', 'no profile "x\ny"'), new UserError('file', 'none')), said);
});
