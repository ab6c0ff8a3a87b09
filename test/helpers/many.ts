import type { HomeFiles } from './home';
import { keys, oldSession, serial } from './scene';

export interface Many extends HomeFiles {
  readonly config: string;
  readonly credentials: string;
  /** Of the session profiles. */
  readonly names: readonly string[];
}

/**
 * A config of `count` profiles, of which each fourth has a session and three roles behind it, the third role through the second;
 * and credentials with half as many sections: each session's, which `ends` as given, and its source's, all with the same keys.
 */
export function makeMany(count: number, ends: (index: number) => string): Many {
  const names = Array.from({ length: count / 4 }, (_, index) => `team${index}`);
  const config = names.map((name, index) => {
    const role = (suffix: string, source: string) =>
      `[profile ${name}-${suffix}]\nrole_arn = arn:aws:iam::123456789012:role/${suffix}${index}\nsource_profile = ${source}\n`;
    return [
      `[profile ${name}]\nmfa_serial = ${serial}\n`,
      role('read', name),
      role('write', name),
      role('admin', `${name}-write`),
    ].join('\n');
  });
  const credentials = names.map(
    (name, index) =>
      `[${name}]\n${oldSession}x_security_token_expires = ${ends(index)}\n\n[${name}-long-term]\n${keys}`,
  );
  return { config: config.join('\n'), credentials: credentials.join('\n'), names };
}
