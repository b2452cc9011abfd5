import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../e2e/until.ts'

/** Where Chromium is; nothing, and a printed reason, where there is none. */
export const chromium = find()

function find(): string | undefined {
  const found = ['chromium', 'chromium-browser', 'google-chrome']
    .map((name) => Bun.which(name))
    .find((path) => path !== null)
  if (found === undefined) console.log('skipped: every test with a browser: there is no chromium')
  return found
}

/** A message of the DevTools protocol. */
interface Message {
  readonly id?: number
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

export interface Cookie {
  readonly name: string
  readonly value: string
  readonly domain: string
  readonly path: string
  readonly httpOnly: boolean
  readonly secure: boolean
}

/** A real browser with a profile of its own, which ends with it. */
export class Chromium implements AsyncDisposable {
  readonly #child: Bun.Subprocess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: Message) => void>()
  #count = 0

  private constructor(child: Bun.Subprocess, profile: string, socket: WebSocket) {
    this.#child = child
    this.#profile = profile
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as Message
      if (message.id !== undefined) this.#waiting.get(message.id)?.(message)
    })
  }

  static async start(): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), 'chromium-'))
    const words = [
      '--headless=new',
      '--remote-debugging-port=0',
      // It opens nothing but what the tests have started.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-background-networking',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--no-first-run',
      '--no-proxy-server',
      `--user-data-dir=${profile}`,
      'about:blank',
    ]
    const child = Bun.spawn([chromium!, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    void (async () => {
      const decoder = new TextDecoder()
      for await (const bytes of child.stderr) said += decoder.decode(bytes, { stream: true })
    })()
    try {
      const address = await until(
        'the address of Chromium',
        () => /DevTools listening on (ws:\S+)/.exec(said)?.[1],
        30_000,
      )
      const socket = new WebSocket(address)
      await new Promise((resolve, reject) => {
        socket.addEventListener('open', resolve)
        socket.addEventListener('error', reject)
      })
      return new Chromium(child, profile, socket)
    } catch (error) {
      child.kill('SIGKILL')
      await child.exited
      rmSync(profile, { recursive: true, force: true })
      throw new Error(`Chromium did not start: ${(error as Error).message}\n${said}`)
    }
  }

  /** Opens a tab in a window whose cookies nobody else has. */
  async openWindow(): Promise<Window> {
    const { browserContextId } = await this.send('Target.createBrowserContext', {})
    return new Window(this, String(browserContextId))
  }

  /** One command of the DevTools protocol. */
  async send(
    method: string,
    params: object,
    sessionId?: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#count
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    const { result = {}, error } = await answered
    this.#waiting.delete(id)
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
    this.#child.kill()
    await Promise.race([this.#child.exited, Bun.sleep(5000)])
    this.#child.kill('SIGKILL')
    await this.#child.exited
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Tabs that share their cookies. */
export class Window {
  readonly #chromium: Chromium
  readonly #browserContextId: string

  constructor(chromium: Chromium, browserContextId: string) {
    this.#chromium = chromium
    this.#browserContextId = browserContextId
  }

  async openTab(): Promise<Tab> {
    const { targetId } = await this.#chromium.send('Target.createTarget', {
      url: 'about:blank',
      browserContextId: this.#browserContextId,
    })
    const { sessionId } = await this.#chromium.send('Target.attachToTarget', {
      targetId,
      flatten: true,
    })
    return new Tab(this.#chromium, String(sessionId))
  }

  async cookies(): Promise<readonly Cookie[]> {
    const { cookies } = await this.#chromium.send('Storage.getCookies', {
      browserContextId: this.#browserContextId,
    })
    return cookies as readonly Cookie[]
  }
}

export class Tab {
  readonly #chromium: Chromium
  readonly #sessionId: string

  constructor(chromium: Chromium, sessionId: string) {
    this.#chromium = chromium
    this.#sessionId = sessionId
  }

  /** Goes to an address, as somebody does who types it, and waits for the page that it leads to. */
  async open(url: string): Promise<string> {
    // Two loads of one address cannot be told apart by their addresses.
    await this.evaluate('window.before = true')
    const { errorText } = await this.#chromium.send('Page.navigate', { url }, this.#sessionId)
    if (errorText !== undefined && errorText !== 'net::ERR_ABORTED')
      throw new Error(`${url}: ${errorText}`)
    if (!url.includes('#')) await this.#until('a new page', '!window.before')
    return this.url()
  }

  /** Loads the page again. */
  async reload(): Promise<string> {
    await this.evaluate('window.before = true')
    await this.#chromium.send('Page.reload', {}, this.#sessionId)
    await this.#until('a new page', '!window.before')
    return this.url()
  }

  /** Fills in the form of a page by the ids of its fields, sends it, and waits for the page that it leads to. */
  async submit(fields: Readonly<Record<string, string>>, button: string): Promise<string> {
    for (const [id, value] of Object.entries(fields))
      await this.evaluate(
        `document.getElementById(${JSON.stringify(id)}).value = ${JSON.stringify(value)}`,
      )
    await this.evaluate('window.before = true')
    await this.evaluate(`document.querySelector(${JSON.stringify(button)}).click()`)
    await this.#until('a new page', '!window.before')
    return this.url()
  }

  /** Waits until the page is at an address. */
  async at(pattern: RegExp): Promise<string> {
    try {
      await this.#until(`a page at ${pattern}`, `${pattern}.test(location.href)`)
    } catch (error) {
      throw new Error(`${(error as Error).message}; it is at ${await this.url()}`)
    }
    return this.url()
  }

  url(): Promise<string> {
    return this.evaluate('location.href')
  }

  text(): Promise<string> {
    return this.evaluate('document.body?.innerText ?? ""')
  }

  /** What a script in the page gives, which may be a promise. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#chromium.send(
      'Runtime.evaluate',
      { expression, returnByValue: true, awaitPromise: true },
      this.#sessionId,
    )
    if (exceptionDetails)
      throw new Error(`${expression}: ${JSON.stringify(exceptionDetails).slice(0, 500)}`)
    return (result as { value: T }).value
  }

  /** Waits until the page that is there, and is whole, fulfils a condition. */
  async #until(what: string, condition: string): Promise<void> {
    await until(
      what,
      // Between two pages there is none.
      () =>
        this.evaluate<boolean>(
          `document.readyState === 'complete' && location.href !== 'about:blank' && (${condition})`,
        ).catch(() => false),
      20_000,
    )
  }
}
