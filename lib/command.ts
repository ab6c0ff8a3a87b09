export type Environment = Readonly<Record<string, string | undefined>>;

export interface Output {
  readonly stdout: string;
  /** Why it is no good: `ended with status 3`, `did not end within 60 s`. */
  readonly problem: string | undefined;
}

export interface Limits {
  readonly seconds: number;
  /** `inherit` gives it the terminal, for those that want a touch or a PIN. */
  readonly stdin: 'inherit' | 'ignore';
  /** Ends it when nobody wants its output any more. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a command of the person's own config through the shell, as it was written, and takes its standard output. What it
 * says on stderr goes to the terminal.
 */
export async function readCommand(command: string, env: Environment, limits: Limits): Promise<Output> {
  const { spawn } = await import('node:child_process');
  return new Promise((done) => {
    const child = spawn(command, { shell: true, stdio: [limits.stdin, 'pipe', 'inherit'], env: { ...env } });
    const chunks: Buffer[] = [];
    const finish = (problem?: string) => {
      clearTimeout(timer);
      done({ stdout: Buffer.concat(chunks).toString(), problem });
    };
    const end = (problem: string) => {
      child.kill();
      // what the shell started may live on and hold the pipe
      child.stdout.destroy();
      child.unref();
      finish(problem);
    };
    const timer = setTimeout(() => end(`did not end within ${limits.seconds} s`), limits.seconds * 1000);
    limits.signal?.addEventListener('abort', () => end('was not needed any more'), { once: true });
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => finish(`could not be started (${error.message})`));
    child.on('close', (status, signal) => {
      finish(status === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with status ${status}`);
    });
  });
}
