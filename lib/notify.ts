// One desktop notification, if there is a desktop and a program for it; if there is none, that is no failure.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { printable } from './errors';
import type { Environment } from './shell';

/** The text is an argument of the notifier and never part of a script; what no desktop would show of it is cut. */
export async function notify(text: string, platform: string, env: Environment, uid?: number, limitMs = 10_000) {
  const shown = printable(text).slice(0, 1000);
  const display = 'display notification (item 1 of argv) with title "refresh-mfa"';
  const [program, args] =
    platform === 'darwin'
      ? ['osascript', ['-e', 'on run argv', '-e', display, '-e', 'end run', shown]]
      : ['notify-send', ['--app-name=refresh-mfa', 'refresh-mfa', escapeMarkup(shown)]];
  // cron starts its jobs without the address of the desktop's bus, which systemd puts in a known place
  const socket = `${env.XDG_RUNTIME_DIR || `/run/user/${uid}`}/bus`;
  const bus = existsSync(socket) ? { DBUS_SESSION_BUS_ADDRESS: `unix:path=${socket}` } : {};
  // a notifier that hangs must not hold cron
  const options = { stdio: 'ignore', timeout: limitMs, env: { ...bus, ...env } } as const;
  await new Promise((done) => spawn(program, args, options).on('error', done).on('exit', done));
}

/** Notification servers read the body as markup, and notify-send undoes backslashes before that. */
function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\\', '\\\\');
}
