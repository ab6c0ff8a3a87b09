import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request as sendOn } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Certificate } from './certificate';

export interface Proxy {
  readonly url: string;
  /** Host and port. */
  readonly host: string;
  /** What each request was for: `sts.amazonaws.com:443` of a CONNECT, the whole URL of any other. */
  readonly targets: string[];
  /** The Proxy-Authorization header of each, or the empty string. */
  readonly authorizations: string[];
  /** From now on, nobody is refused. */
  relent(): void;
  /** Resolves once the next CONNECT was answered. */
  next(): Promise<unknown>;
}

export interface ProxyOptions {
  /** The status that everybody gets instead of a connection. */
  readonly refuses?: number;
  /** Name and password, joined by a colon, without which it answers 407. */
  readonly wants?: string;
  /** Speaks TLS with its clients. */
  readonly tls?: Certificate;
}

/** A proxy for as long as the test runs: tunnels for CONNECT, and sends on what else it is asked for. */
export async function startProxy(t: TestContext, { refuses, wants, tls }: ProxyOptions = {}): Promise<Proxy> {
  const server = tls ? createTlsServer({ key: tls.key, cert: tls.cert }) : createServer();
  const sockets = new Set<Socket>();
  const targets: string[] = [];
  const authorizations: string[] = [];
  const agent = new Agent({ keepAlive: true });
  let isRefusing = true;
  const refusal = ({ url = '', headers }: IncomingMessage): number | undefined => {
    const authorization = headers['proxy-authorization'] ?? '';
    targets.push(url);
    authorizations.push(authorization);
    const isKnown = !wants || authorization === `Basic ${Buffer.from(wants).toString('base64')}`;
    return isRefusing ? (refuses ?? (isKnown ? undefined : 407)) : undefined;
  };
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('connect', (request, client) => {
    const status = refusal(request);
    if (status) {
      // not closed: a client has to let go of it by itself
      client.write(`HTTP/1.1 ${status} Refused\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\n<h1>No</h1>`);
      return;
    }
    const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(request.url ?? '') ?? [];
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream);
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
    client.on('error', () => {});
  });
  server.on('request', (request, response) => {
    const status = refusal(request);
    if (status) {
      response.writeHead(status, { 'Content-Type': 'text/html' }).end('<h1>No</h1>');
      return;
    }
    const { method, url = '', headers } = request;
    const { 'proxy-authorization': _, 'proxy-connection': __, ...rest } = headers;
    const onward = sendOn(url, { agent, method: method ?? '', headers: rest }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    agent.destroy();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${tls ? 'https' : 'http'}://${host}`,
    host,
    targets,
    authorizations,
    relent() {
      isRefusing = false;
    },
    next: () => once(server, 'connect'),
  };
}
