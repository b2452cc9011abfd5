import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  type webcrypto,
} from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Gateway, Page } from '../../pdk.ts'
import type { SigningAlg, SigningKey } from './assertion.ts'
import { hashOf } from './hash.ts'

/** The algorithms that the gateway has keys of its own for. Those of HMAC have no public part that could be published. */
export const OWN_ALGS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const satisfies readonly SigningAlg[]
type OwnAlg = (typeof OWN_ALGS)[number]

type JsonWebKey = webcrypto.JsonWebKey

/** A private key as it is kept. */
interface KeptKey extends JsonWebKey {
  readonly kid: string
  readonly alg: OwnAlg
}

/** The gateway's own keys, made when the first client needs one; the same for all plugin entities, and kept over reloads. */
export class OwnKeys {
  #keys: readonly KeptKey[] = []
  #pending: Promise<void> | undefined

  /** Those of a gateway. */
  static of(gateway: Pick<Gateway, 'keep'>): OwnKeys {
    return gateway.keep('openid-connect:own keys', () => new OwnKeys())
  }

  /** Reads the keys of an earlier run, or begins to make new ones, which takes a second. */
  prepare(gateway: Pick<Gateway, 'prefix' | 'log'>): Promise<void> {
    return (this.#pending ??= this.#load(gateway).catch((error: unknown) => {
      this.#pending = undefined
      throw error
    }))
  }

  /** The key for an algorithm. */
  async key(alg: OwnAlg, gateway: Pick<Gateway, 'prefix' | 'log'>): Promise<SigningKey> {
    await this.prepare(gateway)
    const jwk = this.#keys.find((key) => key.alg === alg)!
    return { alg, kid: jwk.kid, key: createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }) }
  }

  /** The public parts, as a JWK set (RFC 7517 §5); those that are being made are waited for. */
  async page(): Promise<Page> {
    // Why there are none the log has told.
    await this.#pending?.catch(() => {})
    const body = JSON.stringify({ keys: this.#keys.map(publicPart) })
    return { contentType: 'application/jwk-set+json', body }
  }

  async #load({ prefix, log }: Pick<Gateway, 'prefix' | 'log'>): Promise<void> {
    const file = prefix === undefined ? undefined : join(prefix, FILE)
    if (file === undefined || !existsSync(file)) this.#keys = await makeKeys()
    try {
      if (file !== undefined) this.#keys = keep(file, this.#keys)
    } catch (cause) {
      if (this.#keys.length === 0) this.#keys = await makeKeys()
      log.warn(
        'openid-connect: the keys of the clients cannot be kept: after a start they are others',
        {
          code: 'keys_not_kept',
          file,
          cause: cause instanceof SyntaxError ? 'it is no JWK set' : cause,
        },
      )
    }
  }
}

const FILE = '.gatehouse-openid-connect-jwks.json'

/** Gives the keys of the file; made whole at once if it is not there: of two processes one makes it, and both read the same. Throws. */
function keep(file: string, made: readonly KeptKey[]): readonly KeptKey[] {
  if (made.length > 0) {
    // As Kong makes its prefix; private keys are nobody else's.
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
    try {
      writeFileSync(draft, JSON.stringify({ keys: made }), { mode: 0o600, flag: 'wx' })
      linkSync(draft, file)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(draft, { force: true })
    }
  }
  const { keys = [] } = JSON.parse(readFileSync(file, 'utf8')) as { keys?: readonly KeptKey[] }
  for (const alg of OWN_ALGS) {
    const key = keys.find((each) => each.alg === alg)
    if (typeof key?.kid !== 'string') throw new Error(`there is no key for ${alg}`)
    createPrivateKey({ key: key as JsonWebKey, format: 'jwk' })
  }
  return keys
}

function publicPart(key: KeptKey): Readonly<Record<string, unknown>> {
  const { kid, alg } = key
  const jwk = createPublicKey({ key: key as JsonWebKey, format: 'jwk' }).export({ format: 'jwk' })
  return { ...jwk, kid, alg, use: 'sig' }
}

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options: object,
) => Promise<{ privateKey: ReturnType<typeof createPrivateKey> }>

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

/** A key for each algorithm: one that signs by two of them would break RFC 8725 §3.1. */
function makeKeys(): Promise<readonly KeptKey[]> {
  return Promise.all(
    OWN_ALGS.map(async (alg): Promise<KeptKey> => {
      const { privateKey } =
        alg === 'EdDSA'
          ? await generate('ed25519', {})
          : alg in CURVES
            ? await generate('ec', { namedCurve: CURVES[alg] })
            : await generate('rsa', { modulusLength: 2048 })
      const jwk = privateKey.export({ format: 'jwk' })
      const kid = hashOf(JSON.stringify([alg, jwk.n ?? jwk.x, jwk.y])).slice(0, 27)
      return { ...jwk, kid, alg }
    }),
  )
}
