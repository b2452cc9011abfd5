import { HeaderField, HeaderList } from '../headers.ts'
import { BadMessage, endOfLine, endOfToken, MAX_LINE, tooLarge } from './grammar.ts'

/** What is remembered of a message, at most; an idle connection keeps it. Bytes and fields that hardly any head goes above. */
const REMEMBERED_BYTES = 8 * 1024
const REMEMBERED_FIELDS = 64

/** More fields than anybody sends; thousands of tiny ones would cost more than their bytes. */
const MAX_FIELDS = 1000

/** All but TAB, which a value may hold, and CR and LF, which end lines (RFC 9110 §5.5). */
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/

/**
 * Reads the header fields of one connection's messages. These are much alike, which HPACK lives by as well: a line that
 * stands where it stood in the message before, letter for letter, is not taken apart again.
 */
export class FieldReader {
  #before: readonly HeaderField[] = []

  /** Reads the lines of `text` from `start` to its end, each with its CRLF. Throws `BadMessage`. */
  read(text: string, start: number): HeaderList {
    const before = this.#before
    const fields: HeaderField[] = []
    let isNew = false
    let at = start
    while (at < text.length) {
      const same = before[fields.length]
      if (same !== undefined && text.startsWith(same.line, at)) {
        fields.push(same)
        at += same.line.length
        continue
      }
      // One look through the whole head costs less than one for each value.
      if (!isNew && CONTROL.test(text)) throw new BadMessage('control character in the head')
      isNew = true
      if (fields.length === MAX_FIELDS) throw tooLarge()
      const lineEnd = endOfLine(text, at)
      fields.push(readField(text, at, lineEnd))
      at = lineEnd + 2
    }
    if (isNew) this.#remember(fields, text.length)
    return new HeaderList(fields)
  }

  /** A copy, because the list is its owner's to change. */
  #remember(fields: readonly HeaderField[], bytes: number): void {
    const isSmall = bytes <= REMEMBERED_BYTES && fields.length <= REMEMBERED_FIELDS
    this.#before = isSmall ? fields.slice() : []
  }
}

function readField(text: string, start: number, lineEnd: number): HeaderField {
  if (lineEnd - start > MAX_LINE && !isCookie(text, start)) throw tooLarge()
  const nameEnd = endOfToken(text, start)
  if (nameEnd === start || text.charCodeAt(nameEnd) !== 0x3a)
    throw new BadMessage('malformed header field')
  let from = nameEnd + 1
  let to = lineEnd
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  const name = text.substring(start, nameEnd)
  const isPlain = from === nameEnd + 2 && to === lineEnd && text.charCodeAt(nameEnd + 1) === 0x20
  const line = isPlain ? text.substring(start, lineEnd + 2) : undefined
  return new HeaderField(name, text.substring(from, to), line)
}

/** A browser sends all its cookies in one line; those of a session alone may be more than other lines. The head bounds it. */
function isCookie(text: string, start: number): boolean {
  return text.substring(start, start + 7).toLowerCase() === 'cookie:'
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x09
}
