import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A stretch of network between a client and a server of this machine. */
export interface Relay {
  readonly host: string;
  /** Resolves once something was passed back to a client. */
  readonly answered: Promise<void>;
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
  const pass = (from: Socket, to: Socket, firstMs: number, passed: () => void) => {
    let due = performance.now() + firstMs;
    const later = (act: () => void) => {
      due = Math.max(performance.now() + delayMs, due);
      setTimeout(() => forgotten.has(from) || act(), due - performance.now());
    };
    from.on('data', (data) => later(() => to.write(data, passed)));
    from.on('close', () => later(() => to.destroy()));
    from.on('error', () => {});
  };
  let isAnswered = () => {};
  const answered = new Promise<void>((done) => {
    isAnswered = done;
  });
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    sockets.add(client).add(upstream);
    pass(client, upstream, 3 * delayMs, () => {});
    pass(upstream, client, 0, isAnswered);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    answered,
    forget() {
      for (const socket of sockets) forgotten.add(socket);
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
