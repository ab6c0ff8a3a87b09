// Everything that ends a run is one of these, in words for the person who typed it.

/** `usage` and `config`: type or edit something (exit status 2). `file`, `network`, `aws`: not the person's doing (1). `interrupted`: 130. */
export type ErrorCode = 'usage' | 'config' | 'file' | 'network' | 'aws' | 'interrupted';

/** The message says what is wrong and where; each hint says what to type or edit. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly code: ErrorCode;
  readonly hints: readonly string[];

  constructor(code: ErrorCode, message: string, hints: string | readonly string[] = []) {
    super(message);
    this.code = code;
    this.hints = [hints].flat();
  }
}

/** STS did not take the code, and would look at another one. */
export class WrongCode extends UserError {}

/** An error that the person mends by editing a file or the environment. */
export function refuse(message: string, hints: string | readonly string[]): UserError {
  return new UserError('config', message, hints);
}

/** The system's error code (`ENOENT`, `ECONNREFUSED`) of anything thrown, or the empty string. */
export function systemCode(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^[A-Z][A-Z\d_]*$/.test(code) ? code : '';
}

/** The first names of a list, and how many more there are. */
export function few(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more`;
}

/** A name as it has to be typed in a shell. */
export function shellWord(name: string): string {
  return /^[\w.,/@%+:=-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

/** Text that cannot steer a terminal: control characters become blanks, line ends and tabs stay. */
export function printable(text: string): string {
  return text.replace(/(?!\r?\n|\t)[\x00-\x1f\x7f-\x9f]/g, ' ');
}

/** The candidates closest to a mistyped name, at most three; none where nothing is close. */
export function closest(name: string, candidates: Iterable<string>): string[] {
  const ranked = [...new Set(candidates)]
    .map((other) => ({ other, distance: distance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const limit = Math.min(Math.max(2, name.length / 3), (ranked[0]?.distance ?? 0) + 1);
  const near = ranked.filter(({ distance }) => distance <= limit);
  return near.slice(0, 3).map(({ other }) => other);
}

/** Levenshtein's distance, but a part of a name is close to the whole. */
function distance(a: string, b: string): number {
  if (a.length > 2 && a !== b && b.includes(a)) return 2;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const above = row;
    row = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const change = (above[j] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min(change, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
  }
  return row.at(-1) ?? 0;
}
