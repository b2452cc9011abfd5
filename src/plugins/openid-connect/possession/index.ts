import type { AccessContext, Awaitable, ClientRequest, Gateway, Warning } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import { spelling } from '../../../headers.ts'
import { andThen } from '../awaitable.ts'
import { hasScheme } from '../methods/method.ts'
import { Refusal } from '../refusal.ts'
import { createCheckCertificate } from './certificate.ts'
import { type Confirmation, readConfirmation } from './confirmation.ts'
import { createCheckDpop, type DpopParts } from './dpop.ts'
import { BINDING_METHODS, fields } from './fields.ts'

export { checks, fields } from './fields.ts'
export { createChallenge, type CreateChallenge } from './challenge.ts'

/** A token of which it is known that it is good, and how it came. */
export interface BoundToken {
  readonly token: string
  /** The claim `cnf`, of the provider's answer or of the token. */
  readonly cnf: unknown
  /** The method that proved it; for a session the one that began it. */
  readonly method: string
  /** How it was sent; nothing for a token that was not, but lies in a session. */
  readonly scheme: 'Bearer' | 'DPoP' | undefined
}

/** That whoever sends a token has the key that it is bound to. */
export interface Possession {
  /** Whether nothing is to be checked. */
  readonly isOff: boolean
  /** Whether answers are told nonces. */
  readonly addsToAnswers: boolean
  /** Takes what only proves possession out of the request to the service. */
  hide(ctx: Pick<AccessContext, 'upstream'>): void
  /**
   * Gives what stands against a request. It has to be asked for every one, however well its token is known: a DPoP proof
   * is for one request. Without a promise but for revocations and proofs that nodes share.
   */
  check(request: ClientRequest, bound: BoundToken): Awaitable<Refusal | undefined>
}

type Settings = Config<typeof fields> & Parameters<typeof createCheckDpop>[0]

export function createPossession(
  config: Settings,
  gateway: Gateway,
  parts: Omit<DpopParts, 'gateway'>,
): Possession {
  const { proof_of_possession_mtls: mtls, proof_of_possession_dpop: dpop } = config
  const checkCertificate = mtls === 'off' ? undefined : createCheckCertificate(config, gateway)
  const checkDpop = dpop === 'off' ? undefined : createCheckDpop(config, { ...parts, gateway })
  const header = config.proof_of_possession_mtls_from_header?.certificate_header_name
  const hidden = [
    ...(checkDpop ? ['dpop'] : []),
    ...(checkCertificate && header !== undefined ? [spelling(header)] : []),
  ]

  function byCertificate(
    request: ClientRequest,
    { certificate }: Confirmation,
  ): Awaitable<Refusal | undefined> {
    if (!checkCertificate) return undefined
    if (certificate !== undefined) return checkCertificate(request, certificate)
    return mtls === 'strict' ? new Refusal('unbound_token') : undefined
  }

  function byKey(
    request: ClientRequest,
    { token, scheme }: BoundToken,
    { key }: Confirmation,
  ): Awaitable<Refusal | undefined> {
    if (!checkDpop) return undefined
    // Which of them is the service to go by?
    if (scheme === 'DPoP' && request.headers.all('authorization').length > 1)
      return new Refusal('malformed_credentials', 'the request carries several credentials')
    if (key === undefined) return dpop === 'strict' ? new Refusal('unbound_token') : undefined
    // RFC 9449 §7.2: who has stolen a token could otherwise leave away the proof.
    if (scheme === 'Bearer') return new Refusal('downgraded_token')
    return checkDpop(request, token, key)
  }

  return {
    isOff: !checkCertificate && !checkDpop,
    addsToAnswers: checkDpop !== undefined && config.dpop_use_nonce,
    hide({ upstream }) {
      for (const each of hidden) upstream.headers.deleteSpellings(each)
      // Kong: without its proof the token is a bearer token for the service.
      const sent = checkDpop && upstream.headers.get('authorization')
      if (sent && hasScheme(sent, 'dpop'))
        upstream.headers.set('Authorization', `Bearer${sent.slice('dpop'.length)}`)
    },
    check(request, bound) {
      if (!BINDING_METHODS.has(bound.method)) return undefined
      let confirmation: Confirmation
      try {
        confirmation = readConfirmation(bound.cnf)
      } catch (error) {
        if (error instanceof Refusal) return error
        throw error
      }
      return andThen(
        byCertificate(request, confirmation),
        (refusal) => refusal ?? byKey(request, bound, confirmation),
      )
    },
  }
}

/** What the operator should know of it. */
export function possessionWarnings(config: Config<typeof fields>): Warning[] {
  const warnings: Warning[] = []
  const header = config.proof_of_possession_mtls_from_header
  if (header && config.proof_of_possession_mtls === 'off')
    warnings.push({
      fields: ['proof_of_possession_mtls_from_header'],
      message: 'is not read while proof_of_possession_mtls is off',
    })
  else if (header && !header.secure_source)
    warnings.push({
      fields: ['proof_of_possession_mtls_from_header.secure_source'],
      message: 'is off, so that anybody can send the certificate of another, which is no secret',
    })
  return warnings
}
