/** A running echo. */
export interface Echo {
  readonly port: number
  /** Closes the port and every connection. */
  stop(): Promise<void>
}

/**
 * Starts a stand-in for httpbin on 127.0.0.1 and any free port: `/anything` and all below it answer any method with
 * the request as it arrived. Other paths are 404.
 */
export async function startEcho(): Promise<Echo> {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    development: false,
    // Seconds; longer than a gateway keeps an idle connection, so that it never finds one closed.
    idleTimeout: 255,
    async fetch(request, server) {
      const url = URL.parse(request.url)
      if (!url || !/^\/anything(\/|$)/.test(url.pathname)) {
        return new Response('Not Found\n', { status: 404 })
      }
      const echo = await describe(request, url, server.requestIP(request)?.address ?? '')
      // httpbin's layout: members in order, two spaces, a newline at the end.
      return new Response(`${JSON.stringify(echo, null, 2)}\n`, {
        headers: { 'content-type': 'application/json' },
      })
    },
  })
  // A TCP server always has a port; the type allows for Unix sockets too.
  return { port: server.port ?? 0, stop: () => server.stop(true) }
}

/** What came under one name: a text, or all of them where the name was repeated. */
type Values = Record<string, string | string[]>

interface Body {
  data: string
  files: Values
  form: Values
  json: unknown
}

async function describe(request: Request, url: URL, address: string) {
  const { headers, method } = request
  const { data, files, form, json } = await describeBody(request)
  const proto = headers.get('x-forwarded-proto') ?? 'http'
  const host = headers.get('x-forwarded-host') ?? url.host
  return {
    args: valuesOf(url.searchParams),
    data,
    files,
    form,
    // httpbin hides what its own proxy adds, X-Forwarded-For and the like; here they are what one comes to see.
    headers: sorted([...headers].map(([name, value]) => [titleCase(name), value])),
    json,
    method,
    origin: headers.get('x-forwarded-for') ?? address,
    url: `${proto}://${host}${url.pathname}${url.search}`,
  }
}

async function describeBody(request: Request): Promise<Body> {
  const bytes = await request.bytes()
  const type = request.headers.get('content-type') ?? ''
  if (type.startsWith('application/x-www-form-urlencoded')) {
    const form = valuesOf(new URLSearchParams(new TextDecoder().decode(bytes)))
    return { data: '', files: {}, form, json: null }
  }
  if (type.startsWith('multipart/form-data')) {
    const parts = await parseMultipart(bytes, type)
    if (parts) return { data: '', ...parts, json: null }
  }
  const data = readable(bytes)
  return { data, files: {}, form: {}, json: parseJson(data) }
}

/** The fields and the files' contents of a form; `undefined` if it is malformed. */
async function parseMultipart(bytes: Uint8Array, type: string) {
  try {
    const parts = await new Response(new Blob([bytes]), {
      headers: { 'content-type': type },
    }).formData()
    const form: [string, string][] = []
    const files: [string, string][] = []
    for (const [name, part] of parts) {
      if (typeof part === 'string') form.push([name, part])
      else files.push([name, readable(await part.bytes())])
    }
    return { files: valuesOf(files), form: valuesOf(form) }
  } catch {
    return undefined
  }
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return null
  }
}

/** UTF-8 as text, anything else as httpbin's data URL. */
function readable(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return `data:application/octet-stream;base64,${bytes.toBase64()}`
  }
}

function valuesOf(pairs: Iterable<[string, string]>): Values {
  const values: Values = {}
  for (const [name, value] of pairs) {
    values[name] = Object.hasOwn(values, name) ? [values[name] ?? [], value].flat() : value
  }
  return sorted(Object.entries(values))
}

function sorted<V>(entries: [string, V][]): Record<string, V> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** `x-kong-request-id` → `X-Kong-Request-Id`. */
function titleCase(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}
