import type { X509Certificate } from 'node:crypto'

/** What a certificate calls the one who holds it. */
export interface Names {
  /** The names by which a consumer is looked up, in order. */
  readonly subjects: readonly string[]
  /** The alternative names; nothing if the certificate has none. */
  readonly alternative: readonly string[]
  /** Nothing if there is none, or more than one. */
  readonly commonName: string | undefined
  /** RFC 4514, in ASCII, as nginx writes it; empty if the certificate has no name. */
  readonly distinguishedName: string
}

/** `matcher` picks among the attributes of directory names; all of them count if it is empty. */
export function namesOf(certificate: X509Certificate, matcher: readonly string[]): Names {
  const { subjectAltName } = certificate
  const alternative = subjectAltName === undefined ? [] : alternativeNames(subjectAltName, matcher)
  const commonName = commonNameOf(certificate)
  // RFC 6125 §6.4.4, and Kong: the common name only where there are no alternative names at all.
  const fallback = subjectAltName === undefined && commonName !== undefined ? [commonName] : []
  return {
    subjects: [...alternative, ...fallback],
    alternative,
    commonName,
    distinguishedName: distinguishedNameOf(certificate),
  }
}

/** As `node:crypto` prints them: a name that holds what could begin another is a text of JSON. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y
const NAMES = new Set(['DNS', 'email', 'URI', 'IP Address'])

function alternativeNames(text: string, matcher: readonly string[]): string[] {
  const names: string[] = []
  const wanted = new Set(matcher.map(shortName))
  ALTERNATIVE.lastIndex = 0
  while (ALTERNATIVE.lastIndex < text.length) {
    const match = ALTERNATIVE.exec(text)
    // Nobody knows then which of it is a name.
    if (!match) return []
    const [, kind, written] = match as unknown as [string, string, string]
    const value = valueOf(written)
    if (value === undefined) continue
    if (NAMES.has(kind)) names.push(value)
    else if (kind === 'DirName') names.push(...attributesOf(value, wanted))
  }
  return names
}

/** Nothing if the text is not UTF-8, whose bytes it holds as characters. */
function valueOf(written: string): string | undefined {
  if (!written.startsWith('"')) return written
  try {
    const bytes = Buffer.from(JSON.parse(written) as string, 'latin1')
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The values in a name of RFC 4514, in the order of the certificate. */
function attributesOf(name: string, wanted: ReadonlySet<string>): string[] {
  const attributes = name.match(/(?:[^\\,+]|\\.)+/gs) ?? []
  return attributes.reverse().flatMap((attribute) => {
    const [, type, value] = /^([\w.-]+)=([^#].*)$/s.exec(attribute) ?? []
    if (type === undefined || value === undefined) return []
    return wanted.size === 0 || wanted.has(shortName(type)) ? [unescaped(value)] : []
  })
}

function unescaped(value: string): string {
  return value.replace(/\\(?:([\da-f]{2})|(.))/gis, (_, hex: string | undefined, char: string) =>
    hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** OpenSSL's short and long names of the attributes of RFC 4519 and their OIDs. */
// prettier-ignore
const ATTRIBUTES = [
  ['CN', 'commonName', '2.5.4.3'], ['SN', 'surname', '2.5.4.4'], ['serialNumber', 'serialNumber', '2.5.4.5'],
  ['C', 'countryName', '2.5.4.6'], ['L', 'localityName', '2.5.4.7'], ['ST', 'stateOrProvinceName', '2.5.4.8'],
  ['street', 'streetAddress', '2.5.4.9'], ['O', 'organizationName', '2.5.4.10'],
  ['OU', 'organizationalUnitName', '2.5.4.11'], ['title', 'title', '2.5.4.12'], ['name', 'name', '2.5.4.41'],
  ['GN', 'givenName', '2.5.4.42'], ['initials', 'initials', '2.5.4.43'],
  ['generationQualifier', 'generationQualifier', '2.5.4.44'], ['dnQualifier', 'dnQualifier', '2.5.4.46'],
  ['pseudonym', 'pseudonym', '2.5.4.65'], ['emailAddress', 'emailAddress', '1.2.840.113549.1.9.1'],
  ['UID', 'userId', '0.9.2342.19200300.100.1.1'], ['DC', 'domainComponent', '0.9.2342.19200300.100.1.25'],
] as const
const SHORT = new Map(
  ATTRIBUTES.flatMap((names) => names.map((name): [string, string] => [name, names[0]])),
)

function shortName(name: string): string {
  return SHORT.get(name) ?? name
}

function commonNameOf(certificate: X509Certificate): string | undefined {
  const subject: { readonly CN?: unknown } | undefined = certificate.toLegacyObject().subject
  const name = subject?.CN
  // Several are a list.
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** `node:crypto` has a line for each part, with what could be mistaken for another escaped. */
function distinguishedNameOf({ subject }: X509Certificate): string {
  const parts = (subject ?? '').split('\n').reverse()
  return parts
    .map((part) => part.replaceAll(' + ', '+'))
    .join(',')
    .replace(/[^\x20-\x7e]+/g, (text) =>
      [...Buffer.from(text)]
        .map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    )
}
