import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Certificate = ReturnType<typeof makeCertificate>;

/** Makes a certificate for localhost and 127.0.0.1 that is its own authority, and is at `path`. Needs `openssl`. */
export function makeCertificate(folder: string, name = 'cert') {
  const key = join(folder, `${name}.key.pem`);
  const path = join(folder, `${name}.pem`);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const args = ['-keyout', key, '-out', path, ...subject];
  execFileSync('openssl', [...'req -x509 -newkey rsa:2048 -nodes -days 2'.split(' '), ...args], { stdio: 'ignore' });
  return { key: readFileSync(key), cert: readFileSync(path), path };
}
