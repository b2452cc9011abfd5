import { afterAll, describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { verifyChain } from '../../../src/certificates/chain.ts'
import { hasUncheckedConditions, pathLength } from '../../../src/certificates/extensions.ts'
import type { Certificate } from '../../http/authority.ts'
import { CA, Pki, type Wanted } from '../../http/pki.ts'

const isThere = Bun.which('openssl') !== null
if (!isThere) console.log('skipped: chains of certificates, because there is no openssl here')

const DAY = 24 * 3600 * 1000

describe.skipIf(!isThere)('a chain', () => {
  const pki = new Pki()
  afterAll(() => pki[Symbol.dispose]())
  const read = ({ cert }: Certificate) => new X509Certificate(cert)
  const limited = (length: number) => [
    'keyUsage=keyCertSign',
    `basicConstraints=critical,CA:TRUE,pathlen:${length}`,
  ]

  const root = pki.issue(undefined, { subject: '/CN=Root' })
  const middle = pki.issue(root, { days: 1 })
  const leaf = pki.issue(middle, { extensions: [], days: 4 })
  const rootAuthority = { id: 'root', x509: read(root) }
  const middleAuthority = { id: 'middle', x509: read(middle) }
  const trust = { authorities: [rootAuthority], allowPartialChain: false }

  function verify(
    certificate: Certificate,
    sent: readonly Certificate[],
    now = Date.now(),
    trusted = trust,
  ) {
    return verifyChain(read(certificate), sent.map(read), trusted, now)
  }

  test('is valid while all of it is', () => {
    const chain = verify(leaf, [middle])
    if (typeof chain === 'string') throw new Error(chain)
    expect(chain.authorities).toEqual(['root'])
    expect(chain.validTo).toBe(Date.parse(read(middle).validTo))
    expect(verify(leaf, [middle], chain.validTo)).toEqual(chain)
    expect(verify(leaf, [middle], chain.validTo + 1)).toContain('expired')
    expect(verify(leaf, [middle], chain.validFrom - 1)).toContain('not valid yet')
    expect(verify(leaf, [middle], Date.now() + 3 * DAY)).toBeString()
  })

  test('is found in whatever order the certificates come', () => {
    const lower = pki.issue(middle)
    const end = pki.issue(lower, { extensions: [] })
    expect(verify(end, [root, middle, lower])).toMatchObject({ authorities: ['root'] })
    expect(verify(end, [middle, root])).toContain('does not lead')
  })

  test('names the trusted authorities on its way, the nearest first', () => {
    const both = { authorities: [rootAuthority, middleAuthority], allowPartialChain: false }
    expect(verify(leaf, [], Date.now(), both)).toMatchObject({ authorities: ['middle', 'root'] })
    const partial = { authorities: [middleAuthority], allowPartialChain: true }
    expect(verify(leaf, [root], Date.now(), partial)).toMatchObject({ authorities: ['middle'] })
    expect(verify(leaf, [root], Date.now(), { ...partial, allowPartialChain: false })).toContain(
      'does not lead',
    )
  })

  test('takes the one of two authorities of a name and a key that is still valid', () => {
    const old = pki.issue(undefined, { subject: '/CN=Root', days: -1, holder: root })
    expect(
      verify(leaf, [middle], Date.now(), {
        ...trust,
        authorities: [{ id: 'old', x509: read(old) }],
      }),
    ).toBeString()
    const authorities = [{ id: 'old', x509: read(old) }, rootAuthority]
    expect(verify(leaf, [middle], Date.now(), { ...trust, authorities })).toMatchObject({
      authorities: ['root'],
    })
  })

  test('has an end', () => {
    const line = [root]
    while (line.length < 12) line.push(pki.issue(line.at(-1)))
    expect(verify(line[8]!, line)).toMatchObject({ authorities: ['root'] })
    expect(verify(line[11]!, line)).toBe('the chain is too long')
  })

  test('needs the name and the conditions of its authorities, not only their keys', () => {
    const under = (wanted: Wanted) => {
      const authority = pki.issue(undefined, { subject: '/CN=Root', holder: root, ...wanted })
      const authorities = [{ id: 'a', x509: read(authority) }]
      return verify(leaf, [middle], Date.now(), { ...trust, authorities })
    }
    expect(under({})).toBeObject()
    expect(under({ subject: '/CN=Renamed' })).toContain('does not lead')
    expect(under({ extensions: [...CA, 'nameConstraints=permitted;DNS:x.test'] })).toContain(
      'not understood',
    )
    expect(under({ extensions: [...CA, 'extendedKeyUsage=serverAuth'] })).toContain(
      'not for clients',
    )
    expect(under({ extensions: [...CA, 'extendedKeyUsage=clientAuth'] })).toBeObject()
    expect(under({ extensions: [CA[0]!, 'keyUsage=cRLSign'] })).toContain('does not lead')
  })

  test('has no more authorities than each of them allows', () => {
    const [first, second] = [
      pki.issue(root, { extensions: limited(1) }),
      pki.issue(root, { extensions: limited(0) }),
    ]
    const client = (issuer: Certificate) => pki.issue(issuer, { extensions: [] })
    const below = [pki.issue(first), pki.issue(second)] as const
    expect(verify(client(second), [second])).toBeObject()
    expect(verify(client(below[0]), [below[0], first])).toBeObject()
    expect(verify(client(below[1]), [below[1], second])).toContain('more authorities')
    const further = pki.issue(below[0])
    expect(verify(client(further), [further, below[0], first])).toContain('more authorities')
  })

  test('is signed with hashes that are not broken', () => {
    const weak = Object.defineProperty(read(leaf), 'signatureAlgorithm', {
      value: 'ecdsa-with-SHA1',
    })
    expect(verifyChain(weak, [read(middle)], trust, Date.now())).toContain('broken')
  })

  const made = (wanted: Wanted) => read(pki.issue(root, wanted))

  test('what node does not tell of a certificate is read from its bytes', () => {
    expect(pathLength(read(root))).toBe(Infinity)
    for (const length of [0, 1, 127])
      expect(pathLength(made({ extensions: limited(length) }))).toBe(length)
    expect(pathLength(made({ extensions: ['basicConstraints=CA:TRUE,pathlen:3'] }))).toBe(3)
    // Longer than one byte of DER, which nobody needs: in doubt none.
    expect(pathLength(made({ extensions: limited(300) }))).toBe(0)
    expect(
      pathLength(made({ extensions: [...CA, 'subjectAltName=otherName:2.5.29.19;UTF8:x'] })),
    ).toBe(0)
    expect(pathLength(made({ extensions: [] }))).toBe(0)
  })

  // prettier-ignore
  test.each([
    [['keyUsage=critical,digitalSignature', 'extendedKeyUsage=critical,clientAuth', 'subjectAltName=critical,DNS:a.test'], false],
    [['nameConstraints=permitted;DNS:a.test'], true],
    [['policyConstraints=critical,requireExplicitPolicy:0'], true],
    [['1.2.3.4=ASN1:NULL'], false],
    [['1.2.3.4=critical,ASN1:NULL'], true],
  ])('%j: conditions that nobody checks: %p', (extensions, is) => {
    expect(hasUncheckedConditions(made({ extensions }))).toBe(is)
  })
})
