import { wireText } from './path.ts'

/**
 * A regular expression of a route, anchored at the front as Kong does, that matches bytes, one character each. Throws a
 * `SyntaxError` for one that cannot be read.
 */
export function compileRegex(source: string): RegExp {
  const [, flags = '', rest = source] = /^\(\?([is]+)\)(.*)$/s.exec(source) ?? []
  return new RegExp(`^(?:${wireText(rest).replaceAll('(?P<', '(?<')})`, flags)
}
