const RESERVED = "!*'();:@&=+$,/?%#[]"

/**
 * Brings a path to the form in which paths are compared, as Kong does: what is percent-encoded without need is
 * decoded (as UTF-8), dot segments are resolved, slashes that follow each other become one.
 */
export function normalizePath(path: string): string {
  const decoded = path.includes('%') ? decode(path) : path
  if (!decoded.includes('.') && !decoded.includes('//')) return decoded
  const segments: string[] = []
  for (const segment of decoded.split('/').slice(1)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(segment)
  }
  const slash = segments.length > 0 && /\/(?:\.\.?)?$/.test(decoded) ? '/' : ''
  return `/${segments.join('/')}${slash}`
}

function decode(path: string): string {
  const bytes = Buffer.from(path, 'utf8').toString('latin1')
  const decoded = bytes.replace(/%([0-9a-f]{2})/gi, (triplet: string, hex: string) => {
    const char = String.fromCharCode(parseInt(hex, 16))
    return RESERVED.includes(char) ? triplet.toUpperCase() : char
  })
  return Buffer.from(decoded, 'latin1').toString('utf8')
}

/** Kong's rule for the path of a service. */
export function badServicePath(path: string): string | undefined {
  if (!path.startsWith('/')) return 'should start with: /'
  if (path.includes('//')) return 'must not have empty segments'
  if (!isUriPath(path))
    return `invalid path: '${path}' (characters outside of the reserved list of RFC 3986 found)`
  return badPercent(path)
}

/** Kong's rule for a path of a route: a normalised prefix, or `~` and a regular expression. */
export function badRoutePath(path: string): string | undefined {
  if (!/^~?\//.test(path)) return 'should start with: / (fixed path) or ~/ (regex path)'
  if (path.includes('//')) return 'must not have empty segments'
  if (path.startsWith('~')) return badRegex(path.slice(1))
  const percent = isUriPath(path) ? badPercent(path) : undefined
  if (percent) return percent
  const normal = normalizePath(path)
  return path === normal ? undefined : `non-normalized path, consider use '${normal}' instead`
}

/**
 * Compiles the regular expression of a route: what PCRE and Rust's `regex` have in common, anchored at the start.
 * Throws a SyntaxError for what one of them refuses.
 */
function compileRegex(source: string): RegExp {
  const refused = /\(\?(?:<?[=!])/.exec(source) ?? /(?<!\\)(?:\\\\)*\\[1-9kgG]/.exec(source)
  if (refused)
    throw new SyntaxError(`look-around and back-references are not supported: ${refused[0]}`)
  const [, flags = '', rest = source] = /^\(\?([is]+)\)(.*)$/s.exec(source) ?? []
  return new RegExp(`^(?:${rest.replaceAll('(?P<', '(?<')})`, flags)
}

function badRegex(source: string): string | undefined {
  try {
    compileRegex(source)
    return undefined
  } catch (error) {
    const cause = (error as Error).message.replace(/^Invalid regular expression: /, '')
    return `invalid regex: '${source}' (${cause})`
  }
}

function isUriPath(path: string): boolean {
  return /^\/[\w.\-~/%:@!$&'()*+,;=]*$/.test(path)
}

function badPercent(path: string): string | undefined {
  const broken = /%(?![0-9a-f]{2}).?.?/i.exec(path)
  return broken ? `invalid url-encoded value: '${broken[0]}'` : undefined
}
