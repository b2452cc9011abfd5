import type { RecordType } from './message.ts'

/** Kong's settings of these names; times in seconds. */
export interface DnsSettings {
  /** Servers as `ip[:port]`; those of `resolv.conf` if there are none. */
  readonly dns_resolver: readonly string[]
  readonly dns_hostsfile: string
  /** Which types are asked for, one after the other; `LAST` is the one that had an answer the last time. */
  readonly dns_order: readonly ('LAST' | RecordType)[]
  /** What counts in place of the TTL that the answers have. */
  readonly dns_valid_ttl: number | undefined
  /** How long an answer is used past its TTL, while it is asked for again. */
  readonly dns_stale_ttl: number
  readonly dns_not_found_ttl: number
  readonly dns_error_ttl: number
}

export const DEFAULT_DNS: DnsSettings = {
  dns_resolver: [],
  dns_hostsfile: '/etc/hosts',
  dns_order: ['LAST', 'SRV', 'A', 'CNAME'],
  dns_valid_ttl: undefined,
  dns_stale_ttl: 3600,
  dns_not_found_ttl: 30,
  dns_error_ttl: 1,
}
