import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A stretch of network between a client and a server of this machine. */
export interface Relay {
  readonly host: string;
  /** Loses all that comes through the connections that are open now; new ones work. Neither end hears of it. */
  forget(): void;
  close(): void;
}

/**
 * Passes on each byte after `delayMs`. What a client says first takes a round trip longer: that is what its connection
 * would have taken, which the system makes without asking.
 */
export async function startRelay(port: number, delayMs: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const forgotten = new Set<Socket>();
  const pass = (from: Socket, to: Socket, first: number) => {
    let ready = performance.now() + first;
    const later = (act: () => void) => {
      const due = Math.max(performance.now() + delayMs, ready);
      ready = due;
      setTimeout(act, due - performance.now());
    };
    from.on('data', (data) => later(() => forgotten.has(from) || to.write(data)));
    from.on('close', () => later(() => forgotten.has(from) || to.destroy()));
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
    forget() {
      for (const socket of sockets) forgotten.add(socket);
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
