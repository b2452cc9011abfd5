import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from '../../http/authority.ts'

/** Revokes certificates with `openssl`, in files of its own. */
export class Revoker implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'revoker-'))
  #files = 0

  /** The path of a new file. */
  readonly file = (content: string | Uint8Array = ''): string => {
    const path = join(this.#folder, String(this.#files++))
    writeFileSync(path, content)
    return path
  }

  readonly openssl = (...args: string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args])
    if (exitCode !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
  }

  /** What `openssl ca` keeps of an authority: the path of it. */
  readonly index = (good: readonly Certificate[], revoked: readonly Certificate[]): string => {
    const line = (status: string, { cert }: Certificate) =>
      `${status}\t${new X509Certificate(cert).serialNumber}\tunknown\t/CN=x\n`
    const path = this.file(
      good.map((each) => line('V\t491231235959Z\t', each)).join('') +
        revoked.map((each) => line('R\t491231235959Z\t200101000000Z', each)).join(''),
    )
    writeFileSync(`${path}.attr`, 'unique_subject = no\n')
    return path
  }

  /** A list of revocations in DER; `extensions` are lines as OpenSSL's configuration has them. */
  crl(
    by: Certificate,
    revoked: readonly Certificate[],
    extensions: readonly string[] = [],
  ): Buffer {
    const lines = [
      '[ca]\ndefault_ca=a\n[a]',
      `database=${this.index([], revoked)}`,
      'default_md=sha256\ndefault_crl_days=2',
      ...(extensions.length > 0 ? ['crl_extensions=e\n[e]', ...extensions] : []),
    ]
    const [pem, out] = [this.file(), this.file()]
    const signer = ['-cert', this.file(by.cert), '-keyfile', this.file(by.key)]
    this.openssl('ca', '-gencrl', '-config', this.file(lines.join('\n')), ...signer, '-out', pem)
    this.openssl('crl', '-in', pem, '-outform', 'DER', '-out', out)
    return readFileSync(out)
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}
