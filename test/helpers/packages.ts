import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

export interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  /** What else there is, such as `dev`, `os` and `hasInstallScript`. */
  readonly [field: string]: unknown;
}

export function readPackage(): {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bundleDependencies: readonly string[];
  readonly repository?: { readonly url?: string };
} {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

/** All packages of the lock by their folder, such as `node_modules/ini`. */
export function readLock(): [folder: string, Locked][] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries<Locked>(packages).filter(([folder]) => folder !== '');
}

/** Those of the lock that are not there for the development alone. */
export function runtimePackages(): [folder: string, Locked][] {
  return readLock().filter(([, { dev, devOptional }]) => !dev && !devOptional);
}
