import type { SessionProfile } from './profiles';

/** `due` also where the end of the session is not recorded; `never` where there is no session. */
export type State = 'valid' | 'due' | 'expired' | 'never';

export interface Status {
  readonly session: SessionProfile;
  readonly state: State;
  readonly expires: Date | undefined;
  /** Whole seconds until `expires`, 0 when it is past. */
  readonly secondsLeft: number | undefined;
}

/** Judged by what the file says alone; `within` is in seconds, `now` in milliseconds. */
export function checkSession(session: SessionProfile, within: number, now: number): Status {
  if (!session.hasSession) return { session, state: 'never', expires: undefined, secondsLeft: undefined };
  const expires = new Date(session.expires ?? Number.NaN);
  if (Number.isNaN(expires.getTime())) return { session, state: 'due', expires: undefined, secondsLeft: undefined };
  const secondsLeft = Math.max(0, Math.floor((expires.getTime() - now) / 1000));
  const state = secondsLeft === 0 ? 'expired' : secondsLeft <= within ? 'due' : 'valid';
  return { session, state, expires, secondsLeft };
}

/** What will not work although the session is valid, each with the line to mend. */
export function findNotes({ name, source, link, roles }: SessionProfile): string[] {
  const notes: string[] = [];
  if (link) {
    const behind =
      roles.length > 0 ? ` and the ${roles.length === 1 ? 'role' : `${roles.length} roles`} behind it` : '';
    const move = source === `${name}-long-term` ? '' : `rename [${source}] to [${name}-long-term] in both files and `;
    notes.push(
      `${name}: Terraform and other Go tools refuse it${behind}, because of source_profile without role_arn (${link.where}): ${move}delete that line`,
    );
  }
  for (const role of roles) {
    if (role.serial) {
      notes.push(
        `${role.name}: has an mfa_serial of its own (${role.serial.where}), so aws asks for a code again and Terraform fails: delete that line`,
      );
    }
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html, "Role chaining"
    if (Number(role.duration?.value) > 3600) {
      notes.push(
        `${role.name}: duration_seconds is over 3600 (${role.duration?.where}), and AWS refuses more than one hour for a role behind a session: set it to 3600 or delete it`,
      );
    }
  }
  return notes;
}
