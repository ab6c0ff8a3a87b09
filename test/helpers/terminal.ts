import { EventEmitter, once } from 'node:events';
import { closeSync, constants as files, openSync } from 'node:fs';
import { constants } from 'node:os';
import type { TestContext } from 'node:test';
import { assertNoSecrets, type Command, command, environment, type Surroundings, secretsOf } from './run';

export interface TerminalOptions extends Surroundings {
  readonly cols?: number;
  readonly rows?: number;
}

export interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program on a pseudo-terminal. Its codes may show, since terminals echo; its secrets fail the test. */
export interface Terminal {
  /** Every byte so far, control sequences included. */
  readonly output: string;
  readonly exit: Promise<Ending>;
  /** What a person sees, scrolled-off lines included: redrawn text only in its last form, long lines unbroken. */
  text(): string;
  /**
   * Waits, 120 s at most, for `pattern` in what is shown after the last match, or anywhere with `from: 'start'`, and
   * returns the matched text. A redraw of earlier lines is no second match.
   */
  waitFor(pattern: string | RegExp, options?: { readonly from?: 'start' }): Promise<string>;
  type(text: string): void;
  kill(signal: NodeJS.Signals): void;
}

interface Place {
  row: number;
  column: number;
}

const pty = loadPty();

// A control sequence, a window title and its like, any other escape, or one character.
const introducer = '\u001b';
const pieces = new RegExp(
  [
    `${introducer}\\[([0-9;?<=>]*)[ -/]*([@-~])`,
    `${introducer}\\][^\u0007${introducer}]*(?:\u0007|${introducer}\\\\)`,
    `${introducer}([^[\\]])`,
    `[^${introducer}]`,
  ].join('|'),
  'gu',
);

/** Why a test that needs a terminal has to be skipped, or false. */
export const terminalMissing: string | false =
  pty === undefined ? `@lydell/node-pty has no build for ${process.platform} ${process.arch}` : false;

/** Runs the program, or `program`, on a terminal of its own until the test ends. */
export function openTerminal(t: TestContext, args: readonly string[], options: TerminalOptions): Terminal {
  if (pty === undefined) throw new Error(String(terminalMissing));
  const { cols = 100, rows = 30 } = options;
  const program: Command = options.program ?? command();
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

  const screen = new Screen(cols, rows);
  const changes = new EventEmitter();
  let output = '';
  let ending: Ending | undefined;
  child.onData((data) => {
    output += data;
    screen.write(data);
    changes.emit('change');
  });
  const exit = new Promise<Ending>((resolve) => {
    child.onExit(({ exitCode, signal }) => {
      closeSync(held);
      ending = signal ? { status: null, signal: signalName(signal) } : { status: exitCode, signal: null };
      changes.emit('change');
      resolve(ending);
    });
  });

  t.after(async () => {
    if (!ending) child.kill('SIGKILL');
    await exit;
    const shown = { stdout: output, stderr: screen.text() };
    assertNoSecrets(shown, new Map([...secrets, ...secretsOf(options)]));
  });

  return {
    get output() {
      return output;
    },
    exit,
    text: () => screen.text(),
    async waitFor(pattern, { from } = {}) {
      const signal = AbortSignal.timeout(120_000);
      while (true) {
        const found = screen.find(pattern, from === 'start');
        if (found !== undefined) return found;
        const problem = ending ? `the program ended (${ending.status ?? ending.signal})` : undefined;
        if (problem || signal.aborted) {
          throw new Error(`${problem ?? 'after 120 s'}: no ${pattern} in\n${screen.text()}`);
        }
        await once(changes, 'change', { signal }).catch(() => {});
      }
    },
    type(text) {
      if (ending) throw new Error('nobody is there to type to: the program has ended');
      child.write(text);
    },
    kill: (signal) => child.kill(signal),
  };
}

function loadPty(): typeof import('@lydell/node-pty') | undefined {
  try {
    return require('@lydell/node-pty');
  } catch {
    return undefined;
  }
}

function signalName(number: number): NodeJS.Signals | null {
  const [name] = Object.entries(constants.signals).find(([, value]) => value === number) ?? [];
  return (name as NodeJS.Signals | undefined) ?? null;
}

interface Row {
  characters: string[];
  /** True for what continues the row above because the terminal is too narrow. */
  wrapped: boolean;
}

// Prompts redraw themselves at every key. A log of all redraws would show each question many times over, so that
// nobody could wait for the second asking; hence as much of a terminal as prompts need.
class Screen {
  readonly #rows: Row[] = [{ characters: [], wrapped: false }];
  readonly #columns: number;
  readonly #height: number;
  #cursor: Place = { row: 0, column: 0 };
  #saved: Place = { row: 0, column: 0 };
  /** Where the last text found ends. */
  #found: Place = { row: 0, column: 0 };
  #unread = '';

