import { statSync } from 'node:fs'
import { filesOf } from './sources.ts'

/** How often the files are looked at; milliseconds. */
const STEP = 250

/**
 * Calls `changed` after any of the files that the words name has changed, and has then held still for a moment. It looks
 * rather than listens: a notification says nothing of a file that is replaced, or mounted into a container.
 */
export function watch(words: readonly string[], changed: () => void): () => void {
  let known = fingerprint(words)
  let pending = known
  const timer = setInterval(() => {
    const present = fingerprint(words)
    if (present !== known && present === pending) {
      known = present
      changed()
    }
    pending = present
  }, STEP)
  return () => clearInterval(timer)
}

function fingerprint(words: readonly string[]): string {
  return words.flatMap(readableFiles).map(fileState).join('\n')
}

function readableFiles(word: string): string[] {
  try {
    return filesOf(word)
  } catch {
    return []
  }
}

/** A file that is gone, or that may not be looked at, has a state too: coming back is a change. */
function fileState(name: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(name)
    return `${name} ${ino} ${size} ${mtimeMs}`
  } catch {
    return name
  }
}
