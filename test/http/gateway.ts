import { type GatewayOptions, type GatewaySettings, startGateway } from '../../src/gateway.ts'
import { createLog } from '../../src/log.ts'

export interface TestGateway extends AsyncDisposable {
  readonly port: number
  /** Lines of the log and of the access log, as an operator would read them. */
  readonly log: readonly string[]
  readonly access: readonly string[]
  /** Lets requests in progress end, for `timeout` milliseconds. */
  stop(timeout: number): Promise<void>
}

export interface TestGatewayOptions {
  readonly settings?: Partial<GatewaySettings>
  readonly connectTo?: GatewayOptions['connectTo']
}

/** Starts a gateway on a free port with a `kong.yaml` of these lines below `_format_version`. */
export async function gateway(
  yaml: string,
  { settings, connectTo }: TestGatewayOptions = {},
): Promise<TestGateway> {
  const log: string[] = []
  const access: string[] = []
  const running = await startGateway({
    files: [{ name: 'kong.yaml', text: `_format_version: "3.0"\n${yaml}` }],
    env: {},
    listen: [{ host: '127.0.0.1', port: 0 }],
    log: createLog('debug', (line) => void log.push(line)),
    writeAccessLog: (text) => void access.push(...text.trimEnd().split('\n')),
    ...(settings && { settings }),
    ...(connectTo && { connectTo }),
  })
  return {
    port: running.ports[0]!,
    log,
    access,
    stop: (timeout) => running.stop(timeout),
    [Symbol.asyncDispose]: () => running.stop(0),
  }
}

/** One service and one route to it. Both take further lines of YAML, in flow style. */
export function proxied(
  port: number,
  service = '',
  route = 'paths: ["/"], strip_path: false',
): string {
  const more = service && `, ${service}`
  return `services:\n  - { name: service, url: "http://127.0.0.1:${port}"${more}, routes: [{ name: route, ${route} }] }\n`
}
