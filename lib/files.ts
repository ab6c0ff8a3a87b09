// The two shared files, read once at the start. A profile's settings come from the credentials file first, key by key, as in
// all SDKs; then from the config's `[profile X]`; then from a bare `[X]` there, which the SDKs ignore.
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { devNull } from 'node:os';
import { join, resolve } from 'node:path';
import { systemCode, UserError } from './errors';
import { DEFAULTS, type Document, parse, type Section } from './sections';
import type { Environment } from './shell';

export interface Files {
  readonly config: Document;
  readonly credentials: Document;
  /** Absolute; the file need not exist. */
  readonly credentialsPath: string;
  /** The config's `[profile X]`, `[profile "X"]` and `[default]` sections by X. */
  readonly prefixed: ReadonlyMap<string, Section>;
  /** All names that a profile could have, in the order of the files. */
  readonly names: ReadonlySet<string>;
}

/** One section that describes a profile. */
export interface Place {
  readonly document: Document;
  readonly section: Section;
}

/** A value, and the line that sets it. */
export class Setting {
  constructor(
    readonly value: string,
    readonly document: Document,
    /** The name of the section that it was looked for in. */
    readonly section: string,
    /** Index into the document's lines. */
    readonly line: number,
  ) {}

  /** For messages: `~/.aws/config:7`. */
  get where(): string {
    return `${this.document.path}:${this.line + 1}`;
  }
}

/**
 * A missing file, or /dev/null, counts as empty.
 * @throws UserError `file` for one that cannot be read, `config` for one that botocore would refuse
 */
export function readFiles(env: Environment, home: string): Files {
  const path = (variable: string, name: string) => expand(env[variable] || `~/.aws/${name}`, env, home);
  const credentialsPath = path('AWS_SHARED_CREDENTIALS_FILE', 'credentials');
  const config = readDocument(path('AWS_CONFIG_FILE', 'config'), home);
  return makeFiles(config, readDocument(credentialsPath, home), credentialsPath);
}

export function makeFiles(config: Document, credentials: Document, credentialsPath: string): Files {
  const prefixed = new Map<string, Section>();
  const names = new Set<string>();
  for (const section of config.sections.values()) {
    const name = parseHeader(section.name);
    if (section.name !== DEFAULTS) names.add(name ?? section.name);
    // of [default] and [profile default] the prefixed one counts
    if (name !== undefined && (section.name !== 'default' || !prefixed.has(name))) prefixed.set(name, section);
  }
  for (const name of credentials.sections.keys()) if (name !== DEFAULTS) names.add(name);
  return { config, credentials, credentialsPath, prefixed, names };
}

function readDocument(path: string, home: string): Document {
  const shown = shorten(path, home);
  try {
    const info = statSync(path);
    if (realpathSync(path) === devNull) return parse(new Uint8Array(), shown);
    // a FIFO would block until somebody writes to it, a device may never end
    if (info.isFile()) return parse(readFileSync(path), shown);
    const what = info.isDirectory() ? 'a folder' : 'not a regular file';
    throw new UserError('file', `cannot read ${shown}: it is ${what}`, 'move it away, or name another file');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return parse(new Uint8Array(), shown);
    if (error instanceof UserError || code === '') throw error;
    throw new UserError('file', `cannot read ${shown} (${code})`, `see its owner and mode: ls -l ${shown}`);
  }
}

/** As botocore does: `$NAME` and `${NAME}` where they are set, then a leading `~`. */
function expand(path: string, env: Environment, home: string): string {
  const text = path.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, bare, braced) => env[bare ?? braced] ?? all);
  return /^~(?=[/\\]|$)/.test(text) ? join(home, text.slice(1)) : resolve(text);
}

/** The path with the home folder as `~`, for messages. */
function shorten(path: string, home: string): string {
  return path.startsWith(join(home, '/')) ? `~/${path.slice(join(home, '/').length).replaceAll('\\', '/')}` : path;
}

