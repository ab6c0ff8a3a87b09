// What strace saw of a run of the tool: what it started, which names it gave to the system, what it wrote where, and the secrets in it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command } from './run';
import { find, missing } from './which';

const writes = ['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendto', 'sendmsg', 'sendmmsg'];
/** By these, bytes can leave unseen. */
const hidden = ['sendfile', 'splice', 'tee', 'vmsplice', 'copy_file_range', 'process_vm_writev', 'shmget'];
const others = ['execve', 'execveat', 'clone', 'clone3', 'fork', 'vfork', 'connect', 'mmap', 'prctl', 'io_uring_setup'];
const calls = ['%file', ...[...others, ...writes, ...hidden].map((name) => `?${name}`)].join(',');
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
  return { file: find('strace') ?? 'strace', args: [...options, '-o', path, '--', file, ...args] };
}

/** Keys go into the draft of the credentials file, codes to STS, and back to the terminal on which they were typed. */
export function isUsual(place: string, kind: string): boolean {
  return (kind === 'a key' ? /\.refresh-mfa-\w+\/[^/]+$/ : /^port |^\/dev\/pts\//).test(place);
}

/**
 * Each as `PLACE shows KIND`, where `secrets` has what each is called. The tool itself was started, and its environment made, by the
 * person; so was what is `given`: a command that is started as it stands there may hold anything.
 */
export function findLeaks(path: string, secrets: ReadonlyMap<string, string>, isMeant = isUsual, given = ''): string[] {
  const { places, unseen } = readTrace(path, given);
  const found = [...places].flatMap(([place, text]) => {
    const shown = [...secrets].filter(([secret, kind]) => !isMeant(place, kind) && holds(text, secret));
    return shown.map(([, kind]) => `${place} shows ${kind}`);
  });
  return [...found, ...unseen.map((call) => `bytes that strace does not show: ${call}`)];
}

/**
 * What the tool gave to the system, by where: the words and variables of programs that it started (what these do is their own
 * business), names, and what was written to a path, to `pipe:[7]`, or to `port 443` of a connection. And calls that hide bytes.
 */
function readTrace(path: string, given: string) {
  const lines = readFileSync(path, 'latin1').split('\n');
  const [first = ''] = lines;
  const main = /^\d+/.exec(first)?.[0] ?? '';
  const environment = strings(first.slice(first.indexOf('], [')));
  const foreign = new Set<string>();
  const ports = new Map<string, string>();
  const places = new Map<string, string>();
  const unseen: string[] = [];
  const add = (place: string, text: string) => places.set(place, (places.get(place) ?? '') + text);
  for (const line of lines) {
    const [, pid = '', name = '', rest = ''] = /^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$/.exec(line) ?? [];
    if (/^(clone3?|v?fork)$/.test(name)) {
      const child = / = (\d+)$/.exec(rest)?.[1];
      if (child && foreign.has(pid)) foreign.add(child);
    } else if (line.includes(' resumed>') || foreign.has(pid)) {
      // was seen when it began, or is no business of ours
    } else if (name.startsWith('execve')) {
      if (pid === main) continue;
      foreign.add(pid);
      const words = strings(rest).filter((word) => !environment.includes(word) && !given.includes(word));
      add('an argument or a variable', `${words.join('\0')}\0`);
    } else {
      const [, label = ''] = /^\d+<(.*?)>[,)]/.exec(rest) ?? [];
      const target = decoded(label);
      if (name === 'connect') ports.set(target, `port ${/_port=htons\((\d+)\)/.exec(rest)?.[1] ?? 'of no network'}`);
      if (writes.includes(name)) add(ports.get(target) ?? target, strings(rest.slice(label.length)).join(''));
      else if (hidden.includes(name) || isSharedFile(name, rest)) unseen.push(line);
      else {
        // the system makes these of process ids, in which six digits stand by chance
        const names = strings(rest).filter((text) => !/^\/(?:proc|sys)\//.test(text));
        add('a name', `${names.join('\0')}\0`);
      }
    }
  }
  return { places, unseen };
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

/** Whether the text, a character a byte, holds the secret, or 31 characters of it, in any form. Codes count where no digit adjoins. */
export function holds(text: string, secret: string): boolean {
  if (/^\d{6}$/.test(secret) && new RegExp(`(?<!\\d)${secret}(?!\\d)`).test(text)) return true;
  const lower = text.toLowerCase();
  return piecesOf(secret).some((piece) => disguises(piece).some((form) => lower.includes(form)));
}

/** Of 31 characters in a row these always hold a whole one. */
function piecesOf(secret: string): string[] {
  return secret.length < 32 ? [secret] : (secret.match(/.{16}/gs) ?? []);
}

/** What programs commonly make of a text, all in lower case, since some of these come in both. */
function disguises(piece: string): string[] {
  const bytes = Buffer.from(piece);
  const base64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    // the characters at the ends depend on what stands beside the secret, too
    const own = text.slice(Math.ceil((shift * 4) / 3), Math.floor(((shift + bytes.length) * 4) / 3));
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
  const forms = [
    // six digits by themselves are looked for with what adjoins them
    ...(/^\d{6}$/.test(piece) ? [] : [piece, encodeURIComponent(piece), piece.replaceAll('/', '\\/')]),
    ...base64,
    ...['', ' ', ':', '%'].map((between) => hex.join(between)),
    hex.map((byte) => `\\x${byte}`).join(''),
    [...bytes].join(','),
    Buffer.from(piece, 'utf16le').toString('latin1'),
  ];
  return [...new Set(forms.map((form) => form.toLowerCase()))];
}
