import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Where the certificate is; it is its own authority. */
  readonly path: string;
}

/** Makes a self-signed certificate for localhost and 127.0.0.1 in the folder. Needs `openssl`. */
export function makeCertificate(folder: string, name = 'cert'): Certificate {
  const key = join(folder, `${name}.key.pem`);
  const path = join(folder, `${name}.pem`);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const args = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    path,
    ...subject,
  ];
  execFileSync('openssl', args, { stdio: 'ignore' });
  return { key: readFileSync(key), cert: readFileSync(path), path };
}

/** The same certificate, but that it was good until yesterday; undefined where `openssl` makes no such thing. */
export function expire({ key, path }: Certificate): Certificate | undefined {
  const expired = path.replace(/\.pem$/, '.expired.pem');
  const args = ['x509', '-in', path, '-signkey', path.replace(/\.pem$/, '.key.pem'), '-days', '-1', '-out', expired];
  const { status } = spawnSync('openssl', args, { stdio: 'ignore' });
  return status === 0 ? { key, cert: readFileSync(expired), path: expired } : undefined;
}
