import type { AccessContext, Awaitable, ClientRequest, Exit, Gateway } from '../../pdk.ts'
import { type BodyArguments, readBodyArguments } from '../arguments.ts'
import type { Presented } from './admit.ts'
import { createSearch } from './authenticate.ts'
import { hashOf, hashOfAll } from './hash.ts'
import type { Found } from './methods/method.ts'
import type { Occasion } from './occasion.ts'
import type { Parts } from './parts.ts'
import { tellFound } from './places.ts'
import { holds, type Proof, sizeOf } from './proof.ts'
import type { Refusal } from './refusal.ts'
import type { Config } from './schema.ts'

/** Every method for which a request carries a credential of its own. */
export interface CredentialMethod {
  /** The names of the query's arguments that hold a credential. */
  readonly secretArguments: readonly string[]
  /** Lets the caller pass whose credential is good; without one `otherwise` decides, who is told `why` there is none. */
  admit(ctx: AccessContext, why: Refusal): Awaitable<Exit | undefined>
}

/** What is done with a request without a credential. */
export type Otherwise = (
  ctx: AccessContext,
  occasion: Occasion,
  why: Refusal,
) => Awaitable<Exit | undefined>

/** What the last request of a connection proved. */
interface LastProof {
  readonly found: Found
  readonly occasion: Occasion
  readonly proof: Proof
}

export function createCredentialMethod(
  config: Config,
  { salt, occasions, discovery, metrics, admission, prover }: Parts,
  otherwise: Otherwise,
  gateway: Pick<Gateway, 'cache' | 'now'>,
): CredentialMethod {
  const search = createSearch(config)
  const proofs = gateway.cache<Proof>('oidc:proofs')
  const { hits, misses } = metrics.caches.proofs
  // A proof is one of this configuration: another one might have refused the same credential.
  const fingerprint = hashOfAll(salt, JSON.stringify(config))
  // A client that keeps its connection sends the same credential again: to see that it is the same takes no hash.
  const lastProofs = new WeakMap<object, LastProof>()
  // For those who ask what became of a request.
  const provedAt = new WeakMap<Proof, number>()

  /** Answers without a promise where the credential has been proved before. */
  function judge(
    ctx: AccessContext,
    found: Found,
    occasion: Occasion,
    body?: BodyArguments,
  ): Awaitable<Exit | undefined> {
    const presented = { occasion, found, body }
    if (ctx.trace) tellFound(ctx.trace, found)
    try {
      const proof = proofOf(ctx.request, found, occasion)
      if (ctx.trace && !(proof instanceof Promise)) ctx.trace.known(provedAt.get(proof), proof.ends)
      const exit =
        proof instanceof Promise
          ? admitLater(ctx, proof, presented)
          : admission.admit(ctx, proof, presented)
      return exit instanceof Promise ? settle(ctx, presented, exit) : exit
    } catch (error) {
      return admission.fail(ctx, error, presented)
    }
  }

  // In functions of their own, since what a closure holds is set up even where no promise is.
  async function admitLater(
    ctx: AccessContext,
    proof: Promise<Proof>,
    presented: Presented,
  ): Promise<Exit | undefined> {
    return admission.admit(ctx, await proof, presented)
  }

  function settle(
    ctx: AccessContext,
    presented: Presented,
    exit: Promise<Exit | undefined>,
  ): Promise<Exit | undefined> {
    return exit.catch((error: unknown) => admission.fail(ctx, error, presented))
  }

  /** What a credential has proved: known, or found out now. */
  function proofOf(request: ClientRequest, found: Found, occasion: Occasion): Awaitable<Proof> {
    const { connection } = request
    const last = lastProofs.get(connection)
    if (last && isSame(last, found, occasion) && isGood(last.proof)) {
      hits.value++
      return last.proof
    }
    const key = keyOf(found, occasion)
    const proof = proofs.get(key)
    if (!proof || !isGood(proof)) return proveOnce(found, occasion, key, request.ip)
    hits.value++
    lastProofs.set(connection, { found, occasion, proof })
    return proof
  }

  function proveOnce(
    found: Found,
    occasion: Occasion,
    key: string,
    address: string,
  ): Promise<Proof> {
    misses.value++
    return proofs.once(key, () => proveAnew(found, occasion, key, address))
  }

  function keyOf({ kind, place, raw, idToken }: Found, { key }: Occasion): string {
    const rest = idToken || key ? ` ${raw.length} ${idToken?.raw ?? ''} ${key}` : ''
    // None of the first three holds a blank, nor does an ID token that is any good, so that no two have one text.
    return hashOf(`${fingerprint} ${kind} ${place.id} ${raw}${rest}`)
  }

  function isGood(proof: Proof): boolean {
    return holds(proof, gateway.now(), discovery.current())
  }

  async function proveAnew(
    found: Found,
    occasion: Occasion,
    key: string,
    address: string,
  ): Promise<Proof> {
    const proof = await prove(found, occasion, address)
    provedAt.set(proof, gateway.now())
    if (config.cache_tokens || found.kind === 'access_token')
      proofs.set(key, proof, (proof.ends - gateway.now()) / 1000, sizeOf(proof))
    return proof
  }

  function prove(
    { kind, place, raw, idToken }: Found,
    occasion: Occasion,
    address: string,
  ): Promise<Proof> {
    const credential = place.read(raw)
    if (kind !== 'access_token') return prover.grant(kind, { ...credential, address }, occasion)
    const id_token = idToken && idToken.place.read(idToken.raw).secret
    return prover.accessToken(credential.secret, id_token, occasion)
  }

  return {
    secretArguments: search.secretArguments,
    admit(ctx, why) {
      const { request } = ctx
      const found = search.find(request)
      const needsBody = found ? occasions.needsBody(request) : search.needsBody(request)
      if (!needsBody) {
        const occasion = occasions.of(request)
        return found ? judge(ctx, found, occasion) : otherwise(ctx, occasion, why)
      }
      return readBodyArguments(request).then((body) => {
        const occasion = occasions.of(request, body)
        const inBody = found ?? search.findInBody(body, request)
        return inBody ? judge(ctx, inBody, occasion, body) : otherwise(ctx, occasion, why)
      })
    },
  }
}

function isSame(last: LastProof, found: Found, occasion: Occasion): boolean {
  return (
    last.found.raw === found.raw &&
    last.found.place === found.place &&
    last.found.idToken?.raw === found.idToken?.raw &&
    last.occasion === occasion
  )
}
