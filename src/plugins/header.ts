/** Kong's rule for a header's name in a configuration; gives the message if `name` is none. */
export function badHeaderName(name: string): string | undefined {
  if (/^[a-zA-Z0-9_-]+$/.test(name)) return undefined
  return `bad header name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}

/** RFC 9110 §5.1, which allows more than Kong's rule; gives the message if `name` cannot be sent as a header's name. */
export function badFieldName(name: string): string | undefined {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) ? undefined : `'${name}' is not a valid header`
}

/** Gives the message if `value` would end the header that carries it, or cannot be sent at all. */
export function badHeaderValue(value: string): string | undefined {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value) ? undefined : 'expected text of one line'
}
