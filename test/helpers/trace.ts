// What strace saw of a run: what it started, which names it gave to the system, and what it wrote where.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command } from './run';
import { missing } from './which';

export interface Start {
  /** Whether it is the traced program itself, and not what it has started. */
  readonly itself: boolean;
  readonly args: readonly string[];
  /** As `NAME=value`. */
  readonly env: readonly string[];
}

export interface Trace {
  /** Every program that was started: the traced one, what that started, and so on. */
  readonly started: readonly Start[];
  /** Every string that a system call was given, other than these and what was written: names of files, mostly. */
  readonly names: readonly string[];
  /** What was written, in the order of the calls, by where: a path, `pipe:[7]`, or `port 443` for a connection to it. */
  readonly written: ReadonlyMap<string, string>;
  /** Calls by which bytes can leave unseen, such as writing to a mapped file. */
  readonly unseen: readonly string[];
}

const writes = ['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendto', 'sendmsg', 'sendmmsg'];
const unseen = ['sendfile', 'splice', 'tee', 'vmsplice', 'copy_file_range', 'process_vm_writev', 'shmget'];
const others = ['execve', 'execveat', 'clone', 'clone3', 'fork', 'vfork', 'connect', 'mmap', 'prctl', 'io_uring_setup'];
const calls = ['%file', ...[...others, ...writes, ...unseen].map((name) => `?${name}`)].join(',');
// what Node hands over in a ring would not be seen; where there are none, it makes calls
const inject = 'inject=io_uring_setup:error=ENOSYS';
// without -xx a string could hold what looks like the end of one
const options = ['-f', '-y', '-xx', '--seccomp-bpf', '-s', '1000000', '-e', 'abbrev=!execve'];
options.push('-e', `trace=${calls}`, '-e', inject);

/** Why a test that needs strace has to be skipped, or false. */
export const straceMissing: string | false = findStrace();

function findStrace(): string | false {
  const absent = process.platform === 'linux' ? missing('strace') : 'strace is for Linux only';
  if (absent) return absent;
  const { status, stderr } = spawnSync('strace', [...options, '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  return status === 0 ? false : `strace may not trace here: ${stderr.split('\n')[0]}`;
}

/** The program with strace before it, which writes to `path`. */
export function traced({ file, args }: Command, path: string): Command {
  return { file: 'strace', args: [...options, '-o', path, '--', file, ...args] };
}

/** Names that Node and tsx make of process ids and hashes, in which six digits stand by chance. */
const numbered = /^\/(?:proc|sys)\/|\/tsx-\d+\//;

/** Whatever the traced program has started counts for the programs that it starts in turn, and for nothing else. */
export function readTrace(path: string): Trace {
  const lines = readFileSync(path, 'latin1').split('\n');
  const main = /^\d+/.exec(lines[0] ?? '')?.[0] ?? '';
  const foreign = new Set<string>();
  const ports = new Map<string, string>();
  const trace = {
    started: [] as Start[],
    names: [] as string[],
    written: new Map<string, string>(),
    unseen: [] as string[],
  };
  for (const line of lines) {
    const [, pid = '', name = '', rest = ''] = /^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$/.exec(line) ?? [];
    if (/^(clone3?|v?fork)$/.test(name)) {
      const child = / = (\d+)$/.exec(rest)?.[1];
      if (child && foreign.has(pid)) foreign.add(child);
      continue;
    }
    if (line.includes(' resumed>')) continue;
    if (name.startsWith('execve')) {
      if (pid !== main) foreign.add(pid);
      const [, args = '', env = ''] = /\[(.*?)\], \[(.*?)\]/.exec(rest) ?? [];
      trace.started.push({ itself: pid === main, args: strings(args), env: strings(env) });
    } else if (!foreign.has(pid)) {
      const [, label = ''] = /^\d+<(.*?)>[,)]/.exec(rest) ?? [];
      const target = decoded(label);
      if (name === 'connect') ports.set(target, `port ${/_port=htons\((\d+)\)/.exec(rest)?.[1] ?? 'of no network'}`);
      if (writes.includes(name)) {
        const place = ports.get(target) ?? target;
        trace.written.set(place, (trace.written.get(place) ?? '') + strings(rest.slice(label.length)).join(''));
      } else if (unseen.includes(name) || isSharedFile(name, rest)) trace.unseen.push(line);
      else trace.names.push(...strings(rest).filter((text) => !numbered.test(text)));
    }
  }
  return trace;
}

function isSharedFile(name: string, args: string): boolean {
  return name === 'mmap' && args.includes('PROT_WRITE') && /\bMAP_SHARED/.test(args) && !args.includes('MAP_ANONYMOUS');
}

/** The strings among the arguments, a character a byte. */
function strings(args: string): string[] {
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, text = '']) => decoded(text));
}

function decoded(text: string): string {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex').toString('latin1');
}
