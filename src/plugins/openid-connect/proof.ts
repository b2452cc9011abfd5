import type { HeaderList } from '../../headers.ts'
import type { Names } from './consumer.ts'
import type { Provider } from './discovery.ts'
import type { Fields, Identity } from './headers.ts'
import type { MethodName } from './methods/method.ts'
import type { Refusal } from './refusal.ts'
import { type Line, sizeOfSet, type TokenSet } from './tokens.ts'
import type { KeySet } from './verify.ts'

/** What a credential has proved, with all that its requests need ready to be sent. */
export interface Proof {
  readonly method: MethodName
  /** The method by which its tokens were got: for a session that which began it. */
  readonly origin: MethodName
  /** Until when it holds; milliseconds since the epoch, 0 for this request only. */
  readonly ends: number
  /** The keys that verified the tokens, if any did: others may have to be asked again. */
  readonly keys: KeySet | undefined
  /** When the access token is over, as far as anybody says; milliseconds since the epoch. */
  readonly expires: number | undefined
  /** The tokens, and the line whose newest they were. */
  readonly set: TokenSet | undefined
  readonly line: Line | undefined
  /** Why a known caller may not pass. */
  readonly refusal: Refusal | undefined
  readonly names: Names
  /** The claim `cnf` (RFC 7800): the key that whoever sends the token has to have. */
  readonly cnf: unknown
  /** What the cookie of `jwt_session_cookie` has to say. */
  readonly session: string | undefined
  readonly upstream: HeaderList
  readonly downstream: Fields
  /** What the proof was made of, where a session or a login may need it. */
  readonly identity: Identity | undefined
}

/** About how many bytes a proof holds: what the service and the client are sent for it, and its tokens. */
export function sizeOf({ upstream, downstream, set, names, identity }: Proof): number {
  let size = set ? sizeOfSet(set) : 0
  for (const group of names.groups ?? []) size += group.length
  // A field to the service is kept twice, as its value and as its line.
  for (const { line, value } of upstream.fields) size += line.length + value.length
  for (const [name, value] of downstream) size += name.length + value.length
  if (identity) size += 2 * JSON.stringify(identity.claims).length
  return size
}

/** Whether a proof holds still: its tokens are the newest, and its keys are the provider's. */
export function holds(proof: Proof, now: number, provider: Provider | undefined): boolean {
  const { ends, keys, set, line } = proof
  if (ends <= now || (keys !== undefined && provider?.keys !== keys)) return false
  return line === undefined || (line.set === set && line.ended === undefined)
}
