// The grammar of one file. Sections and values are what botocore reads (Python's RawConfigParser), since every `aws` command
// goes by that; `findAmbiguity` says where the SDKs for JavaScript and Go read something else.
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
  /** Lines with an indented `[name]`: part of the value above to botocore, a header to other SDKs. */
  readonly hidden: ReadonlySet<number>;
}

/** Keys to set in a section; undefined removes one. */
export type Values = Readonly<Record<string, string | undefined>>;

/** Botocore copies this section's keys into every other one of the file. */
export const DEFAULTS = 'DEFAULT';

/**
 * Reads a config or credentials file; `path` is only shown.
 * @throws UserError `config` for what botocore refuses as a whole, so that no `aws` command works, and for characters that its
 * readers take differently: not UTF-8, a byte order mark, control characters
 */
export function parse(bytes: Uint8Array, path: string): Document {
  const lines = splitLines(decode(bytes, path));
  const sections = new Map<string, Section>();
  const hidden = new Set<number>();
  const document = { path, lines, sections, hidden };
  let section: Section | undefined;
  let entry: Entry | undefined;
  let isBlock = false;
  let level = 0;
  for (const [line, text] of lines.entries()) {
    const content = text.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;
    const explainLine = (what: string, hint: string, first?: { readonly line: number }) => {
      return explain(`${path}:${line + 1}${first ? `, first in line ${first.line + 1}` : ''}`, what, hint);
    };
    const indent = text.search(/\S/);
    const header = /^\[(.+)\]/s.exec(content)?.[1];
    if (section && entry && indent > level) {
      if (content.startsWith('[')) hidden.add(line);
      if (isBlock && !isNested(content)) throw explainLine(...noPair);
      entry.value += `\n${content}`;
      entry.end = line + 1;
      continue;
    }
    level = indent;
    if (header !== undefined) {
      const first = sections.get(header);
      if (first && header !== DEFAULTS) throw explainLine(`duplicate section [${header}]`, 'merge the two', first);
      section = first ?? { document, name: header, line, entries: new Map() };
      sections.set(header, section);
      entry = undefined;
      continue;
    }
    if (!section) throw explainLine('line before the first [section]', 'move it below its section, or put # in front');
    const delimiter = content.search(/[=:]/);
    if (delimiter < 1) throw explainLine(...noPair);
    const key = content.slice(0, delimiter).trim().toLowerCase();
    const first = section.entries.get(key);
    // part of a token may stand where a key should; names are shorter than any secret
    const shown = /^[\w.-]{1,39}$/.test(key) ? `key ${key}` : 'key';
    if (first) throw explainLine(`duplicate ${shown} in [${section.name}]`, 'delete the outdated line', first);
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
  const where = `${path}:${text.slice(0, odd.index).split('\n').length}`;
  if (odd[0] === '\ufffd') throw explain(where, 'not UTF-8', 'save it as UTF-8 (iconv -f latin1 -t utf-8)');
  if (odd[0] === '\ufeff') throw explain(where, 'byte order mark', 'save the file as UTF-8 without BOM');
  const name = `U+${odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  throw explain(where, `control character ${name}`, 'delete that character');
}

/** In a nested block botocore wants a `=` in each line, and ends lines at these characters, too. */
function isNested(content: string): boolean {
  return content.split(/[\v\f\u2028\u2029]/).every((part) => part.trim() === '' || part.includes('='));
}

const noPair = ['not a key = value line', 'write it as key = value, or put # in front'] as const;

function explain(where: string, what: string, hint: string): UserError {
  return refuse(`${what} (${where})`, `${hint}: until then, no aws command can read the file`);
}

/** The keys of an indented block such as `sts =` in `[services name]`; empty if the value is no such block. */
export function parseNested(value: string): Readonly<Record<string, unknown>> {
  if (!value.startsWith('\n')) return {};
  // few have such a block, and the question should not wait for what reads it
  const ini = require('ini') as typeof import('ini');
  return ini.parse(value);
}

/**
 * The first line that makes AWS tools disagree about this section, as it is once these keys of it are set or removed: a header
 * of it, or of the section behind it, that only some of them see, or part of a value that some of them take for a key.
 */
export function findAmbiguity({ lines, sections, hidden }: Document, name: string, own: readonly string[]) {
  const entries = new Map([...(sections.get(name)?.entries.values() ?? [])].map((entry) => [entry.line, entry]));
  let current: string | undefined;
  let isBlock: readonly boolean[] = [];
  for (const [line, text] of lines.entries()) {
    const content = text.trim();
    if (content.startsWith('[')) {
      const [read, ...others] = readHeaders(content);
      const botocore = hidden.has(line) ? undefined : read;
      const readings = [botocore, ...others];
      const sides = readings.includes(undefined) ? [...readings, current] : readings;
      if (sides.includes(name) && new Set(readings).size > 1) return { line, isHeader: true };
      current = botocore ?? current;
      isBlock = [false, false];
    } else if (current === name) {
      const entry = entries.get(line);
      const isOwn = entry !== undefined && own.includes(entry.key);
      const values = isOwn ? ['set', 'set'] : readValues(content);
      // a block ends at a key in column 1 that has a value
      const isEnd = /^\S/.test(text);
      isBlock = isBlock.map((was, at) => (values[at] === '' ? true : was && !(isEnd && values[at])));
      if (isOwn && (isBlock.includes(true) || entry.end > line + 1)) return { line, isHeader: false };
      if (!entry && isBlock.some((is, at) => values[at] && !is)) return { line, isHeader: false };
    }
  }
  return undefined;
}

/** The name that a line is the header of to botocore, the JS SDK and Go. */
export function readHeaders(content: string): (string | undefined)[] {
  const inside = (text = '') => /^\[(.+)\]$/s.exec(text.trim())?.[1];
  return [/^\[(.+)\]/s.exec(content)?.[1], inside(content.split(/\s[#;]/)[0]), inside(content.split(/[#;]/)[0])];
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
 * because botocore glues a deeper line to the value above it. A section that is not there goes to the end of the file.
 */
export function splice(document: Document, name: string, values: Values): string {
  const section = document.sections.get(name);
  if (section) return finish(document, edit(document, section, values));
  const eol = lineEnding(document);
  const before = document.lines.join('');
  // always behind a blank line: so `unsplice` knows what to take away
  const gap = before === '' ? '' : before.endsWith('\n') ? eol : eol + eol;
  return finish(document, [before, gap, `[${name}]${eol}`, format(values, '', eol)]);
}

/**
 * The file's text without these keys of the section, and without its header, and the blank line before that, when nothing
 * else, not even a comment, is left in it: what `splice` appended, this takes away.
 */
export function unsplice(document: Document, name: string, keys: readonly string[]): string {
  const section = document.sections.get(name);
  if (!section) return document.lines.join('');
  const lines = edit(document, section, Object.fromEntries(keys.map((key) => [key, undefined])));
  const next = lines.slice(section.line + 1).find((text) => text.trim() !== '');
  // botocore takes an indented header for a part of the value above, unless another header stands between
  if (next === undefined || next.startsWith('[')) {
    lines[section.line] = '';
    if (lines[section.line - 1]?.trim() === '') lines[section.line - 1] = '';
  }
  return finish(document, lines);
}

/** The document's lines, with new ones behind the line that they follow. Keys have one line each: see `findAmbiguity`. */
function edit(document: Document, section: Section, values: Values): string[] {
  const lines = [...document.lines];
  const entries = [...section.entries.values()];
  const own = entries.filter(({ key }) => Object.hasOwn(values, key));
  for (const { key, line } of own) {
    const value = values[key];
    lines[line] = value === undefined ? '' : rewrite(lines[line] ?? '', key, value);
  }
  const missing = Object.entries(values).filter(([key]) => !section.entries.has(key));
  const text = ({ line }: Entry) => document.lines[line] ?? '';
  // what is indented below a block belongs to the block for other tools
  const block = entries.find((entry) => /^\s/.test(text(entry)) && readValues(text(entry)).includes(''));
  const last = own.at(-1) ?? (block ? undefined : entries.at(-1));
  const at = last?.end ?? block?.line ?? section.line + 1;
  const next = document.lines.slice(at).find((line) => /^\s*[^\s#;]/.test(line));
  const indent = /^[^\S\r\n]*/.exec(last ? text(last) : (next ?? ''))?.[0] ?? '';
  const eol = lineEnding(document);
  if (!/(^|\n)$/.test(lines[at - 1] ?? '')) lines[at - 1] += eol;
  lines[at - 1] += format(Object.fromEntries(missing), indent, eol);
  return lines;
}

function format(values: Values, indent: string, eol: string): string {
  const set = Object.entries(values).filter(([, value]) => value !== undefined);
  return set.map(([key, value]) => `${indent}${key} = ${value}${eol}`).join('');
}

/** A last line without a line ending stays so. */
function finish({ lines }: Document, edited: readonly string[]): string {
  const text = edited.join('');
  return lines.at(-1)?.endsWith('\n') === false ? text.replace(/\r?\n$/, '') : text;
}

/** The JS SDK finds only lower-case keys before `=`, so both are put right on the way. */
function rewrite(text: string, key: string, value: string): string {
  const [, indent = '', before = ' ', after = ' '] = /^(\s*)[^=:]*?([^\S\n]*)[=:]([^\S\r\n]*)/.exec(text) ?? [];
  return `${indent}${key}${before}=${after}${value}${/\r?\n$/.exec(text)?.[0] ?? ''}`;
}

/** Each with its own line ending. */
export function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? [];
}

export function lineEnding({ lines }: Document): string {
  return lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
}
