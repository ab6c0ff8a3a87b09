// The grammar of one file. Sections and values are what botocore reads (Python's RawConfigParser), since every `aws` command
// goes by that; `requireAgreement` refuses where the SDKs for JavaScript and Go read something else.
// `ini` drops `[x] # note` and puts its keys into the section before, so it never sees a whole file.
import { isUtf8 } from 'node:buffer';
import { refuse, type UserError } from './errors';

/** One `key = value`. Lines are indexes into the document's lines; `end` is the first line behind it. */
export interface Entry {
  /** In lower case, as botocore compares keys. */
  readonly key: string;
  /** Without the blanks around it, otherwise as written; continuation lines are joined by `\n`. */
  value: string;
  readonly line: number;
  end: number;
}

export interface Section {
  readonly document: Document;
  readonly name: string;
  readonly line: number;
  readonly entries: Map<string, Entry>;
}

export interface Document {
  /** As it is shown to the person, e.g. `~/.aws/credentials`. */
  readonly path: string;
  /** Each with its own line ending: joined, they are the file. */
  readonly lines: readonly string[];
  readonly sections: ReadonlyMap<string, Section>;
  /** The name in each line that is a header to botocore. An indented `[name]` may be part of the value above. */
  readonly headers: ReadonlyMap<number, string>;
}

/** Keys to set in a section. */
type Values = Readonly<Record<string, string>>;

/** Botocore copies this section's keys into every other one of the file. */
export const DEFAULTS = 'DEFAULT';

/** What botocore takes for a header, once the blanks around it are gone; what stands behind the last bracket is ignored. */
const headerPattern = /^\[(.+)\]/s;

/**
 * Reads a config or credentials file; `path` is only shown.
 * @throws UserError `config` for what botocore refuses as a whole, so that no `aws` command works, and for characters that its
 * readers take differently: not UTF-8, a byte order mark, control characters
 */
export function parse(bytes: Uint8Array, path: string): Document {
  const lines = splitLines(decode(bytes, path));
  const sections = new Map<string, Section>();
  const headers = new Map<number, string>();
  const document = { path, lines, sections, headers };
  let section: Section | undefined;
  let entry: Entry | undefined;
  let isBlock = false;
  let level = 0;
  for (const [line, text] of lines.entries()) {
    const content = text.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;
    const at = `${path}:${line + 1}`;
    const indent = text.search(/\S/);
    if (entry && indent > level) {
      if (isBlock && !isNested(content)) throw explain(...noPair, at);
      entry.value += `\n${content}`;
      entry.end = line + 1;
      continue;
    }
    level = indent;
    const header = headerPattern.exec(content)?.[1];
    if (header !== undefined) {
      const first = sections.get(header);
      if (first && header !== DEFAULTS) throw explain(`duplicate section [${header}]`, 'merge the two', at, first);
      section = first ?? { document, name: header, line, entries: new Map() };
      sections.set(header, section);
      headers.set(line, header);
      entry = undefined;
      continue;
    }
    if (!section) throw explain('line before the first [section]', 'move it below its section, or put # in front', at);
    const delimiter = content.search(/[=:]/);
    if (delimiter < 1) throw explain(...noPair, at);
    const key = content.slice(0, delimiter).trim().toLowerCase();
    const first = section.entries.get(key);
    // part of a token may stand where a key should; names are shorter than any secret
    const shown = /^[\w.-]{1,39}$/.test(key) ? `key ${key}` : 'key';
    if (first) throw explain(`duplicate ${shown} in [${section.name}]`, 'delete the outdated line', at, first);
    entry = { key, value: content.slice(delimiter + 1).trim(), line, end: line + 1 };
    isBlock = entry.value === '';
    section.entries.set(key, entry);
  }
  return document;
}

