import { normalizeText } from '../path.ts'
import { type Dialect, Pattern, PatternError } from '../pattern/pattern.ts'

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
  const normal = normalizeText(path)
  return path === normal ? undefined : `non-normalized path, consider use '${normal}' instead`
}

/** Kong's rule for a regular expression of a route. */
export function badRegex(source: string, dialect: Dialect = 'rust'): string | undefined {
  try {
    new Pattern(source, dialect)
    return undefined
  } catch (error) {
    if (error instanceof PatternError) return `invalid regex: '${source}' (${error.message})`
    throw error
  }
}

function isUriPath(path: string): boolean {
  return /^\/[\w.\-~/%:@!$&'()*+,;=]*$/.test(path)
}

function badPercent(path: string): string | undefined {
  const broken = /%(?![0-9a-f]{2}).?.?/i.exec(path)
  return broken ? `invalid url-encoded value: '${broken[0]}'` : undefined
}
