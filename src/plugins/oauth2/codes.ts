import type { Gateway } from '../../pdk.ts'
import {
  drawToken,
  findApplication,
  type Grant,
  type Kept,
  keptOf,
  keyOf,
  sizeOf,
} from '../oauth2_tokens.ts'

/** What an authorization code stands for. */
export interface CodeGrant extends Grant {
  /** That of the verifier, without padding (RFC 7636 §4.2). */
  readonly challenge: string | undefined
  /** The plugin entity that gave it. */
  readonly plugin: string
}

/** Authorization codes, each good for one token. */
export interface Codes {
  give(grant: CodeGrant): string
  find(code: string): CodeGrant | undefined
  withdraw(code: string): void
}

/** Seconds. */
const LIFETIME = 300

export function createCodes({ cache, consumers }: Pick<Gateway, 'cache' | 'consumers'>): Codes {
  const given = cache<Kept & Pick<CodeGrant, 'challenge' | 'plugin'>>('oauth2:codes')
  return {
    give({ challenge, plugin, ...grant }) {
      const code = drawToken()
      given.set(keyOf(code), { ...keptOf(grant), challenge, plugin }, LIFETIME, sizeOf(grant))
      return code
    },
    find(code) {
      const kept = given.get(keyOf(code))
      const application = kept && findApplication(kept, consumers)
      return application && { ...kept, application }
    },
    withdraw(code) {
      const key = keyOf(code)
      const kept = given.get(key)
      if (kept) given.set(key, kept, 0)
    },
  }
}
