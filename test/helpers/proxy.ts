import { createServer, type IncomingMessage, request as sendOn } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { Certificate } from './certificate';
import { listen } from './listen';

export interface ProxyOptions {
  /** The status that the first request gets instead of a connection. */
  readonly refuses?: number;
  /** Name and password, joined by a colon, without which it answers 407. */
  readonly wants?: string;
  /** Speaks TLS with its clients. */
  readonly tls?: Certificate;
}

/** A proxy for as long as the test runs: tunnels for CONNECT, and sends on what else it is asked for. */
export async function startProxy(t: TestContext, { refuses, wants, tls }: ProxyOptions = {}) {
  const server = tls ? createTlsServer({ key: tls.key, cert: tls.cert }) : createServer();
  /** What each request was for: `sts.amazonaws.com:443` of a CONNECT, the whole URL of any other. */
  const targets: string[] = [];
  let connections = 0;
  server.on('connection', () => {
    connections++;
  });
  const refusal = ({ url = '', headers }: IncomingMessage): number | undefined => {
    targets.push(url);
    if (refuses && targets.length === 1) return refuses;
    const login = wants && `Basic ${Buffer.from(wants).toString('base64')}`;
    return login && headers['proxy-authorization'] !== login ? 407 : undefined;
  };
  server.on('connect', (request, client) => {
    const status = refusal(request);
    if (status) {
      // not closed: a client has to let go of it by itself
      client.write(`HTTP/1.1 ${status} Refused\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\n<h1>No</h1>`);
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
    client.on('error', () => {});
  });
  server.on('request', (request, response) => {
    const status = refusal(request);
    if (status) return response.writeHead(status).end('<h1>No</h1>');
    const { method = '', url = '', headers } = request;
    const onward = sendOn(url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    return request.pipe(onward);
  });
  const host = await listen(t, server);
  return { url: `${tls ? 'https' : 'http'}://${host}`, host, targets, connections: () => connections };
}
