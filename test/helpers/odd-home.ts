// The two files of a set-up that works in principle, each bent in some ways.
import { anyCase, join, makeBody, makeFiller, makeHeader, makeMalformed, makeNested } from './odd';
import type { Random } from './random';
import { keys, oldSession, other, otherKeys, person, serial, simple } from './scene';

/** Two texts, and the profile whose section is to be written. */
export type OddHome = Readonly<Record<'config' | 'credentials' | 'session', string>>;

type Place = 'prefixed' | 'bare' | 'credentials';
type Entry = readonly [key: string, value: string];

const words =
  "default a.b me@corp.example.com team/blue:1 größe 日本 a=b constructor -x %(a)s $HOME toString it's a(b)* x;y DEFAULT";
const names = [...words.split(' '), ...words.split(' ').slice(0, 9), 'two words', ' padded', 'a]b', 'x #y'];
const chosen = <T>(usual: T, times: number, ...seldom: readonly T[]) => [...Array<T>(times).fill(usual), ...seldom];

export function makeOddHome(random: Random): OddHome {
  const session = random.chance(0.6) ? 'foobar' : random.pick(names);
  const linked = random.chance(0.6);
  const named = random.chance(0.02) ? session : random.pick(['Keys', 'Keys', 'Keys', 'my keys', 'a.b', 'Größe', "K's"]);
  const source = linked ? named : `${session}-long-term`;
  const sections: Record<Place, Map<string, Entry[]>> = {
    prefixed: new Map(),
    bare: new Map(),
    credentials: new Map(),
  };
  const put = (place: Place, name: string, key: string, value: string) => {
    const entries = sections[place].get(name) ?? [];
    sections[place].set(name, entries);
    if (random.chance(0.002) || !entries.some(([known]) => known === key)) entries.push([key, value]);
  };
  /** Somewhere, and now and then something else in another place. */
  const spread = (name: string, key: string, value: string, decoy: string) => {
    const places = chosen<Place>('prefixed', 8, 'credentials', 'credentials', 'bare');
    put(random.pick(places), name, key, value);
    if (random.chance(0.15)) put(random.pick(places), name, key, decoy);
  };
  const putKeys = (place: Place, name: string, user: typeof person) => {
    if (random.chance(0.99)) put(place, name, 'aws_access_key_id', user.accessKeyId);
    if (random.chance(0.99)) put(place, name, 'aws_secret_access_key', user.secretAccessKey);
    if (random.chance(0.02)) put(place, name, 'aws_session_token', 'IQoJb3JpZ2luX2VjEOLDSESSIONEXAMPLE==');
  };
  if (linked) spread(session, 'source_profile', source, 'Other');
  putKeys(random.pick(chosen<Place>('credentials', 10, 'prefixed', 'prefixed', 'bare')), source, person);
  if (random.chance(0.08)) putKeys('credentials', source, other);
  if (random.chance(0.7)) putKeys('credentials', 'Other', other);
  const devices = chosen(serial, 40, serial.replace('aws', 'aws-cn'), 'GAHT12345678', 'my phone', '');
  if (random.chance(0.97))
    spread(random.pick([session, session, source, 'default']), 'mfa_serial', random.pick(devices), other.serial);
  if (random.chance(0.1)) put('credentials', source, 'aws_mfa_device', other.serial);
  for (const name of [session, source, 'default']) {
    const region = random.pick(chosen('eu-west-1', 20, 'eu west', 'us-west-2', 'cn-north-1', ''));
    if (random.chance(0.25)) spread(name, 'region', region, 'ap-south-1');
  }
  if (random.chance(0.5)) {
    const id = random.chance(0.05) ? person.accessKeyId : 'ASIAIOSFODNN7EXAMPLE';
    const stale = 'x_security_token_expires = 2026-11-19T20:31:00Z\naws_security_token = STALE\nexpiration = STALE\n';
    const old = (oldSession.replace(/ASIA\w+/, id) + stale).matchAll(/(.+) = (.+)/g);
    for (const [, key = '', value = ''] of old) {
      if (random.chance(value === 'STALE' ? 0.1 : 0.97)) put('credentials', session, key, value);
    }
  }
  if (random.chance(0.3))
    put('credentials', session, random.pick(['output', 'region', 'cli_pager']), random.pick(['', 'json']));
  const behind = { dev: random.chance(0.02) ? 'admin' : session, admin: 'dev' };
  for (const [name, source] of Object.entries(behind)) {
    const place = random.pick(chosen<Place>('prefixed', 8, 'bare', 'credentials'));
    put(place, name, 'role_arn', `arn:aws:iam::111122223333:role/${name}`);
    if (random.chance(0.98)) put(place, name, 'source_profile', source);
    if (random.chance(0.1)) put(place, name, 'mfa_serial', serial);
    if (random.chance(0.02)) putKeys(place, name, other);
  }
  const render = (place: Place) =>
    [...sections[place]].map(([name, entries]) => [
      makeHeader(random, place === 'prefixed' ? prefix(random, name) : name),
      ...makeLines(random, entries),
    ]);
  const noise = (...headers: string[]) =>
    headers.filter(() => random.chance(0.06)).map((name) => [makeHeader(random, name), ...makeBody(random)]);
  const foreign = noise(`profile ${session} x`, 'services s', '__proto__', 'preview');
  const config = [...render('prefixed'), ...render('bare'), ...foreign];
  const twins = random.chance(0.1) ? [`profile ${session}`, ` ${session} `] : [];
  const own = noise('FOOBAR', 'foobar2', "it's", '__proto__', 'toString', ...twins);
  const credentials = [...render('credentials'), ...own];
  for (const file of [config, credentials]) if (random.chance(0.03)) file.push(['[DEFAULT]', ...makeDefaults(random)]);
  return { config: makeFile(random, config), credentials: makeFile(random, credentials), session };
}

