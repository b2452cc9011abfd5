/** What `strip_path` and the service's path make of a request's path. */
export interface PathRule {
  /** The service's path; `/` without one. */
  readonly base: string
  readonly strip: boolean
  /** Kong's `path_handling`; `v1` means something only to the router `traditional`. */
  readonly handling?: 'v0' | 'v1' | undefined
}

/**
 * The path that the service is asked for. `base` is the service's, `matched` the part of `path` that the route's path
 * matched.
 */
export function upstreamPath(rule: PathRule, path: string, matched: string): string {
  return rule.handling === 'v1' ? joined(rule, path, matched) : joinedAtSlash(rule, path, matched)
}

/** Kong's `v1`: one behind the other, without a slash in between if neither has it. */
function joined({ base, strip }: PathRule, path: string, matched: string): string {
  if (!strip) return base + withoutSlash(path)
  const rest = withoutDots(path.slice(matched.length || 1))
  return base.endsWith('/') ? base + withoutSlash(rest) : base + rest
}

/** Kong's `v0`: always with one slash in between. */
function joinedAtSlash({ base, strip }: PathRule, path: string, matched: string): string {
  if (path === '/' && !base.endsWith('/')) return base
  if (!strip) return base.endsWith('/') ? base + withoutSlash(path) : base + path
  const rest = withoutDots(path.slice(matched.length || 1))
  if (rest === '') {
    if (base.endsWith('/')) return base === '/' || path.endsWith('/') ? base : base.slice(0, -1)
    return path.endsWith('/') ? `${base}/` : base
  }
  return base.endsWith('/') ? base + withoutSlash(rest) : `${base}/${withoutSlash(rest)}`
}

function withoutSlash(path: string): string {
  return path.startsWith('/') ? path.slice(1) : path
}

/** A stripped prefix may leave `..` or `../x` at the front, which must not climb out of the service's path. */
function withoutDots(rest: string): string {
  return rest.replace(/^(?:\.{1,2}(?:\/|$))+/, '')
}
