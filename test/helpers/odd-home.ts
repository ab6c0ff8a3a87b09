import { anyCase, body, filler, malformed } from './odd';
import type { Random } from './random';
import { keys, oldSession, other, otherKeys, person, serial, simple } from './scene';

/** The two files of a person's set-up that works in principle, each bent in some ways; undefined is a file that is not there. */
export interface OddHome {
  readonly config: Buffer | undefined;
  readonly credentials: Buffer | undefined;
  /** The profile whose section is to be written. */
  readonly session: string;
  /** What is meant to be its source. */
  readonly source: string;
  /** Role profiles: the first chains off the session, the second off the first. */
  readonly roles: readonly string[];
}

type Place = 'prefixed' | 'bare' | 'credentials';
type Entry = readonly [key: string, value: string];

export function makeOddHome(random: Random): OddHome {
  const session = random.chance(0.6) ? 'foobar' : random.pick(random.chance(0.95) ? names : badNames);
  const linked = random.chance(0.6);
  const named = random.chance(0.02) ? session : random.pick(['Keys', 'Keys', 'Keys', 'my keys', 'a.b', 'Größe', "K's"]);
  const source = linked ? named : `${session}-long-term`;
  const draft = new Draft(random);
  const { put, spread } = draft;

  if (linked) spread(session, 'source_profile', source, 'Other');
  for (const [name, user, chance] of [
    [source, person, 0.99],
    ['Other', other, 0.7],
  ] as const) {
    if (!random.chance(chance)) continue;
    const place = random.pick<Place>([...mostly<Place>('credentials', 10), 'prefixed', 'prefixed', 'bare']);
    putKeys(random, (key, value) => put(place, name, key, value), user);
    if (random.chance(0.08)) putKeys(random, (key, value) => put('credentials', name, key, value), other);
  }

  const { serial } = person;
  const device = random.pick([
    ...mostly(serial, 16),
    serial.replace('aws', 'aws-cn'),
    serial.replace('aws', 'aws-us-gov'),
    'GAHT12345678',
    'my phone',
    '',
  ]);
  const owner = random.pick([session, session, source, 'default']);
  if (random.chance(0.97)) spread(owner, 'mfa_serial', device, other.serial);
  if (random.chance(0.15)) spread(random.pick([source, 'default', session]), 'mfa_serial', other.serial, other.serial);
  if (random.chance(0.1)) put('credentials', source, 'aws_mfa_device', random.chance(0.5) ? other.serial : device);
  for (const name of [session, source, 'default']) {
    const region = random.pick([...mostly('eu-west-1', 10), 'eu west', 'us-west-2', 'cn-north-1', 'us-gov-east-1', '']);
    if (random.chance(0.25)) spread(name, 'region', region, 'ap-south-1');
  }

  if (random.chance(0.5)) {
    const keys = random.chance(0.05) ? person.accessKeyId : 'ASIAIOSFODNN7EXAMPLE';
    const old = [
      ['aws_access_key_id', keys],
      ['aws_secret_access_key', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYOLDSESSION'],
      ['aws_session_token', 'IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE=='],
      ['x_security_token_expires', '2026-11-19T20:31:00Z'],
    ] as const;
    for (const [key, value] of old) if (random.chance(0.97)) put('credentials', session, key, value);
    if (random.chance(0.1)) put('credentials', session, 'aws_security_token', 'IQoJb3JpZ2luX2VjESTALETOKENEXAMPLE==');
  }
  if (random.chance(0.3)) put('credentials', session, random.pick(['output', 'region', 'cli_pager']), '');
  if (random.chance(0.3)) put('credentials', session, 'output', 'json');

  const loop = random.chance(0.02);
  for (const [name, behind] of [
    ['dev', loop ? 'admin' : session],
    ['admin', 'dev'],
  ] as const) {
    const place = random.pick<Place>([...mostly<Place>('prefixed', 8), 'bare', 'credentials']);
    put(place, name, 'role_arn', `arn:aws:iam::111122223333:role/${name}`);
    if (random.chance(0.98)) put(place, name, 'source_profile', behind);
    if (random.chance(0.1)) put(place, name, 'mfa_serial', serial);
    if (random.chance(0.02)) putKeys(random, (key, value) => put(place, name, key, value), other);
  }

  return { ...draft.render(session), session, source, roles: ['dev', 'admin'] };
}

const names = [
  'default',
  'default',
  'a.b',
  'me@corp.example.com',
  'team/blue:1',
  'two words',
  'größe',
  '日本',
  'x;y',
  'a=b',
  'constructor',
  '-x',
  '%(a)s',
  '$' + '{HOME}',
  'toString',
  '-x',
  "it's",
  'a(b)*',
] as const;

/** Of which no section can be made that all readers would find. */
const badNames = [' padded', 'a]b', 'DEFAULT', 'x #y', 'a\x7fb'] as const;

function mostly<T>(value: T, times: number): [T, ...T[]] {
  return [value, ...Array.from({ length: times - 1 }, () => value)];
}

function putKeys(random: Random, put: (key: string, value: string) => void, user: typeof person): void {
  const value = (right: string) => (random.chance(0.01) ? random.pick(['', `"${right}"`]) : right);
  if (random.chance(0.99)) put('aws_access_key_id', value(user.accessKeyId));
  if (random.chance(0.99)) put('aws_secret_access_key', value(user.secretAccessKey));
  if (random.chance(0.02)) put('aws_session_token', 'IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==');
}

/** Collects what is to stand where, then writes the two files. */
class Draft {
  readonly #random: Random;
  readonly #sections: Record<Place, Map<string, Entry[]>> = {
    prefixed: new Map(),
    bare: new Map(),
    credentials: new Map(),
  };

  constructor(random: Random) {
    this.#random = random;
  }

  readonly put = (place: Place, name: string, key: string, value: string): void => {
    const entries = this.#sections[place].get(name) ?? [];
    this.#sections[place].set(name, entries);
    if (this.#random.chance(0.005) || !entries.some(([other]) => other === key)) entries.push([key, value]);
  };

  /** Somewhere, and now and then something else in another place. */
  readonly spread = (name: string, key: string, value: string, decoy: string): void => {
    const places: [Place, ...Place[]] = [...mostly<Place>('prefixed', 8), 'credentials', 'credentials', 'bare'];
    this.put(this.#random.pick(places), name, key, value);
    if (this.#random.chance(0.15)) this.put(this.#random.pick(places), name, key, decoy);
  };

  render(session: string): Pick<OddHome, 'config' | 'credentials'> {
    const random = this.#random;
    const { prefixed, bare, credentials } = this.#sections;
    const written = (name: string, entries: readonly Entry[], isPrefixed: boolean) => [
      header(random, name, isPrefixed),
      ...lines(random, entries),
    ];
    const config = [
      ...[...prefixed].map(([name, entries]) => written(name, entries, true)),
      ...[...bare].map(([name, entries]) => written(name, entries, false)),
      ...noise(random, [
        `profile ${session} x`,
        'profile FOOBAR',
        'services s',
        'preview',
        'profile "two"',
        '__proto__',
      ]),
    ];
    const keys = [
      ...[...credentials].map(([name, entries]) => written(name, entries, false)),
      ...noise(random, [`profile ${session}`, ` ${session} `, 'FOOBAR', 'foobar2', "it's", '__proto__', 'toString']),
    ];
    return { config: file(random, config), credentials: file(random, keys) };
  }
}

function noise(random: Random, headers: readonly string[]): string[][] {
  const sections = headers
    .filter(() => random.chance(0.08))
    .map((name) => [`[${name}]${trailer(random)}`, ...body(random)]);
  if (random.chance(0.05)) {
    const inherited = [
      'region = ap-south-1',
      'output = text',
      'aws_security_token = INHERITED',
      'source_profile = Keys',
    ];
    const keys = [`aws_access_key_id = ${other.accessKeyId}`, `aws_secret_access_key = ${other.secretAccessKey}`];
    const device = `mfa_serial = ${other.serial}`;
    const chosen = [...inherited, device].filter(() => random.chance(0.35));
    sections.push(['[DEFAULT]', ...chosen, ...(random.chance(0.15) ? keys : [])]);
  }
  return sections;
}

function header(random: Random, name: string, isPrefixed: boolean): string {
  const indent = random.chance(0.01) ? random.pick([' ', '\t']) : '';
  return `${indent}[${isPrefixed ? prefix(random, name) : name}]${trailer(random)}`;
}

function prefix(random: Random, name: string): string {
  if (name === 'default' && random.chance(0.6)) return name;
  const quoted = `profile ${JSON.stringify(name)}`;
  if (/[\s'"\\]/.test(name)) return random.chance(0.95) ? quoted : `profile ${name}`;
  if (random.chance(0.85)) return `profile ${name}`;
  return random.pick([
    quoted,
    `profile '${name}'`,
    `profile   ${name}`,
    `profile ${name} `,
    `profile\t${name}`,
    `profile "${name.slice(0, 2)}"${name.slice(2)}`,
    `profile \\${name}`,
    ` profile ${name}`,
    `profile${random.pick(['s', '-x', '\u00a0'])} ${name}`,
    `profile\u00a0${name}`,
    `profile ${name}\u00a0`,
    `profile ${name}'`,
    `profile ${name}\\`,
    `profile ${name} # c`,
    `Profile ${name}`,
  ]);
}

function trailer(random: Random): string {
  if (random.chance(0.94)) return '';
  return random.pick([' ', ' # note', ' ; note', '\t#note', '#note', ';note', ' junk', ' ; see [y]']);
}

function lines(random: Random, entries: readonly Entry[]): string[] {
  const base = random.chance(0.85) ? '' : random.pick(['  ', '\t', '\u00a0']);
  const found: string[] = [];
  for (const [key, value] of random.shuffle(entries)) {
    while (random.chance(0.1)) found.push(filler(random));
    if (random.chance(0.02)) found.push(`${base}s3 =`, ...block(random, base));
    const equals = random.pick([...mostly(' = ', 6), '=', ' =', '= ', ' : ', ':', ': ', '\t=\t']);
    const behind = random.chance(0.94)
      ? ''
      : random.pick(['  ', ' # note', ' ; note', '#note', ';note', `\n${base}  more`]);
    const deeper = random.chance(0.01) ? '  ' : '';
    found.push(`${base}${deeper}${anyCase(random, key)}${equals}${value}${behind}`);
  }
  return found;
}

function block(random: Random, base: string): string[] {
  const inner = ['max_queue_size = 5', 'aws_session_token = inside', 'mfa_serial = inside', 'path'];
  const found = inner.filter((line) => random.chance(line === 'path' ? 0.03 : 0.5));
  if (random.chance(0.03)) found.push(`k = v${random.pick(['\u2028', '\f', '\v', '\u2029'])}w`);
  return found.map((line) => `${base}  ${line}`);
}

function file(random: Random, sections: readonly (readonly string[])[]): Buffer | undefined {
  if (sections.length === 0 && random.chance(0.5)) return undefined;
  const eol = random.chance(0.2) ? '\r\n' : '\n';
  const shuffled = random.shuffle(sections);
  const all = shuffled.flatMap((section) => [...section, ...(random.chance(0.7) ? [''] : [])]);
  while (random.chance(0.1)) all.unshift(filler(random));
  if (random.chance(0.015)) all.splice(random.below(all.length + 1), 0, malformed(random));
  if (random.chance(0.01)) all.push(all.find((line) => line.startsWith('[')) ?? '');
  const text = all
    .flatMap((line) => line.split('\n'))
    .map((line) => line + (random.chance(0.003) ? random.pick(['\n', '\n', '\r\n', '\r\n', '\r']) : eol))
    .join('');
  const cut = random.chance(0.2) ? text.replace(/\r?\n$/, '') : text;
  if (random.chance(0.004)) return Buffer.from(`\ufeff${cut}`);
  if (random.chance(0.005)) return Buffer.concat([Buffer.from(cut), Buffer.from('\n# gr\xf6\xdfe\n', 'latin1')]);
  return Buffer.from(cut);
}

const foobar = (config: string, credentials: string, session = 'foobar'): OddHome => ({
  config: Buffer.from(config),
  credentials: Buffer.from(credentials),
  session,
  source: `${session}-long-term`,
  roles: ['dev', 'admin'],
});
const withSession = (text: string) => `${simple.credentials}\n[foobar]\n${text}`;
const indented = oldSession.replaceAll(/^/gm, '  ').trimEnd();
const role = 'role_arn = arn:aws:iam::111122223333:role/dev\nsource_profile';

/** What people have, and what chance makes so seldom that some samples are without it. */
export const certainHomes: readonly OddHome[] = [
  // keys that are all indented alike, empty values, and blocks
  foobar(simple.config, withSession(`${indented}\n`)),
  foobar(simple.config, withSession(`region =\n${oldSession}`)),
  foobar(simple.config, withSession(`  region =\n${indented}\n`)),
  foobar(simple.config, withSession('  region =\n  output = json\n')),
  foobar(simple.config, withSession(`s3 =\n  max_queue_size = 5\n${oldSession}`)),
  foobar(simple.config, withSession(`  s3 =\n    max_queue_size = 5\n${indented}\n`)),
  foobar(simple.config, withSession('output = json\n  aws_session_token = STALE\n')),
  foobar(simple.config, withSession(`${oldSession}output = json\n  aws_session_token = STALE\n`)),
  // a pair of keys, half of which stands in the other file, too
  foobar(`${simple.config}\n[profile foobar-long-term]\n${keys}`, `[foobar-long-term]\n${keys.split('\n')[1]}\n`),
  foobar(
    `[profile default]\nmfa_serial = ${serial}\n\n[default]\nregion = eu-west-1\n`,
    `[default-long-term]\n${keys}`,
    'default',
  ),
  // the layout of AWS's guide
  foobar(`[profile dev]\n${role} = foobar\nmfa_serial = ${serial}\n`, `[foobar]\n${keys}`),
  foobar(`${simple.config}region = eu-west-1\n`, withSession('region =\n')),
  foobar(`${simple.config}\n[profile foobar-long-term]\naws_session_token = OLD\n`, simple.credentials),
  // roles that have keys
  foobar(
    `${simple.config}\n[profile dev]\n${role} = foobar\n${otherKeys}\n[profile admin]\n${role} = dev\n`,
    simple.credentials,
  ),
  foobar(`${simple.config}\n[profile foobar-long-term]\n${role} = foobar\n`, withSession(oldSession)),
  foobar(`${simple.config}source_profile = dev\n\n[profile dev]\n${role} = Keys\n`, `[Keys]\n${keys}`),
  foobar('', `${simple.credentials}aws_mfa_device = ${serial}\n`),
  foobar(`${simple.config}source_profile = foobar\n`, `[foobar]\n${keys}`),
  foobar(simple.config, `[DEFAULT]\naws_security_token = OLD\n\n${simple.credentials}`),
  // what the JS SDK does not see
  ...['two words', 'constructor'].map((name) =>
    foobar(`[profile "${name}"]\nmfa_serial = ${serial}\n`, `[${name}-long-term]\n${keys}`, name),
  ),
  foobar(simple.config, `${simple.credentials}\n[foobar]#note\n`),
  foobar(`${simple.config}\n[profile dev]#note\n${role} = foobar-long-term\n`, simple.credentials),
  foobar(simple.config, `${simple.credentials}\n[__proto__]\n`),
];
