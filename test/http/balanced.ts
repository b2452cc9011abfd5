import { DEFAULT_DNS } from '../../src/dns/settings.ts'
import { startGateway } from '../../src/gateway.ts'
import { createLog } from '../../src/log.ts'
import { answering, ok, type Service, service } from './service.ts'

export interface Balanced extends AsyncDisposable {
  readonly log: readonly string[]
  /** How the targets are, as `host:port` and a word; each of their addresses where there are several. */
  readonly health: Readonly<Record<string, string>>
  /** The targets' addresses, as `ip:port`. */
  readonly addresses: readonly string[]
  /** Asks for a path; gives the status and the body, which is the name of the service that answered. */
  ask(path?: string, request?: RequestInit): Promise<Answer>
  /** Asks so many times, one after the other; gives how often each answered. */
  count(times: number, request?: (i: number) => RequestInit): Promise<Record<string, number>>
  reload(yaml: string): void
}

export interface Answer {
  readonly status: number
  readonly body: string
  readonly headers: Headers
}

export interface BalancedOptions {
  /** The upstream's fields, in flow style. */
  readonly upstream?: string
  readonly service?: string
  readonly route?: string
  /** The address of a name server. */
  readonly dns?: string
}

/** The host is an upstream with these targets, as `host:port` or `host:port weight`. */
export function upstreamOf(
  targets: readonly string[],
  { upstream = '', service = '', route = '' }: BalancedOptions = {},
): string {
  const list = targets.map((each) => {
    const [target, weight = '100'] = each.split(' ')
    return `    - { target: "${target}", weight: ${weight} }\n`
  })
  return (
    `services:\n- { name: s, host: many.test${service && `, ${service}`}, routes: [{ name: r, paths: ["/"], strip_path: false${route && `, ${route}`} }] }\n` +
    `upstreams:\n- name: many.test\n${upstream
      .split('\n')
      .map((line) => (line.trim() ? `  ${line}\n` : ''))
      .join('')}  targets:${list.length > 0 ? `\n${list.join('')}` : ' []\n'}`
  )
}

/** A gateway with such an upstream. */
export async function balanced(
  targets: readonly string[],
  options: BalancedOptions = {},
): Promise<Balanced> {
  return over(upstreamOf(targets, options), options.dns)
}

/** A gateway with this `kong.yaml`, which asks the name server at `dns`. */
export async function over(yaml: string, dns?: string): Promise<Balanced> {
  const log: string[] = []
  const files = (text: string) => [{ name: 'kong.yaml', text: `_format_version: "3.0"\n${text}` }]
  const running = await startGateway({
    files: files(yaml),
    env: {},
    listen: [{ host: '127.0.0.1', port: 0 }],
    log: createLog('debug', (line) => void log.push(line)),
    settings: { dns: { ...DEFAULT_DNS, dns_resolver: dns === undefined ? [] : [dns] } },
  })
  const ask = async (path = '/', request: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${running.ports[0]}${path}`, request)
    return { status: response.status, body: await response.text(), headers: response.headers }
  }
  return {
    log,
    ask,
    get health() {
      return Object.fromEntries(
        running.upstreamHealth.flatMap(({ targets }) =>
          targets.map(({ target, health, addresses }) => [
            target,
            addresses.length < 2
              ? health
              : addresses.map((each) => `${each.ip} ${each.health}`).join(', '),
          ]),
        ),
      )
    },
    get addresses() {
      return running.upstreamHealth.flatMap(({ targets }) =>
        targets.flatMap(({ addresses }) => addresses.map(({ ip, port }) => `${ip}:${port}`)),
      )
    },
    async count(times, request = () => ({})) {
      const counts: Record<string, number> = {}
      for (let i = 0; i < times; i++) {
        const { body, status } = await ask('/', request(i))
        const name = status === 200 ? body : String(status)
        counts[name] = (counts[name] ?? 0) + 1
      }
      return counts
    },
    reload(text) {
      const result = running.reload(files(text))
      if ('faults' in result) throw new Error(JSON.stringify(result.faults))
    },
    [Symbol.asyncDispose]: () => running.stop(0),
  }
}

/** A service that answers with its name. */
export function named(name: string): Promise<Service> {
  return service(answering(ok(name)))
}

/** A service that answers with the status that it has now. */
export async function moody(name: string): Promise<Service & { status: number }> {
  const state = { status: 200 }
  const own = await service(
    answering(() => `HTTP/1.1 ${state.status} S\r\nContent-Length: ${name.length}\r\n\r\n${name}`),
  )
  return Object.defineProperty(own, 'status', {
    get: () => state.status,
    set: (status: number) => (state.status = status),
  }) as Service & { status: number }
}

/** A port that nobody listens on. */
export async function deadPort(): Promise<number> {
  const gone = await service(() => {})
  gone[Symbol.dispose]()
  return gone.port
}
