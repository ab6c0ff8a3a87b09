import { Random } from './random';

/** What the tool writes or removes in the section of a session. */
export const ownKeys = [
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'x_security_token_expires',
  'aws_security_token',
];

export interface OddFile {
  readonly text: string;
  /** The section to write, which may not be there. */
  readonly name: string;
}

/** Files as people, editors and other tools leave them; a few cannot be read at all. */
export function oddFiles(count: number, seed: number): OddFile[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => oddFile(random));
}

function oddFile(random: Random): OddFile {
  const names = [
    'foobar',
    'default',
    'a.b',
    'me@corp.example.com',
    'team/blue',
    'two words',
    'größe',
    '日本',
    'x;y',
    'x#y',
    'a=b',
    'a:b',
    'profile foobar',
    'profile "two words"',
    'services s',
    '__proto__',
    'constructor',
    '1',
    "it's",
    ' padded ',
    'a[b',
    'FOOBAR',
    '-x',
    '%(a)s',
  ] as const;
  const name = random.chance(0.8) ? 'foobar' : random.pick(names);
  const eol = random.chance(0.25) ? '\r\n' : '\n';
  const sections: string[] = [];
  for (let count = random.below(6); count > 0; count--) {
    // now and then the same one twice, which nobody can read
    const next = random.pick(names);
    if (!sections.includes(next) || random.chance(0.02)) sections.push(next);
  }
  if (random.chance(0.75) && !sections.includes(name)) sections.push(name);
  if (random.chance(0.05)) sections.push('DEFAULT');
  const shuffled = random.shuffle(sections);

  const lines: string[] = [];
  while (random.chance(0.3)) lines.push(filler(random));
  for (const section of shuffled) {
    const note = random.pick(['', '', '', '', ' ', ' # note', ' ; note', '#note', ';note', ' junk']);
    lines.push(`${random.chance(0.05) ? random.pick([' ', '\t', '    ']) : ''}[${section}]${note}`, ...body(random));
  }
  if (random.chance(0.02)) lines.splice(random.below(lines.length + 1), 0, malformed(random));
  const ending = () => (random.chance(0.02) ? '\n' : eol);
  const text = lines.map((line) => `${line}${ending()}`).join('');
  return { text: random.chance(0.2) ? text.replace(/\r?\n$/, '') : text, name };
}

/** The lines of a section, with any of `ownKeys` among them. */
export function body(random: Random): string[] {
  const base = random.pick(['', '', '', '', '  ', '\t', '\u00a0']);
  const indent = () => (random.chance(0.02) ? random.pick(['', ' ', '      ', '\t\t', '\u3000']) : base);
  const lines: string[] = [];
  const left = random.shuffle(random.chance(0.6) ? ownKeys.filter(() => random.chance(0.7)) : []);
  for (let count = left.length + random.below(5); count > 0; count--) {
    while (random.chance(0.2)) lines.push(filler(random));
    const own = random.chance(0.5) ? left.pop() : undefined;
    const key = own
      ? anyCase(random, own)
      : `${random.pick(['region', 'output', 'Key ', 'aws_session_tokens', 'größe'])}${count}`;
    const equals = random.pick([' = ', ' = ', ' = ', '=', ' =', '= ', ' : ', ':', '\t=  ', ' \f= ']);
    lines.push(`${indent()}${key}${equals}${oddValue(random, own)}`);
    if (own) {
      if (random.chance(0.01)) lines.push(`${base}${own} = again`);
    } else if (random.chance(0.1)) lines.push(`${base}s3.${count} =`, ...nested(random, base));
  }
  for (const own of left) lines.push(`${indent()}${anyCase(random, own)} = ${oddValue(random, own)}`);
  return lines;
}

function nested(random: Random, base: string): string[] {
  const lines = [`${base}  max_queue_size = 5`];
  if (random.chance(0.3)) lines.push(filler(random));
  if (random.chance(0.7)) lines.push(`${base}\taws_session_token = inside`);
  if (random.chance(0.1)) lines.push(`${base}  path`);
  if (random.chance(0.05)) lines.push(`${base}  k = v${random.pick(['\u2028', '\u2029', '\f', '\v'])}w`);
  return lines;
}

/** The key, now and then in some capitals. */
export function anyCase(random: Random, key: string): string {
  return random.chance(0.15)
    ? key.replace(/[a-z]/g, (letter) => (random.chance(0.5) ? letter.toUpperCase() : letter))
    : key;
}

function oddValue(random: Random, own: string | undefined): string {
  const value = random.pick([
    '',
    'v',
    'v  ',
    'FwoGZXIvYXdzEDo==',
    '"quoted"',
    "'quoted'",
    'v # note',
    'v;note',
    '{"a": "b=c:d"}',
    '[v]',
    '=',
    ':',
    'ä € 日本 🦊',
    'a\\nb',
    '%(x)s $HOME',
    'true',
    'a\u2028b',
    'sh -c "op item get x | jq -r .a"',
    'x'.repeat(5000),
  ]);
  return own && random.chance(0.5) ? `stale${random.below(1000)}` : value;
}

/** A blank line or a comment. */
export function filler(random: Random): string {
  return random.pick([
    '',
    '',
    '  ',
    '\t',
    '# note',
    '; note',
    '  # aws_session_token = commented',
    '#[foobar]',
    '# größe 日本',
    '#',
    '\u00a0',
    '\f',
  ]);
}

/** A line that makes a file unreadable, for some reader at least. */
export function malformed(random: Random): string {
  return random.pick([
    'no delimiter',
    '= v',
    ': v',
    '[]',
    '[open',
    '[foobar]',
    '\ufeff',
    'k = a\x1db',
    'k = a\rb',
    '\x1f',
    'k = \x85',
    'k = \0',
    '  [foobar]',
    '// note',
    '    aws_access_key_id = deep',
  ]);
}
