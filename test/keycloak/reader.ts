import { Folder } from '../e2e/folder.ts'

/** An answer as `curl` wrote it down. */
export interface Answer {
  readonly status: number
  /** The names in small letters; of a field that is there twice the values, one below the other. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The shell of somebody who follows a page: what is set in it stays, and its home is a folder of its own. */
export class Reader implements Disposable {
  readonly folder = new Folder({ env: '', cwd: '' })
  /** What the last script printed. */
  printed = ''

  constructor() {
    this.folder.write('cwd', this.folder.path)
    this.connect({})
  }

  /** From now on `curl` finds the addresses on the left (`localhost:8000`) where those on the right are. */
  connect(addresses: Readonly<Record<string, string>>): void {
    const lines = Object.entries(addresses).map(([from, to]) => `connect-to = "${from}:${to}"\n`)
    this.folder.write('.curlrc', `silent\nshow-error\n${lines.join('')}`)
  }

  /** Runs a script to its end, with a `uuidgen` where the system has none, and gives what it printed; throws with its complaints if it fails. */
  async run(script: string): Promise<string> {
    const state = this.folder.path
    const text = `source "${state}/env"; cd "$(cat "${state}/cwd")"
trap 'export -p >"${state}/env"; pwd >"${state}/cwd"' EXIT
set -aeuo pipefail
command -v uuidgen >/dev/null || uuidgen() { cat /proc/sys/kernel/random/uuid; }
${script}`
    const shell = Bun.spawn(['bash', '-c', text], {
      env: { PATH: process.env.PATH ?? '', HOME: state, CURL_HOME: state },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [printed, complained] = await Promise.all([shell.stdout.text(), shell.stderr.text()])
    if ((await shell.exited) !== 0) throw new Error(`${script}\n${printed}${complained}`)
    this.printed = printed.trimEnd()
    return this.printed
  }

  /** What the shell makes of a text in double quotes: variables and commands are replaced in it. */
  expand(text: string): Promise<string> {
    return this.run(`printf %s "${text}"`)
  }

  /** The variables that are set; those of the shell's own too. */
  async variables(): Promise<Readonly<Record<string, string>>> {
    const printed = await this.run('env -0')
    const lines = printed.split('\0').filter((line) => line !== '')
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
  }

  async set(name: string, value: string): Promise<void> {
    await this.run(`export ${name}='${value.replaceAll("'", `'\\''`)}'`)
  }

  /** Runs `curl` with words that are quoted already, and gives the answer. */
  async curl(words: readonly string[]): Promise<Answer> {
    const { path } = this.folder
    await this.run(['curl', '-D', `${path}/head`, '-o', `${path}/body`, ...words].join(' '))
    const head = await Bun.file(`${path}/head`).text()
    const [line = '', ...fields] = head.trimEnd().split('\r\n')
    const headers: Record<string, string> = {}
    for (const field of fields) {
      const colon = field.indexOf(':')
      const name = field.slice(0, colon).toLowerCase()
      const value = field.slice(colon + 1).trim()
      headers[name] = name in headers ? `${headers[name]}\n${value}` : value
    }
    const body = await Bun.file(`${path}/body`).text()
    return { status: Number(line.split(' ')[1]), headers, body }
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]()
  }
}

/** In double quotes, in which the shell still replaces variables and commands, as on the page. */
export function quoted(text: string): string {
  return `"${text}"`
}
