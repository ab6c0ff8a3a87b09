// The two shared files, read once at the start. A profile's settings come from the credentials file first, key by key, as in
// all SDKs; then from the config's `[profile X]`; then from a bare `[X]` there, which the SDKs ignore.
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { devNull } from 'node:os';
import { join, resolve } from 'node:path';
import { refuse, systemCode, UserError } from './errors';
import { DEFAULTS, type Document, parse, type Section } from './sections';
import type { Environment } from './shell';

/** A value, and where it comes from. */
export class Setting {
  constructor(
    readonly key: string,
    readonly value: string,
    /** For messages: `~/.aws/config:7`, or a variable of the environment. */
    readonly where: string,
    /** The section that it was looked for in. */
    readonly section?: Section,
  ) {}

  /** A continuation line may hold a secret. */
  get firstLine(): string {
    return this.value.split('\n', 1)[0] ?? '';
  }

  /** @throws UserError `config` where an indented next line belongs to the value, too */
  requireLine(): string {
    if (!this.value.includes('\n')) return this.value;
    const what = `${this.key} spans several lines (${this.where})`;
    throw refuse(what, 'remove the indentation of the next line');
  }

  /** @throws UserError `config` also for a comment behind the value */
  requireWord(): string {
    if (!/\s[#;]/.test(this.requireLine())) return this.value;
    const hint = 'move the comment to a line of its own: aws reads it as part of the value';
    throw refuse(`trailing comment in ${this.key} (${this.where})`, hint);
  }
}

/** The value of a key in one section, or in `[DEFAULT]`, which botocore copies into every section; an empty one counts as none. */
export function findIn(section: Section | undefined, key: string): Setting | undefined {
  if (!section) return undefined;
  const { path, sections } = section.document;
  const entry = section.entries.get(key) ?? sections.get(DEFAULTS)?.entries.get(key);
  return entry?.value ? new Setting(key, entry.value, `${path}:${entry.line + 1}`, section) : undefined;
}

export class Files {
  /** The config's `[profile X]`, `[profile "X"]` and `[default]` sections by X. */
  readonly prefixed = new Map<string, Section>();
  /** All names that a profile could have, in the order of the files. */
  readonly names = new Set<string>();
  readonly #sections = new Map<string, readonly Section[]>();

  constructor(
    readonly config: Document,
    readonly credentials: Document,
    /** Absolute; the file need not exist. */
    readonly credentialsPath: string,
  ) {
    for (const section of config.sections.values()) {
      const name = parseHeader(section.name);
      this.names.add(name ?? section.name);
      // of [default] and [profile default] the prefixed one counts
      if (name !== undefined && (section.name !== 'default' || !this.prefixed.has(name)))
        this.prefixed.set(name, section);
    }
    for (const name of credentials.sections.keys()) this.names.add(name);
    this.names.delete(DEFAULTS);
    for (const name of this.names) {
      const all = [credentials.sections.get(name), this.prefixed.get(name), config.sections.get(name)];
      this.#sections.set(name, [...new Set(all.filter((section) => section !== undefined))]);
    }
  }

  /** All sections that describe a profile; the first that sets a key wins. */
  findSections(name: string): readonly Section[] {
    return this.#sections.get(name) ?? [];
  }

  /** The first of these keys that a profile sets. */
  find(name: string, ...keys: readonly string[]): Setting | undefined {
    const sections = this.findSections(name);
    return keys.flatMap((key) => sections.map((section) => findIn(section, key))).find(Boolean);
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
  return new Files(config, readDocument(credentialsPath, home), credentialsPath);
}

function readDocument(path: string, home: string): Document {
  // for messages, with the home folder as ~
  const folder = join(home, '/');
  const shown = path.startsWith(folder) ? `~/${path.slice(folder.length).replaceAll('\\', '/')}` : path;
  try {
    const info = statSync(path, { throwIfNoEntry: false });
    if (!info || realpathSync(path) === devNull) return parse(new Uint8Array(), shown);
    // a FIFO would block until somebody writes to it, a device may never end
    if (info.isFile()) return parse(readFileSync(path), shown);
    const what = info.isDirectory() ? 'a folder' : 'not a regular file';
    throw new UserError('file', `cannot read ${shown}: it is ${what}`, 'move it away, or name another file');
  } catch (error) {
    const code = systemCode(error);
    if (code === '') throw error;
    throw new UserError('file', `cannot read ${shown} (${code})`, `see its owner and mode: ls -l ${shown}`);
  }
}

/** As botocore does: `$NAME` and `${NAME}` where they are set, then a leading `~`. */
function expand(path: string, env: Environment, home: string): string {
  const text = path.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, bare, braced) => env[bare ?? braced] ?? all);
  return /^~(?=[/\\]|$)/.test(text) ? join(home, text.slice(1)) : resolve(text);
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
  let what = `no certificate in the bundle ${path}`;
  try {
    const text = readFileSync(expand(path, env, home), 'utf8');
    if (text.includes('-----BEGIN ')) return text;
  } catch (error) {
    what = `cannot read the certificate bundle ${path} (${systemCode(error)})`;
  }
  throw refuse(what, 'correct AWS_CA_BUNDLE, or ca_bundle in the config');
}
