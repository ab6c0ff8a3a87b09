import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 where nobody listens. It is none that systems hand out (these begin at 32768 or later), so that no server
 * of a test beside this one gets it meanwhile. Who wants to listen there takes another range than those who want silence.
 */
export async function findQuietPort(first = 10_000, last = 29_999): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * (last - first + 1));
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    await new Promise((closed) => server.close(closed));
    return port;
  }
}
