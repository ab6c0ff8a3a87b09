import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type Environment, readCommand } from './command';
import { UserError } from './errors';
import type { Setting } from './profiles';

/** Gives one six-digit code. `signal` ends the asking when there is no use for a code any more. */
export type CodeSource = (signal: AbortSignal) => Promise<string>;

/** A pipe that nobody fills must not hold a script forever; a code is good for little more than this anyway. */
const pipeSeconds = 60;
/** Long enough to find the key and touch it. */
const processSeconds = 60;

/** The six digits of what was typed or pasted: blanks dropped, full-width digits taken, leading zeros kept. */
export function parseCode(text: string): string | undefined {
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
export function terminalSource(message: string, stdin: Readable, stderr: Writable): CodeSource {
  return async (signal) => {
    for (;;) {
      const code = parseCode(await ask({ type: 'text', message }, stdin, stderr, signal));
      if (code) return code;
      stderr.write('six digits are needed, as the device shows them\n');
    }
  };
}

/** Lets the person choose one of the names with the arrow keys. */
export function chooseProfile(names: readonly string[], stdin: Readable, stderr: Writable): Promise<string> {
  const choices = names.map((name) => ({ title: name, value: name }));
  return ask({ type: 'select', message: 'which profile?', choices }, stdin, stderr);
}

type Question = { type: 'text' | 'select'; message: string; choices?: { title: string; value: string }[] };

async function ask(question: Question, stdin: Readable, stdout: Writable, signal?: AbortSignal): Promise<string> {
  const { default: prompts } = await import('prompts');
  const { answer } = await prompts({
    ...question,
    name: 'answer',
    stdin,
    stdout,
    onRender(this: { abort(): void; closed?: boolean; firstRender: boolean }) {
      if (this.firstRender) signal?.addEventListener('abort', () => this.closed || this.abort(), { once: true });
    },
  });
  // prompts answers a cancelled question with nothing at all, and the program would go on
  if (typeof answer !== 'string') throw new UserError('interrupted', 'interrupted, nothing more was changed');
  return answer;
}

/** One line of standard input a profile, for when there is no terminal; all profiles of a run share the one reader. */
export function pipeSource(stdin: Readable): (profile: string) => CodeSource {
  let lines: AsyncIterator<string> | undefined;
  return (profile) => async () => {
    lines ??= createInterface({ input: stdin })[Symbol.asyncIterator]();
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
}

async function withTimeout<T>(promise: Promise<T>, seconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((done) => {
    timer = setTimeout(done, seconds * 1000, undefined);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** `mfa_process`: a shell command, run with the terminal's stdin and stderr, whose output holds one six-digit group. */
export function processSource(setting: Setting, env: Environment): CodeSource {
  return async () => {
    const { stdout, problem } = await readCommand(setting.value, env, processSeconds, 'inherit');
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
