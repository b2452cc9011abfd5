import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '..', '..')

/** The rows of all tables of a document, below the headings that `pattern` fits, or everywhere. */
export function rowsOf(document: string, pattern = /(?:)/): string[][] {
  const sections = readFileSync(join(root, document), 'utf8').split(/^(?=#)/m)
  const lines = sections.filter((section) => pattern.test(section.split('\n', 1)[0]!)).join('\n')
  const tables = lines.match(/(?:^\|.*\n)+/gm) ?? []
  return tables.flatMap((table) => table.trimEnd().split('\n').slice(2).map(cellsOf))
}

/** What stands in backticks in a text. */
export function codesIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
}

function cellsOf(row: string): string[] {
  return row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim())
}
