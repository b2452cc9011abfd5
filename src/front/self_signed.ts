import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyPair } from './certificates.ts'

const DAY = 24 * 3600 * 1000
/** Kong's own lasts as long. */
const LIFETIME = 20 * 365 * DAY

/** Makes a certificate that nobody trusts, for a gateway that was given none: a key of P-256, signed by itself. */
export function createSelfSigned(now: number): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(objectId(ECDSA_WITH_SHA256))
  const name = sequence(
    set(sequence(objectId(COMMON_NAME), tagged(0x0c, Buffer.from('localhost')))),
  )
  const altNames = sequence(tagged(0x82, Buffer.from('localhost')))
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(serial()),
    algorithm,
    name,
    sequence(time(now - DAY), time(now + LIFETIME)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(sequence(objectId(SUBJECT_ALT_NAME), tagged(0x04, altNames)))),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = sequence(body, algorithm, tagged(0x03, Buffer.of(0), signature))
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

const ECDSA_WITH_SHA256 = '2a8648ce3d040302'
const COMMON_NAME = '550403'
const SUBJECT_ALT_NAME = '551d11'

/** Positive, and not to be guessed (RFC 5280 §4.1.2.2). */
function serial(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes
}

// X.690: a tag, a length, the content.

function tagged(tag: number, ...content: Buffer[]): Buffer {
  const bytes = Buffer.concat(content)
  const size = bytes.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), bytes])
}

function sequence(...content: Buffer[]): Buffer {
  return tagged(0x30, ...content)
}

function set(...content: Buffer[]): Buffer {
  return tagged(0x31, ...content)
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes)
}

function objectId(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'))
}

/** RFC 5280 §4.1.2.5: two digits for a year before 2050, four from then on. */
function time(at: number): Buffer {
  const text = `${new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')}`
  const isEarly = new Date(at).getUTCFullYear() < 2050
  return tagged(isEarly ? 0x17 : 0x18, Buffer.from(isEarly ? text.slice(2) : text))
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replace(/.{1,64}/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`
}
