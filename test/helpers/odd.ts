// Set-ups as people, editors and other tools leave them: those that work in principle, and what becomes of them when they are bent.
import type { Random } from './random';
import { keys, oldSession, otherKeys, person, serial, simple } from './scene';

/** Two texts, and the profile whose section is to be written. */
export type OddHome = Readonly<Record<'config' | 'credentials' | 'session', string>>;

const foobar = (config: string, credentials: string, session = 'foobar'): OddHome => ({ config, credentials, session });
const configured = (config: string) => foobar(config, simple.credentials);
const held = (credentials: string) => foobar(simple.config, credentials);
const region = 'region = eu-west-1\n';
const indented = oldSession.replaceAll(/^/gm, '  ').trimEnd();
const role = 'role_arn = arn:aws:iam::111122223333:role/dev\nsource_profile';
const dev = `[profile dev]\n${role} = foobar\n`;
const admin = `[profile admin]\n${role} = dev\n`;
const stale = 'x_security_token_expires = 2026-11-19T20:31:00Z\naws_security_token = STALE\nexpiration = STALE\n';
const secrets = [...'v#c v;c true null 000123 %(x)s $HOME a\\nb =abc abc=='.split(' '), 'x'.repeat(2 ** 20)];
const plainNames = "a.b a@b a:b a+b a%b 1 -x a=b a(b) it's ä 日 constructor".split(' ');
const prefixes = [
  ...`profile "X"|profile 'X'|profile "X"''|profile \\X|profile   X|profile X |profile\tX| profile X`.split('|'),
  ..."profile\u00a0X|profile X\u00a0|profile X'|profile X\\|profile X # c|Profile X".split('|'),
];

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

/** What most are made of: all that the tool reads, in the order in which it is looked for. */
const bases: readonly OddHome[] = [
  foobar(
    `${simple.config}source_profile = Keys\n${region}\n${dev}\n${admin}\n[foobar]\noutput = json\n\n[default]\n${region}`,
    `[Keys]\n${keys}\n[foobar]\n${oldSession}${stale}\n[Other]\n${otherKeys}`,
  ),
  foobar(`${simple.config}\n${dev}\n[default]\n`, `${simple.credentials}\n[foobar]\n${stale}region = x\n\n[Other]\n`),
];

const words =
  "default a.b me@corp.example.com team/blue:1 größe 日本 a=b constructor -x %(a)s $HOME it's a(b)* x;y x#y DEFAULT";
const names = [...words.split(' '), 'two words', ' padded ', 'a]b', 'x #y', '__proto__', 'profile foobar'];
const headers = ['FOOBAR', 'foobar2', ' foobar ', 'foobar', '__proto__', 'DEFAULT', 'services', 'a[b', 'profile other'];
const fillers = ['', '', '  ', '\t', '\u00a0', '\f', '# note', '; note', '  # aws_session_token = no', '#[foobar]'];
const settings = [
  ...['aws_session_token = STALE', 'aws_access_key_id = ASIASTALE', 'aws_secret_access_key = STALE', stale.trimEnd()],
  ...['region = us-west-2', 'region = cn-north-1', 'region = eu west', 'source_profile = Other', otherKeys.trimEnd()],
  ...[`mfa_serial = ${serial.replace('aws', 'aws-cn')}`, 'mfa_serial = GAHT12345678', 'aws_mfa_device = x', 'k ='],
  ...['Key = v', 'aws_session_tokens = v', 'größe = v', `aws_access_key_id = ${person.accessKeyId}`],
];
/** What can stand below the first line of a block. */
const blocks = [
  ...['', '\n  # c', '\n\taws_session_token = inside', '\n\n  x = y', '\n  path', '\n  k = v\fw', '\n k=\u2028w'],
];
const values = [
  ...['', 'v', 'FwoGZXIvYXdzEDo==', '"quoted"', 'v # note', '# note', 'v;note', '[v]', '=', ':', 'ä € 日本 🦊'],
  ...['a\\nb', '%(x)s $HOME', 'a\u2028b', '{"a": "b=c:d"}', 'x'.repeat(300)],
];
/** A line that makes a file unreadable, for some reader at least. */
const malformed = [
  ...['\ufeff', 'k = a\x1db', 'k = a\rb', '\x1f', 'k = \x85', 'k = \0', '[foobar]', '  [foobar]', '  deep = v'],
  ...['[]', '[open', 'no delimiter', '= v', ': v', '// note'],
];
const equals = ['=', ' =', '= ', ' : ', ':', ': ', '\t=\t', ' \f= '];
const notes = ['  ', ' # note', ' ; note', '\t#note', '#note', ';note', ' junk', ' ; see [y]'];
const indents = ['  ', '\t', '\u00a0', '    '];
/** Stands between the lines of the two files, so that a bend can move one from file to file. */
const border = '[the credentials]';

