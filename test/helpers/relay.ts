import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A stretch of network between clients and a port of this machine. Passes on each byte after `delayMs`. What a client says first
 * takes a round trip longer: that is what its connection would have taken, which the system makes without asking.
 */
export async function startRelay(port: number, delayMs: number) {
  const sockets = new Set<Socket>();
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
    sockets.add(client).add(upstream);
    pass(client, upstream, 3 * delayMs);
    pass(upstream, client, 0);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
