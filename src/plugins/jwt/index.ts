import { type AccessContext, exit, type Exit, type Plugin, type TokenKeyOwner } from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type Config, schema } from './schema.ts'
import { createSearch } from './search.ts'
import { isSigned } from '../signature.ts'
import { judgeTimes } from './times.ts'
import { member, parseToken, type Token } from './token.ts'

/** Knows consumers by tokens that they sign themselves, with a secret or a key of `jwt_secrets`. */
export const jwt: Plugin<Config> = {
  name: 'jwt',
  priority: 1450,
  authenticates: true,
  schema,
  create(config, gateway) {
    const { anonymous, run_on_preflight, secret_is_base64, key_claim_name, realm } = config
    const search = createSearch(config)
    const prefix = realm === undefined ? 'Bearer' : `Bearer realm="${realm}"`
    const challenge = ['WWW-Authenticate', prefix] as const
    const separator = realm === undefined ? ' ' : ', '
    const invalid = ['WWW-Authenticate', `${prefix}${separator}error="invalid_token"`] as const
    const nothing = exit(401, { message: 'Unauthorized' }, [challenge], {
      code: 'no_credentials',
      cause: 'no token was sent where uri_param_names, cookie_names and header_names look for one',
    })

    // A message is of the configuration and of Kong's words alone: nothing that a client writes comes back.
    const refuse = (message: string) =>
      exit(401, { message }, [invalid], { code: 'invalid_token', cause: message })

    function keyOf(token: Token): string | Exit {
      const inClaims = member(token.claims, key_claim_name)
      const key =
        inClaims === undefined || inClaims === false
          ? member(token.header, key_claim_name)
          : inClaims
      if (key === undefined || key === false || key === null)
        return refuse(`No mandatory '${key_claim_name}' in claims`)
      return typeof key === 'string' && key !== ''
        ? key
        : refuse(`Invalid '${key_claim_name}' in claims`)
    }

    function judgeSignature(token: Token, owner: TokenKeyOwner): Exit | undefined {
      const { algorithm } = owner.credential
      if (token.alg !== algorithm) return refuse('Invalid algorithm')
      const isDecoded = secret_is_base64 && algorithm.startsWith('HS')
      const key = isDecoded ? owner.decodedKey : owner.key
      if (!key) return refuse('Invalid key/secret')
      return isSigned(algorithm, key, token.input, token.signature)
        ? undefined
        : refuse('Invalid signature')
    }

    function judge(ctx: AccessContext): Exit | undefined {
      const tokens = search(ctx.request)
      const [text] = tokens
      if (text === undefined) return nothing
      if (tokens.size > 1) return refuse('Multiple tokens provided')
      if (text === true) return refuse('Unrecognizable token')
      const token = parseToken(text)
      if (typeof token === 'string') return refuse(`Bad token; ${token}`)
      const key = keyOf(token)
      if (typeof key !== 'string') return key
      const owner = gateway.consumers.findByTokenKey(key)
      if (!owner) return refuse(`No credentials found for given '${key_claim_name}'`)
      const refusal = judgeSignature(token, owner)
      if (refusal) return refusal
      const faults = judgeTimes(token, config, Math.floor(gateway.now() / 1000))
      if (faults) {
        const cause = Object.entries(faults).map((fault) => fault.join(': '))
        return exit(401, faults, [invalid], { code: 'token_expired', cause: cause.join(', ') })
      }
      ctx.authenticate(owner.consumer, owner.credential)
      return undefined
    }

    return {
      secretArguments: config.uri_param_names,
      access(ctx) {
        if (!run_on_preflight && ctx.request.method === 'OPTIONS') return undefined
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