function decode(bytes: Uint8Array, path: string): string {
  const text = Buffer.from(bytes).toString();
  // Python takes some of these for blanks or line ends, JavaScript does not; without them trim() and \n mean the same to both
  const odd = (isUtf8(bytes) ? /[\0\x1c-\x1f\x85\ufeff]|\r(?!\n)/ : /\ufffd/).exec(text);
  if (!odd) return text;
  const at = `${path}:${text.slice(0, odd.index).split('\n').length}`;
  if (odd[0] === '\ufffd') throw explain('not UTF-8', 'save it as UTF-8 (iconv -f latin1 -t utf-8)', at);
  if (odd[0] === '\ufeff') throw explain('byte order mark', 'save the file as UTF-8 without BOM', at);
  const name = `U+${odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  throw explain(`control character ${name}`, 'delete that character', at);
}

/** In a nested block botocore wants a `=` in each line, and ends lines at these characters, too. */
function isNested(content: string): boolean {
  return content.split(/[\v\f\u2028\u2029]/).every((part) => part.trim() === '' || part.includes('='));
}

const noPair = ['not a key = value line', 'write it as key = value, or put # in front'] as const;

function explain(what: string, hint: string, where: string, first?: { readonly line: number }): UserError {
  const place = first ? `${where}, first in line ${first.line + 1}` : where;
  return refuse(`${what} (${place})`, `${hint}: until then, no aws command can read the file`);
}

/** The keys of an indented block such as `sts =` in `[services name]`; empty if the value is no such block. */
export function parseNested(value: string): Readonly<Record<string, unknown>> {
  if (!value.startsWith('\n')) return {};
  // few have such a block, and the question should not wait for what reads it
  const ini = require('ini') as typeof import('ini');
  return ini.parse(value);
}

/**
 * The section of this name has to be the same to all AWS tools, once these keys of it are set or removed.
 * @throws UserError `config` for the first line on which they disagree: a header of it, or of the section behind it, that only
 * some of them see, or part of a value that some of them take for a key
 */
export function requireAgreement(document: Document, name: string, own: readonly string[] = []): void {
  const { path, lines, sections, headers } = document;
  const ambiguous = (what: string, line: number, hint: string) =>
    refuse(`ambiguous ${what} (${path}:${line + 1})`, `AWS tools read it differently: ${hint}`);
  const headerHint = 'write plain [name] from column 1, and nothing after it';
  const keyHint = `start all keys of [${name}] in column 1, each with its value in one line`;
  const entries = new Map([...(sections.get(name)?.entries.values() ?? [])].map((entry) => [entry.line, entry]));
  let current: string | undefined;
  /** The readers that are in a block here. */
  const inBlock = new Set<number>();
  for (const [line, text] of lines.entries()) {
    const content = text.trim();
    if (content.startsWith('[')) {
      const readings = [headers.get(line), ...readHeaders(content)];
      const isOurs = readings.some((read) => (read ?? current) === name);
      if (isOurs && new Set(readings).size > 1) throw ambiguous('section header', line, headerHint);
      current = readings[0] ?? current;
      inBlock.clear();
    } else if (current === name) {
      const entry = entries.get(line);
      const isOwn = entry !== undefined && own.includes(entry.key);
      if (isOwn && entry.end > line + 1) throw ambiguous('line', line, keyHint);
      for (const [reader, read] of readValues(content).entries()) {
        const value = isOwn ? 'set' : read;
        if (value === '') inBlock.add(reader);
        // a block ends at a key in column 1 that has a value
        if (value && /^\S/.test(text)) inBlock.delete(reader);
        const isKey = value && !inBlock.has(reader);
        if (isOwn ? !isKey : !entry && isKey) throw ambiguous('line', line, keyHint);
      }
    }
  }
}

/** The name that a line is the header of to the JS SDK and to Go, which end it at a comment. */
function readHeaders(content: string): (string | undefined)[] {
  const parts = [content.split(/\s[#;]/)[0], content.split(/[#;]/)[0]];
  return parts.map((part = '') => /^\[(.+)\]$/s.exec(part.trim())?.[1]);
}

/**
 * The value in a line to the JS SDK, which knows no `:`, and to Go; undefined if the line is no key. To both, an empty one begins
 * a block, to which indented lines belong, and any other line with a key is a key of the section.
 */
function readValues(content: string): (string | undefined)[] {
  const [text = ''] = content.split(/(?:^|\s)[#;]/);
  return [/^[^=]+=(.*)$/s, /^[^=:]+[=:](.*)$/s].map((pattern) => pattern.exec(text)?.[1]?.trim());
}

/**
 * The file's text with keys of one section set or removed, and every other byte as it was. An existing line keeps its place,
 * its indentation and its blanks around `=`; new lines come behind the section's last entry and are indented as that one is,
 * because botocore glues a deeper line to the value above it. A section that is not there goes to the end of the file, behind a
 * blank line; where nothing is left in a section, not even a comment, its header goes, and the blank line before that.
 * Keys have one line each: see `requireAgreement`.
 */
export function splice(document: Document, name: string, values: Values, removed: readonly string[] = []): string {
  const eol = lineEnding(document);
  const lines = document.lines.map((line) => (line.endsWith('\n') ? line : line + eol));
  const section = document.sections.get(name);
  if (!section) lines.push(lines.length > 0 ? eol : '', `[${name}]${eol}`);
  const header = section?.line ?? lines.length - 1;
  const entries = [...(section?.entries.values() ?? [])];
  const own = entries.filter(({ key }) => Object.hasOwn(values, key) || removed.includes(key));
  for (const { key, line } of own) {
    const value = values[key];
    lines[line] = value === undefined ? '' : rewrite(lines[line] ?? '', key, value);
  }

  const text = ({ line }: Entry) => document.lines[line] ?? '';
  // what is indented below a block belongs to the block for other tools
  const block = entries.find((entry) => /^\s/.test(text(entry)) && readValues(text(entry)).includes(''));
  const last = own.at(-1) ?? (block ? undefined : entries.at(-1));
  const at = last?.end ?? block?.line ?? header + 1;
  const below = lines.slice(at).find((line) => /^\s*[^\s#;]/.test(line)) ?? '';
  const indent = /^[^\S\r\n]*/.exec(last ? text(last) : below)?.[0];
  const missing = Object.entries(values).filter(([key]) => !section?.entries.has(key));
  lines.splice(at, 0, ...missing.map(([key, value]) => `${indent}${key} = ${value}${eol}`));

  const next = lines.slice(header + 1).find((line) => line.trim() !== '');
  // botocore takes an indented header for a part of the value above, unless another header stands between
  if (next === undefined || headerPattern.test(next)) {
    lines[header] = '';
    if (lines[header - 1]?.trim() === '') lines[header - 1] = '';
  }
  const isOpen = document.lines.at(-1)?.endsWith('\n') === false;
  return isOpen ? lines.join('').replace(/\r?\n$/, '') : lines.join('');
}

/** The JS SDK finds only lower-case keys before `=`, so both are put right on the way. */
function rewrite(text: string, key: string, value: string): string {
  const pattern = /^(\s*)[^=:]*?(\s*)[=:]([^\S\r\n]*).*?(?=\r?\n$)/s;
  return text.replace(pattern, (_, indent, before, after) => `${indent}${key}${before}=${after}${value}`);
}

/** Each with its own line ending. */
export function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? [];
}

export function lineEnding({ lines }: Document): string {
  return lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
}
