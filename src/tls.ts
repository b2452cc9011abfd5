import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Certificate, Route, Sni } from './entities/index.ts'
import {
  Certificates,
  type HandshakeRules,
  type KeyPair,
  wildcardsOf,
} from './front/certificates.ts'
import { normalName } from './front/client_hello.ts'
import type { TlsSource } from './front/handshake.ts'
import { createSelfSigned } from './front/self_signed.ts'
import type { ClientCertificateRequest } from './pdk.ts'
import type { Instance } from './proxy/plan.ts'

/** The certificates for clients that name no host of the configuration. */
export function createDefaults(given: readonly KeyPair[]): readonly KeyPair[] {
  return given.length > 0 ? given : [createSelfSigned(Date.now())]
}

/** What a configuration says of TLS. */
export interface TlsEntities {
  readonly certificates: readonly Certificate[]
  readonly snis: readonly Sni[]
  readonly routes: readonly NamedRoute[]
}

type NamedRoute = Pick<Route, 'id' | 'service' | 'snis'>

/** What handshakes are made of under one configuration; `warnings` are for the operator. */
export function tlsSource(
  defaults: readonly KeyPair[],
  rules: HandshakeRules,
  { certificates, snis, routes }: TlsEntities,
  instances: readonly Instance[],
): TlsSource & { readonly warnings: readonly string[] } {
  const good = certificates.filter(isUsable)
  const named = good.map((certificate) => {
    const names = snis.filter(({ certificate: { id } }) => id === certificate.id)
    return { ...certificate, snis: names.map(({ name }) => name) }
  })
  const requests = new Requests(instances, routes)
  return {
    certificates: new Certificates(defaults, named, rules),
    clientCertificate: (serverName) => requests.find(serverName),
    warnings: certificates
      .filter((each) => !good.includes(each))
      .map(({ id }) => `the certificate ${id} is not shown to anybody: it does not match its key`),
  }
}

/** What a vault has filled in may be anything; one pair that does not fit would break each handshake. */
function isUsable({ cert, key, cert_alt, key_alt }: Certificate): boolean {
  return isPair(cert, key) && (!cert_alt || !key_alt || isPair(cert_alt, key_alt))
}

function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

/** Which clients are asked for a certificate, by the host that they want. */
class Requests {
  readonly #byName: ReadonlyMap<string, ClientCertificateRequest>
  readonly #forAll: ClientCertificateRequest | undefined

  constructor(instances: readonly Instance[], routes: readonly NamedRoute[]) {
    const asking = instances.flatMap(({ entity, handler: { clientCertificate } }) =>
      clientCertificate ? [{ request: clientCertificate, names: namesOf(entity, routes) }] : [],
    )
    const forAll = asking.filter(({ names }) => names === undefined)
    const names = new Set(asking.flatMap(({ names = [] }) => names))
    this.#forAll = joined(forAll.map(({ request }) => request))
    this.#byName = new Map(
      [...names].map((name) => {
        const those = asking.filter((each) => !each.names || each.names.includes(name))
        return [name, joined(those.map(({ request }) => request))!]
      }),
    )
  }

  find(serverName: string | undefined): ClientCertificateRequest | undefined {
    if (this.#byName.size > 0 && serverName !== undefined) {
      for (const name of [serverName, ...wildcardsOf(serverName)]) {
        const request = this.#byName.get(name)
        if (request) return request
      }
    }
    return this.#forAll
  }
}

/** The hosts of the routes that a plugin is for; nothing where one of them may be asked by any name. */
function namesOf(
  { route, service }: Instance['entity'],
  routes: readonly NamedRoute[],
): readonly string[] | undefined {
  if (!route && !service) return undefined
  const its = routes.filter((each) =>
    route ? each.id === route.id : each.service?.id === service?.id,
  )
  if (its.some(({ snis }) => !snis || snis.length === 0)) return undefined
  return its.flatMap(({ snis = [] }) => snis.map(normalName))
}

/** One handshake serves several plugins: it tells all their authorities, and lets nobody go whom one of them would take. */
function joined(
  requests: readonly ClientCertificateRequest[],
): ClientCertificateRequest | undefined {
  if (requests.length <= 1) return requests[0]
  const isRequired = requests.every((each) => each.isRequired)
  const ca = [...new Set(requests.flatMap(({ ca = [] }) => ca))]
  // Whoever names no authorities takes any certificate: with a list, clients would show none that is not on it.
  return requests.every((each) => each.ca) ? { isRequired, ca } : { isRequired }
}
