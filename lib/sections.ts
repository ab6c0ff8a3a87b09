// Bounds and values are what botocore's reader (Python's RawConfigParser) makes of the file, since every `aws` command
// judges by it; what the other SDKs read differently is refused where it touches a section that is to be written.
// `ini` would drop `[x] # note` and put its keys into the section before, so it never sees a whole file.
import { isUtf8 } from 'node:buffer';
import { UserError } from './errors';

/** One `key = value`. Lines are indexes into the document's lines; `end` is the first line that is no longer part of it. */
export interface Entry {
  /** In lower case, as botocore compares keys. */
  readonly key: string;
  /** Without the blanks around it, otherwise as written; continuation lines are joined by `\n`. */
  value: string;
  readonly line: number;
  end: number;
}

export interface Section {
  readonly name: string;
  readonly line: number;
  readonly entries: Map<string, Entry>;
}

export interface Document {
  /** As it is shown to the person, e.g. `~/.aws/credentials`. */
  readonly path: string;
  /** Each with its own line ending, so that joining them gives the file. */
  readonly lines: readonly string[];
  readonly sections: ReadonlyMap<string, Section>;
  /** Indented `[name]` lines: part of the value above for botocore, a section of their own for other SDKs. */
  readonly hidden: readonly { readonly name: string; readonly line: number; readonly section: string }[];
}

/** Botocore copies this section's keys into every other one of the file. */
export const DEFAULTS = 'DEFAULT';

/**
 * Reads a config or credentials file whose bytes are given; `path` is only shown.
 * @throws UserError `config` with file and line for everything botocore refuses as a whole (so that no `aws` command would
 * work at all) and for what its readers take differently line by line: not UTF-8, a byte order mark, control characters
 */
export function parse(bytes: Uint8Array, path: string): Document {
  const text = decode(bytes, path);
  const lines = text.match(/[^\n]*\n|[^\n]+/g) ?? [];
  const sections = new Map<string, Section>();
  const hidden: { name: string; line: number; section: string }[] = [];
  let section: Section | undefined;
  let entry: Entry | undefined;
  let level = 0;
  for (const [index, line] of lines.entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;
    const indent = line.length - line.trimStart().length;
    const header = content.startsWith('[') ? /^\[([^\n]+)\]/.exec(content) : null;
    if (section && entry && indent > level) {
      if (header?.[1]) hidden.push({ name: header[1], line: index, section: section.name });
      if (/^(\n|$)/.test(entry.value) && !isNested(content)) throw noAssignment(path, index);
      entry.value += `\n${content}`;
      entry.end = index + 1;
      continue;
    }
    level = indent;
    if (header?.[1]) {
      const name = header[1];
      const twin = sections.get(name);
      if (twin && name !== DEFAULTS) {
        throw refusal(
          path,
          index,
          `[${name}] is there twice (first in line ${twin.line + 1})`,
          'make one section of the two',
        );
      }
      section = twin ?? { name, line: index, entries: new Map() };
      sections.set(name, section);
      entry = undefined;
      continue;
    }
    if (!section) {
      throw refusal(
        path,
        index,
        'a line before the first [section]',
        'move it below its [section], or put # before it',
      );
    }
    const delimiter = requireDelimiter(content, path, index);
    const key = content.slice(0, delimiter).trim().toLowerCase();
    const twin = section.entries.get(key);
    if (twin) {
      const first = `first in line ${twin.line + 1}`;
      throw refusal(
        path,
        index,
        `${isName(key) ? key : 'a key'} is there twice in [${section.name}] (${first})`,
        'delete the one that is out of date',
      );
    }
    entry = { key, value: content.slice(delimiter + 1).trim(), line: index, end: index + 1 };
    section.entries.set(key, entry);
  }
  return { path, lines, sections, hidden };
}

