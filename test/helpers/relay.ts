import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { listen } from './listen';

/**
 * A stretch of network between clients and a port of this machine; returns its host and port. Passes on each byte after `delayMs`.
 * What a client says first takes a round trip longer: that is what its connection would have taken, which the system makes without
 * asking.
 */
export async function startRelay(t: TestContext, port: number, delayMs: number): Promise<string> {
  const pass = (from: Socket, to: Socket, firstMs: number) => {
    let due = performance.now() + firstMs;
    const later = (act: () => void) => {
      due = Math.max(performance.now() + delayMs, due);
      setTimeout(act, due - performance.now());
    };
    from.on('data', (data) => later(() => to.write(data)));
    from.on('close', () => later(() => to.destroy()));
    from.on('error', () => {});
  };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    pass(client, upstream, 3 * delayMs);
    pass(upstream, client, 0);
  });
  return listen(t, server);
}
