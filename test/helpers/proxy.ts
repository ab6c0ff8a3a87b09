import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Proxy {
  readonly url: string;
  readonly port: number;
  /** What each CONNECT named, e.g. `sts.amazonaws.com:443`. */
  readonly targets: string[];
  /** The Proxy-Authorization header of each CONNECT, or the empty string. */
  readonly authorizations: string[];
}

/** A CONNECT proxy for as long as the test runs; one that `refuses` answers with that status instead of connecting. */
export async function startProxy(t: TestContext, refuses?: number): Promise<Proxy> {
  const server = createServer();
  const sockets = new Set<Socket>();
  const targets: string[] = [];
  const authorizations: string[] = [];
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('connect', (request, client) => {
    targets.push(request.url ?? '');
    authorizations.push(request.headers['proxy-authorization'] ?? '');
    if (refuses) {
      client.end(`HTTP/1.1 ${refuses} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(request.url ?? '') ?? [];
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream);
    upstream.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, targets, authorizations };
}
