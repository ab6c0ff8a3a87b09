// Credentials files as people, editors and other tools leave them; a few cannot be read at all.
import type { Random } from './random';

/** What the tool writes or removes in the section of a session. */
export const ownKeys =
  'aws_access_key_id aws_secret_access_key aws_session_token x_security_token_expires aws_security_token expiration'.split(
    ' ',
  );

const words =
  "foobar default a.b me@corp.example.com team/blue größe 日本 x;y x#y a=b a:b services constructor 1 it's a[b FOOBAR -x";
const names = [
  ...words.split(' '),
  'two words',
  'profile foobar',
  'profile "two words"',
  '__proto__',
  ' padded ',
  '%(a)s',
];

/** A text, and the name of the section to write, which may not be there. */
export function makeOddFile(random: Random) {
  const name = random.chance(0.8) ? 'foobar' : random.pick(names);
  const eol = random.chance(0.25) ? '\r\n' : '\n';
  const sections = new Set(Array.from({ length: random.below(6) }, () => random.pick(names)));
  if (random.chance(0.75)) sections.add(name);
  if (random.chance(0.05)) sections.add('DEFAULT');
  // now and then one twice, which nobody can read
  const headers = random.shuffle([...sections, ...[...sections].filter(() => random.chance(0.01))]);
  const lines: string[] = [];
  while (random.chance(0.3)) lines.push(makeFiller(random));
  for (const header of headers) lines.push(makeHeader(random, header), ...makeBody(random));
  if (random.chance(0.02)) lines.splice(random.below(lines.length + 1), 0, makeMalformed(random));
  return { text: join(random, lines, eol), name };
}

export function makeHeader(random: Random, name: string): string {
  const note = random.pick(['', '', '', '', '', '', '', ' ', ' # note', ' ; note', '\t#note']);
  const odd = random.pick(['#note', ';note', ' junk', ' ; see [y]']);
  const indent = random.chance(0.02) ? random.pick([' ', '\t', '    ']) : '';
  return `${indent}[${name}]${random.chance(0.02) ? odd : note}`;
}

/** The text of lines, some of which end otherwise, and the last perhaps not at all. */
export function join(random: Random, lines: readonly string[], eol: string): string {
  const text = lines.map((line) => line + (random.chance(0.01) ? random.pick(['\n', '\r\n']) : eol)).join('');
  return random.chance(0.2) ? text.replace(/\r?\n$/, '') : text;
}

/** The lines of a section, with any of `ownKeys` among them. */
export function makeBody(random: Random): string[] {
  const base = random.pick(['', '', '', '', '', '', '  ', '\t', '\u00a0']);
  const indent = () => (random.chance(0.02) ? random.pick(['', ' ', '      ', '\t\t', '\u3000']) : base);
  const lines: string[] = [];
  const left = random.shuffle(random.chance(0.6) ? ownKeys.filter(() => random.chance(0.7)) : []);
  for (let count = left.length + random.below(5); count > 0; count--) {
    while (random.chance(0.2)) lines.push(makeFiller(random));
    const own = random.chance(0.5) ? left.pop() : undefined;
    const other = random.pick(['region', 'output', 'Key ', 'aws_session_tokens', 'größe']);
    const equals = random.pick([' = ', ' = ', ' = ', '=', ' =', '= ', ' : ', ':', '\t=  ', ' \f= ']);
    lines.push(`${indent()}${own ? anyCase(random, own) : other + count}${equals}${makeValue(random, own)}`);
    if (!own && random.chance(0.1)) lines.push(`${base}s3.${count} =`, ...makeNested(random, base));
  }
  for (const own of left) lines.push(`${indent()}${anyCase(random, own)} = ${makeValue(random, own)}`);
  return lines;
}

export function makeNested(random: Random, base: string): string[] {
  const lines = [`${base}  max_queue_size = 5`];
  if (random.chance(0.3)) lines.push(makeFiller(random));
  if (random.chance(0.7)) lines.push(`${base}\taws_session_token = inside`);
  if (random.chance(0.04)) lines.push(`${base}  path`);
  if (random.chance(0.02)) lines.push(`${base}  k = v${random.pick(['\u2028', '\u2029', '\f', '\v'])}w`);
  return lines;
}

/** The key, now and then in some capitals. */
export function anyCase(random: Random, key: string): string {
  const letter = (small: string) => (random.chance(0.5) ? small.toUpperCase() : small);
  return random.chance(0.15) ? key.replace(/[a-z]/g, letter) : key;
}

/** Never an id that is long-lived, which would not be overwritten. */
function makeValue(random: Random, own: string | undefined): string {
  if (own && random.chance(0.7)) return `stale${random.below(1000)}`;
  const plain = ['', 'v', 'v  ', 'FwoGZXIvYXdzEDo==', '"quoted"', "'quoted'", 'v # note', '# note', 'v;note'];
  const others = ['[v]', '=', ':', 'ä € 日本 🦊', 'a\\nb', '%(x)s $HOME', 'true', 'a\u2028b', 'x'.repeat(300)];
  return random.pick([...plain, '{"a": "b=c:d"}', ...others]);
}

/** A blank line or a comment. */
export function makeFiller(random: Random): string {
  const comments = ['# note', '; note', '  # aws_session_token = commented', '#[foobar]', '# größe 日本', '#'];
  return random.pick(['', '', '  ', '\t', '\u00a0', '\f', ...comments]);
}

/** A line that makes a file unreadable, for some reader at least. */
export function makeMalformed(random: Random): string {
  const controls = ['\ufeff', 'k = a\x1db', 'k = a\rb', '\x1f', 'k = \x85', 'k = \0'];
  const misplaced = ['[foobar]', '  [foobar]', '    aws_access_key_id = deep', '[]', '[open'];
  return random.pick([...controls, ...misplaced, 'no delimiter', '= v', ': v', '// note']);
}
