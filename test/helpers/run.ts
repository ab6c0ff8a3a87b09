import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Home } from './home';
import type { LocalSts } from './sts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** Where a program runs: its whole environment is made from these and PATH. `program` replaces the one under test. */
export interface Surroundings {
  readonly home: Home;
  readonly sts?: LocalSts;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly program?: Command;
}

export interface RunOptions extends Surroundings {
  /** Written and closed; 'open' is a pipe that stays open and silent; without it, /dev/null. */
  readonly stdin?: string | 'open';
  /** More that must not show, such as codes. */
  readonly secrets?: readonly string[];
  /** After this the run has failed: far more than the longest takes on a busy machine. */
  readonly limitMs?: number;
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

export interface Result extends Output {
  readonly status: number | null;
}

/** The program under test: $REFRESH_MFA_BIN (a script for Node or an executable), else what `npm run build` made. */
export function command(): Command {
  const file = resolve(process.env.REFRESH_MFA_BIN || resolve(__dirname, '../../dist/refresh.js'));
  if (!existsSync(file)) throw new Error(`${file} is not there: npm run build`);
  return /\.c?js$/.test(file) ? { file: process.execPath, args: [file] } : { file, args: [] };
}

/** The environment of a child, in which nothing of the test's own is left but PATH. */
export function environment({ home, sts, env }: Surroundings): Record<string, string> {
  const own = { HOME: home.path, PATH: process.env.PATH ?? '', TZ: 'UTC', LANG: 'C.UTF-8' };
  return { ...own, ...(sts && { AWS_ENDPOINT_URL_STS: sts.url }), ...env };
}

/** Runs the program to its end. Rejects when that takes too long, or when it printed a secret. */
export function run(args: readonly string[], options: RunOptions): Promise<Result> {
  return start(args, options).done;
}

/** Starts the program and returns at once. Await `done`: that is where the output is checked; `output` gives what came so far. */
export function start(args: readonly string[], options: RunOptions) {
  const { stdin, program = command(), limitMs = 300_000 } = options;
  const secrets = secretsOf(options);
  for (const code of [...codesOf(args, stdin), ...(options.secrets ?? [])]) secrets.set(code, 'a one-time password');

  const child = spawn(program.file, [...program.args, ...args], {
    cwd: options.cwd ?? options.home.path,
    env: environment(options),
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  // a program may end without having read all of it
  child.stdin?.on('error', () => {});
  if (stdin !== undefined && stdin !== 'open') child.stdin?.end(stdin);

  const late = AbortSignal.timeout(limitMs);
  late.addEventListener('abort', () => {
    child.kill('SIGKILL');
    // a grandchild that holds the pipes open must not hold up the test, and ends with its standard input
    for (const stream of child.stdio) stream?.destroy();
  });
  const finish = async (): Promise<Result> => {
    const [status] = await once(child, 'close');
    const all = `${output.stdout}\n${output.stderr}`;
    if (late.aborted) throw new Error(`still running after ${limitMs} ms\n${all}`);
    assertNoSecrets(output, new Map([...secrets, ...secretsOf(options)]));
    if (status !== 0 && /^ {4}at /m.test(all)) throw new Error(`a stack trace was printed\n${all}`);
    return { status, ...output };
  };
  return { child, done: finish(), output: () => ({ ...output }) };
}

/** Every secret that could show, with what it is: those of the two files as they are now, and those of the STS. */
export function secretsOf({ home, sts, env = {} }: Surroundings): Map<string, string> {
  const secrets = new Map<string, string>();
  for (const secret of sts?.secrets ?? []) secrets.set(secret, 'a secret access key or session token of the STS');
  for (const file of [home.configPath, home.credentialsPath, env.AWS_CONFIG_FILE, env.AWS_SHARED_CREDENTIALS_FILE]) {
    const text = readIfReadable((file ?? '').replace(/^~(?=\/)/, home.path));
    const values = /^\s*(aws_secret_access_key|aws_session_token|aws_security_token)\s*[=:]\s*["']?([^\s"']+)/gim;
    for (const [, key = '', value = ''] of text.matchAll(values)) secrets.set(value, `a value of ${key.toLowerCase()}`);
  }
  return secrets;
}

/** Throws, naming the stream and the kind of secret but never the secret. Codes count only where no digit adjoins. */
export function assertNoSecrets({ stdout, stderr }: Output, secrets: ReadonlyMap<string, string>): void {
  for (const [stream, text] of Object.entries({ stdout, stderr })) {
    for (const [secret, kind] of secrets) if (isShown(secret, text)) throw new Error(`${stream} shows ${kind}`);
  }
}

function isShown(secret: string, text: string): boolean {
  if (/^\d{6}$/.test(secret)) return new RegExp(`(?<!\\d)${secret}(?!\\d)`).test(text);
  // what is shorter is a stand-in that ordinary words may contain
  return secret.length >= 16 && text.includes(secret);
}

function codesOf(args: readonly string[], stdin = ''): string[] {
  const given = args.map((arg, index) =>
    /^(-t|--token-code)$/.test(arg) ? args[index + 1] : /^(?:-t|--token-code=)(.+)$/.exec(arg)?.[1],
  );
  return [...given, stdin].flatMap((text) => text?.replace(/[^\S\n]/g, '').match(/(?<!\d)\d{6}(?!\d)/g) ?? []);
}

function readIfReadable(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
