import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 where nobody listens. It is none that systems hand out (these begin at 32768 or later), so that no server
 * of a test beside this one gets it meanwhile.
 */
export async function findQuietPort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
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
