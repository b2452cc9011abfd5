import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { ClientRequest, Gateway } from '../../pdk.ts'

export const GENERATORS = ['tracker', 'uuid', 'uuid#counter'] as const

/** Makes the id of a request. */
export type Generator = (request: ClientRequest) => string

export function createGenerator(name: (typeof GENERATORS)[number], gateway: Gateway): Generator {
  if (name === 'uuid') return () => randomUUID()
  return name === 'uuid#counter' ? createCounter() : createTracker(gateway)
}

function createCounter(): Generator {
  const uuid = randomUUID()
  let count = 0
  return () => `${uuid}#${++count}`
}

/** `machine-port-process-connection-requests-seconds`. Kong begins with the address that was asked for. */
function createTracker({ now }: Gateway): Generator {
  const machine = hostname()
  const connections = new WeakMap<object, { readonly serial: number; requests: number }>()
  let serial = 0
  return ({ connection, port }) => {
    let known = connections.get(connection)
    if (!known) connections.set(connection, (known = { serial: ++serial, requests: 0 }))
    const seconds = (now() / 1000).toFixed(3)
    return `${machine}-${port}-${process.pid}-${known.serial}-${++known.requests}-${seconds}`
  }
}
