import { HeaderList } from '../../headers.ts'
import type { ClientRequest, Plugin } from '../../pdk.ts'
import { createJudge } from './origins.ts'
import { type Config, METHODS, schema } from './schema.ts'

/** Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol). */
export const cors: Plugin<Config> = {
  name: 'cors',
  priority: 2000,
  schema,
  create(config) {
    const { preflight_continue, allow_origin_absent } = config
    const writeOrigin = createOriginWriter(config)
    const writePreflight = createPreflightWriter(config)
    const exposed = config.exposed_headers?.join(',')
    return {
      access({ request }) {
        if (preflight_continue || !isPreflight(request)) return undefined
        const headers = new HeaderList()
        writeOrigin(request, headers)
        writePreflight(request, headers)
        return { status: 200, headers: [...headers], body: '' }
      },
      header_filter({ request, headers }) {
        // It was answered above, or the service answers it.
        if (isPreflight(request)) return
        if (!allow_origin_absent && !request.headers.get('origin')) return
        writeOrigin(request, headers)
        if (exposed) headers.set('Access-Control-Expose-Headers', exposed)
      },
    }
  },
}

type Writer = (request: ClientRequest, to: HeaderList) => void

function isPreflight({ method, headers }: ClientRequest): boolean {
  if (method !== 'OPTIONS' || !headers.get('origin')) return false
  return headers.has('access-control-request-method')
}

/** Writes who may read the answer, and whether with credentials. */
function createOriginWriter({ origins = [], credentials }: Config): Writer {
  const judge = createJudge(origins)
  return (request, to) => {
    const origin = request.headers.get('origin')
    const { allow, all, varies } = judge(origin)
    // `*` is not for requests with credentials (Fetch §3.2.5), so the origin itself is named to those.
    const isNamed = credentials && all && origin
    if (varies || isNamed) to.append('Vary', 'Origin')
    if (isNamed) to.set('Access-Control-Allow-Origin', origin)
    else if (allow !== undefined) to.set('Access-Control-Allow-Origin', allow)
    else to.delete('access-control-allow-origin')
    if (isNamed || (credentials && !all)) to.set('Access-Control-Allow-Credentials', 'true')
  }
}

function createPreflightWriter(config: Config): Writer {
  const { max_age, private_network } = config
  const allowed = config.headers?.join(',')
  const methods = (config.methods ?? METHODS).join(',')
  return ({ headers }, to) => {
    const names = allowed || headers.get('access-control-request-headers')
    if (names !== undefined) to.set('Access-Control-Allow-Headers', names)
    to.set('Access-Control-Allow-Methods', methods)
    if (max_age !== undefined) to.set('Access-Control-Max-Age', String(max_age))
    if (private_network && headers.get('access-control-request-private-network') === 'true')
      to.set('Access-Control-Allow-Private-Network', 'true')
  }
}
