import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from './authority.ts'

/** `openssl` and `curl`, with files of their own. */
export class TlsClients implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tls-clients-'))
  readonly #ca: string
  #files = 0

  constructor(authority: string) {
    this.#ca = this.write(authority)
  }

  /** Gives the path of a new file with that text. */
  write(text: string): string {
    const path = join(this.folder, `${this.#files++}.pem`)
    writeFileSync(path, text)
    return path
  }

  /** Options for showing a certificate. */
  showing({ cert, key }: Certificate): string[] {
    return ['--cert', this.write(cert), '--key', this.write(key)]
  }

  /** Asks `https://host/path` of that port of this machine; gives the status and the body, or the number of curl's fault. */
  async curl(url: string, port: number, ...options: string[]): Promise<Answer> {
    const { host, hostname } = new URL(url)
    const words = ['curl', '-sS', '-m', '5', '--cacert', this.#ca, '-w', '\n%{http_code}']
    const where = host === hostname ? [`${host}:443`, `${host}:80`] : [host]
    const there = where.flatMap((each) => ['--connect-to', `${each}:127.0.0.1:${port}`])
    const child = Bun.spawn([...words, ...there, ...options, url], { stderr: 'pipe' })
    const text = await child.stdout.text()
    const end = text.lastIndexOf('\n')
    return {
      code: await child.exited,
      status: Number(text.slice(end + 1)),
      body: text.slice(0, end),
    }
  }

  /** What `openssl s_client` tells of a connection on which it sends `input`. */
  async openssl(port: number, input: string, ...options: string[]): Promise<string> {
    const where = ['-connect', `127.0.0.1:${port}`, '-CAfile', this.#ca]
    const child = Bun.spawn(['openssl', 's_client', ...where, ...options], {
      stdin: Buffer.from(input),
      stderr: 'pipe',
    })
    const said = await Promise.all([child.stdout.text(), child.stderr.text()])
    return said.join('')
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true })
  }
}

export interface Answer {
  /** curl's exit status; 0 is an answer. */
  readonly code: number
  readonly status: number
  readonly body: string
}

/** PEM as a block of lines in YAML. */
export function yamlBlock(pem: string, indent: number): string {
  return `|\n${pem.trim().replace(/^/gm, ' '.repeat(indent))}`
}
