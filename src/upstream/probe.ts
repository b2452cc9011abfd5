import { UpstreamError } from './errors.ts'
import type { UpstreamClient } from './client.ts'
import type { Target } from './target.ts'

/**
 * Asks a server how it is, on a connection of its own: gives the status of its answer to the request `head`, or nothing
 * where there is no request and connecting is all. `timeout` in milliseconds, for all of it. Throws `UpstreamError`.
 */
export async function probe(
  client: UpstreamClient,
  target: Target,
  head: string | undefined,
  timeout: number,
): Promise<number | undefined> {
  const until = performance.now() + timeout
  const connection = await client.connect(target, timeout)
  if (head === undefined) {
    connection.abort()
    return undefined
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const left = Math.max(until - performance.now(), 1)
  const { host, port } = target
  // One limit for the whole: a server that answers a byte at a time is no exception.
  const timer = setTimeout(
    () => reject(new UpstreamError('read_timeout', `${host}:${port} sent no answer in time`)),
    left,
  )
  const timeouts = { connect: timeout, write: left, read: left }
  connection.begin('GET', head, undefined, true, timeouts, {
    head: ({ status }) => resolve(status),
    data: () => true,
    drain() {},
    fail: reject,
  })
  return promise.finally(() => {
    clearTimeout(timer)
    // What else comes is nobody's.
    connection.abort()
  })
}
