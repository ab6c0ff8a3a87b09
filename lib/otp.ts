// Where a code comes from: the command line, a command, standard input or a person.
import { setTimeout as sleep } from 'node:timers/promises';
import { printable, refuse, UserError } from './errors';
import type { Setting } from './files';
import { type Environment, maxBytes, type Runtime, readCommand } from './shell';

export interface CodeSource {
  /** How many codes it may be asked for when STS does not accept one. */
  readonly attempts: number;
  /** Gives six digits. When `signal` aborts, nobody wants them any more. */
  ask(signal: AbortSignal): Promise<string>;
  /** Waits until it can have another code. */
  next?(signal: AbortSignal): Promise<void>;
}

/** A pipe that nobody fills must not hold up a script. */
const pipeSeconds = 60;
/** Devices show a new code every 30 seconds of the clock (RFC 6238). */
const stepMs = 30_000;

const digitsHint = 'enter the six digits on your device';

/** Blanks, control characters and the marks of a bracketed paste are dropped, full-width digits taken, leading zeros kept. */
function parseCode(text: string): string | undefined {
  const digits = text.normalize('NFKC').replace(/\x1b\[20[01]~|[\s\x00-\x1f\x7f\u200b-\u200d\u2060\ufeff]/g, '');
  return /^\d{6}$/.test(digits) ? digits : undefined;
}

/**
 * The code of `--token-code`.
 * @throws UserError `usage`
 */
export function fixedSource(text: string): CodeSource {
  const code = parseCode(text);
  if (!code) throw new UserError('usage', '--token-code is not six digits', digitsHint);
  return { attempts: 1, ask: async () => code };
}

/** Asks on the terminal until six digits come. */
export function terminalSource(message: string, runtime: Runtime): CodeSource {
  const ask = async (signal: AbortSignal): Promise<string> => {
    const code = parseCode(await askTerminal({ type: 'text', message: printable(message) }, runtime, signal));
    if (code) return code;
    runtime.stderr.write(`${digitsHint}\n`);
    return ask(signal);
  };
  return { attempts: 3, ask };
}

/** Lets the person choose one of the names with the arrow keys. */
export function chooseProfile(names: readonly string[], runtime: Runtime, signal: AbortSignal): Promise<string> {
  const choices = names.map((name) => ({ title: printable(name), value: name }));
  return askTerminal({ type: 'select', message: 'which profile?', choices }, runtime, signal);
}

type Question = { type: 'text' | 'select'; message: string; choices?: { title: string; value: string }[] };

/** What we use of an open question of prompts. */
interface Prompt {
  firstRender: boolean;
  readonly closed?: boolean;
  render(): void;
  abort(): void;
  reset(): void;
  /** Takes a key that has no meaning of its own. */
  _(text: string | undefined, key: { readonly name?: string; readonly ctrl: boolean }): void;
}

/** @throws UserError `interrupted` for Ctrl-C, Ctrl-D, Esc, and when `signal` aborts */
async function askTerminal(question: Question, runtime: Runtime, signal: AbortSignal): Promise<string> {
  const { stdin, stderr, env } = runtime;
  let prompt: Prompt | undefined;
  const abort = () => (prompt ? prompt.closed || prompt.abort() : stdin.setRawMode(false));
  signal.addEventListener('abort', abort, { once: true });
  // Loading prompts takes as long as all that came before. Keys wait for it, unseen.
  stdin.setRawMode(true);
  const line = `? ${question.message} › `;
  // prompts starts by drawing this line again
  if (question.type === 'text' && line.length < stderr.columns) stderr.write(line);
  // prompts ignores NO_COLOR, but obeys this
  if (env.NO_COLOR) env.NODE_DISABLE_COLORS = 'true';
  const { default: prompts } = await import('prompts');
  // prompts ticks an answer that STS has not seen yet
  const write = (text: string) => stderr.write(text.replace(/(\x1b\[32m)?[✔√](\x1b\[39m)?/, '?'));
  const stdout = Object.create(stderr, { write: { value: write } });
  const onRender = function (this: Prompt) {
    if (prompt) return;
    prompt = this;
    const insert = this._.bind(this);
    this._ = (text, key) => {
      if (key.ctrl && key.name === 'z' && runtime.platform !== 'win32') suspend(this, runtime);
      else if (key.ctrl && key.name === 'u') this.reset();
      else if (text && !/\p{Cc}/u.test(text)) insert(text, key);
    };
  };
  const { answer } = signal.aborted ? {} : await prompts({ ...question, name: 'answer', stdin, stdout, onRender });
  // prompts answers a cancelled question with nothing at all
  if (typeof answer !== 'string') throw new UserError('interrupted', 'cancelled');
  return answer;
}

/** Ctrl-Z: leaves the terminal as it was, stops all that the shell started with us, and draws the question again when woken. */
function suspend(prompt: Prompt, runtime: Runtime): void {
  const { stdin, stderr } = runtime;
  stdin.setRawMode(false);
  stderr.write('\x1b[?25h\n');
  runtime.once('SIGCONT', () => {
    if (prompt.closed) return;
    stdin.setRawMode(true);
    prompt.firstRender = true;
    prompt.render();
  });
  runtime.kill(0, 'SIGTSTP');
}

/** One line of standard input a profile, for when there is no terminal. */
export function openPipe(runtime: Runtime): (profile: string) => CodeSource {
  const lines = readLines(runtime);
  const ask = async (profile: string, signal: AbortSignal): Promise<string> => {
    const line = await Promise.race([lines.next(), sleep(pipeSeconds * 1000, undefined, { signal })]);
    const code = parseCode(line?.value ?? '');
    if (code) return code;
    let why = 'its line on standard input is not six digits';
    if (!line) why = `standard input was silent for ${pipeSeconds} s`;
    else if (line.done) why = 'no terminal, and standard input is empty';
    const hint = 'run it in a terminal, give --token-code, or pipe in one code a line';
    throw new UserError('usage', `no code for ${profile}: ${why}`, hint);
  };
  return (profile) => ({ attempts: 1, ask: (signal) => ask(profile, signal) });
}

/** What is longer than a megabyte is passed on as if it were a line; what cannot be read, as a folder, is as good as empty. */
async function* readLines(runtime: Runtime): AsyncGenerator<string, void> {
  let rest = '';
  // a pipe that stays open must not keep the process alive; a file has no unref
  runtime.stdin.unref?.();
  try {
    for await (const chunk of runtime.stdin.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
      if (rest.length > maxBytes) break;
    }
  } catch {}
  if (rest) yield rest;
}

/** `mfa_process`: a shell command that has the terminal, and prints one six-digit group. */
export function processSource(setting: Setting, env: Environment, now: () => number, print: (note: string) => void) {
  return {
    attempts: 2,
    async ask(signal: AbortSignal) {
      const { stdout, problem } = await readCommand(setting.value, env, { signal });
      const codes = stdout.match(/(?<!\w)\d{6}(?!\w)/g) ?? [];
      if (!problem && codes[0] && codes.length === 1) return codes[0];
      const why = problem ?? `printed ${codes.length || 'no'} six-digit codes`;
      throw refuse(`mfa_process ${why} (${setting.where})`, 'run it by hand: it should print one code');
    },
    async next(signal: AbortSignal) {
      const wait = stepMs - (now() % stepMs);
      print(`asking mfa_process again in ${Math.ceil(wait / 1000)} s, when there is a new code`);
      await sleep(wait, undefined, { signal });
    },
  };
}
