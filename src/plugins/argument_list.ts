import { escapeByte } from '../path.ts'
import { Members } from './members.ts'

/** Reads a query or a form as nginx does. All text is bytes, one character each. */
export function readArguments(text: string): Members {
  const found = new Map<string, unknown>()
  for (const piece of text.split('&')) {
    const equals = piece.indexOf('=')
    const name = decode(equals < 0 ? piece : piece.slice(0, equals))
    if (name === '') continue
    const value = equals < 0 ? true : decode(piece.slice(equals + 1))
    found.set(name, found.has(name) ? [found.get(name), value].flat() : value)
  }
  return new Members(found)
}

/** The arguments, each with all its values, in their order or by the alphabet. */
export function writeArguments(members: Members, order: 'as they are' | 'sorted'): string {
  const pieces = [...members.entries()].map(([name, values]) =>
    [values]
      .flat()
      .map((value) => (value === true ? encode(name) : `${encode(name)}=${encode(String(value))}`))
      .join('&'),
  )
  return (order === 'sorted' ? pieces.sort() : pieces).filter((piece) => piece !== '').join('&')
}

function decode(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
}

function encode(bytes: string): string {
  return bytes.replace(/[^A-Za-z0-9\-._~]/g, (char) => escapeByte(char.charCodeAt(0)))
}
