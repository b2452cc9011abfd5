/** Ports that are free on 127.0.0.1; held all at once, so that they differ. */
export function freePorts(count: number): number[] {
  const servers = Array.from({ length: count }, () =>
    Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } }),
  )
  const ports = servers.map(({ port }) => port)
  for (const server of servers) server.stop(true)
  return ports
}
