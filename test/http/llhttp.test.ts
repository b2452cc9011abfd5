import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClientConnection } from '../../src/front/connection.ts'
import { UNTIL_CLOSE } from '../../src/http1/head.ts'
import { UpstreamClient } from '../../src/upstream/client.ts'
import { service } from './service.ts'

const PUBLISHED = join(import.meta.dir, '../../../shared/data/llhttp')

/** A case of llhttp's: bytes, and what its strict parser said of them. */
interface Case {
  readonly name: string
  readonly type: string
  readonly input: string
  readonly log: readonly string[]
}

/** The cases on which we differ, each with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'request/sample: No HTTP version': 'HTTP/0.9 is refused',
  'request/method: CONNECT request': 'a gateway is no tunnel: 405',
  'request/method: CONNECT request with CAPS': 'a gateway is no tunnel: 405',
  'request/method: CONNECT with body': 'a gateway is no tunnel: 405',
  'request/uri: Underscore in hostname': 'a gateway is no tunnel: 405',
  'request/method: M-SEARCH request': 'only OPTIONS may ask for * (RFC 9112 §3.2.4)',
  'request/method: SOURCE request with ICE': 'HTTP is the one protocol here',
  'request/method: OPTIONS request with RTSP': 'HTTP is the one protocol here',
  'request/method: ANNOUNCE request with RTSP': 'HTTP is the one protocol here',
  'request/method: PRI request HTTP2': 'HTTP/2 is refused with 505',
  'request/invalid: HTTP protocol and ANNOUNCE method': 'every token is a method (RFC 9110 §9.1)',
  'request/invalid: Invalid method': 'every token is a method (RFC 9110 §9.1)',
  'request/uri: Fragment in URI': 'a fragment is never sent (RFC 9110 §4.2.5)',
  'request/uri: host:port and basic auth': 'a user in a target is refused (RFC 9110 §4.2.4)',
  'request/transfer-encoding: POST with chunked as last transfer-encoding':
    'a coding that we cannot take off is 501',
  'request/transfer-encoding: POST with chunked as last transfer-encoding (multiple headers)':
    'two Transfer-Encoding fields are refused',
  'response/sample: RTSP response': 'HTTP is the one protocol here',
  'response/sample: ICE response': 'HTTP is the one protocol here',
  'response/sample: HTTP version 0.9': 'HTTP/0.9 is refused',
  'response/sample: Response starting with CRLF': 'an answer begins with its status line',
  'response/connection: HTTP 100 first, then 400':
    'an answer begins with its status line, after an interim one too',
  'response/transfer-encoding: chunked before other transfer-encoding':
    'a coding that we do not know is refused, not read until the end',
  'response/transfer-encoding: multiple transfer-encoding where chunked is not the last one':
    'a coding that we do not know is refused, not read until the end',
  'response/transfer-encoding: chunkedchunked transfer-encoding does not enable chunked enconding':
    'a coding that we do not know is refused, not read until the end',
}

function cases(folder: string): Case[] {
  if (!existsSync(PUBLISHED)) {
    console.log(`skipped: llhttp's ${folder} cases, which are not in ../shared`)
    return []
  }
  return readdirSync(join(PUBLISHED, folder)).flatMap((file) => {
    const text = readFileSync(join(PUBLISHED, folder, file), 'utf8')
    const block =
      /\n#+ ([^\n]*)\n(?:(?!\n#)[^])*?meta=(\{.*?\})[^]*?```http\n([^]*?)\n```[^]*?```log\n([^]*?)```/g
    return [...text.matchAll(block)].map(([, title, meta = '{}', input = '', log = '']) => ({
      name: `${file.replace('.md', '')}: ${title?.replaceAll('`', '')}`,
      type:
        (JSON.parse(meta) as { type: string; skipBody?: boolean }).type +
        (/skipBody/.test(meta) ? ' skipBody' : ''),
      input: unescape(input),
      log: log.trim().split('\n'),
    }))
  })
}

/** How the files write bytes. */
function unescape(input: string): string {
  const bytes: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', f: '\f' }
  return Buffer.from(input, 'utf8')
    .toString('latin1')
    .replace(/\\\n/g, '')
    .replace(/\r?\n/g, '\r\n')
    .replace(/\\x([0-9a-fA-F]{2})|\\([rntf])/g, (_, hex: string | undefined, letter: string) =>
      hex ? String.fromCharCode(Number.parseInt(hex, 16)) : bytes[letter]!,
    )
}

interface Message {
  /** The method, or the status. */
  name: string
  body: number
  isComplete: boolean
}

interface Verdict {
  readonly messages: readonly Message[]
  readonly isRefused: boolean
}

function theirs({ log }: Case): Verdict {
  const messages: Message[] = []
  let isRefused = false
  let method = ''
  for (const line of log) {
    if (line.endsWith('message begin')) messages.push({ name: '', body: 0, isComplete: false })
    const message = messages.at(-1)
    if (!message) continue
    method = /span\[method\]="(.*)"/.exec(line)?.[1] ?? method
    if (line.includes('headers complete')) message.name = /status=(\d+)/.exec(line)?.[1] ?? method
    message.body += Number(/len=(\d+) span\[body\]/.exec(line)?.[1] ?? 0)
    if (line.endsWith('message complete')) message.isComplete = true
    // Code 5 is data after `Connection: close`, 22 and 23 are an upgrade: the parser stops, and nothing was wrong.
    if (/error code=(?!5 |22 |23 )/.test(line)) isRefused = true
  }
  return { messages, isRefused }
}

