/** Kong's rule for a header's name in a configuration; gives the message if `name` is none. */
export function badHeaderName(name: string): string | undefined {
  if (/^[a-zA-Z0-9_-]+$/.test(name)) return undefined
  return `bad header name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}
