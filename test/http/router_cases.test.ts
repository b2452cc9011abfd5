import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { escapePath, wireText } from '../../src/path.ts'
import type { RouterFlavor } from '../../src/entities/route.ts'
import { gateway, type TestGateway } from './gateway.ts'
import { echo, service } from './service.ts'
import { statusOf, Wire } from './wire.ts'

const CASES = `${import.meta.dir}/../../../shared/data/router-cases.jsonl`

interface Case {
  readonly id: string
  readonly subsystem: string
  readonly encoding?: string
  readonly routes: readonly {
    readonly route: Readonly<Record<string, unknown>>
    readonly service?: { readonly path?: string }
  }[]
  readonly request: {
    readonly method?: string
    readonly uri: string
    readonly host?: string
    readonly scheme?: string
    readonly sni?: string
    readonly headers?: Readonly<Record<string, string | readonly string[]>>
    readonly queries?: Readonly<Record<string, string | true | readonly (string | true)[]>>
    readonly vars?: unknown
  }
  readonly exec?: Readonly<
    Record<string, { readonly matched?: number | null; readonly upstream_uri?: string }>
  >
}

const cases = (existsSync(CASES) ? readFileSync(CASES, 'utf8').trim().split('\n') : [])
  .map((line) => JSON.parse(line) as Case)
  .filter(({ subsystem }) => subsystem === 'http')
if (cases.length === 0) console.log("skipped: Kong's router cases, which are not in ../shared")

const FLAVORS: readonly RouterFlavor[] = ['traditional_compatible', 'expressions', 'traditional']

test.each([...FLAVORS])(
  'through a gateway with the router %s the service sees what one behind Kong sees',
  async (router_flavor) => {
    using backend = await service(echo)
    const names = Array.from({ length: 40 }, (_, i) => `s${i + 1}.test:80`)
    const to = { host: '127.0.0.1', port: backend.port }
    const connectTo = new Map(names.map((name) => [name, to]))
    await using running = await gateway('', { settings: { router_flavor }, connectTo })
    const wrong: unknown[] = []
    const left = new Map<string, number>()
    let count = 0
    for (const each of cases) {
      const theirs = each.exec?.[router_flavor]
      if (!theirs) continue
      const reason = reasonToLeave(each) ?? loaded(running, each)
      if (reason !== undefined) {
        left.set(reason, (left.get(reason) ?? 0) + 1)
        continue
      }
      count++
      const wire = each.encoding ? (text: string) => text : wireText
      const path = theirs.upstream_uri && escapePath(wire(theirs.upstream_uri))
      const wanted = theirs.matched ? `s${theirs.matched}.test ${path}` : '404'
      const given = await ask(running.port, each, wire)
      if (given !== wanted) wrong.push({ id: each.id, wanted, given })
    }
    const reasons = [...left].map(([reason, times]) => `${times} ${reason}`)
    console.log(`${router_flavor}: ${count} of Kong's router cases; left: ${reasons.join(', ')}`)
    expect(wrong).toEqual([])
  },
  60_000,
)

/** Why a request cannot be sent to this listener. */
function reasonToLeave({ request, routes }: Case): string | undefined {
  const { method, scheme = 'http', sni, host, headers, vars } = request
  if (scheme !== 'http' || sni !== undefined) return 'over HTTPS'
  if (vars) return 'from or to an address of its own'
  if (method === 'TRACE') return 'that nginx refuses'
  if (!/^(?:[^:]+|\[.*\])(?::\d+)?$/.test(String(host ?? headers?.host ?? '')))
    return 'without a host that HTTP has'
  if (!/^\/[\x21-\x7e\x80-\xff]*$/.test(request.uri)) return 'with a target that HTTP has not'
  return routes.some((each) => !each.service) ? 'without a service' : undefined
}

/** Loads the routes of a case, each with a service of its own name; gives the reason if they are refused. */
function loaded(running: TestGateway, { routes }: Case): string | undefined {
  const services = routes.map(({ service: given }, i) => ({
    name: `s${i + 1}`,
    host: `s${i + 1}.test`,
    ...(given?.path && { path: given.path }),
  }))
  const entities = routes.map(({ route }, i) => {
    // An empty table of Lua's is an object in JSON.
    const given = Object.entries(route).filter(
      ([key, value]) => key === 'headers' || Array.isArray(value) || typeof value !== 'object',
    )
    const { preserve_host: _, ...rest } = Object.fromEntries(given)
    return { ...rest, strip_path: route.strip_path === true, service: `s${i + 1}` }
  })
  try {
    running.reload(`services: ${JSON.stringify(services)}\nroutes: ${JSON.stringify(entities)}\n`)
    return undefined
  } catch {
    return 'with routes that the schema refuses'
  }
}

/** Which service got the request, and what it was asked for; or the status. */
async function ask(port: number, { request }: Case, wire: (text: string) => string) {
  const { method = 'GET', uri, host, headers = {}, queries = {} } = request
  const { host: sent, ...rest } = headers
  const fields = Object.entries(rest).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${wire(String(value))}\r\n`),
  )
  const query = Object.entries(queries).flatMap(([name, values]) =>
    [values].flat().map((value) => (value === true ? name : `${name}=${value}`)),
  )
  const target = query.length > 0 ? `${uri}?${query.join('&')}` : uri
  const to = await Wire.to(port)
  to.send(
    `${method} ${wire(target)} HTTP/1.1\r\nHost: ${String(host ?? sent)}\r\n${fields.join('')}Connection: close\r\n\r\n`,
  )
  const answer = await to.message(method)
  to.close()
  if (statusOf(answer) !== 200) return String(statusOf(answer))
  const text = answer!.body.toString('latin1')
  const [, asked = ''] = /^\S+ (\S+) /.exec(text) ?? []
  const [, name] = /^host: ([^\r]+)/im.exec(text) ?? []
  return `${name} ${asked.replace(/\?.*$/s, '')}`
}
