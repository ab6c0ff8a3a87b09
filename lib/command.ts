export type Environment = Readonly<Record<string, string | undefined>>;

export interface Output {
  readonly stdout: string;
  /** Why it is no good: `ended with status 3`, `did not end within 60 s`. */
  readonly problem: string | undefined;
}

/**
 * Runs a command of the person's own config through the shell, as it was written, and takes its standard output. What it
 * says on stderr goes to the terminal; `stdin` is the terminal too for those that want a touch or a PIN.
 */
export async function readCommand(
  command: string,
  env: Environment,
  seconds: number,
  stdin: 'inherit' | 'ignore',
): Promise<Output> {
  const { spawn } = await import('node:child_process');
  return new Promise((done) => {
    const child = spawn(command, { shell: true, stdio: [stdin, 'pipe', 'inherit'], env: { ...env } });
    const chunks: Buffer[] = [];
    const finish = (problem?: string) => {
      clearTimeout(timer);
      done({ stdout: Buffer.concat(chunks).toString(), problem });
    };
    const timer = setTimeout(() => {
      child.kill();
      // What the shell started may live on and hold the pipe.
      child.stdout.destroy();
      child.unref();
      finish(`did not end within ${seconds} s`);
    }, seconds * 1000);
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => finish(`could not be started (${error.message})`));
    child.on('close', (status, signal) => {
      finish(status === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with status ${status}`);
    });
  });
}
