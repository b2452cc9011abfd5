import { EXPLAIN, signExplain, TRACE } from '../explain_key.ts'
import { Exchange, type ExchangeConnection } from '../front/exchange.ts'
import { PLAIN } from '../front/origin.ts'
import { ConfigurationError, DEFAULT_SETTINGS, startGateway } from '../gateway.ts'
import { FieldReader } from '../http1/field_reader.ts'
import { BadMessage } from '../http1/grammar.ts'
import { parseRequestHead } from '../http1/head.ts'
import { writtenAddress } from '../listen.ts'
import { createLog } from '../log.ts'
import { decodeTrace, linesOf, type TraceRecord } from '../trace_record.ts'
import { UpstreamClient } from '../upstream/client.ts'
import { type Conf, loadConf } from '../conf.ts'
import { readConfiguration } from './configuration.ts'
import { type CurlRequest, readCurl, splitWords } from './explain_curl.ts'
import { help } from './help.ts'
import { reportError, reportFaults } from './report.ts'
import { enabledPlugins, settingsOf } from './settings.ts'
import { readSources, UnreadableFile } from './sources.ts'
import { Usage } from './usage.ts'

/** What stands before the request on the command line. */
interface Options {
  readonly conf: readonly string[]
  readonly at: string | undefined
  readonly client: string
  readonly json: boolean
  readonly send: boolean
  readonly words: readonly string[]
}

/** How long a gateway may take for a request and its plugins; milliseconds. */
const PATIENCE = 60_000

/** Bad usage, or a configuration that cannot be loaded. */
const UNUSABLE = 2

/** `gatehouse explain`: what becomes of one request, step by step; 0 if it passes, 1 if it is refused. */
export async function explain(args: string[]): Promise<number> {
  if (args.includes('--help') && !args.includes('--')) return help()
  const options = readArguments(args)
  const request = requestOf(options.words)
  try {
    const record =
      options.at === undefined
        ? await rehearse(options, request)
        : await ask(options, options.at, request)
    if (typeof record === 'number') return record
    print(record, request, options.json)
    return record.passes ? 0 : 1
  } catch (error) {
    if (error instanceof UnreadableFile) return unusable(reportError(error.help))
    if (error instanceof ConfigurationError) return unusable(reportFaults(error.faults))
    throw error
  }
}

/** What was reported makes no difference here between a file and the command line. */
function unusable(_reported: number): number {
  return UNUSABLE
}

/** Our options end where the request begins: those after it are curl's. */
function readArguments(args: readonly string[]): Options {
  const conf: string[] = []
  const rest = [...args]
  let at: string | undefined
  let client = '127.0.0.1'
  let [json, send] = [false, false]
  while (rest.length > 0) {
    const [word = ''] = rest
    const [, name = word, given] = /^(--[\w-]+)=(.*)$/s.exec(word) ?? []
    if (!word.startsWith('-')) break
    rest.shift()
    if (word === '--') break
    const value = () => {
      const next = given ?? rest.shift()
      if (next === undefined) throw new Usage(`explain: ${name} needs a value`)
      return next
    }
    if (name === '-c' || name === '--conf') conf.push(value())
    else if (name === '--at') at = value()
    else if (name === '--client') client = value()
    else if (name === '--json') json = true
    else if (name === '--send') send = true
    else throw new Usage(`explain: unknown option ${name}; write the request behind --`)
  }
  return { conf, at, client, json, send, words: rest }
}

/** The request as a curl line in one word or in many, or as `[method] url` with curl's options. */
function requestOf(words: readonly string[]): CurlRequest {
  const given = words.length === 1 && words[0] === '-' ? [readSources(['-'])[0]!.text] : words
  const isLine = given.length === 1 && /\s/.test(given[0]!.trim())
  const split = isLine ? splitWords(given[0]!, process.env) : given
  const [first = '', ...others] = split[0] === '$' ? split.slice(1) : split
  if (first === 'curl' || first === 'curl.exe') return readCurl(others)
  if (/^[A-Z]+$/.test(first)) return readCurl(['-X', first, ...others])
  return readCurl(first === '' ? [] : [first, ...others])
}

function headOf(
  { method, target, headers, body }: CurlRequest,
  more: readonly string[] = [],
): string {
  // Text is sent in its bytes, as a terminal has them.
  const wire = (text: string) => Buffer.from(text).toString('latin1')
  const sent = headers.filter(([name]) => name.toLowerCase() !== 'content-length')
  const fields = sent.map(([name, value]) => `${wire(name)}: ${wire(value)}\r\n`)
  const length = body ? [`Content-Length: ${body.length}\r\n`] : []
  return `${method} ${wire(target)} HTTP/1.1\r\n${[...fields, ...length, ...more].join('')}`
}

/** Tries the request on a gateway of its own, without any listener. */
async function rehearse(options: Options, request: CurlRequest): Promise<TraceRecord | number> {
  const configuration = readConfiguration(options.conf, process.env)
  if ('faults' in configuration) return unusable(reportFaults(configuration.faults))
  const { conf, files } = configuration
  let head
  const text = headOf(request)
  try {
    head = parseRequestHead(text, new FieldReader())
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error
    return notHttp(error)
  }
  const gateway = await startGateway({
    files,
    env: process.env,
    listen: [],
    log: createLog('error', () => {}),
    settings: { ...settingsOf(conf, process.env), explain_key: undefined, traces_to_log: false },
    plugins: enabledPlugins(conf.plugins, conf.untrusted_lua),
    isRehearsal: true,
  })
  try {
    const { promise, resolve } = Promise.withResolvers<void>()
    const connection = connectionOf(request, options.client, resolve)
    const exchange = new Exchange(connection, head, text.length + 2)
    if (request.body) exchange.receive(request.body, 0)
    const trace = gateway.explain(exchange, !options.send)
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, PATIENCE)
    await Promise.race([promise, late.promise])
    clearTimeout(timer)
    const { record } = trace
    return { ...record, steps: withListener(record, conf, request) }
  } finally {
    await gateway.stop(0)
  }
}

