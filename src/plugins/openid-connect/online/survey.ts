import type { Online, OutboundRequest, ServerCertificate } from '../../../pdk.ts'
import { isRecord } from '../../../schema/check.ts'
import type { ClientAuths } from '../client_auth.ts'
import { fields as discoveryFields } from '../discovery.ts'
import { configuredUrls, fields as endpointFields, withEndpoints } from '../endpoints.ts'
import { hashOfAll } from '../hash.ts'
import { parseIssuer } from '../issuer.ts'
import type { Endpoint, Metadata } from '../metadata.ts'
import { Refusal } from '../refusal.ts'
import { createRelyingParty } from '../relying_party.ts'
import type { Config } from '../schema.ts'
import { createTransport, fields as transportFields } from '../transport.ts'
import { skewOf } from './clock.ts'

/** Where in a configuration something stands. */
export type Path = readonly (string | number)[]

/** What a provider answered, for whoever has the same settings for asking it. */
export interface Survey {
  /** With the endpoints of the configuration; nothing where the document could not be had. */
  readonly metadata: Metadata | undefined
  /** The discovery document as it came. */
  readonly document: Readonly<Record<string, unknown>>
  /** Why there is none. */
  readonly failure: Refusal | undefined
  readonly keys: readonly KeysAt[]
  /** How far its clock is from ours; seconds, above zero if it is ahead. */
  readonly skew: number
  /** By origin. */
  readonly certificates: ReadonlyMap<string, ServerCertificate>
  /** Endpoints on servers that did not answer at all. */
  readonly unreachable: readonly { readonly endpoint: Endpoint; readonly failure: Refusal }[]
}

/** The keys of one place, or why there are none. */
export interface KeysAt {
  readonly field: Path
  readonly keys: readonly unknown[]
  readonly failure?: Refusal
}

/** Asks the provider of a configuration, once for all who would ask it in the same way; `used` are the endpoints that it will be asked at. */
export function surveyOf(
  config: Config,
  used: readonly Endpoint[],
  gateway: Online,
): Promise<Survey> {
  const names = Object.keys({ ...discoveryFields, ...endpointFields, ...transportFields })
  const settings = names.map((name) => config[name as keyof Config])
  const key = hashOfAll(JSON.stringify(settings), used.join(' '))
  return gateway.keep(`openid-connect:survey:${key}`, () => survey(config, used, gateway))
}

async function survey(config: Config, used: readonly Endpoint[], gateway: Online): Promise<Survey> {
  const witness = new Witness(gateway)
  const watched = { ...gateway, fetch: witness.fetch }
  const relyingParty = createRelyingParty(config, watched, NOBODY)
  const issuer = parseIssuer(config.issuer)
  let metadata: Metadata | undefined
  let document: Readonly<Record<string, unknown>> = {}
  let failure: Refusal | undefined
  const allowHttp = issuer?.url.protocol === 'http:'
  if (!issuer) failure = new Refusal('provider_unreachable', 'issuer is no URL')
  else if (config.using_pseudo_issuer) metadata = withEndpoints(config, { issuer: issuer.name })
  else {
    try {
      const told = await relyingParty.loadMetadata(issuer, headersOf(config))
      metadata = withEndpoints(config, told)
      document = await witness.lastDocument()
    } catch (error) {
      failure = refusal(error)
    }
  }
  const keys = await Promise.all(
    placesOfKeys(config, metadata).map(async ({ url, field }): Promise<KeysAt> => {
      try {
        const isOurs = field[0] !== 'issuer'
        return { field, keys: await relyingParty.loadKeys(url, allowHttp || isOurs) }
      } catch (error) {
        return { field, keys: [], failure: refusal(error) }
      }
    }),
  )
  const send = createTransport(config, watched)
  const own = configuredUrls(config)
  const others = new Map<string, Endpoint>()
  for (const endpoint of used) {
    const text = metadata?.[endpoint]
    const url = text === undefined ? null : URL.parse(text)
    const isAllowed = url?.protocol === 'https:' || allowHttp || (text && own.has(text))
    if (url && isAllowed && !witness.origins.has(url.origin) && !others.has(url.origin))
      others.set(url.origin, endpoint)
  }
  const unreachable = await Promise.all(
    [...others.values()].map(async (endpoint) => {
      // What a GET answers is of no account, so long as somebody does.
      const url = new URL(metadata![endpoint]!)
      url.search = ''
      try {
        await send(url, { method: 'GET' })
        return []
      } catch (error) {
        const why = error instanceof Error ? error.message : 'unknown'
        const at = `${url.origin}${url.pathname} could not be asked: ${why}`
        return [{ endpoint, failure: new Refusal('provider_unreachable', at) }]
      }
    }),
  )
  const direct = [...witness.origins].filter(
    ([origin, isDirect]) => isDirect && origin.startsWith('https:'),
  )
  const certificates = await Promise.all(
    direct.map(async ([origin]) => {
      const found = await gateway.findServerCertificate(new URL(origin), config.timeout)
      return found ? [[origin, found] as const] : []
    }),
  )
  return {
    metadata,
    document,
    failure,
    keys,
    skew: witness.skew,
    certificates: new Map(certificates.flat()),
    unreachable: unreachable.flat(),
  }
}

/** Discovery and keys are asked for by nobody in particular. */
const NOBODY: ClientAuths = {
  at() {
    throw new Refusal('invalid_client', 'no client is asked for here')
  },
  signingKey: () => Promise.reject(new Refusal('invalid_client', 'no client is asked for here')),
}

/** Passes requests on and keeps what is to be known of their answers. */
class Witness {
  /** The servers that were asked, and whether without a proxy. */
  readonly origins = new Map<string, boolean>()
  skew = 0
  #last: Response | undefined
  #heard = false
  readonly #gateway: Pick<Online, 'fetch' | 'now'>

  constructor(gateway: Pick<Online, 'fetch' | 'now'>) {
    this.#gateway = gateway
  }

  readonly fetch = async (url: string, request: OutboundRequest): Promise<Response> => {
    const { origin } = new URL(url)
    this.origins.set(origin, request.proxy === undefined)
    const sent = this.#gateway.now()
    const answer = await this.#gateway.fetch(url, request)
    const skew = skewOf(answer.headers, sent, this.#gateway.now())
    if (skew !== undefined && (!this.#heard || Math.abs(skew) < Math.abs(this.skew))) {
      this.skew = skew
      this.#heard = true
    }
    this.#last = answer.clone() as Response
    return answer
  }

  /** What the last answer held. */
  async lastDocument(): Promise<Readonly<Record<string, unknown>>> {
    const document: unknown = await this.#last?.json()
    return isRecord(document) ? document : {}
  }
}

function placesOfKeys(config: Config, metadata: Metadata | undefined) {
  const { jwks_endpoint, extra_jwks_uris = [] } = config
  const places: { url: string; field: Path }[] = []
  if (jwks_endpoint !== undefined) places.push({ url: jwks_endpoint, field: ['jwks_endpoint'] })
  else if (metadata?.jwks_uri !== undefined)
    places.push({ url: metadata.jwks_uri, field: ['issuer'] })
  extra_jwks_uris.forEach((url, i) => places.push({ url, field: ['extra_jwks_uris', i] }))
  return places
}

function headersOf({ discovery_headers_names, discovery_headers_values }: Config): Headers {
  const headers = new Headers()
  discovery_headers_names?.forEach((name, i) =>
    headers.append(name, discovery_headers_values?.[i] ?? ''),
  )
  return headers
}

function refusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  return new Refusal('provider_invalid_response', undefined, error)
}
