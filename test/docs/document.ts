import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { executable } from '../e2e/executable.ts'
import { until } from '../e2e/until.ts'
import { Visitor } from '../keycloak/visitor.ts'
import { agrees, type Block, blocksOf, examplesOf } from './block.ts'
import { missing, Substitutes } from './substitutes.ts'
import { type Running, Terminal } from './terminal.ts'

const root = join(import.meta.dir, '..', '..')
const TIMEOUT = 300_000

/** What the readers of a document have already, when it begins. */
export interface Beginning {
  /** A provider that runs, in place of the one at `localhost:8080`; its port. */
  readonly provider: number
  /** What they have done in their terminal, after `gatehouse` was put there. */
  readonly script: string
}

/**
 * Follows a document: runs every fenced block in its order, in one folder.
 *
 * | the fence | what is done |
 * | --- | --- |
 * | `sh` | the commands are run and must succeed |
 * | `sh server 8000` | the last command goes on; the next block waits until that port answers |
 * | `sh docker`, `sh keycloak` | as the others, where the machine has it; else skipped by name, with the reason |
 * | `console` | the commands after `$ ` are run and must print what stands below them |
 * | `yaml kong.yaml` | the file is written |
 * | `text` | a picture: nothing |
 * | `text browser 8000` | the address is opened in a browser, whose user logs in as alex if asked to; it ends at that port |
 */
export function follow(name: string, beginning?: Beginning): void {
  const blocks = blocksOf(name, readFileSync(join(root, name), 'utf8'))
  describe(name, () => {
    let follower: Follower
    beforeAll(async () => {
      follower = await Follower.start(blocks, beginning)
    }, TIMEOUT)
    afterAll(async () => {
      await follower?.[Symbol.asyncDispose]()
    }, TIMEOUT)

    for (const block of blocks) {
      const reason = block.words.map((word) => missing[word]).find((each) => each !== undefined)
      const title = `${block.place} ${block.text.split('\n', 1)[0]}`
      if (reason !== undefined) console.log(`skipped: ${title}: ${reason}`)
      test.skipIf(reason !== undefined)(title, () => follower.follow(block), TIMEOUT)
    }

    test('Ctrl-C ends what is still running', () => follower.end(), TIMEOUT)
  })
}

class Follower implements AsyncDisposable {
  readonly #substitutes: Substitutes
  readonly #terminal: Terminal
  readonly #visitor = new Visitor()
  readonly #servers: { readonly block: Block; readonly running: Running }[] = []

  private constructor(substitutes: Substitutes, terminal: Terminal) {
    this.#substitutes = substitutes
    this.#terminal = terminal
  }

  static async start(blocks: readonly Block[], beginning?: Beginning): Promise<Follower> {
    const substitutes = await Substitutes.start()
    if (beginning) {
      substitutes.map('8080', String(beginning.provider))
      const terminal = new Terminal(substitutes.env)
      symlinkSync(executable, join(terminal.folder, 'gatehouse'))
      const { code, output } = await terminal.run(substitutes.apply(beginning.script))
      expect(code, output).toBe(0)
      return new Follower(substitutes, terminal)
    }
    const wantsKeycloak = blocks.some(({ words }) => words.includes('keycloak'))
    if (wantsKeycloak && missing.keycloak) await substitutes.replaceKeycloak()
    return new Follower(substitutes, new Terminal(substitutes.env))
  }

  async follow(block: Block): Promise<void> {
    switch (block.language) {
      case 'text':
        return block.words.includes('browser') ? this.#visit(block) : undefined
      case 'console':
        return this.#compare(block)
      case 'sh':
        return block.words.includes('server') ? this.#serve(block) : this.#run(block)
      case 'yaml':
      case 'ini':
        return this.#write(block)
      default:
        throw new Error(`${block.place}: nobody knows how to run "${block.language}"`)
    }
  }

  /** Stops the servers; each must end as one that was asked to. */
  async end(): Promise<void> {
    for (const { block, running } of this.#servers.splice(0).reverse()) {
      await running.stop()
      // 130 is how a shell tells that Ctrl-C ended the command.
      const { code } = running
      expect(code === 130 ? 0 : code, `${block.place}\n${running.output}`).toBe(0)
    }
  }

  async #run({ place, text }: Block): Promise<void> {
    const { code, output } = await this.#terminal.run(this.#substitutes.apply(text))
    expect(code, `${place}\n${output}`).toBe(0)
  }

  async #visit({ place, words, text }: Block): Promise<void> {
    const visitor = this.#visitor
    let page = await visitor.open(this.#substitutes.apply(text.trim()))
    if (/type="password"/.test(page.body))
      page = await visitor.submit(page, { username: 'alex', password: 'doe' })
    // What a script would send for the user.
    if (/document\.forms\[0\]\.submit\(\)/.test(page.body)) page = await visitor.submit(page)
    expect(page.status, `${place}\n${page.body}`).toBe(200)
    const port = words[words.indexOf('browser') + 1]
    expect(page.url.host, place).toBe(this.#substitutes.apply(`localhost:${port}`))
  }

  async #compare(block: Block): Promise<void> {
    for (const { command, output } of examplesOf(block)) {
      // A command that shows a failure fails.
      const { output: printed } = await this.#terminal.run(
        `set +e\n${this.#substitutes.apply(command)}`,
      )
      if (!agrees(this.#substitutes.apply(output), printed))
        expect(printed, `${block.place} $ ${command}`).toBe(output)
    }
  }

  async #serve(block: Block): Promise<void> {
    const port = block.words[block.words.indexOf('server') + 1]
    if (port === undefined) throw new Error(`${block.place}: "server" needs a port`)
    const running = this.#terminal.start(this.#substitutes.apply(block.text))
    this.#servers.push({ block, running })
    const told = () => {
      if (running.code !== null) throw new Error(`it ended with ${running.code}\n${running.output}`)
      return running.output
    }
    if (/quickstart|npm start/.test(block.text)) {
      const [, proxy, provider] = await until(
        `${block.place}: what the quickstart tells`,
        () => /^ +Proxy +\S+:(\d+),[^]*^ +Provider +\S+:(\d+)\//m.exec(told()),
        TIMEOUT,
      )
      this.#substitutes.map('8000', proxy!)
      this.#substitutes.map('8080', provider!)
    } else this.#substitutes.unmap()
    const url = this.#substitutes.apply(`http://localhost:${port}/`)
    await until(
      `${block.place}: ${url} answers`,
      () => told() !== undefined && answers(url),
      TIMEOUT,
    )
  }

  #write({ place, language, words, text }: Block): void {
    const [name] = words
    if (name === undefined) throw new Error(`${place}: ${language} needs the name of a file`)
    const path = join(this.#terminal.folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, this.#substitutes.apply(text))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#terminal[Symbol.asyncDispose]()
    await this.#substitutes[Symbol.asyncDispose]()
  }
}

async function answers(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
  await answer?.arrayBuffer()
  return answer !== undefined
}