function makeDefaults(random: Random): string[] {
  const inherited = ['region = ap-south-1', 'aws_security_token = INHERITED', 'source_profile = Keys'];
  const chosen = [...inherited, `mfa_serial = ${other.serial}`].filter(() => random.chance(0.35));
  return [...chosen, ...(random.chance(0.15) ? [otherKeys.trim()] : [])];
}

function prefix(random: Random, name: string): string {
  if (name === 'default' && random.chance(0.6)) return name;
  if (/[\s'"\\]/.test(name)) return `profile ${random.chance(0.95) ? JSON.stringify(name) : name}`;
  if (random.chance(0.85)) return `profile ${name}`;
  return random.pick(prefixes).replaceAll('X', () => name);
}

const prefixes = [
  ...`profile "X"|profile 'X'|profile "X"''|profile \\X|profile   X|profile X |profile\tX| profile X`.split('|'),
  ..."profile\u00a0X|profile X\u00a0|profile X'|profile X\\|profile X # c|Profile X".split('|'),
];

function makeLines(random: Random, entries: readonly Entry[]): string[] {
  const base = random.chance(0.85) ? '' : random.pick(['  ', '\t', '\u00a0']);
  return random.shuffle(entries).flatMap(([key, value]) => {
    const before = random.chance(0.1) ? [makeFiller(random)] : [];
    if (random.chance(0.03)) before.push(`${base}s3 =`, ...makeNested(random, base));
    const equals = random.pick(chosen(' = ', 6, '=', ' =', '= ', ' : ', ':', ': ', '\t=\t'));
    const after = random.pick(chosen('', 200, '  ', ' # note', ' ; note', '#note', ';note'));
    const next = random.chance(0.01) ? [`${base}  ${random.pick(['more', 'aws_session_token = STALE'])}`] : [];
    const indent = random.chance(0.005) ? `${base}  ` : base;
    return [...before, `${indent}${anyCase(random, key)}${equals}${value}${after}`, ...next];
  });
}

function makeFile(random: Random, sections: readonly (readonly string[])[]): string {
  const lines = random.shuffle(sections).flatMap((section) => [...section, ...(random.chance(0.7) ? [''] : [])]);
  while (random.chance(0.1)) lines.unshift(makeFiller(random));
  if (random.chance(0.01)) lines.splice(random.below(lines.length + 1), 0, makeMalformed(random));
  return join(random, lines, random.chance(0.2) ? '\r\n' : '\n');
}

const foobar = (config: string, credentials: string, session = 'foobar'): OddHome => ({ config, credentials, session });
const configured = (config: string) => foobar(config, simple.credentials);
const held = (credentials: string) => foobar(simple.config, credentials);
const region = 'region = eu-west-1\n';
const indented = oldSession.replaceAll(/^/gm, '  ').trimEnd();
const role = 'role_arn = arn:aws:iam::111122223333:role/dev\nsource_profile';
const dev = `[profile dev]\n${role} = foobar\n`;
const admin = `[profile admin]\n${role} = dev\n`;
const secrets = [...'v#c v;c true null 000123 %(x)s $HOME a\\nb =abc abc=='.split(' '), 'x'.repeat(2 ** 20)];
const plainNames = "a.b a@b a:b a+b a%b 1 -x a=b a(b) it's ä 日 constructor".split(' ');

// biome-ignore format: several rows a line
const sections = [
  `[foobar]\n${indented}\n`, `[foobar]\nregion =\n${oldSession}`, `[foobar]\n  region =\n${indented}\n`,
  '[foobar]\n  region =\n  output = json\n', `[foobar]\ns3 =\n  max_queue_size = 5\n${oldSession}`,
  `[foobar]\n  s3 =\n    max_queue_size = 5\n${indented}\n`, '[foobar]\n  s3 =\n    max_queue_size = 5\n',
  '[foobar]\noutput = json\n  aws_session_token = STALE\n',
  `[foobar]\n${oldSession}output = json\n  aws_session_token = STALE\n`, `[foobar]\n${oldSession}[x;y]\n${otherKeys}`,
  '[foobar]\nregion = eu-north-1\n', '[foobar]\nregion =\n', `[foobar]#note\n${oldSession}`, `[ foobar ]\n${otherKeys}`,
  `[profile foobar]\n${otherKeys}`, '[__proto__]\n', '[DEFAULT]\naws_security_token = OLD\n',
];
/** What people have, and what chance makes so seldom that some samples are without it. */
export const certainHomes: readonly OddHome[] = [
  ...sections.map((text) => foobar(simple.config + region, `${simple.credentials}\n${text}`)),
  held(`[foobar]\n${oldSession}\n${simple.credentials.replace(']', ']#note')}`),
  // how a section of the config can be headed, and what counts where
  ...['foobar', ...prefixes].map((header) =>
    configured(`[${header.replace('X', 'foobar')}]\n${region}mfa_serial = ${serial}\n`),
  ),
  configured(`[foobar]\nregion = eu-west-2\n\n${simple.config}${region}`),
  configured(`[DEFAULT]\n${region}\n${simple.config}`),
  configured(`${simple.config}s3 =\n  region = eu-west-2\n${region}`),
  configured(`${simple.config}\n[profile foobar-long-term]\n${otherKeys}`),
  configured(`${simple.config}\n[profile foobar-long-term]\naws_session_token = OLD\n`),
  // how a key can be written
  ...[' : ', ':', ': ', '=', '\t=\t'].map((equals) => held(simple.credentials.replaceAll(' = ', equals))),
  ...secrets.map((secret) => held(simple.credentials.replace(person.secretAccessKey, () => secret))),
  held(simple.credentials.replaceAll('aws_access_key_id', 'AWS_ACCESS_KEY_ID')),
  held(simple.credentials.replaceAll(/^aws/gm, '  aws')),
  held(simple.credentials.replaceAll('\n', '\r\n')),
  held(simple.credentials.replace('\n', '\r\n').trimEnd()),
  held(simple.credentials.replaceAll(/^aws/gm, '# c\n\n  ; d\naws')),
  // roles
  configured(`${simple.config}\n${dev}${admin}`),
  configured(`${simple.config}\n${dev}${otherKeys}${admin}`),
  foobar(`${dev}mfa_serial = ${serial}\n`, `[foobar]\n${keys}`),
  foobar(`${simple.config}source_profile = dev\n${dev}`, `[Keys]\n${keys}`),
  foobar(`[profile default]\nmfa_serial = ${serial}\n[default]\n${region}`, `[default-long-term]\n${keys}`, 'default'),
  ...[...plainNames, 'two words'].map((name) =>
    foobar(`[profile "${name}"]\nmfa_serial = ${serial}\n`, `[${name}-long-term]\n${keys}`, name),
  ),
];
