import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Environment } from './command';

/** How long a notifier may take; one that hangs must not hold cron. */
const notifierMs = 10_000;

/**
 * Shows one desktop notification, if there is a desktop and a program for it; that there is none is no failure. The text
 * is an argument of that program and never part of a script.
 */
export function notify(text: string, platform: string, uid: number | undefined, env: Environment): Promise<void> {
  const [program, ...args] =
    platform === 'darwin'
      ? [
          'osascript',
          '-e',
          'on run argv',
          '-e',
          'display notification (item 1 of argv) with title "refresh-mfa"',
          '-e',
          'end run',
          text,
        ]
      : ['notify-send', '--app-name=refresh-mfa', 'refresh-mfa', escapeMarkup(text)];
  return new Promise((done) => {
    const options = { stdio: 'ignore' as const, timeout: notifierMs, env: { ...env, ...sessionBus(uid, env) } };
    const child = spawn(program ?? '', args, options);
    child.on('error', () => done());
    child.on('exit', () => done());
  });
}

/** cron starts its jobs without the address of the desktop's bus, which systemd puts in a known place. */
function sessionBus(uid: number | undefined, env: Environment): Record<string, string> {
  if (env.DBUS_SESSION_BUS_ADDRESS || uid === undefined) return {};
  const socket = `${env.XDG_RUNTIME_DIR || `/run/user/${uid}`}/bus`;
  return existsSync(socket) ? { DBUS_SESSION_BUS_ADDRESS: `unix:path=${socket}` } : {};
}

/** Notification servers read the body as markup, and notify-send undoes backslashes in it before. */
function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\\', '\\\\');
}
