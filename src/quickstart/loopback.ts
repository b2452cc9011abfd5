import { createServer, type RequestListener, type Server } from 'node:http'
import { networkInterfaces } from 'node:os'

/** The addresses `localhost` may lead to on this machine; `::1` only where it exists. */
export function loopbackAddresses(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  return addresses.some(({ address }) => address === '::1') ? ['127.0.0.1', '::1'] : ['127.0.0.1']
}

/** An HTTP server on one port of every loopback address. */
export interface LoopbackServer {
  readonly port: number
  /** Hands over the requests, which wait until then. */
  serve(listener: RequestListener): void
  /** Closes the port and every connection. */
  stop(): Promise<void>
}

/** Listens on `port` (0: any that is free on all addresses); rejects with the code `EADDRINUSE` where one is taken. */
export async function listenOnLoopback(port: number): Promise<LoopbackServer> {
  const listener = Promise.withResolvers<RequestListener>()
  const servers: Server[] = []
  const stop = async () => void (await Promise.all(servers.map(close)))
  for (const host of loopbackAddresses()) {
    const server = createServer(async (request, response) =>
      (await listener.promise)(request, response),
    )
    try {
      await bind(server, host, portOf(servers[0]) ?? port)
      servers.push(server)
    } catch (fault) {
      await stop()
      // The system chose a port that is free on the first address only: choose again.
      if (port === 0 && servers.length > 0 && isAddressInUse(fault)) return listenOnLoopback(0)
      throw fault
    }
  }
  return { port: portOf(servers[0]) ?? port, serve: listener.resolve, stop }
}

/** Whether an attempt to listen failed because somebody else has the port. */
export function isAddressInUse(fault: unknown): boolean {
  return fault instanceof Error && 'code' in fault && fault.code === 'EADDRINUSE'
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => resolve())
  })
}

function portOf(server: Server | undefined): number | undefined {
  const address = server?.address()
  return typeof address === 'object' ? address?.port : undefined
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
