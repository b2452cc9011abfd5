import {
  type AccessContext,
  type ClientCertificate,
  type Consumers,
  type Credential,
  errorExit,
  type Exit,
  type Gateway,
  type Owner,
  type Plugin,
  type Reason,
  type Warning,
} from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type Chain, type Trust, verifyChain } from '../../certificates/chain.ts'
import { type Names, namesOf } from './names.ts'
import { type Config, schema } from './schema.ts'

/** Knows consumers by the certificate with which they begin TLS. */
export const mtlsAuth: Plugin<Config> = {
  name: 'mtls-auth',
  priority: 1600,
  authenticates: true,
  schema,
  warnings,
  create(config, gateway) {
    const { anonymous } = config
    const trust = trustOf(config, gateway)
    const told = trust.authorities.map(({ x509 }) => x509.toString())
    const judge = createJudge(config, trust, gateway)
    return {
      clientCertificate: config.send_ca_dn && told.length > 0 ? { ca: told } : {},
      access(ctx) {
        // Whoever is told of a certificate in them believes that it was checked.
        ctx.upstream.headers.deleteSpellings('x-client-cert-dn')
        ctx.upstream.headers.deleteSpellings('x-client-cert-san')
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        const refusal = judge(ctx)
        return refusal && anonymous !== undefined
          ? becomeAnonymous(ctx, gateway, anonymous)
          : refusal
      },
    }
  },
}

/** What only looking up revocations would read, and how long is kept what is in memory anyway. */
export const UNREAD = [
  'cache_ttl',
  'cert_cache_ttl',
  'http_proxy_host',
  'http_proxy_port',
  'http_timeout',
  'https_proxy_host',
  'https_proxy_port',
  'ssl_verify',
] as const

function warnings(config: Config): Warning[] {
  const unread = UNREAD.filter((field) => {
    const { [field]: value } = config
    return value !== undefined && value !== schema.fields?.[field]?.rules.default
  })
  const all: Warning[] = []
  if (config.revocation_check_mode !== 'SKIP') {
    const message =
      'accepted, not honoured: revocations are not looked up yet, and a certificate is good until it expires (SKIP says so)'
    all.push({ fields: ['revocation_check_mode'], message })
  }
  if (unread.length > 0) {
    const message =
      'accepted, not honoured (revocations are not looked up, and consumers come from the configuration alone)'
    all.push({ fields: unread, message })
  }
  return all
}

function trustOf(config: Config, gateway: Gateway): Trust {
  const authorities = config.ca_certificates.flatMap((id) => {
    const x509 = gateway.findAuthority(id)
    if (!x509)
      gateway.log.warn(`mtls-auth: the CA certificate ${id} cannot be read, and lets in nobody`)
    return x509 ? [{ id, x509 }] : []
  })
  return { authorities, allowPartialChain: config.allow_partial_chain }
}

/** What is known of a certificate; it stays true for as long as the configuration and the certificates do. */
interface Finding {
  readonly chain: Chain
  readonly names: Names
  readonly owner: Owner<Credential> | undefined
}

type Judge = (ctx: AccessContext) => Exit | undefined

function createJudge(config: Config, trust: Trust, { consumers, now }: Gateway): Judge {
  // A connection has one certificate: it is looked at once, and again after a reload.
  const findings = new WeakMap<ClientCertificate, Finding | string>()
  const finish = config.skip_consumer_lookup
    ? (ctx: AccessContext, { names }: Finding) => tellNames(ctx, names, config)
    : (ctx: AccessContext, { owner }: Finding) => become(ctx, owner, config, consumers)

  function inspect({ x509, issuers }: ClientCertificate): Finding | string {
    const chain = verifyChain(x509, issuers, trust, now())
    if (typeof chain === 'string') return chain
    const names = namesOf(x509, config.san_dirname_matcher)
    return { chain, names, owner: ownerOf(names, chain, config, consumers) }
  }

  function find(certificate: ClientCertificate): Finding | string {
    let finding = findings.get(certificate)
    if (finding === undefined || (typeof finding !== 'string' && !isNow(finding.chain, now())))
      findings.set(certificate, (finding = inspect(certificate)))
    return finding
  }

  return (ctx) => {
    const { clientCertificate } = ctx.request
    if (!clientCertificate) {
      return errorExit(ctx.request, 401, 'No required TLS certificate was sent', [], {
        code: 'no_client_certificate',
        cause: 'the connection began without TLS, or the client showed no certificate',
      })
    }
    const finding = find(clientCertificate)
    return typeof finding === 'string'
      ? fail(ctx, { code: 'invalid_client_certificate', cause: finding })
      : finish(ctx, finding)
  }
}

function isNow({ validFrom, validTo }: Chain, now: number): boolean {
  return validFrom <= now && now <= validTo
}

/** Kong's order: what is stored for a name under its authority, then under any, then consumers of that name. */
function ownerOf(
  { subjects }: Names,
  { authorities }: Chain,
  { consumer_by }: Config,
  consumers: Consumers,
): Owner<Credential> | undefined {
  for (const authority of [...authorities, undefined]) {
    for (const name of subjects) {
      const owner = consumers.findBySubject(name, authority)
      if (owner) return owner
    }
  }
  for (const name of subjects) {
    for (const field of consumer_by) {
      const consumer = consumers.findBy(field, name)
      if (consumer) return { consumer, credential: { id: consumer.id } }
    }
  }
  return undefined
}

function become(
  ctx: AccessContext,
  owner: Owner<Credential> | undefined,
  { default_consumer }: Config,
  consumers: Consumers,
): Exit | undefined {
  if (owner) {
    ctx.authenticate(owner.consumer, owner.credential)
    return undefined
  }
  const consumer = default_consumer === undefined ? undefined : consumers.find(default_consumer)
  if (!consumer) {
    const cause = 'no consumer has one of its names, and there is no default_consumer'
    return fail(ctx, { code: 'unknown_client_certificate', cause })
  }
  ctx.authenticate(consumer, { id: consumer.id })
  return undefined
}

function tellNames(ctx: AccessContext, names: Names, config: Config): undefined {
  const { commonName, distinguishedName, alternative } = names
  ctx.authenticate(undefined, undefined)
  const { headers } = ctx.upstream
  if (distinguishedName !== '') headers.set('X-Client-Cert-Dn', distinguishedName)
  if (alternative.length > 0) headers.set('X-Client-Cert-San', alternative.map(listed).join(','))
  const group = config.authenticated_group_by === 'DN' ? distinguishedName : commonName
  if (group !== undefined && group !== '') ctx.authenticatedGroups = [group]
}

/** A name in a list with commas: what could end it is written as in an address. */
function listed(name: string): string {
  return name.replace(/[^\x20-\x7e]|,/gu, (char) => [...Buffer.from(char)].map(percent).join(''))
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

function fail({ request }: AccessContext, reason: Reason): Exit {
  return errorExit(request, 401, 'TLS certificate failed verification', [], reason)
}
