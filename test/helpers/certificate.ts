import { execFileSync } from 'node:child_process';
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
  const args = ['-keyout', key, '-out', path, ...subject];
  execFileSync('openssl', [...'req -x509 -newkey rsa:2048 -nodes -days 2'.split(' '), ...args], { stdio: 'ignore' });
  return { key: readFileSync(key), cert: readFileSync(path), path };
}
