import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** A certificate authority of a test's own, in a folder that goes when it is disposed of. */
export interface Authority extends Disposable {
  readonly cert: string
  /** Makes a certificate for `subjectAltName`, such as `DNS:a.test,IP:127.0.0.1`, signed by the authority or by itself. */
  issue(subjectAltName: string, options?: { isSelfSigned?: boolean; isRsa?: boolean }): Certificate
}

/** Undefined where there is no openssl. */
export function createAuthority(): Authority | undefined {
  if (!Bun.which('openssl')) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'authority-'))
  const at = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => {
    const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: folder })
    if (exitCode !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
  }
  const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj']
  const RSA = ['-newkey', 'rsa:2048', '-nodes', '-subj']
  openssl(
    'req',
    '-x509',
    ...EC,
    '/CN=Authority of a test',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
  )
  let serial = 0
  return {
    cert: readFileSync(at('ca.pem'), 'utf8'),
    issue(subjectAltName, { isSelfSigned = false, isRsa = false } = {}) {
      const name = `leaf-${serial++}`
      writeFileSync(at(`${name}.ext`), `subjectAltName=${subjectAltName}\n`)
      openssl(
        'req',
        ...(isRsa ? RSA : EC),
        '/CN=Leaf',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
      )
      const by = isSelfSigned
        ? ['-key', `${name}.key`]
        : ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        ...by,
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-extfile',
        `${name}.ext`,
      )
      return {
        key: readFileSync(at(`${name}.key`), 'utf8'),
        cert: readFileSync(at(`${name}.pem`), 'utf8'),
      }
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}
