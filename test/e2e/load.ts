import { Connection, type Sent } from './client.ts'

/** Requests one after the other on connections that stay, until they are told to stop. */
export class Load implements AsyncDisposable {
  /** How many answers there were, by status; `lost` are requests without one. */
  readonly answers: Record<string, number> = {}
  readonly #workers: Promise<void>[]
  #isOver = false

  constructor(port: number, connections: number, sent: Sent = {}) {
    this.#workers = Array.from({ length: connections }, () => this.#work(port, sent))
  }

  async #work(port: number, sent: Sent): Promise<void> {
    let connection = await Connection.open(port)
    while (!this.#isOver) {
      let result: string
      try {
        const { status, headers } = await connection.request(sent)
        result = String(status)
        // What says so may close; a request that was not yet sent is not lost.
        if (headers.connection === 'close') connection = await reopened(connection, port)
      } catch {
        result = 'lost'
        connection = await reopened(connection, port)
      }
      this.answers[result] = (this.answers[result] ?? 0) + 1
    }
    connection[Symbol.dispose]()
  }

  get total(): number {
    return Object.values(this.answers).reduce((sum, each) => sum + each, 0)
  }

  /** Ends the load after every request has its answer. */
  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#workers)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function reopened(connection: Connection, port: number): Promise<Connection> {
  connection[Symbol.dispose]()
  return Connection.open(port)
}
