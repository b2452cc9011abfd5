import { existsSync, readFileSync } from 'node:fs'

export interface GatewayProcess extends AsyncDisposable {
  readonly port: number
  /** What the process holds in memory now, in bytes; undefined where the system does not say. */
  memory(): number | undefined
}

/** Starts a gateway in a process of its own, so that what it holds in memory is what it needs. */
export async function gatewayProcess(yaml: string): Promise<GatewayProcess> {
  const child = Bun.spawn([process.execPath, import.meta.path], {
    env: { ...process.env, GATEWAY_YAML: yaml },
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const { value } = await child.stdout.getReader().read()
  const status = `/proc/${child.pid}/status`
  return {
    port: Number(new TextDecoder().decode(value)),
    memory: () =>
      existsSync(status)
        ? Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1]) * 1024
        : undefined,
    async [Symbol.asyncDispose]() {
      child.kill()
      await child.exited
    },
  }
}

if (import.meta.main) {
  const { gateway } = await import('./gateway.ts')
  const { port } = await gateway(process.env.GATEWAY_YAML ?? '')
  process.stdout.write(String(port))
}
