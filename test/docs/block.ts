/** A fenced block of a Markdown file. */
export interface Block {
  /** `README.md:12`, the line of the opening fence. */
  readonly place: string
  /** The first word after the fence: `sh`, `console`, `yaml` … */
  readonly language: string
  /** The words after the language, which say how the block is run; readers are not shown them. */
  readonly words: readonly string[]
  readonly text: string
}

/** The fenced blocks of a Markdown text, in their order. Throws for a fence that is not closed. */
export function blocksOf(name: string, markdown: string): Block[] {
  const blocks: Block[] = []
  const lines = markdown.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const [, fence, info] = /^(`{3,}) *(.*)$/.exec(lines[i]!) ?? []
    if (fence === undefined) continue
    const end = lines.findIndex((line, at) => at > i && line === fence)
    if (end < 0) throw new Error(`${name}:${i + 1}: the block is not closed`)
    const [language = '', ...words] = info!.trim().split(/\s+/)
    const text = `${lines.slice(i + 1, end).join('\n')}\n`
    blocks.push({ place: `${name}:${i + 1}`, language, words, text })
    i = end
  }
  return blocks
}

/** A command of a `console` block, and what it is said to print. */
export interface Example {
  readonly command: string
  readonly output: string
}

/** The commands after `$ ` and the lines below each. A command goes on over lines that end in a backslash. */
export function examplesOf({ place, text }: Block): Example[] {
  const lines = text.trimEnd().split('\n')
  if (!lines[0]!.startsWith('$ ')) throw new Error(`${place}: expected a command after "$ "`)
  const examples: { command: string; output: string[] }[] = []
  for (let i = 0; i < lines.length; i++) {
    if (!lines[i]!.startsWith('$ ')) {
      examples.at(-1)!.output.push(lines[i]!)
      continue
    }
    let command = lines[i]!.slice(2)
    while (command.endsWith('\\')) command += `\n${lines[++i]}`
    examples.push({ command, output: [] })
  }
  return examples.map(({ command, output }) => ({ command, output: output.join('\n') }))
}

/** What differs from one run to the next, and the name that stands for it on both sides of a comparison. */
const VOLATILE: readonly (readonly [RegExp, string])[] = [
  [/\b(Date: ).*/gi, '$1<date>'],
  [/\b(X-Kong-\w+-Latency: )\d+/gi, '$1<ms>'],
  [/\b[0-9a-f]{32}\b/g, '<id>'],
  [/\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d/g, '<time>'],
  [/\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d/g, '<time>'],
  [/\b\d+ ms\b/g, '<ms> ms'],
  [/\b(localhost|127\.0\.0\.1):\d+/g, '$1:<port>'],
  [/\b(Content-Length: )\d+/gi, '$1<length>'],
]

/** Whether a program printed what the block shows. In the block `…` stands for any text, line ends included. */
export function agrees(shown: string, printed: string): boolean {
  const mask = (text: string) =>
    VOLATILE.reduce((masked, [pattern, name]) => masked.replace(pattern, name), text)
  const parts = mask(shown.trimEnd())
    .split('…')
    .map((part) => RegExp.escape(part))
  return new RegExp(`^${parts.join('[^]*')}$`).test(mask(plain(printed)))
}

function plain(text: string): string {
  return text.replaceAll('\r', '').trimEnd()
}
