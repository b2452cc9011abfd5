import { type AccessContext, type ClientRequest, type Exit, type Plugin } from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type BodyArguments, readBodyArguments } from '../arguments.ts'
import { createAnswers } from './answer.ts'
import { createSearch, hide } from './authenticate.ts'
import { createDiscovery } from './discovery.ts'
import { createGrants, tokenIdentity } from './grants.ts'
import { hashOf, hashOfAll } from './hash.ts'
import { createIdentityHeaders, dropSpoofed, type Fields } from './headers.ts'
import type { Found, Place } from './methods/method.ts'
import { createProve, holds, type Proof, sizeOf } from './proof.ts'
import { Refusal } from './refusal.ts'
import { createRelyingParty } from './relying_party.ts'
import { type Config, schema, withDefaults } from './schema.ts'
import { createTokens, saltOf } from './tokens.ts'
import { warningsOf } from './unsupported.ts'

/** Lets those pass whom an OpenID Connect provider knows, and tells the service who they are. */
export const openidConnect: Plugin<Config> = {
  name: 'openid-connect',
  priority: 1050,
  authenticates: true,
  schema,
  warnings: (config) => warningsOf(withDefaults(config)),
  create(given, gateway) {
    const config = withDefaults(given)
    const { anonymous, run_on_preflight, hide_credentials } = config
    const relyingParty = createRelyingParty(config, gateway)
    const discovery = createDiscovery(config, relyingParty, gateway)
    const salt = saltOf(config, gateway)
    const grants = createGrants(config, relyingParty, discovery)
    const tokens = createTokens(config, grants, gateway, tokenIdentity(config, salt))
    const headers = createIdentityHeaders(config)
    const answers = createAnswers(config, URL.parse(config.issuer)?.hostname ?? '')
    const prove = createProve(config, { discovery, tokens, headers, gateway })
    const search = createSearch(config)
    const proofs = gateway.cache<Proof>('oidc:proofs')
    // A proof is one of this configuration: another one might have refused the same credential.
    const fingerprint = hashOfAll(salt, JSON.stringify(config))
    const nothingFound = new Refusal('no_credentials')
    // A client that keeps its connection sends the same credential again: to see that it is the same takes no hash.
    const lastProofs = new WeakMap<object, { raw: string; place: Place; proof: Proof }>()
    const downstream = new WeakMap<ClientRequest, Fields>()

    function refuse(ctx: AccessContext, refusal: Refusal): Exit | undefined {
      if (anonymous !== undefined) return becomeAnonymous(ctx, gateway, anonymous)
      return answers.refuse(refusal)
    }

    function admit(
      ctx: AccessContext,
      found: Found,
      proof: Proof,
      body: BodyArguments | undefined,
    ): Exit | undefined {
      if (proof.refusal) return refuse(ctx, proof.refusal)
      if (hide_credentials) hide(ctx, found, body)
      ctx.authenticate(undefined, proof.credential)
      ctx.authenticatedGroups = proof.groups
      ctx.upstream.headers.appendList(proof.upstream)
      if (headers.hasDownstream) downstream.set(ctx.request, proof.downstream)
      return undefined
    }

    /** Answers without a promise where the credential has been proved before. */
    function judge(ctx: AccessContext, found: Found, body?: BodyArguments) {
      const { connection } = ctx.request
      const last = lastProofs.get(connection)
      if (last?.raw === found.raw && last.place === found.place && isGood(last.proof))
        return admit(ctx, found, last.proof, body)
      // Neither of the first three holds a blank, so that no two credentials have one text.
      const key = hashOf(`${fingerprint} ${found.method} ${found.place.id} ${found.raw}`)
      const proof = proofs.get(key)
      if (!proof || !isGood(proof)) return judgeAnew(ctx, found, key, body)
      lastProofs.set(connection, { raw: found.raw, place: found.place, proof })
      return admit(ctx, found, proof, body)
    }

    function isGood(proof: Proof): boolean {
      return holds(proof, gateway.now(), discovery.current())
    }

    async function judgeAnew(
      ctx: AccessContext,
      found: Found,
      key: string,
      body: BodyArguments | undefined,
    ): Promise<Exit | undefined> {
      try {
        const proof = await proofs.once(key, () => proveAnew(found, key))
        return admit(ctx, found, proof, body)
      } catch (error) {
        if (error instanceof Refusal) return refuse(ctx, error)
        const exit = answers.fail(error)
        if (exit) return exit
        throw error
      }
    }

    async function proveAnew(found: Found, key: string): Promise<Proof> {
      const proof = await prove(found.method, found.place.read(found.raw))
      if (config.cache_tokens || found.method === 'bearer')
        proofs.set(key, proof, (proof.ends - gateway.now()) / 1000, sizeOf(proof))
      return proof
    }

    return {
      secretArguments: search.secretArguments,
      access(ctx) {
        dropSpoofed(ctx.upstream.headers, headers)
        if (!run_on_preflight && ctx.request.method === 'OPTIONS') return undefined
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        const found = search.find(ctx)
        if (found) return judge(ctx, found)
        if (!search.needsBody(ctx)) return refuse(ctx, nothingFound)
        return readBodyArguments(ctx.request).then((body) => {
          const inBody = search.findInBody(body)
          return inBody ? judge(ctx, inBody, body) : refuse(ctx, nothingFound)
        })
      },
      ...(headers.hasDownstream && {
        header_filter(ctx) {
          for (const [name, value] of downstream.get(ctx.request) ?? [])
            ctx.headers.set(name, value)
        },
      }),
    }
  },
}
