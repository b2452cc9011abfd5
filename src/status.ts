import type { Address } from './upstream/target.ts'

export interface StatusServer {
  readonly port: number
  stop(): Promise<void>
}

/** Kong's Status API, as far as a health check needs it: `GET /status/ready`. Throws Bun's error if the port is taken. */
export function startStatus({ host, port }: Address, isReady: () => boolean): StatusServer {
  const server = Bun.serve({
    hostname: host,
    port,
    // Otherwise a fault of ours would show its source to whoever asks. Bun then shares the port unless told not to.
    development: false,
    reusePort: false,
    fetch(request) {
      // Without a host, as in HTTP/1.0, Bun gives the path alone.
      if (URL.parse(request.url, 'http://status')?.pathname !== '/status/ready')
        return Response.json({ message: 'Not found' }, { status: 404 })
      return isReady()
        ? Response.json({ message: 'ready' })
        : Response.json({ message: 'draining' }, { status: 503 })
    },
  })
  return { port: server.port ?? port, stop: () => server.stop(true) }
}
