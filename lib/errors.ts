/**
 * Why a run cannot go on, in words for the person who typed it. `usage` and `config` are mended by typing or editing
 * something (exit status 2); `file`, `network` and `aws` are somebody else's no (1); `interrupted` is the person's own (130).
 */
export type ErrorCode = 'usage' | 'config' | 'file' | 'network' | 'aws' | 'interrupted';

/** The message says what is wrong, in which file and section; each hint says what to type or edit next. */
export class UserError extends Error {
  readonly code: ErrorCode;
  readonly hints: readonly string[];

  constructor(code: ErrorCode, message: string, ...hints: readonly string[]) {
    super(message);
    this.name = 'UserError';
    this.code = code;
    this.hints = hints;
  }
}

/** The system's error code (`ENOENT`, `ECONNREFUSED`) of anything thrown, or the empty string. */
export function systemCode(error: unknown): string {
  return (error as { code?: unknown } | null)?.code?.toString() ?? '';
}

/** The first names of a list, and how many more there are. */
export function few(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more`;
}

/** A name as it has to be typed in a shell. */
export function shellWord(name: string): string {
  return /^[\w.,/@%+:=-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
