import { gateway, proxied, type TestGatewayOptions } from '../gateway.ts'
import { echo, service } from '../service.ts'
import { ask, field, statusOf } from '../wire.ts'

/** What came of one request: the answer, and what the service was told of the caller. */
export interface Outcome {
  readonly status: number
  readonly body: string
  /** A field of the answer, by its name in lower case. */
  header(name: string): string | undefined
  /** A field of the request to the service, by its name in lower case; nothing if the service was not asked. */
  told(name: string): string | undefined
  /** The target that the service was asked for. */
  readonly target: string | undefined
}

/** A gateway before a service, with the plugins and consumers of these lines of YAML. */
export async function guarded(yaml: string, options: TestGatewayOptions = {}) {
  const upstream = await service(echo)
  const running = await gateway(`${proxied(upstream.port)}${yaml}`, options)
  return {
    log: running.log,
    access: running.access,
    /** Sends a request with these fields, each with its CRLF. */
    async send(fields = '', line = 'GET / HTTP/1.1'): Promise<Outcome> {
      const before = upstream.requests.length
      const answer = await ask(running.port, `${line}\r\nHost: gateway.test\r\n${fields}\r\n`)
      const asked = upstream.requests[before]
      return {
        status: statusOf(answer),
        body: String(answer?.body),
        header: (name) => field(answer, name),
        told: (name) => asked && field(asked, name),
        target: asked?.line.split(' ')[1],
      }
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      upstream[Symbol.dispose]()
    },
  }
}
