// Layouts as people have them, and mixtures of them: keys in the profile, in its source or behind a command, devices here and there.
import { keyCommand, type Text } from './layout';
import type { Random } from './random';
import { keys, other, otherKeys, person } from './scene';

type Place = 'prefixed' | 'bare' | 'credentials';

/** @returns also the name of the profile that it is about */
export function makeLayout(random: Random): Text & { readonly name: string } {
  const config = new Map<string, readonly string[]>();
  const credentials = new Map<string, readonly string[]>();
  const put = (place: Place, name: string, ...lines: readonly string[]) => {
    const file = place === 'credentials' ? credentials : config;
    const quoted = name.includes(' ') ? `"${name}"` : name;
    const header = place === 'prefixed' && name !== 'default' ? `profile ${quoted}` : name;
    file.set(header, [...(file.get(header) ?? []), ...lines]);
  };
  const name = random.pick(['work', 'work', 'default', 'my work', 'a.b']);
  const source = random.pick([name, name, `${name}-long-term`, 'keys', 'default']);
  const device = () => `mfa_serial = ${random.chance(0.05) ? other.serial : person.serial}`;
  const extra = () => [
    ...(random.chance(0.3) ? [`region = ${random.pick(['eu-west-1', 'us-west-2'])}`] : []),
    ...(random.chance(0.2) ? ['output = json'] : []),
    ...(random.chance(0.05) ? ['vault_pin = 4711'] : []),
    ...(random.chance(0.1) ? ['# a comment'] : []),
  ];

  const keyed = random.pick<Place>(['credentials', 'credentials', 'credentials', 'prefixed', 'bare']);
  const pair = random.chance(0.9) ? keys.trimEnd().split('\n') : [keyCommand];
  put(keyed, source, ...random.shuffle([...pair, ...extra()]));
  if (source !== name && !source.endsWith('-long-term')) put('prefixed', name, `source_profile = ${source}`);
  if (source === name && random.chance(0.05)) put('prefixed', name, `source_profile = ${source}`);
  if (random.chance(0.4)) put('prefixed', name, ...extra());
  if (random.chance(0.1)) put('bare', name, 'user_arn = arn:aws:iam::123456789012:user/bob');
  if (random.chance(0.5)) {
    const place = random.pick<Place>(['prefixed', 'prefixed', 'bare', 'credentials']);
    put(place, random.pick([name, source, 'default']), random.chance(0.1) ? 'aws_mfa_device = x' : device());
  }
  for (let index = random.below(4); index > 0; index--) {
    const role = index === 3 && name !== 'default' && random.chance(0.3) ? 'default' : `role${index}`;
    const behind = random.chance(0.2) ? `role${random.below(4)}` : random.chance(0.03) ? source : name;
    const lines = [`role_arn = arn:aws:iam::123456789012:role/${role}`, `source_profile = ${behind}`];
    if (random.chance(0.7)) lines.push(device());
    if (random.chance(0.3)) lines.push(`duration_seconds = ${random.pick([900, 3600, 7200, 43200])}`);
    put(random.chance(0.9) ? 'prefixed' : 'credentials', role, ...random.shuffle([...lines, ...extra()]));
    if (random.chance(0.05)) put('credentials', role, 'region = ap-south-1');
  }
  put('credentials', 'else', ...otherKeys.trimEnd().split('\n'));
  if (random.chance(0.5))
    put('prefixed', 'far', 'role_arn = arn:aws:iam::111122223333:role/far', 'source_profile = else');
  if (random.chance(0.15)) put('prefixed', 'more', `source_profile = ${random.pick([source, 'else'])}`);
  if (random.chance(0.1)) put('credentials', 'more-long-term', ...otherKeys.trimEnd().split('\n'));
  return { config: render(config, random), credentials: render(credentials, random), name };
}

/** The sections in any order, indented or with comments and blank lines, each key once. */
function render(sections: ReadonlyMap<string, readonly string[]>, random: Random): string {
  const texts = random.shuffle(sections).map(([header, lines]) => {
    const indent = random.chance(0.1) ? '  ' : '';
    const comment = random.chance(0.1) ? ' # mine' : '';
    const body = [...new Map(lines.map((line) => [line.split(' ')[0], line])).values()];
    return [`[${header}]${comment}`, ...body.map((line) => indent + line), ...(random.chance(0.7) ? [''] : [])];
  });
  const text = texts.flat().join('\n').trimEnd();
  const ended = text && random.chance(0.8) ? `${text}\n` : text;
  return random.chance(0.15) ? ended.replaceAll('\n', '\r\n') : ended;
}