function decode(bytes: Uint8Array, path: string): string {
  if (!isUtf8(bytes)) {
    const hint = 'save it again as UTF-8 (an editor can; so can iconv -f latin1 -t utf-8)';
    throw refusal(path, firstBadLine(bytes), 'bytes that are not UTF-8', hint);
  }
  const text = Buffer.from(bytes).toString();
  // Python takes some of these for blanks or line ends and JavaScript does not; after this trim() and \n mean the same to both.
  const odd = /[\0\x1c-\x1f\x85\ufeff]|\r(?!\n)/.exec(text);
  if (!odd) return text;
  const line = text.slice(0, odd.index).split('\n').length - 1;
  if (odd[0] === '\ufeff') throw refusal(path, line, 'a byte order mark', 'save the file as UTF-8 without BOM');
  const name = `U+${odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  throw refusal(path, line, `a control character (${name})`, 'delete that character');
}

/** No character of UTF-8 but the line feed itself has its byte. */
function firstBadLine(bytes: Uint8Array): number {
  let line = 0;
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0 && isUtf8(bytes.subarray(start, end)); end = bytes.indexOf(10, start)) {
    start = end + 1;
    line++;
  }
  return line;
}

/** Botocore wants a `=` in each line of a nested block, and there, but not elsewhere, ends lines at these characters, too. */
function isNested(content: string): boolean {
  return content.split(/[\v\f\u2028\u2029]/).every((part) => part.trim() === '' || part.includes('='));
}

/** Part of a token may stand where a key should. Names are shorter than any secret. */
function isName(key: string): boolean {
  return /^[\w.-]{1,39}$/.test(key);
}

function requireDelimiter(content: string, path: string, line: number): number {
  const delimiter = content.search(/[=:]/);
  if (delimiter > 0) return delimiter;
  throw noAssignment(path, line);
}

function noAssignment(path: string, line: number): UserError {
  return refusal(path, line, 'a line that is no key = value', 'write it as key = value, or put # before it');
}

function refusal(path: string, line: number, what: string, hint: string): UserError {
  return new UserError('config', `${path} line ${line + 1}: ${what}, so no aws command can read the file`, hint);
}

/** The keys of an indented block such as `sts =` in `[services name]`; empty if the value is no such block. */
export function parseNested(value: string): Readonly<Record<string, unknown>> {
  if (!value.startsWith('\n')) return {};
  // few have such a block, and the question should not wait for what reads it
  const ini = require('ini') as typeof import('ini');
  return ini.parse(value);
}

/**
 * A line that is part of the value above it for botocore, and a key for the JS SDK, which would believe it since it stands
 * below where the session's is to be set. In a block such as `s3 =` it is a key of that block for both.
 * @param own the keys that `splice` is to set or remove
 */
export function findMisread({ lines, sections }: Document, name: string, own: readonly string[]): number | undefined {
  const entries = sections.get(name)?.entries ?? new Map<string, Entry>();
  const last = [...entries.values()].findLast(({ key }) => own.includes(key));
  for (const { line, end } of entries.values()) {
    const isBlock = /^[^=]*=\s*$/.test(lines[line] ?? '');
    for (let inside = line + 1; inside < end && !isBlock; inside++) {
      const read = /^\s*(aws_access_key_id|aws_secret_access_key|aws_session_token)\s*=\s*\S/.exec(lines[inside] ?? '');
      const set = entries.get(read?.[1] ?? '') ?? last;
      if (read && set && set.line < inside) return inside;
    }
  }
  return undefined;
}

/**
 * The file's text with keys of one section set, or removed where the value is undefined, and every other byte as it was. An
 * existing line keeps its place, its indentation and its blanks around `=`; new lines come behind the section's last entry
 * and are indented as that one is, because botocore glues a deeper line to the value above it. A section that is not there
 * goes to the end of the file.
 */
export function splice(document: Document, name: string, values: Readonly<Record<string, string | undefined>>): string {
  const section = document.sections.get(name);
  const wanted = Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  if (!section) return wanted.length > 0 ? append(document, name, wanted) : document.lines.join('');
  const lines = [...document.lines];
  const entries = [...section.entries.values()];
  for (const entry of entries) {
    if (!Object.hasOwn(values, entry.key)) continue;
    const value = values[entry.key];
    lines.fill('', entry.line + 1, entry.end);
    lines[entry.line] = value === undefined ? '' : rewritten(lines[entry.line] ?? '', entry.key, value);
  }
  const missing = wanted.filter(([key]) => !section.entries.has(key));
  if (missing.length > 0) {
    const last = entries.findLast((entry) => Object.hasOwn(values, entry.key)) ?? entries.at(-1);
    const at = last ? last.end : section.line + 1;
    const eol = lineEnding(document);
    const indent = indentation(document.lines[last?.line ?? nextContent(document, at)] ?? '');
    if (at > 0 && !/(^|\n)$/.test(lines[at - 1] ?? '')) lines[at - 1] += eol;
    lines.splice(at, 0, ...missing.map(([key, value]) => `${indent}${key} = ${value}${eol}`));
  }
  const text = lines.join('');
  return isOpen(document) ? text.replace(/\r?\n$/, '') : text;
}

/**
 * The file's text without these keys of the section, and without its header, and the blank line before that, when nothing
 * else, not even a comment, is left in it: what `splice` appended, this takes away.
 */
export function unsplice(document: Document, name: string, keys: readonly string[]): string {
  const section = document.sections.get(name);
  if (!section) return document.lines.join('');
  const text = splice(document, name, Object.fromEntries(keys.map((key) => [key, undefined])));
  const removed = [...section.entries.values()].filter((entry) => keys.includes(entry.key));
  const next =
    [...document.sections.values()].find((other) => other.line > section.line)?.line ?? document.lines.length;
  const kept = (line: number) => !removed.some((entry) => line >= entry.line && line < entry.end);
  const body = document.lines.slice(section.line + 1, next);
  const left = body.some((line, index) => line.trim() !== '' && kept(section.line + 1 + index));
  // botocore takes an indented header for a part of the value above, unless another header stands between
  if (left || /^\s/.test(document.lines[next] ?? '')) return text;
  const lines = document.lines.filter((_, index) => kept(index) && index !== section.line);
  if (section.line > 0 && document.lines[section.line - 1]?.trim() === '') lines.splice(section.line - 1, 1);
  const rest = lines.join('');
  return isOpen(document) ? rest.replace(/\r?\n$/, '') : rest;
}

/** Always behind a blank line, and with a newline at the end only if there was one: so `unsplice` knows what to take away. */
function append(document: Document, name: string, values: readonly (readonly [string, string])[]): string {
  const eol = lineEnding(document);
  const section = [`[${name}]`, ...values.map(([key, value]) => `${key} = ${value}`)].join(eol);
  const before = document.lines.join('');
  if (before === '') return section + eol;
  return before.endsWith('\n') ? before + eol + section + eol : before + eol + eol + section;
}

/** The JS SDK finds only lower-case keys before `=`, so both are put right on the way. */
function rewritten(line: string, key: string, value: string): string {
  const [, indent = '', before = ' ', after = ' '] = /^(\s*)[^=:]*?([^\S\n]*)[=:]([^\S\r\n]*)/.exec(line) ?? [];
  return `${indent}${key}${before}=${after}${value}${/\r?\n$/.exec(line)?.[0] ?? ''}`;
}

/** Whether the last line has no line ending. */
function isOpen(document: Document): boolean {
  return document.lines.at(-1)?.endsWith('\n') === false;
}

function lineEnding(document: Document): string {
  return document.lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
}

function indentation(line: string): string {
  return /^[^\S\r\n]*/.exec(line)?.[0] ?? '';
}

function nextContent(document: Document, from: number): number {
  return document.lines.findIndex((line, index) => index >= from && /^\s*[^\s#;]/.test(line));
}
