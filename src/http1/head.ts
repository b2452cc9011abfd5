import type { HeaderList } from '../headers.ts'
import { escapeByte } from '../path.ts'
import type { FieldReader } from './field_reader.ts'
import { BadMessage, endOfLine, endOfToken, isTokenChar, MAX_LINE } from './grammar.ts'

/** How long a body is: a number of bytes, or one of these. */
export const CHUNKED = -1
export const UNTIL_CLOSE = -2

export interface RequestHead {
  readonly method: string
  /** Path and query as sent, but for raw bytes beyond ASCII, which are escaped; `*` for the whole server. */
  readonly target: string
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  readonly minor: number
  readonly host: string
  readonly headers: HeaderList
  readonly length: number
  readonly keepAlive: boolean
  readonly expectsContinue: boolean
  /** The client asks for a WebSocket: the one protocol that HTTP is left for, as in Kong. */
  readonly upgradesToWebSocket: boolean
}

export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly minor: number
  readonly headers: HeaderList
  readonly length: number
  readonly keepAlive: boolean
}

/**
 * Reads a request's head: `text` is every line before the empty one, with its CRLF, one character a byte; `fields` is the
 * connection's reader. Throws `BadMessage`.
 */
export function parseRequestHead(text: string, fields: FieldReader): RequestHead {
  const lineEnd = endOfLine(text, 0)
  const line = parseRequestLine(text, lineEnd)
  const { method, minor } = line
  let { target } = line
  const headers = fields.read(text, lineEnd + 2)

  let host = onlyValue(headers, 'host')
  if (host === undefined && minor === 1) throw new BadMessage('the Host field is missing')
  if (host !== undefined && !HOST.test(host)) throw new BadMessage('malformed Host field')
  if (target.charCodeAt(0) !== 0x2f && !(target === '*' && method === 'OPTIONS')) {
    ;[host, target] = splitAbsolute(target, method)
    // So that whoever looks for the field is told of the same host.
    headers.set('Host', host)
  }
  // RFC 9110 §11.6.2: one credential. Of two, even of equals, a plugin and the service might each read another one.
  onlyValue(headers, 'authorization')
  const connection = listValue(headers, 'connection')
  const expect = headers.get('expect')
  const length = requestLength(headers, minor)
  return {
    method,
    target,
    minor,
    host: host ?? '',
    headers,
    length,
    keepAlive: staysOpen(connection, minor),
    expectsContinue: minor === 1 && expect !== undefined && expect.toLowerCase() === '100-continue',
    // RFC 6455 §4.1. Any other protocol, `h2c` above all, would be a tunnel past the routes and the plugins.
    upgradesToWebSocket:
      connection !== undefined &&
      hasWord(connection, 'upgrade') &&
      headers.get('upgrade')?.toLowerCase() === 'websocket' &&
      method === 'GET' &&
      minor === 1 &&
      length === 0,
  }
}

function parseRequestLine(
  text: string,
  lineEnd: number,
): { method: string; target: string; minor: number } {
  if (lineEnd > MAX_LINE) throw new BadMessage('the request line is too long', 414)
  const methodEnd = endOfToken(text, 0)
  if (methodEnd === 0 || text.charCodeAt(methodEnd) !== 0x20)
    throw new BadMessage('malformed request line')
  const targetEnd = text.indexOf(' ', methodEnd + 1)
  if (targetEnd < 0 || targetEnd > lineEnd) throw new BadMessage('malformed request line')
  const sent = text.substring(methodEnd + 1, targetEnd)
  // RFC 3986 §2 has ASCII alone, but people type `é`, and nginx takes it. Escaped at once, it has one reading for all.
  const target = sent.replace(/[\x80-\xff]/g, (byte) => escapeByte(byte.charCodeAt(0)))
  checkTarget(target)
  const minor = parseVersion(text.substring(targetEnd + 1, lineEnd))
  return { method: text.substring(0, methodEnd), target, minor }
}

/**
 * Refuses the beginning of a head that can no longer become one, because a client that has said all it has to say
 * would wait for its answer until the deadline. The head begins at `start`; what is before `from` was checked already.
 */
export function checkRequestBeginning(bytes: Buffer, start: number, from: number): void {
  const first = bytes[start]
  if (first === undefined || (first === 0x0d && start + 1 === bytes.length)) return
  if (!isTokenChar(first)) throw new BadMessage('malformed request line')
  checkLineFeeds(bytes, from)
  const lineFeed = bytes.indexOf(0x0a, start)
  if (lineFeed >= from)
    parseRequestLine(bytes.toString('latin1', start, lineFeed - 1), lineFeed - 1 - start)
  else if (lineFeed < 0 && bytes.length - start > MAX_LINE)
    throw new BadMessage('the request line is too long', 414)
}

/** The same for an answer's head. */
export function checkResponseBeginning(bytes: Buffer, start: number): void {
  const line = bytes.toString('latin1', start, Math.min(bytes.length, start + MAX_LINE))
  if (!line.startsWith('HTTP/1.'.slice(0, line.length)))
    throw new BadMessage('malformed status line')
  checkLineFeeds(bytes, start)
}

/** A line ends with CR and LF: parsers that disagree on less are how requests are smuggled (RFC 9112 §2.2). */
function checkLineFeeds(bytes: Buffer, from: number): void {
  for (let at = bytes.indexOf(0x0a, from); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    if (bytes[at - 1] !== 0x0d) throw new BadMessage('a line without its carriage return')
  }
}

