import { keys, oldSession, serial } from './scene';

/**
 * A config of `count` profiles, of which each fourth has a session and three roles behind it, the third role through the second;
 * and credentials with half as many sections: each session's, which `ends` as given, and its source's. The names are the sessions'.
 */
export function makeMany(count: number, ends: (index: number) => string) {
  const names = Array.from({ length: count / 4 }, (_, index) => `team${index}`);
  const config = names.map((name, index) => {
    const role = (suffix: string, source: string) => `[profile ${name}-${suffix}]
role_arn = arn:aws:iam::123456789012:role/${suffix}${index}\nsource_profile = ${source}\n`;
    const roles = [role('read', name), role('write', name), role('admin', `${name}-write`)];
    return [`[profile ${name}]\nmfa_serial = ${serial}\n`, ...roles].join('\n');
  });
  const credentials = names.map((name, index) => {
    const end = `x_security_token_expires = ${ends(index)}\n`;
    return `[${name}]\n${oldSession}${end}\n[${name}-long-term]\n${keys}`;
  });
  return { config: config.join('\n'), credentials: credentials.join('\n'), names };
}
