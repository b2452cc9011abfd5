import type { ClientRequest } from '../../../pdk.ts'
import { type Argument, type BodyArguments, findArgument } from '../../arguments.ts'
import { Refusal } from '../refusal.ts'

/** Looks for one kind of credential. What it is worth is found out elsewhere. */
export interface Finder {
  readonly kind: CredentialKind
  /** The names of the query's arguments that hold what is secret. */
  readonly secretArguments: readonly string[]
  /** Looks at headers, the query and cookies. */
  find(request: ClientRequest): Found | undefined
  /** Looks into the body; absent where the configuration does not ask for it. */
  findInBody?(body: BodyArguments): Found | undefined
}

/** Every method of Kong, in alphabetical order. */
export const AUTH_METHODS = [
  'authorization_code',
  'bearer',
  'client_credentials',
  'introspection',
  'kong_oauth2',
  'password',
  'refresh_token',
  'session',
  'userinfo',
] as const

export type MethodName = (typeof AUTH_METHODS)[number]

/** What a request may carry: for an access token there are four methods. */
export type CredentialKind = 'access_token' | 'refresh_token' | 'password' | 'client_credentials'

/** A credential as it stands in the request, not yet taken apart. */
export interface Found {
  readonly kind: CredentialKind
  readonly place: Place
  /** As it was sent. */
  readonly raw: string
  /** The ID token that came beside an access token. */
  readonly idToken?: { readonly place: Place; readonly raw: string } | undefined
}

/** A place where a credential may stand: how it is read, and what has to be hidden from the service. */
export interface Place {
  /** Unique among the places of one method. */
  readonly id: string
  /** The spelling of the header. */
  readonly header?: string
  /** Whether the token came with the scheme `DPoP` (RFC 9449 §7.1), which says that it is bound to a key. */
  readonly isDpop?: true
  readonly cookie?: string
  /** The names of arguments, of the query or of the body. */
  readonly arguments?: readonly string[]
  readonly isBody?: true
  /** Takes the text apart. Throws `Refusal` for what cannot be a credential. */
  read(raw: string): Credential
}

/** A name and its secret, such as a password; a token is a secret without a name. */
export interface Credential {
  readonly name: string
  readonly secret: string
  /** Whether the secret is an assertion (RFC 7521 §4.2), which says itself who sends it. */
  readonly isAssertion?: true
  /** The client's address, where it is known: it is no part of what is kept. */
  readonly address?: string
}

/** More than any provider issues, and less than a header may hold. */
const MAX_LENGTH = 16 * 1024

/** Reads a token; the scheme `Bearer` or `DPoP` may precede it. */
export function readToken(raw: string): Credential {
  const secret = raw.replace(/^(?:bearer|dpop) +/i, '')
  const isBare = /^(?:bearer|dpop)$/i.test(raw)
  // `null` is what `jq -r` prints for a member that is not there.
  if (isBare || secret === 'null' || secret.length > MAX_LENGTH || !/^[\x21-\x7e]+$/.test(secret))
    throw new Refusal('malformed_credentials', 'what was sent as a token cannot be one')
  return { name: '', secret }
}

/** Reads `Basic` credentials: Base64 as RFC 7617 says, or plain, as Kong takes them too. */
export function readBasic(raw: string): Credential {
  const text = raw.replace(/^basic +/i, '').trim()
  const credential = split(fromBase64(text) ?? fromBytes(text))
  if (!credential) throw new Refusal('malformed_credentials', 'the Basic credentials have no colon')
  return credential
}

/** Finds a pair of arguments, as one text that `readPair` takes apart again. */
export function findPair(
  find: (name: string) => Argument,
  name: string,
  secret: string,
): string | undefined {
  const first = find(name)
  const second = find(secret)
  if (first === undefined || second === undefined) return undefined
  return JSON.stringify([oneText(first), oneText(second)])
}

/** Reads what `findPair` found. */
export function readPair(raw: string): Credential {
  const [name = '', secret = ''] = JSON.parse(raw) as string[]
  return usable({ name, secret })
}

/** Finds a token among arguments; an ambiguous one is found, and cannot be read. */
export function findToken(argument: Argument): string | undefined {
  return argument === undefined || argument === '' ? undefined : oneText(argument)
}

/** The arguments of a request's query. */
export function queryOf(request: ClientRequest): (name: string) => Argument {
  return (name) => findArgument(request.query, name)
}

/** Whether `Authorization` has this scheme, given in lower case. */
export function hasScheme(authorization: string, scheme: string): boolean {
  const { length } = scheme
  // Which scheme it is not shows by the length of its name, nearly always.
  if (authorization.length !== length && authorization.charCodeAt(length) !== 0x20) return false
  return authorization.slice(0, length).toLowerCase() === scheme
}

// Sent twice: the service might read the other one. A lone NUL can be no credential.
function oneText(argument: Exclude<Argument, undefined>): string {
  return typeof argument === 'string' ? argument : '\0'
}

function usable(credential: Credential): Credential {
  const { name, secret } = credential
  const isTooLong = name.length + secret.length > MAX_LENGTH
  if (name === '' || secret === '' || isTooLong || /\0/.test(name + secret))
    throw new Refusal('malformed_credentials', 'what was sent as credentials cannot be any')
  return credential
}

function split(text: string): Credential | undefined {
  const colon = text.indexOf(':')
  if (colon < 0) return undefined
  return usable({ name: text.slice(0, colon), secret: text.slice(colon + 1) })
}

/** The text of Base64 in either alphabet; nothing if it is not Base64, or holds no colon. */
function fromBase64(text: string): string | undefined {
  if (!/^[\w+/-]+={0,2}$/.test(text)) return undefined
  const decoded = Buffer.from(text, 'base64').toString()
  return decoded.includes(':') ? decoded : undefined
}

/** Headers are a byte a character; what people type is UTF-8. */
function fromBytes(text: string): string {
  return Buffer.from(text, 'latin1').toString()
}