/** X of `profile X`, read as botocore does: shell words, of which there must be two. Quotes and backslashes are optional. */
function parseHeader(header: string): string | undefined {
  if (header === 'default') return header;
  const word = /^[ \t]*profile[ \t]+((?:[^ \t'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)[ \t]*$/.exec(header)?.[1];
  return word?.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g, (_, single, double, escaped) => {
    return single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped;
  });
}

/** How the config names a profile: `[default]`, `[profile foobar]`, `[profile "my work"]`. */
export function makeHeader(name: string): string {
  if (name === 'default') return '[default]';
  return `[profile ${/^[\w.,/@%+:=-]+$/.test(name) ? name : JSON.stringify(name)}]`;
}

/** Whether `patch` run in the home folder reaches the file under the name that we show: no link is in between. */
export function readIsPatchable({ path }: Document, home: string): boolean {
  if (!path.startsWith('~/')) return false;
  try {
    return realpathSync(join(home, path.slice(2))) === join(realpathSync(home), path.slice(2));
  } catch (error) {
    return systemCode(error) === 'ENOENT';
  }
}

/**
 * The certificate authorities in a PEM file, to trust beside Node's own.
 * @throws UserError `config`
 */
export function readBundle(path: string, env: Environment, home: string): string {
  const fail = (what: string) => new UserError('config', what, 'correct AWS_CA_BUNDLE, or ca_bundle in the config');
  let text: string;
  try {
    text = readFileSync(expand(path, env, home), 'utf8');
  } catch (error) {
    throw fail(`cannot read the certificate bundle ${path} (${systemCode(error)})`);
  }
  if (text.includes('-----BEGIN ')) return text;
  throw fail(`no certificate in the bundle ${path}`);
}

/** All sections that describe a profile; the first that sets a key wins. */
export function findPlaces({ config, credentials, prefixed }: Files, name: string): Place[] {
  const own = credentials.sections.get(name);
  const first = prefixed.get(name);
  const bare = config.sections.get(name);
  const places: Place[] = [];
  if (own) places.push({ document: credentials, section: own });
  if (first) places.push({ document: config, section: first });
  if (bare && bare !== first) places.push({ document: config, section: bare });
  return places;
}

export function exists({ config, credentials, prefixed }: Files, name: string): boolean {
  return credentials.sections.has(name) || prefixed.has(name) || config.sections.has(name);
}

/** The value of a key for a profile; an empty one counts as none. */
export function find(files: Files, name: string, key: string): Setting | undefined {
  const { config, credentials, prefixed } = files;
  return findIn(credentials, name, key) ?? findIn(config, prefixed.get(name)?.name, key) ?? findIn(config, name, key);
}

/** The value of a key in one section, or in `[DEFAULT]`, which botocore copies into every section. */
export function findIn(document: Document, section: string | undefined, key: string): Setting | undefined {
  const entries = document.sections.get(section ?? '')?.entries;
  const entry = entries && (entries.get(key) ?? document.sections.get(DEFAULTS)?.entries.get(key));
  return entry?.value ? new Setting(entry.value, document, section ?? '', entry.line) : undefined;
}

/** The first line of a value: a continuation line may hold a secret. */
export function firstLine(value: string): string {
  return value.split('\n', 1)[0] ?? '';
}

/** @throws UserError `config`: AWS tools read an indented next line as part of the value */
export function requireSingleLine(key: string, setting: Pick<Setting, 'value' | 'where'>): string {
  if (setting.value.includes('\n')) throw explainContinued(key, setting);
  return setting.value;
}

function explainContinued(key: string, { where }: Pick<Setting, 'where'>): UserError {
  return new UserError('config', `${key} spans several lines (${where})`, 'remove the indentation of the next line');
}

/** Why a value is not one word on one line: `aws` reads a comment behind it as part of the value. */
export function explainNotWord(key: string, setting: Setting): UserError | undefined {
  if (setting.value.includes('\n')) return explainContinued(key, setting);
  if (!/\s[#;]/.test(setting.value)) return undefined;
  const hint = 'move the comment to a line of its own: aws reads it as part of the value';
  return new UserError('config', `trailing comment in ${key} (${setting.where})`, hint);
}

/** @throws UserError `config` */
export function requireWord(key: string, setting: Setting): string {
  const problem = explainNotWord(key, setting);
  if (problem) throw problem;
  return setting.value;
}
