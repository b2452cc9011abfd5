import {
  type AccessContext,
  type Awaitable,
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
import { escapeByte } from '../../path.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type Chain, type Trust, verifyChain } from '../../certificates/chain.ts'
import type { Status } from '../../certificates/revocation.ts'
import { type Names, namesOf } from './names.ts'
import { createRevocations } from './revocations.ts'
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
    const finish = (ctx: AccessContext, refusal: Exit | undefined) =>
      refusal && anonymous !== undefined ? becomeAnonymous(ctx, gateway, anonymous) : refusal
    return {
      clientCertificate: config.send_ca_dn && told.length > 0 ? { ca: told } : {},
      access(ctx) {
        // Whoever is told of a certificate in them believes that it was checked.
        ctx.upstream.headers.deleteSpellings('x-client-cert-dn')
        ctx.upstream.headers.deleteSpellings('x-client-cert-san')
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        const refusal = judge(ctx)
        return refusal instanceof Promise
          ? refusal.then((late) => finish(ctx, late))
          : finish(ctx, refusal)
      },
    }
  },
}

/** Nothing is looked up that would have to be kept: consumers come from the configuration. */
export const UNREAD = ['cache_ttl'] as const

function warnings({ cache_ttl }: Config): Warning[] {
  if (cache_ttl === undefined || cache_ttl === schema.fields?.cache_ttl?.rules.default) return []
  const message = 'accepted, not honoured (consumers come from the configuration alone)'
  return [{ fields: UNREAD, message }]
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

type Judge = (ctx: AccessContext) => Awaitable<Exit | undefined>

function createJudge(config: Config, trust: Trust, gateway: Gateway): Judge {
  const { consumers, now } = gateway
  const revocations = createRevocations(config, trust, gateway)
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
    if (typeof finding === 'string')
      return fail(ctx, { code: 'invalid_client_certificate', cause: finding })
    if (!revocations) return finish(ctx, finding)
    const status = revocations(finding.chain)
    const go = (found: Status) => revocationFault(ctx, found, config) ?? finish(ctx, finding)
    return status instanceof Promise ? status.then(go) : go(status)
  }
}

function revocationFault(
  ctx: AccessContext,
  status: Status,
  { revocation_check_mode }: Config,
): Exit | undefined {
  if (status === 'revoked') {
    const cause = 'it was revoked, or an authority on its way was'
    return fail(ctx, { code: 'revoked_client_certificate', cause })
  }
  if (status === 'good' || revocation_check_mode !== 'STRICT') return undefined
  const cause = `it is not known whether it was revoked: ${status.unknown}`
  return fail(ctx, { code: 'invalid_client_certificate', cause })
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
  return name.replace(/[^\x20-\x7e]|,/gu, (char) => [...Buffer.from(char)].map(escapeByte).join(''))
}

function fail({ request }: AccessContext, reason: Reason): Exit {
  return errorExit(request, 401, 'TLS certificate failed verification', [], reason)
}
