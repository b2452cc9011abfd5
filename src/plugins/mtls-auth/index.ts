import type {
  AccessContext,
  ClientCertificate,
  Consumers,
  Credential,
  Exit,
  Gateway,
  Plugin,
  Warning,
} from '../../pdk.ts'
import { errorExit } from '../../pdk.ts'
import type { Consumer } from '../../entities/index.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type Chain, type Trust, verifyChain } from './chain.ts'
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

function warnings(config: Config): Warning[] {
  const unread = (
    ['http_proxy_host', 'http_proxy_port', 'https_proxy_host', 'https_proxy_port'] as const
  ).filter((field) => config[field] !== undefined)
  const message = 'accepted, not honoured (revocations are not looked up)'
  return [
    ...(config.revocation_check_mode === 'SKIP'
      ? []
      : [
          {
            fields: ['revocation_check_mode'],
            message:
              'accepted, not honoured: revocations are not looked up yet, so that a certificate is good until it expires; SKIP says so',
          },
        ]),
    ...(unread.length > 0 ? [{ fields: unread, message }] : []),
  ]
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
  readonly owner: Caller | undefined
}

interface Caller {
  readonly consumer: Consumer
  readonly credential: Credential
}

type Judge = (ctx: AccessContext) => Exit | undefined

function createJudge(config: Config, trust: Trust, { consumers, now }: Gateway): Judge {
  // A connection has one certificate: it is looked at once, and again after a reload.
  const findings = new WeakMap<ClientCertificate, Finding | string>()
  const finish = config.skip_consumer_lookup
    ? (ctx: AccessContext, { names }: Finding) => tellNames(ctx, names, config)
    : (ctx: AccessContext, { owner }: Finding) => become(ctx, owner, config, consumers)

  function find(certificate: ClientCertificate): Finding | string {
    const { x509, issuers } = certificate
    const known = findings.get(certificate)
    if (typeof known === 'string' || (known && isNow(known.chain, now()))) return known
    const chain = verifyChain(x509, issuers, trust, now())
    let finding: Finding | string = typeof chain === 'string' ? chain : ''
    if (typeof chain !== 'string') {
      const names = namesOf(x509, config.san_dirname_matcher)
      finding = { chain, names, owner: ownerOf(names, chain, config, consumers) }
    }
    findings.set(certificate, finding)
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
      ? fail(ctx, 'invalid_client_certificate', finding)
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
): Caller | undefined {
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
  owner: Caller | undefined,
  { default_consumer }: Config,
  consumers: Consumers,
): Exit | undefined {
  if (owner) {
    ctx.authenticate(owner.consumer, owner.credential)
    return undefined
  }
  if (default_consumer === undefined)
    return fail(ctx, 'unknown_client_certificate', 'no consumer has one of its names')
  const consumer = consumers.find(default_consumer)
  if (!consumer)
    return fail(ctx, 'unknown_client_certificate', 'the default_consumer does not exist')
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

function fail({ request }: AccessContext, code: string, cause: string): Exit {
  return errorExit(request, 401, 'TLS certificate failed verification', [], { code, cause })
}
