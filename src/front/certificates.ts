import { X509Certificate } from 'node:crypto'
import { type ClientHello, normalName } from './client_hello.ts'

/** A certificate with those between it and its authority, and its key; PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** A certificate of the configuration, and the names that it is shown for: exact, `*.suffix`, `prefix.*` or `*`. */
export interface NamedKeyPair extends KeyPair {
  /** The same for another type of key. */
  readonly cert_alt?: string | undefined
  readonly key_alt?: string | undefined
  readonly snis: readonly string[]
}

/** What all handshakes have in common. */
export interface HandshakeRules {
  /** Versions as they stand in a handshake: 0x0303 is TLS 1.2. */
  readonly minVersion: number
  readonly maxVersion: number
  /** Ciphers up to TLS 1.2, as OpenSSL names them, separated by colons; Bun's own if undefined. */
  readonly ciphers: string | undefined
}

/** Kong's cipher suite `intermediate`. */
export const DEFAULT_RULES: HandshakeRules = {
  minVersion: 0x0303,
  maxVersion: 0x0304,
  ciphers: undefined,
}

/** What Bun makes a server's side of TLS of. The same object makes the same one, which it keeps. */
export interface ServerTls extends KeyPair {
  readonly minVersion: number
  readonly maxVersion: number
  readonly ciphers?: string
}

/** One certificate for each type of key. */
interface Choice {
  readonly ecdsa: ServerTls | undefined
  readonly other: ServerTls | undefined
}

/** Which certificate a client is shown. It is never changed: a reload makes another. */
export class Certificates {
  readonly #byName: ReadonlyMap<string, Choice>
  readonly #default: Choice

  /** `defaults` are for clients that name nothing that the configuration knows: one at least. */
  constructor(
    defaults: readonly KeyPair[],
    named: readonly NamedKeyPair[] = [],
    rules: HandshakeRules = DEFAULT_RULES,
  ) {
    this.#default = choiceOf(defaults, rules)
    this.#byName = new Map(
      named.flatMap((pair) => {
        const { cert_alt, key_alt, snis } = pair
        const pairs = cert_alt && key_alt ? [pair, { cert: cert_alt, key: key_alt }] : [pair]
        const choice = choiceOf(pairs, rules)
        return snis.map((name) => [normalName(name), choice] as const)
      }),
    )
  }

  find({ serverName, takesEcdsa }: ClientHello): ServerTls {
    const { ecdsa, other } = this.#choiceFor(serverName)
    // As OpenSSL does: the cheaper signature, where the client can check it.
    return ((takesEcdsa ? ecdsa : undefined) ?? other ?? ecdsa)!
  }

  #choiceFor(name: string | undefined): Choice {
    if (this.#byName.size === 0) return this.#default
    if (name === undefined) return this.#byName.get('*') ?? this.#default
    for (const each of [name, ...wildcardsOf(name), '*']) {
      const choice = this.#byName.get(each)
      if (choice) return choice
    }
    return this.#default
  }
}

/** Kong's order: a name with its first label open goes before one with its last label open. */
export function wildcardsOf(name: string): string[] {
  const first = name.indexOf('.')
  const last = name.lastIndexOf('.')
  return first < 0 ? [] : [`*${name.slice(first)}`, `${name.slice(0, last)}.*`]
}

function choiceOf(pairs: readonly KeyPair[], rules: HandshakeRules): Choice {
  const isEcdsa = pairs.map(
    ({ cert }) => new X509Certificate(cert).publicKey.asymmetricKeyType === 'ec',
  )
  const ecdsa = pairs.find((_, i) => isEcdsa[i])
  const other = pairs.find((_, i) => !isEcdsa[i])
  return { ecdsa: ecdsa && tlsOf(ecdsa, rules), other: other && tlsOf(other, rules) }
}

function tlsOf(
  { cert, key }: KeyPair,
  { minVersion, maxVersion, ciphers }: HandshakeRules,
): ServerTls {
  const tls = { cert, key, minVersion, maxVersion }
  return ciphers === undefined ? tls : { ...tls, ciphers }
}
