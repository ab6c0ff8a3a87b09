import { EventEmitter, once } from 'node:events';
import { closeSync, constants as files, openSync } from 'node:fs';
import { constants } from 'node:os';
import type { TestContext } from 'node:test';
import { Terminal as Screen } from '@xterm/headless';
import { assertNoSecrets, command, environment, type Surroundings, secretsOf } from './run';

export interface TerminalOptions extends Surroundings {
  readonly cols?: number;
  readonly rows?: number;
}

export type Terminal = ReturnType<typeof openTerminal>;

const pty = loadPty();

/** Why a test that needs a terminal has to be skipped, or false. */
export const terminalMissing = pty ? false : `@lydell/node-pty has no build for ${process.platform} ${process.arch}`;

/**
 * Runs the program, or `program`, on a pseudo-terminal of its own until the test ends. Its codes may show, since terminals echo; its
 * secrets fail the test.
 */
export function openTerminal(t: TestContext, args: readonly string[], options: TerminalOptions) {
  if (!pty) throw new Error(String(terminalMissing));
  const { cols = 100, rows = 30, program = command() } = options;
  const secrets = secretsOf(options);
  const child = pty.spawn(program.file, [...program.args, ...args], {
    name: 'xterm-256color',
    cols,
    rows,
    cwd: options.cwd ?? options.home.path,
    env: environment(options),
  });
  // While this side is open nothing is lost; once the program has closed its own, the kernel may drop its last words.
  const held = openSync((child as unknown as { readonly _pty: string })._pty, files.O_RDWR | files.O_NOCTTY);

  const screen = new Screen({ cols, rows, scrollback: 10_000, allowProposedApi: true });
  const changes = new EventEmitter();
  let output = '';
  let ending: number | string | undefined;
  child.onData((data) => {
    output += data;
    screen.write(data, () => changes.emit('change'));
  });
  const exit = new Promise<typeof ending>((resolve) => {
    child.onExit(({ exitCode, signal }) => {
      closeSync(held);
      // behind all that is still to be drawn
      screen.write('', () => {
        ending = signal ? nameOf(signal) : exitCode;
        changes.emit('change');
        resolve(ending);
      });
    });
  });

  t.after(async () => {
    if (ending === undefined) child.kill('SIGKILL');
    await exit;
    const shown = { stdout: output, stderr: textOf(screen) };
    assertNoSecrets(shown, new Map([...secrets, ...secretsOf(options)]));
  });

  return {
    /** Every byte so far, control sequences included. */
    get output() {
      return output;
    },
    screen,
    /** The exit status, or the signal that ended the program. */
    exit,
    /** What a person sees, scrolled-off lines included: redrawn text only in its last form, long lines unbroken. */
    text: () => textOf(screen),
    /** Waits, 120 s at most, until the pattern is on the screen so many times, and returns the last of these. */
    async waitFor(pattern: string | RegExp, times = 1): Promise<string> {
      const signal = AbortSignal.timeout(120_000);
      while (true) {
        const text = textOf(screen);
        const found = find(pattern, text)[times - 1];
        if (found !== undefined) return found;
        const problem = ending === undefined ? undefined : `the program ended (${ending})`;
        if (problem || signal.aborted) throw new Error(`${problem ?? 'after 120 s'}: no ${pattern} in\n${text}`);
        await once(changes, 'change', { signal }).catch(() => {});
      }
    },
    type(text: string) {
      if (ending !== undefined) throw new Error('nobody is there to type to: the program has ended');
      child.write(text);
    },
    kill: (signal: NodeJS.Signals) => child.kill(signal),
  };
}

function loadPty(): typeof import('@lydell/node-pty') | undefined {
  try {
    return require('@lydell/node-pty');
  } catch {
    return undefined;
  }
}

function nameOf(signal: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
}

function textOf({ buffer: { active } }: Screen): string {
  const rows = Array.from({ length: active.length }, (_, row) => {
    const isBroken = active.getLine(row + 1)?.isWrapped;
    return `${active.getLine(row)?.translateToString(!isBroken)}${isBroken ? '' : '\n'}`;
  });
  return rows.join('').replace(/\n+$/, '\n');
}

function find(pattern: string | RegExp, text: string): string[] {
  if (typeof pattern === 'string') return new Array(text.split(pattern).length - 1).fill(pattern);
  return [...text.matchAll(new RegExp(pattern, `g${pattern.flags}`))].map(([match]) => match);
}