/** What a listener answers before there is a request. */
function notHttp({ message, status }: BadMessage): TraceRecord {
  const text = `${status} by the gateway: ${message}`
  return {
    request_id: '',
    passes: false,
    status,
    conclusion: `REFUSED with ${status} by the gateway before any route was looked for: ${message}.`,
    steps: [{ step: 'refused', text }],
  }
}

/** A client's connection that nobody is at the other end of. */
function connectionOf({ url }: CurlRequest, client: string, done: () => void): ExchangeConnection {
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const port = Number(url.port) || (scheme === 'https' ? 443 : 80)
  const isName = !/^[\d.]+$|:/.test(url.hostname)
  const serverName = scheme === 'https' && isName ? url.hostname.toLowerCase() : undefined
  return {
    remoteAddress: client,
    remotePort: 50_000,
    localAddress: '127.0.0.1',
    localPort: port,
    origin: { ...PLAIN, scheme, serverName },
    bytesWritten: 0,
    isDraining: false,
    send: () => true,
    pauseReading() {},
    resumeReading() {},
    takeAhead: () => undefined,
    finished: done,
    abort: done,
  }
}

/** The request's step, with the listener that would take it. */
function withListener(
  { steps }: TraceRecord,
  { proxy_listen, port_maps }: Conf,
  { url }: CurlRequest,
) {
  const ssl = url.protocol === 'https:'
  const port = Number(url.port) || (ssl ? 443 : 80)
  const isOurs = proxy_listen.some(
    (each) =>
      (each.port === port || port_maps.get(each.port) === port) && (each.ssl ?? false) === ssl,
  )
  const listeners = proxy_listen.map((each) => `${writtenAddress(each)}${each.ssl ? ' ssl' : ''}`)
  const words = isOurs
    ? []
    : [
        `note: no listener of the gateway has port ${port} for ${ssl ? 'https' : 'http'} (proxy_listen: ${listeners.join(', ')})`,
      ]
  return steps.map((each) =>
    each.step === 'request' ? { ...each, details: [...words, ...(each.details ?? [])] } : each,
  )
}

/** Asks a running gateway, with a signature that makes it tell. */
async function ask(
  options: Options,
  at: string,
  request: CurlRequest,
): Promise<TraceRecord | number> {
  const key = keyOf(options)
  if (typeof key === 'number') return key
  if (key === undefined)
    return unusable(
      reportError('set GATEHOUSE_EXPLAIN_KEY to the key of the gateway that is asked'),
    )
  const base = URL.parse(at)
  if (!base || !/^https?:$/.test(base.protocol))
    throw new Usage(`--at ${at}: expected http://host:port`)
  const { method, target, headers, body } = request
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? ''
  const signed = signExplain(
    key,
    options.send ? 'send' : 'rehearse',
    { method, target, host },
    Date.now(),
  )
  const answer = await send(base, request, signed, body)
  if (typeof answer === 'string') return unusable(reportError(`${at}: ${answer}`))
  const record = decodeTrace(answer.get(TRACE.toLowerCase()) ?? '')
  if (record) return record
  return unusable(
    reportError(
      `the gateway at ${at} tells nothing: its GATEHOUSE_EXPLAIN_KEY is not set or another one, or the clocks are more than a minute apart`,
    ),
  )
}

function keyOf({ conf }: Options): string | undefined | number {
  if (conf.length === 0) {
    const loaded = loadConf({ env: process.env })
    return loaded.faults ? unusable(reportFaults(loaded.faults)) : loaded.conf.explain_key
  }
  const configuration = readConfiguration(conf, process.env)
  if ('faults' in configuration) return unusable(reportFaults(configuration.faults))
  return configuration.conf.explain_key
}

/** The fields of the answer, or why there is none. */
async function send(
  base: URL,
  request: CurlRequest,
  signed: string,
  body: Buffer | undefined,
): Promise<ReadonlyMap<string, string> | string> {
  const ssl = base.protocol === 'https:'
  const host = base.hostname.replace(/^\[|\]$/g, '')
  // The gateway picks the certificate, and maybe the route, by the name of the request, not by its own.
  const tls = ssl
    ? { serverName: request.url.hostname, verify: !request.isInsecure, ca: undefined }
    : undefined
  const port = Number(base.port) || (ssl ? 443 : 80)
  const client = new UpstreamClient(DEFAULT_SETTINGS)
  const { promise, resolve } = Promise.withResolvers<ReadonlyMap<string, string> | string>()
  try {
    const connection = await client.connect({ host, port, tls, key: base.origin }, PATIENCE)
    const head = `${headOf(request, [`${EXPLAIN}: ${signed}\r\n`, 'Connection: close\r\n'])}\r\n`
    const timeouts = { connect: PATIENCE, write: PATIENCE, read: PATIENCE }
    connection.begin(request.method, head, body, true, timeouts, {
      head: ({ headers }) =>
        resolve(new Map([...headers].map(([name, value]) => [name.toLowerCase(), value]))),
      data: () => true,
      drain() {},
      fail: ({ message }) => resolve(message),
    })
    return await promise
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    client.close()
  }
}

function print(record: TraceRecord, { notes }: CurlRequest, json: boolean): void {
  const shown = { ...record, ...(notes.length > 0 && { notes }) }
  const lines = json
    ? [JSON.stringify(shown, undefined, 2)]
    : [...notes.map((note) => `note: ${note}`), ...linesOf(record)]
  process.stdout.write(`${lines.join('\n')}\n`)
}
