// A command of the person's own config, run through the shell as it was written. Its stderr goes to the terminal.

export type Environment = Readonly<Record<string, string | undefined>>;

/** What lib uses of Node's `process`, which refresh.ts alone has. */
export type Runtime = Pick<NodeJS.Process, 'stdin' | 'stderr' | 'env' | 'platform' | 'kill' | 'once'>;

export interface Limits {
  /** A minute if undefined: long enough to find a security key and touch it. */
  readonly seconds?: number;
  /** Ends the command. */
  readonly signal: AbortSignal;
  /** With it the command has no terminal but a process group of its own, which is ended as a whole. */
  readonly kill?: Runtime['kill'];
}

/** More than any code, key or answer of STS takes. */
export const maxBytes = 2 ** 20;

/** Resolves to its stdout, and to why that is no good: `ended with status 3`, `did not end within 60 s`. */
export async function readCommand(command: string, env: Environment, { seconds = 60, signal, kill }: Limits) {
  const { spawn } = await import('node:child_process');
  return new Promise<{ stdout: string; problem: string | undefined }>((done) => {
    const stdin = kill ? 'ignore' : 'inherit';
    const child = spawn(command, { shell: true, detached: !!kill, stdio: [stdin, 'pipe', 'inherit'], env: { ...env } });
    let stdout = '';
    // ends the command before it returns, since the signal may be about to end this process, too; the first call counts
    const end = (problem?: string) => {
      done({ stdout, problem });
      try {
        // throws for another user's process, and on Windows, which has no process groups
        if (child.pid && child.kill()) kill?.(-child.pid, 'SIGTERM');
      } catch {}
      // a process that the command left in the background may hold the pipe
      child.stdout.destroy();
      child.unref();
    };
    setTimeout(end, seconds * 1000, `did not end within ${seconds} s`).unref();
    const cancel = () => end('was cancelled');
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.length > maxBytes) end('printed more than 1 MiB');
    });
    child.once('error', (error) => end(`could not be started (${error.message})`));
    child.on('exit', (status, signal) => {
      const problem = status === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with status ${status}`;
      child.on('close', () => end(problem));
      // its output may still be on its way; the immediate comes behind whatever can be read by then
      setTimeout(() => setImmediate(end, problem), 100);
    });
  });
}