/** Reads the head of a response to a request of `method`, as `parseRequestHead` does. Throws `BadMessage`. */
export function parseResponseHead(text: string, method: string, fields: FieldReader): ResponseHead {
  const lineEnd = endOfLine(text, 0)
  const { status, reason, minor } = parseStatusLine(text, lineEnd)
  const headers = fields.read(text, lineEnd + 2)
  return {
    status,
    reason,
    minor,
    headers,
    length: responseLength(headers, minor, status, method),
    keepAlive: staysOpen(listValue(headers, 'connection'), minor),
  }
}

interface StatusLine {
  readonly status: number
  readonly reason: string
  readonly minor: number
}

function parseStatusLine(text: string, lineEnd: number): StatusLine {
  if (text.startsWith(USUAL_LINE)) return USUAL
  const line = STATUS_LINE.exec(text.substring(0, lineEnd))
  if (!line) throw new BadMessage('malformed status line')
  return { status: Number(line[2]), reason: line[3] ?? '', minor: Number(line[1]) }
}

const USUAL_LINE = 'HTTP/1.1 200 OK\r\n'
const USUAL: StatusLine = { status: 200, reason: 'OK', minor: 1 }
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f-\xff"#%/<>?@\\^`{|}[\],:]+)(?::\d{1,5})?$/

function checkTarget(target: string): void {
  if (target === '') throw new BadMessage('malformed request line')
  for (let i = 0; i < target.length; i++) {
    const c = target.charCodeAt(i)
    // A fragment is never sent; one in the path has fooled path-based rules of other gateways.
    if (c <= 0x20 || c === 0x7f || c === 0x23) throw new BadMessage('malformed request target')
  }
  // As in nginx: a service written in C would end the path there.
  if (target.includes('%00') && NUL_IN_PATH.test(target))
    throw new BadMessage('NUL in the request target')
}

const NUL_IN_PATH = /^[^?]*%00/

/** RFC 9112 §3.2.2: the authority of an absolute target replaces the Host field. */
function splitAbsolute(target: string, method: string): [host: string, target: string] {
  const scheme = /^https?:\/\//i.exec(target)
  if (!scheme || method === 'CONNECT')
    throw new BadMessage('malformed request target', method === 'CONNECT' ? 405 : 400)
  const rest = target.slice(scheme[0].length)
  const end = rest.search(/[/?]/)
  const host = end < 0 ? rest : rest.slice(0, end)
  if (!HOST.test(host)) throw new BadMessage('malformed request target')
  const path = end < 0 ? '/' : rest.slice(end)
  return [host, path.startsWith('/') ? path : `/${path}`]
}

function parseVersion(version: string): number {
  if (version === 'HTTP/1.1') return 1
  if (version === 'HTTP/1.0') return 0
  // RFC 9110 §2.5: a higher minor version is read as the highest that we know.
  if (/^HTTP\/1\.\d$/.test(version)) return 1
  throw /^HTTP\/\d\.\d$/.test(version)
    ? new BadMessage('HTTP version not supported', 505)
    : new BadMessage('malformed request line')
}

/** The value of a field that may stand there once. */
function onlyValue({ fields }: HeaderList, name: string): string | undefined {
  let value: string | undefined
  for (const field of fields) {
    if (field.lower !== name) continue
    if (value !== undefined) throw new BadMessage(`more than one ${name} field`)
    value = field.value
  }
  return value
}

function declaredLength(headers: HeaderList): number | undefined {
  const value = onlyValue(headers, 'content-length')
  if (value === undefined) return undefined
  if (!/^\d{1,15}$/.test(value)) throw new BadMessage('malformed Content-Length field')
  return Number(value)
}

/** RFC 9112 §6.3, without its leniency: two framings, an unknown one, or one in HTTP/1.0 are refused. */
function isChunked(headers: HeaderList, minor: number): boolean {
  const coding = onlyValue(headers, 'transfer-encoding')
  if (coding === undefined) return false
  if (coding.toLowerCase() !== 'chunked') {
    const endsChunked = /,[ \t]*chunked$/i.test(coding)
    throw new BadMessage('unknown transfer coding', endsChunked ? 501 : 400)
  }
  if (minor === 0) throw new BadMessage('Transfer-Encoding in HTTP/1.0')
  if (headers.has('content-length'))
    throw new BadMessage('both Transfer-Encoding and Content-Length')
  return true
}

function requestLength(headers: HeaderList, minor: number): number {
  return isChunked(headers, minor) ? CHUNKED : (declaredLength(headers) ?? 0)
}

function responseLength(
  headers: HeaderList,
  minor: number,
  status: number,
  method: string,
): number {
  const chunked = isChunked(headers, minor)
  const declared = declaredLength(headers)
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0
  return chunked ? CHUNKED : (declared ?? UNTIL_CLOSE)
}

/** A field that may be given in several lines, as one list. */
function listValue({ fields }: HeaderList, name: string): string | undefined {
  let value: string | undefined
  for (const field of fields) {
    if (field.lower === name) value = value === undefined ? field.value : `${value},${field.value}`
  }
  return value
}

function staysOpen(connection: string | undefined, minor: number): boolean {
  if (connection === undefined) return minor === 1
  if (hasWord(connection, 'close')) return false
  return minor === 1 || hasWord(connection, 'keep-alive')
}

/** Whether a comma-separated field holds a word, in any case; `word` in lower case. */
export function hasWord(value: string, word: string): boolean {
  if (value.length === word.length) return value.toLowerCase() === word
  return (
    value.includes(',') &&
    value
      .toLowerCase()
      .split(',')
      .some((each) => each.trim() === word)
  )
}
