import type { X509Certificate } from 'node:crypto'

// What `node:crypto` does not tell of a certificate. Nothing is parsed: DER has one way to write a thing, so its bytes are
// looked for, and whatever does not look as expected is refused.

/** After the OID of an extension that must not be ignored: TRUE, and the mark of its value. */
const CRITICAL = Buffer.from('0101ff04', 'hex')
/** RFC 5280: key usage, subject alternative name, basic constraints, extended key usage. */
const UNDERSTOOD = ['0603551d0f', '0603551d11', '0603551d13', '0603551d25']
const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex')
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex')

/** Whether a certificate has conditions that are not checked here. */
export function hasUncheckedConditions({ raw }: X509Certificate): boolean {
  for (let at = raw.indexOf(CRITICAL); at >= 0; at = raw.indexOf(CRITICAL, at + 1)) {
    if (!UNDERSTOOD.includes(raw.toString('hex', at - 5, at))) return true
  }
  return raw.includes(NAME_CONSTRAINTS)
}

/** How many authorities may stand between this one and a client's certificate; none at all may if it cannot be told. */
export function pathLength({ raw }: X509Certificate): number {
  const at = raw.indexOf(BASIC_CONSTRAINTS)
  if (at < 0 || raw.includes(BASIC_CONSTRAINTS, at + 1)) return 0
  const [, limit] = /^(?:0101ff)?04(?:0530030101ff|0830060101ff0201([0-7].))/.exec(
    raw.toString('hex', at + BASIC_CONSTRAINTS.length, at + BASIC_CONSTRAINTS.length + 13),
  ) ?? [undefined, '00']
  return limit === undefined ? Infinity : Number.parseInt(limit, 16)
}