/** What the front makes of the bytes: every request is answered at once when its body is there. */
function ourRequests({ input }: Case): Verdict {
  const messages: Message[] = []
  let isRefused = false
  const socket = {
    remoteAddress: '127.0.0.1',
    localPort: 0,
    write: (bytes: Uint8Array, _from = 0, length = bytes.length) => length,
    pause() {},
    resume() {},
    shutdown() {},
    terminate() {},
  } as unknown as ConstructorParameters<typeof ClientConnection>[0]
  const connection = new ClientConnection(socket, {
    deadlines: { add() {}, delete() {} } as never,
    isDraining: false,
    refuse: () => void (isRefused = true),
    handle(exchange) {
      const message = { name: exchange.head.method, body: 0, isComplete: false }
      messages.push(message)
      const whole = exchange.bodyAtOnce()
      if (whole) {
        Object.assign(message, { body: whole.length, isComplete: true })
        return exchange.respond(200, '', new Uint8Array(0))
      }
      exchange.pipeBody({
        part(bytes, last) {
          message.body += bytes.length
          message.isComplete = last
          return true
        },
        fail() {},
      })
    },
  })
  // The cases are about framing and name no host, which HTTP/1.1 demands.
  const bytes = input.replace(
    /^(?:[A-Z-]+ \S+ HTTP\/1\.[1-9])\r\n(?!(?:[^\r\n]+\r\n)*host:)/gim,
    '$&Host: a\r\n',
  )
  connection.data(Buffer.from(bytes, 'latin1'))
  // A fault in a field is seen when the head ends, which in some cases it never does.
  if (messages.length === 0 && !isRefused) connection.data(Buffer.from('\r\n\r\n'))
  return { messages, isRefused }
}

const client = new UpstreamClient({ poolSize: 0, idleTimeout: 1, maxRequests: 1 })

/** What the client makes of them as the answer to a GET, after which the server closes. */
async function ourAnswer({ input }: Case): Promise<Verdict> {
  const bytes = input.includes('\r\n\r\n') ? input : `${input}\r\n\r\n`
  using server = await service((wire) => void wire.send(bytes).socket.end())
  const target = { host: '127.0.0.1', port: server.port, tls: undefined, key: '' }
  const connection = await client.connect(target, 1000)
  const timeouts = { connect: 1000, write: 1000, read: 1000 }
  const message = { name: '', body: 0, isComplete: false }
  return await new Promise((resolve) => {
    const head = 'GET / HTTP/1.1\r\n\r\n'
    connection.begin('GET', head, undefined, true, timeouts, {
      head(head) {
        message.name = String(head.status)
        // That it ends with the connection, llhttp is not told.
        message.isComplete = head.length !== UNTIL_CLOSE
      },
      data(part, last) {
        message.body += part.length
        if (last) resolve({ messages: [message], isRefused: false })
        return true
      },
      drain() {},
      fail: ({ code }) =>
        resolve({
          messages: [{ ...message, isComplete: false }],
          isRefused: code === 'invalid_response',
        }),
    })
  })
}

/** What can be compared: of requests all, of answers the final one, of what was refused that it was. */
function comparable({ messages, isRefused }: Verdict, isAnswer: boolean): unknown {
  if (!isAnswer) {
    const complete = messages.filter(({ isComplete }) => isComplete)
    return {
      isRefused,
      messages: isRefused ? complete : messages.filter(({ name }) => name !== ''),
    }
  }
  if (isRefused) return { isRefused }
  const final = messages.find(({ name }) => !/^1(?!01)/.test(name))
  // After 101 it is no longer HTTP.
  return { ...final, ...(final?.name === '101' && { body: 0 }) }
}

for (const folder of ['request', 'response']) {
  const isAnswer = folder === 'response'
  const all = cases(folder)
  // Lenient parsing, and a parser that is told to skip bodies, are modes that we do not have.
  const [left, run] = [
    all.filter(({ type }) => type !== folder),
    all.filter(({ type }) => type === folder),
  ]
  const different = run.filter(({ name }) => `${folder}/${name}` in DIFFERENT).length
  if (all.length > 0) {
    console.log(
      `llhttp's ${folder} cases: ${run.length} run, ${different} of them differ by intent, ${left.length} left`,
    )
  }
  test.each(run.map((each) => [each.name, each] as const))(`${folder}, %s`, async (name, each) => {
    const ours = comparable(isAnswer ? await ourAnswer(each) : ourRequests(each), isAnswer)
    const wanted = expect(ours)
    if (`${folder}/${name}` in DIFFERENT) wanted.not.toEqual(comparable(theirs(each), isAnswer))
    else wanted.toEqual(comparable(theirs(each), isAnswer))
  })
}
