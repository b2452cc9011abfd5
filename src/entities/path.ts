import { normalizeText } from '../path.ts'
import { compileRegex } from '../pattern.ts'

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

/** What PCRE, Rust's `regex` and JavaScript do not all read, or not all alike. */
const UNSHARED = [
  [/\(\?<?[=!]/, 'look-around is not supported'],
  [/(?<!\\)(?:\\\\)*\\[1-9kg]/, 'a back-reference is not supported'],
  [/(?<!\\)(?:\\\\)*\\[^\W\dbBdDfnrsStvwWx_]/, 'this escape is not supported'],
  [/\[\[?[:.=]\w*[:.=]\]/, 'a named class is not supported'],
] as const

/** Kong's rule for a regular expression of a route, which two engines must have read the same way. */
export function badRegex(source: string): string | undefined {
  const wrong = (why: string) => `invalid regex: '${source}' (${why})`
  for (const [pattern, why] of UNSHARED) {
    const found = pattern.exec(source)
    if (found) return wrong(`${why}: ${found[0]}`)
  }
  try {
    compileRegex(source)
    return undefined
  } catch (error) {
    return wrong((error as Error).message.replace(/^Invalid regular expression: /, ''))
  }
}

function isUriPath(path: string): boolean {
  return /^\/[\w.\-~/%:@!$&'()*+,;=]*$/.test(path)
}

function badPercent(path: string): string | undefined {
  const broken = /%(?![0-9a-f]{2}).?.?/i.exec(path)
  return broken ? `invalid url-encoded value: '${broken[0]}'` : undefined
}
