import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from './authority.ts'

/** What a certificate is to say. */
export interface Wanted {
  /** As `/O=a/CN=b`. */
  readonly subject?: string
  /** Lines as OpenSSL's configuration has them; those of an authority unless given. */
  readonly extensions?: readonly string[]
  /** From now on; a negative number makes one that has expired. */
  readonly days?: number
  /** Whose key it is for; a new one unless given. */
  readonly holder?: Certificate
}

export const CA = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']

/** Makes chains of certificates with `openssl`. */
export class Pki implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'pki-'))
  #made = 0

  /** Signed by `issuer`, or by itself. */
  issue(issuer: Certificate | undefined, wanted: Wanted = {}): Certificate {
    const { subject = `/CN=${this.#made}`, extensions = CA, days = 2, holder } = wanted
    const at = (name: string) => join(this.#folder, `${this.#made}.${name}`)
    this.#made++
    const [key, csr, ext, cert] = [at('key'), at('csr'), at('ext'), at('pem')]
    if (holder) writeFileSync(key, holder.key)
    else openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key)
    openssl('req', '-new', '-key', key, '-utf8', '-subj', subject, '-out', csr)
    writeFileSync(ext, extensions.join('\n'))
    const by: string[] = ['-key', key]
    if (issuer) {
      const [ca, caKey] = [at('ca.pem'), at('ca.key')]
      writeFileSync(ca, issuer.cert)
      writeFileSync(caKey, issuer.key)
      by.splice(0, 2, '-CA', ca, '-CAkey', caKey, '-set_serial', String(1000 + this.#made))
    }
    const rest = ['-days', String(days), '-extfile', ext, '-in', csr, '-out', cert]
    openssl('x509', '-req', ...by, ...rest)
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}

function openssl(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args])
  if (exitCode !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
}

/** A certificate, and those that are sent beside it. */
export function bundled(leaf: Certificate, ...issuers: readonly Certificate[]): Certificate {
  return { key: leaf.key, cert: [leaf, ...issuers].map(({ cert }) => cert).join('') }
}