  constructor(columns: number, height: number) {
    this.#columns = columns;
    this.#height = height;
  }

  write(data: string): void {
    const input = this.#unread + data;
    let read = 0;
    for (const piece of input.matchAll(pieces)) {
      if (piece.index !== read) break;
      read += piece[0].length;
      if (piece[2] !== undefined) this.#control(piece[2], piece[1] ?? '');
      else if (piece[3] === '7') this.#saved = { ...this.#cursor };
      else if (piece[3] === '8') this.#cursor = { ...this.#saved };
      else if (piece[3] === 'D') this.#moveTo(this.#cursor.row + 1, this.#cursor.column);
      else if (!piece[0].startsWith(introducer)) this.#put(piece[0]);
    }
    // A sequence may arrive in two pieces.
    this.#unread = input.slice(read);
  }

  text(): string {
    return joined(this.#pieces({ row: 0, column: 0 })).replace(/\n+$/, '\n');
  }

  /** The text that matches, after the last one found or from the start. */
  find(pattern: string | RegExp, fromStart: boolean): string | undefined {
    const pieces = this.#pieces(fromStart ? { row: 0, column: 0 } : this.#found);
    const text = joined(pieces);
    const begin = typeof pattern === 'string' ? text.indexOf(pattern) : text.search(pattern);
    if (begin < 0) return undefined;
    const match = typeof pattern === 'string' ? pattern : (text.match(pattern)?.[0] ?? '');
    let rest = begin + match.length;
    for (const piece of pieces) {
      this.#found = { row: piece.row, column: piece.column + rest };
      if (rest < piece.text.length) break;
      rest -= piece.text.length;
    }
    return match;
  }

  #pieces(begin: Place): { readonly row: number; readonly column: number; readonly text: string }[] {
    return this.#rows.slice(begin.row).map(({ characters }, index) => {
      const row = begin.row + index;
      const column = index === 0 ? begin.column : 0;
      const ends = this.#rows[row + 1]?.wrapped === false;
      return { row, column, text: characters.slice(column).join('') + (ends ? '\n' : '') };
    });
  }

  #put(character: string): void {
    const { row, column } = this.#cursor;
    if (character === '\n') this.#enter(row + 1, column, false);
    else if (character === '\r') this.#cursor.column = 0;
    else if (character === '\b') this.#cursor.column = Math.max(0, column - 1);
    else if (character >= ' ' && character !== '\u007f') {
      if (column >= this.#columns) this.#enter(row + 1, 0, true);
      const { characters } = this.#current();
      while (characters.length < this.#cursor.column) characters.push(' ');
      characters[this.#cursor.column++] = character;
    }
  }

  #control(name: string, parameters: string): void {
    const [first = 0, second = 0] = parameters.split(';').map(Number);
    const count = first || 1;
    const { row, column } = this.#cursor;
    if (name === 'A') this.#moveTo(row - count, column);
    else if (name === 'B') this.#moveTo(row + count, column);
    else if (name === 'C') this.#moveTo(row, Math.min(column + count, this.#columns - 1));
    else if (name === 'D') this.#moveTo(row, column - count);
    else if (name === 'E') this.#moveTo(row + count, 0);
    else if (name === 'F') this.#moveTo(row - count, 0);
    else if (name === 'G') this.#moveTo(row, count - 1);
    else if (name === 'H') this.#moveTo(Math.max(0, this.#rows.length - this.#height) + count - 1, (second || 1) - 1);
    else if (name === 'J' || name === 'K') this.#erase(name, first);
  }

  #erase(name: 'J' | 'K', extent: number): void {
    const current = this.#current();
    const { row, column } = this.#cursor;
    if (extent === 0) current.characters.splice(column);
    if (extent === 1) current.characters.fill(' ', 0, column + 1);
    if (extent === 2) current.characters = [];
    if (name === 'J' && extent === 0) this.#rows.splice(row + 1);
    // A list that is drawn anew, perhaps with fewer lines, is new but for its first line.
    const isAbove = this.#rows.slice(row + 1, this.#found.row + 1).some(({ wrapped }) => !wrapped);
    if (isAbove) this.#found = { row, column: Number.POSITIVE_INFINITY };
  }

  #moveTo(row: number, column: number): void {
    this.#cursor = { row: Math.max(0, row), column: Math.max(0, column) };
    this.#current();
  }

  #enter(row: number, column: number, wrapped: boolean): void {
    this.#moveTo(row, column);
    this.#current().wrapped = wrapped;
  }

  #current(): Row {
    while (this.#rows.length <= this.#cursor.row) this.#rows.push({ characters: [], wrapped: false });
    return this.#rows[this.#cursor.row] as Row;
  }
}

function joined(pieces: readonly { readonly text: string }[]): string {
  return pieces.map(({ text }) => text).join('');
}
