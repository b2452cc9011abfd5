import { isVaultReference } from '../../schema/vault_reference.ts'

/** Kong's rule for a URL in a configuration; gives the message if `value` is none. A vault reference may be one. */
export function badUrl(value: string): string | undefined {
  if (isVaultReference(value)) return undefined
  if (!/^[a-z][a-z0-9+.-]*:/i.test(value)) return 'missing scheme in url'
  const url = URL.parse(value)
  if (!url || url.host === '') return 'missing host in url'
  return url.protocol === 'http:' || url.protocol === 'https:'
    ? undefined
    : 'expected http or https'
}
