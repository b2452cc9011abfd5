import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ca_certificate, certificate, sni } from '../../../src/entities/index.ts'
import { check } from '../../../src/schema/check.ts'
import type { Field } from '../../../src/schema/field.ts'

const ID = '11111111-1111-4111-8111-111111111111'
const hasOpenssl = Bun.which('openssl') !== null
if (!hasOpenssl) console.log('skipped: certificates, since there is no openssl to make them')

interface Pair {
  readonly cert: string
  readonly key: string
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
/** An authority whose certificate was good for one day of 2020: openssl makes none that has ended. */
const ENDED = `-----BEGIN CERTIFICATE-----
MIIBQjCB6aADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmEudGVzdDAe
Fw0yMDAxMDEwMDAwMDBaFw0yMDAxMDIwMDAwMDBaMBExDzANBgNVBAMMBmEudGVz
dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBx8WNwsVgRLa0Gzpgd+1YoFVyFp
vxbNl37vA3E4DNXJlTuRkswCEPrwyUPVe9dmqspKCUfBICyObcsXOEPSo1ujMjAw
MA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFIPJJozdgP0Y0Fewr8RDFpDIOMKv
MAoGCCqGSM49BAMCA0gAMEUCIQDrJT4EiE5f388tVv8lmad6aClz+hr/X0V9hIDL
EhfLJwIgVR7YIknrRMvbOePlEuV5ieoz8w69Hcn8bO+d8UhwNW4=
-----END CERTIFICATE-----
`

const RSA = ['-newkey', 'rsa:2048']

function makePair(key: readonly string[], ...more: string[]): Pair {
  const folder = mkdtempSync(join(tmpdir(), 'pair-'))
  try {
    const args = [
      'req',
      '-x509',
      '-nodes',
      ...key,
      '-subj',
      '/CN=a.test',
      '-keyout',
      'k',
      '-out',
      'c',
    ]
    const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args, '-days', '2', ...more], {
      cwd: folder,
    })
    if (exitCode !== 0) throw new Error(`openssl: ${stderr}`)
    return {
      cert: readFileSync(join(folder, 'c'), 'utf8'),
      key: readFileSync(join(folder, 'k'), 'utf8'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function faults(schema: Field, input: object): string[] {
  const { faults = [] } = check(schema, { id: ID, ...input })
  return faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test.skipIf(!hasOpenssl)('a certificate goes with its key, and with one of another type', () => {
  const [rsa, other, ec] = [makePair(RSA), makePair(RSA), makePair(EC)]
  const alternative = ({ cert, key }: Pair) => ({ cert_alt: cert, key_alt: key })
  expect(faults(certificate, rsa)).toEqual([])
  expect(faults(certificate, { ...rsa, ...alternative(ec) })).toEqual([])
  expect(faults(certificate, { ...rsa, key: other.key })).toEqual([
    ': certificate does not match key',
  ])
  expect(faults(certificate, { ...rsa, cert_alt: ec.cert, key_alt: rsa.key })).toEqual([
    ': alternative certificate does not match key',
  ])
  expect(faults(certificate, { ...rsa, ...alternative(other) })).toEqual([
    ': certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the provided certificates were both of the same type',
  ])
  expect(faults(certificate, { ...rsa, cert_alt: ec.cert })).toEqual([
    ": all or none of these fields must be set: 'cert_alt', 'key_alt'",
  ])
  expect(faults(certificate, { cert: 'x', key: 'y' })).toEqual([
    'cert: invalid certificate: expected PEM',
    'key: invalid key: expected a private key in PEM',
  ])
})

const curve = (name: string) => ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${name}`]
const EXPECTED = 'expected RSA, ECDSA on P-256, P-384 or P-521, or Ed25519'

// prettier-ignore
test.skipIf(!hasOpenssl).each([
  ['RSA of 512 bits', ['-newkey', 'rsa:512'], ['key: this key cannot be served: RSA of 512 bits is too short for a handshake']],
  ['P-224',           curve('P-224'),         [`key: this key cannot be served: ${EXPECTED}`]],
  ['secp256k1',       curve('secp256k1'),     [`cert: the key of this certificate cannot be used: ${EXPECTED}`,
                                               `key: this key cannot be served: ${EXPECTED}`]],
  ['RSA of 1024 bits', ['-newkey', 'rsa:1024'], []],
  ['P-521',           curve('P-521'),         []],
  ['Ed25519',         ['-newkey', 'ed25519'], []],
])('a key of the kind %s is refused at load if no handshake can be made with it', (_, args, found) => {
  const { cert, key } = makePair(args)
  expect(faults(certificate, { cert, key })).toEqual(found)
  expect(faults(ca_certificate, { cert })).toEqual(found.filter((each) => each.startsWith('cert:')))
})

test.skipIf(!hasOpenssl)('a DSA key is refused at load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dsa-'))
  try {
    const parameters = join(folder, 'p')
    Bun.spawnSync(['openssl', 'dsaparam', '-out', parameters, '1024'])
    expect(faults(certificate, makePair(['-newkey', `dsa:${parameters}`]))).toEqual([
      `key: this key cannot be served: ${EXPECTED}`,
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.skipIf(!hasOpenssl)('a chain that TLS cannot read is refused at load', () => {
  const { cert, key } = makePair(EC)
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  expect(faults(certificate, { cert: cert + broken, key })).toEqual([
    'cert: this certificate cannot be served: one after the first cannot be read',
  ])
})

test.skipIf(!hasOpenssl)(
  'an authority is one certificate, of an authority, that has not ended',
  () => {
    const authority = makePair(EC)
    const leaf = makePair(EC, '-addext', 'basicConstraints=critical,CA:FALSE')
    const checked = check(ca_certificate, { id: ID, cert: authority.cert })
    expect(checked.value?.cert_digest).toMatch(/^[0-9a-f]{64}$/)
    expect(faults(ca_certificate, { cert: authority.cert + leaf.cert })).toEqual([
      ': please submit only one certificate at a time',
    ])
    expect(faults(ca_certificate, { cert: leaf.cert })).toEqual([
      ': certificate does not appear to be a CA because it is missing the "CA" basic constraint',
    ])
    expect(faults(ca_certificate, { cert: ENDED })).toEqual([
      ': certificate expired, "Not After" time is in the past',
    ])
  },
)

// prettier-ignore
test.each([
  ['a.test',      []],
  ['*.a.test',    []],
  ['a.*',         []],
  ['*',           []],
  ['a.*.test',    ['name: wildcard must be leftmost or rightmost character']],
  ['*.a.*',       ['name: only one wildcard must be specified']],
  ['a.*.*',       ['name: wildcard must be leftmost or rightmost character']],
  ['*.a.*.test',  ['name: only one wildcard must be specified']],
  ['a.*:80',      ['name: wildcard must be leftmost or rightmost character']],
  ['a.test:*',    ['name: invalid value: a.test:wildcard']],
  ['1.2.3.4:80',  ['name: must not be an IP']],
  ['a.test:80',   ['name: must not have a port']],
  ['1.2.3.4',     ['name: must not be an IP']],
  ['a b',         ['name: invalid value: a b']],
])('the server name %s', (name, messages) => {
  expect(faults(sni, { name, certificate: { id: ID } })).toEqual(messages)
})
