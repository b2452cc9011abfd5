import type { Upstream } from '../entities/index.ts'
import { HeaderList } from '../headers.ts'
import type { Address } from './address.ts'

/** The request of a probe. The host goes without a port, as Kong sends it. */
export function probeHead({ host_header, healthchecks }: Upstream, { name }: Address): string {
  const { http_path, headers = {} } = healthchecks.active
  const host = host_header ?? (name.includes(':') ? `[${name}]` : name)
  const fields = HeaderList.of([
    ['Host', host],
    ['Connection', 'close'],
    ...Object.entries(headers).flatMap(([field, values]) =>
      (values ?? []).map((value) => [field, value] as const),
    ),
  ])
  return `GET ${http_path} HTTP/1.1\r\n${fields.fields.map(({ line }) => line).join('')}\r\n`
}
