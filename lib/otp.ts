import type { ReadStream, WriteStream } from 'node:tty';
import type { Environment } from './command';
import { UserError } from './errors';
import type { Setting } from './profiles';

/** Gives one six-digit code. `signal` ends the asking when there is no use for a code any more. */
export type CodeSource = (signal: AbortSignal) => Promise<string>;

/** Where questions are asked; the process itself is one, which makes its streams when they are first looked at. */
export interface Terminal {
  readonly stdin: ReadStream;
  readonly stderr: WriteStream;
}

/** A pipe that nobody fills must not hold a script forever; a code is good for little more than this anyway. */
const pipeSeconds = 60;
/** Long enough to find the key and touch it. */
const processSeconds = 60;

/** The six digits of what was typed or pasted: blanks dropped, full-width digits taken, leading zeros kept. */
function parseCode(text: string): string | undefined {
  const digits = text.normalize('NFKC').replace(/[\s\u200b-\u200d\u2060\ufeff]/g, '');
  return /^\d{6}$/.test(digits) ? digits : undefined;
}

/** `--token-code`, read before anything else is done. */
export function parseTokenCode(text: string): string {
  const code = parseCode(text);
  if (code) return code;
  throw new UserError('usage', '--token-code is not six digits', 'type the six digits that the device shows');
}

/** Asks on the terminal until six digits come. Ctrl-C, Ctrl-D and Esc end in `interrupted`. */
export function terminalSource(message: string, terminal: Terminal): CodeSource {
  return async (signal) => {
    for (;;) {
      const code = parseCode(await ask({ type: 'text', message }, terminal, signal));
      if (code) return code;
      terminal.stderr.write('six digits are needed, as the device shows them\n');
    }
  };
}

/** Lets the person choose one of the names with the arrow keys. */
export function chooseProfile(names: readonly string[], terminal: Terminal): Promise<string> {
  const choices = names.map((name) => ({ title: name, value: name }));
  return ask({ type: 'select', message: 'which profile?', choices }, terminal);
}

type Question = { type: 'text' | 'select'; message: string; choices?: { title: string; value: string }[] };

async function ask(question: Question, terminal: Terminal, signal?: AbortSignal): Promise<string> {
  // Loading prompts takes as long as all that came before; its first act is to draw this line anew. Keys wait for it, unseen.
  const line = `? ${question.message} › `;
  if (question.type === 'text' && line.length < terminal.stderr.columns) {
    terminal.stdin.setRawMode(true);
    terminal.stderr.write(line);
  }
  const { default: prompts } = await import('prompts');
  const { answer } = await prompts({
    ...question,
    name: 'answer',
    stdin: terminal.stdin,
    stdout: terminal.stderr,
    onRender(this: { abort(): void; closed?: boolean; firstRender: boolean }) {
      if (this.firstRender) signal?.addEventListener('abort', () => this.closed || this.abort(), { once: true });
    },
  });
  // prompts answers a cancelled question with nothing at all, and the program would go on
  if (typeof answer !== 'string') throw new UserError('interrupted', 'interrupted, nothing more was changed');
  return answer;
}

export interface Pipe {
  source(profile: string): CodeSource;
  /** Lets go of standard input, which would keep the process as long as the other end is open. */
  close(): void;
}

/** One line of standard input a profile, for when there is no terminal. */
export function openPipe(terminal: Terminal): Pipe {
  let lines: AsyncIterator<string> | undefined;
  const ask = async (profile: string) => {
    if (!lines) {
      const { createInterface } = await import('node:readline');
      lines = createInterface({ input: terminal.stdin })[Symbol.asyncIterator]();
    }
    const line = await withTimeout(lines.next(), pipeSeconds);
    const code = line && !line.done ? parseCode(line.value) : undefined;
    if (code) return code;
    const why = !line
      ? `nothing came on standard input within ${pipeSeconds} s`
      : line.done
        ? 'there is no terminal to ask on, and standard input is empty'
        : 'its line on standard input is not six digits';
    const hint = 'run it in a terminal, give --token-code, or pipe in one code a line';
    throw new UserError('usage', `no code for ${profile}: ${why}`, hint);
  };
  return { source: (profile) => () => ask(profile), close: () => void (lines && terminal.stdin.destroy()) };
}

async function withTimeout<T>(promise: Promise<T>, seconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((done) => {
    timer = setTimeout(done, seconds * 1000, undefined);
    timer.unref();
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** `mfa_process`: a shell command, run with the terminal's stdin and stderr, whose output holds one six-digit group. */
export function processSource(setting: Setting, env: Environment): CodeSource {
  return async (signal) => {
    const { readCommand } = await import('./command');
    const limits = { seconds: processSeconds, stdin: 'inherit', signal } as const;
    const { stdout, problem } = await readCommand(setting.value, env, limits);
    const codes = stdout.match(/(?<!\w)\d{6}(?!\w)/g) ?? [];
    const came =
      problem ?? (codes.length === 0 ? 'printed no six-digit code' : `printed ${codes.length} six-digit codes`);
    if (problem === undefined && codes[0] && codes.length === 1) return codes[0];
    throw new UserError(
      'config',
      `the mfa_process of ${setting.where} ${came}`,
      'run that command by hand: it should print one code',
    );
  };
}
