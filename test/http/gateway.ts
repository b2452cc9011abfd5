import {
  type Gateway,
  type GatewayOptions,
  type GatewaySettings,
  startGateway,
} from '../../src/gateway.ts'
import { printFaults, type SourceFile } from '../../src/declarative/faults.ts'
import { createLog } from '../../src/log.ts'

export interface TestGateway extends AsyncDisposable {
  /** What the status listener tells of. */
  readonly running: Gateway
  readonly port: number
  /** All that it listens on, in the order of `listen`. */
  readonly ports: readonly number[]
  /** Lines of the log and of the access log, as an operator would read them. */
  readonly log: readonly string[]
  readonly access: readonly string[]
  /** Loads another `kong.yaml`. */
  reload(yaml: string): void
  /** Lets requests in progress end, for `timeout` milliseconds. */
  stop(timeout: number): Promise<void>
}

export interface TestGatewayOptions {
  readonly settings?: Partial<GatewaySettings>
  /** The plugins that there are, in place of all. */
  readonly plugins?: GatewayOptions['plugins']
  readonly listen?: GatewayOptions['listen']
  readonly connectTo?: GatewayOptions['connectTo']
}

/** Starts a gateway on a free port with a `kong.yaml` of these lines below `_format_version`. */
export async function gateway(
  yaml: string,
  {
    settings,
    connectTo,
    plugins,
    listen = [{ host: '127.0.0.1', port: 0 }],
  }: TestGatewayOptions = {},
): Promise<TestGateway> {
  const log: string[] = []
  const access: string[] = []
  const running = await startGateway({
    files: [fileOf(yaml)],
    env: {},
    listen,
    log: createLog('debug', (line) => void log.push(line)),
    writeAccessLog: (text) => void access.push(...text.trimEnd().split('\n')),
    ...(settings && { settings }),
    ...(plugins && { plugins }),
    ...(connectTo && { connectTo }),
  })
  return {
    running,
    port: running.ports[0]!,
    ports: running.ports,
    log,
    access,
    reload(text) {
      const loaded = running.reload([fileOf(text)])
      if ('faults' in loaded) throw new Error(printFaults(loaded.faults))
    },
    stop: (timeout) => running.stop(timeout),
    [Symbol.asyncDispose]: () => running.stop(0),
  }
}

function fileOf(yaml: string): SourceFile {
  return { name: 'kong.yaml', text: `_format_version: "3.0"\n${yaml}` }
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