/** Changes something at that line. */
type Bend = (lines: string[], at: number, random: Random) => void;

function insert(choices: readonly string[]): Bend {
  return (lines, at, random) => lines.splice(at, 0, ...random.pick(choices).split('\n'));
}

function edit(change: (line: string, random: Random) => string): Bend {
  return (lines, at, random) => lines.splice(at, 1, change(lines[at] ?? '', random));
}

function indentSection(lines: string[], at: number, random: Random): void {
  const indent = random.pick(indents);
  for (let line = at; /^[^[]/.test(lines[line] ?? ''); line++) lines[line] = `${indent}${lines[line]}`;
}

function moveRest(lines: string[], at: number, random: Random): void {
  const rest = lines.slice(at).findIndex((line) => line.startsWith('['));
  const moved = lines.splice(at, rest);
  lines.splice(random.below(lines.length), 0, ...moved);
}

/** Each with its weight. */
const bends: readonly (readonly [weight: number, bend: Bend])[] = [
  [12, insert(fillers)],
  [8, insert(settings)],
  [3, insert(blocks.map((rest) => `s3 =\n  max_queue_size = 5${rest}`))],
  [3, insert(headers.map((name) => `[${name}]`))],
  [1, insert(malformed)],
  [8, edit((line, random) => line.replace(' = ', random.pick(equals)))],
  [3, edit((line, random) => line.replace(/=.*/, () => `= ${random.pick(values)}`))],
  [4, edit((line) => line.replace(/^\w+/, (key) => key.toUpperCase()))],
  [3, edit((line, random) => `${line}${random.pick(notes)}`)],
  [1, edit((line, random) => `${random.pick(indents)}${line}`)],
  [
    3,
    edit((line, random) =>
      line.replace(/^\[profile (.*)(?=\]$)/, (_, name) => `[${random.pick(prefixes).replace('X', () => name)}`),
    ),
  ],
  [2, edit((line) => `${line}\r`)],
  [4, indentSection],
  [6, moveRest],
  [2, (lines, at) => lines.splice(at, 1)],
];
const weighted = bends.flatMap(([weight, bend]) => Array<Bend>(weight).fill(bend));

export function makeOddHome(random: Random): OddHome {
  const home = random.pick(random.chance(0.6) ? bases : certainHomes);
  const session = home.session === 'foobar' && random.chance(0.4) ? random.pick(names) : home.session;
  const quoted = /[\s'"\\]/.test(session) ? JSON.stringify(session) : session;
  const config = home.config.replaceAll('[profile foobar', () => `[profile ${quoted}`);
  const lines = `${config}${border}\n${home.credentials}`.replaceAll('foobar', () => session).split('\n');
  for (let count = random.below(7); count > 0; count--) {
    const at = random.below(lines.length);
    if (lines[at] !== border) random.pick(weighted)(lines, at, random);
  }
  const text = lines.join(random.chance(0.2) ? '\r\n' : '\n');
  const files = text.split(/\[the credentials\]\r?\n/).map((file) => (random.chance(0.2) ? file.trimEnd() : file));
  return { config: files[0] ?? '', credentials: files[1] ?? '', session };
}
