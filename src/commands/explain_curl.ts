import { readFileSync } from 'node:fs'
import { escapeByte } from '../path.ts'
import { Usage } from './usage.ts'

/** A request as a line of curl asks for it. */
export interface CurlRequest {
  readonly method: string
  readonly url: URL
  /** The target as curl would send it: what stands in the URL, not what a browser would make of it. */
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Buffer | undefined
  /** Whether the server's certificate is not checked (`-k`). */
  readonly isInsecure: boolean
  /** What of the line changes nothing here, in words. */
  readonly notes: readonly string[]
}

type Env = Readonly<Record<string, string | undefined>>

/** Takes a line as it was pasted apart into its words, as a shell does. Throws `Usage`. */
export function splitWords(line: string, env: Env): string[] {
  const words: string[] = []
  let word: string | undefined
  let at = 0
  const fail = (what: string): never => {
    throw new Usage(`the curl line cannot be read: ${what}`)
  }
  const variable = (): string => {
    const [all = '', braced, plain] = /^\$(?:\{(\w+)\}|([A-Za-z_]\w*))/.exec(line.slice(at)) ?? []
    const name = braced ?? plain
    if (name === undefined) {
      if (line[at + 1] === '(') fail('commands in $(…) are not run; put in what they print')
      at++
      return '$'
    }
    at += all.length
    return env[name] ?? fail(`the variable ${name} is not set`)
  }
  while (at < line.length) {
    const c = line[at]!
    if (/\s/.test(c)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at++
    } else if (c === '\\') {
      const next = line[at + 1] ?? ''
      // A line that goes on, also as Windows ends it.
      const isBreak = /^\\\r?\n/.exec(line.slice(at))
      if (!isBreak) word = (word ?? '') + next
      at += isBreak ? isBreak[0].length : 2
    } else if (c === "'") {
      const end = line.indexOf("'", at + 1)
      if (end < 0) fail("a ' is not closed")
      word = (word ?? '') + line.slice(at + 1, end)
      at = end + 1
    } else if (c === '$' && line[at + 1] === "'") {
      const [all, inside] = /^\$'((?:[^'\\]|\\[^])*)'/.exec(line.slice(at)) ?? []
      if (all === undefined || inside === undefined) fail("a $' is not closed")
      word = (word ?? '') + unescapeAnsi(inside!)
      at += all!.length
    } else if (c === '"') {
      word ??= ''
      for (at++; line[at] !== '"';) {
        if (at >= line.length) fail('a " is not closed')
        if (line[at] === '\\' && /["\\$`\n]/.test(line[at + 1] ?? '')) {
          if (line[at + 1] !== '\n') word += line[at + 1]
          at += 2
        } else if (line[at] === '$') word += variable()
        else if (line[at] === '`') fail('commands in ` ` are not run; put in what they print')
        else word += line[at++]
      }
      at++
    } else if (c === '$') word = (word ?? '') + variable()
    else if (c === '`') fail('commands in ` ` are not run; put in what they print')
    else if (/[|;<>]/.test(c) || (c === '&' && /^&(?:&|\s|$)/.test(line.slice(at)))) break
    else {
      word = (word ?? '') + c
      at++
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

function unescapeAnsi(text: string): string {
  const letters: Readonly<Record<string, string>> = {
    n: '\n',
    r: '\r',
    t: '\t',
    0: '\0',
    a: '\x07',
    b: '\b',
  }
  return text.replace(/\\(?:x([\da-f]{1,2})|u([\da-f]{1,4})|([^]))/gi, (_, x, u, c: string) =>
    c === undefined ? String.fromCodePoint(Number.parseInt(x ?? u, 16)) : (letters[c] ?? c),
  )
}

/** Options with a value, by their long names, and what curl's letters mean. */
const LETTERS: Readonly<Record<string, string>> = {
  A: 'user-agent',
  b: 'cookie',
  c: 'cookie-jar',
  C: 'continue-at',
  d: 'data',
  D: 'dump-header',
  E: 'cert',
  e: 'referer',
  F: 'form',
  H: 'header',
  K: 'config',
  m: 'max-time',
  o: 'output',
  r: 'range',
  T: 'upload-file',
  u: 'user',
  U: 'proxy-user',
  w: 'write-out',
  x: 'proxy',
  X: 'request',
  y: 'speed-time',
  Y: 'speed-limit',
}
const WITH_VALUE = new Set([
  ...Object.values(LETTERS),
  ...['url', 'url-query', 'json', 'data-raw', 'data-ascii', 'data-binary', 'data-urlencode'],
  ...['oauth2-bearer', 'resolve', 'connect-to', 'cacert', 'capath', 'key', 'pass', 'cert-type'],
  ...[
    'connect-timeout',
    'retry',
    'retry-delay',
    'retry-max-time',
    'interface',
    'ciphers',
    'stderr',
  ],
  ...[
    'unix-socket',
    'limit-rate',
    'max-redirs',
    'trace',
    'trace-ascii',
    'request-target',
    'key-type',
  ],
  ...[
    'tls-max',
    'dns-servers',
    'local-port',
    'noproxy',
    'rate',
    'aws-sigv4',
    'form-string',
    'variable',
  ],
])
/** What would need more of curl than its words. */
const UNFIT = new Set([
  'config',
  'form',
  'form-string',
  'upload-file',
  'aws-sigv4',
  'variable',
  'expand-url',
])
/** What curl's letters without a value mean. */
const FLAGS: Readonly<Record<string, string>> = {
  ...{ 0: 'http1.0', 1: 'tlsv1', 4: 'ipv4', 6: 'ipv6', f: 'fail', g: 'globoff', G: 'get' },
  ...{ i: 'include', I: 'head', k: 'insecure', L: 'location', N: 'no-buffer', O: 'remote-name' },
  ...{ q: 'disable', s: 'silent', S: 'show-error', v: 'verbose', '#': 'progress-bar' },
}
/** Options without a value that change nothing of what is asked. */
const NO_MATTER = new Set([
  ...Object.values(FLAGS),
  ...['http1.1', 'http2', 'http2-prior-knowledge', 'http3', 'tlsv1.0', 'tlsv1.1', 'tlsv1.2'],
  ...['tlsv1.3', 'compressed', 'fail-with-body', 'fail-early', 'basic', 'location-trusted', 'raw'],
  ...['no-progress-meter', 'no-keepalive', 'path-as-is', 'tcp-nodelay', 'remote-header-name'],
  ...['create-dirs', 'retry-all-errors', 'retry-connrefused', 'ssl-reqd', 'parallel', 'no-alpn'],
  ...['styled-output', 'no-styled-output', 'trace-time', 'post301', 'post302', 'post303', 'no-npn'],
])
const UNUSED: Readonly<Record<string, string>> = {
  cert: '--cert is not shown: no TLS connection is made',
  proxy: '--proxy is not used',
  location: '-L: redirects are not followed',
}

/** Reads the words after `curl`. Throws `Usage`. */
export function readCurl(words: readonly string[]): CurlRequest {
  const headers: [string, string][] = []
  const dropped: string[] = []
  const data: Buffer[] = []
  const notes = new Set<string>()
  let method: string | undefined
  let url: string | undefined
  let target: string | undefined
  let query = ''
  let isGet = false
  let isHead = false
  let isInsecure = false
  let isJson = false
  let form = true

  const add = (name: string, value: string) => void headers.push([name, value])
  const apply = (name: string, value: string): void => {
    if (UNFIT.has(name)) throw new Usage(`curl's --${name} is not understood here`)
    if (UNUSED[name] !== undefined) notes.add(UNUSED[name])
    switch (name) {
      case 'request':
        method = value
        break
      case 'url':
        setUrl(value)
        break
      case 'request-target':
        target = value
        break
      case 'header':
        readHeader(value)
        break
      case 'user-agent':
        add('User-Agent', value)
        break
      case 'referer':
        add('Referer', value.replace(/;auto$/, ''))
        break
      case 'cookie':
        if (!value.includes('='))
          throw new Usage(`-b ${value}: a file of cookies is not read; write name=value`)
        add('Cookie', value)
        break
      case 'user':
        add(
          'Authorization',
          `Basic ${Buffer.from(value.includes(':') ? value : `${value}:`).toString('base64')}`,
        )
        break
      case 'oauth2-bearer':
        add('Authorization', `Bearer ${value}`)
        break
      case 'range':
        add('Range', `bytes=${value}`)
        break
      case 'json':
        isJson = true
        form = false
        data.push(readData(value, true))
        break
      case 'data':
      case 'data-ascii':
        addForm(readData(value, false))
        break
      case 'data-raw':
        addForm(Buffer.from(value))
        break
      case 'data-binary':
        addForm(readData(value, true))
        break
      case 'data-urlencode':
        addForm(Buffer.from(urlencoded(value)))
        break
      case 'url-query':
        query += `${query === '' ? '' : '&'}${value.startsWith('+') ? value.slice(1) : urlencoded(value)}`
        break
    }
  }
  const setFlag = (name: string, shown: string): void => {
    if (name === 'get') isGet = true
    else if (name === 'head') isHead = true
    else if (name === 'insecure') isInsecure = true
    else if (UNUSED[name] !== undefined) notes.add(UNUSED[name])
    else if (!NO_MATTER.has(name)) throw new Usage(`curl's option ${shown} is not known here`)
  }
  const addForm = (bytes: Buffer) =>
    void data.push(...(data.length > 0 ? [Buffer.from('&')] : []), bytes)
  const setUrl = (value: string): void => {
    if (url !== undefined)
      throw new Usage(`one request at a time: there are the addresses ${url} and ${value}`)
    url = value
  }
  const readHeader = (value: string): void => {
    if (value.startsWith('@')) throw new Usage(`-H ${value}: a file of headers is not read`)
    const colon = value.indexOf(':')
    if (colon > 0) {
      const text = value.slice(colon + 1).trim()
      if (text === '') dropped.push(value.slice(0, colon).toLowerCase())
      else add(value.slice(0, colon), text)
    } else if (value.endsWith(';')) add(value.slice(0, -1), '')
    else
      throw new Usage(
        `-H ${JSON.stringify(value.split(' ', 1)[0])}: a header is a name, a colon and a value`,
      )
  }

  const rest = [...words]
  while (rest.length > 0) {
    const word = rest.shift()!
    const valueOf = (name: string, given?: string) => {
      const value = given ?? rest.shift()
      if (value === undefined) throw new Usage(`curl's ${word} needs a value`)
      apply(name, value)
    }
    if (word.startsWith('--')) {
      const name = word.slice(2)
      if (WITH_VALUE.has(name)) valueOf(name)
      else setFlag(name, word)
    } else if (word.startsWith('-') && word.length > 1) {
      for (let i = 1; i < word.length; i++) {
        const name = LETTERS[word[i]!]
        if (name !== undefined) {
          valueOf(name, word.slice(i + 1) || undefined)
          break
        }
        setFlag(FLAGS[word[i]!] ?? '', `-${word[i]}`)
      }
    } else setUrl(word)
  }
  if (url === undefined)
    throw new Usage('no address is given: write the request as curl would, with its URL')
  const parsed = readUrl(url)
  const asked = targetOf(url)
  const body = Buffer.concat(data)
  const args = [isGet ? body.toString() : '', query].filter((each) => each !== '').join('&')
  const joined = args === '' ? asked : `${asked}${asked.includes('?') ? '&' : '?'}${args}`
  const hasBody = data.length > 0 && !isGet
  if (hasBody && isJson) {
    setDefault(headers, 'Content-Type', 'application/json')
    setDefault(headers, 'Accept', 'application/json')
  }
  if (hasBody && form) setDefault(headers, 'Content-Type', 'application/x-www-form-urlencoded')
  if (parsed.username !== '' && !headers.some(([name]) => name.toLowerCase() === 'authorization'))
    apply('user', `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`)
  for (const [name, value] of [
    ['Host', parsed.host],
    ['User-Agent', 'curl'],
    ['Accept', '*/*'],
  ] as const)
    setDefault(headers, name, value)
  // What -H sets goes before what an option sets, as in curl.
  const kept = headers.filter(([name]) => !dropped.includes(name.toLowerCase()))
  return {
    method: method ?? (isHead ? 'HEAD' : hasBody ? 'POST' : 'GET'),
    url: parsed,
    target: target ?? joined,
    headers: kept,
    body: hasBody ? body : undefined,
    isInsecure,
    notes: [...notes],
  }
}

function setDefault(headers: [string, string][], name: string, value: string): void {
  if (!headers.some(([each]) => each.toLowerCase() === name.toLowerCase()))
    headers.push([name, value])
}

function readUrl(text: string): URL {
  const parsed = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`)
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new Usage(`${JSON.stringify(text.split('?', 1)[0])} is no address of http or https`)
  return parsed
}

/** Path and query as they were written, without what a browser would resolve; curl resolves dots alone. */
function targetOf(text: string): string {
  const rest = text.replace(/^[a-z]+:\/\//i, '').replace(/#.*$/s, '')
  const from = rest.search(/[/?]/)
  if (from < 0) return '/'
  const target = rest.slice(from).replace(/ /g, '%20')
  return target.startsWith('?') ? `/${target}` : target
}

function readData(value: string, isBinary: boolean): Buffer {
  if (!value.startsWith('@')) return Buffer.from(value)
  const name = value.slice(1)
  try {
    const bytes = readFileSync(name === '-' ? 0 : name)
    return isBinary
      ? bytes
      : Buffer.from(bytes.filter((byte) => byte !== 0x0a && byte !== 0x0d && byte !== 0))
  } catch (error) {
    throw new Usage(`${name}: cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

/** `content`, `=content`, `name=content`, `name@file`. */
function urlencoded(value: string): string {
  const [, name = '', mark, content = value] = /^([^=@]*)([=@])(.*)$/s.exec(value) ?? []
  const text = mark === '@' ? readData(`@${content}`, true).toString() : content
  const encoded = encodeURIComponent(text).replace(/[!'()*]/g, (c) => escapeByte(c.charCodeAt(0)))
  return name === '' ? encoded : `${name}=${encoded}`
}
