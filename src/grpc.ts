import type { HeaderList } from './headers.ts'
import { escapeByte } from './path.ts'

const TYPE = 'application/grpc'

/** What Kong tells a client of gRPC for a status of HTTP; for another one, what it tells for the first of its hundred. */
const STATUSES: ReadonlyMap<number, number> = new Map([
  [200, 0],
  [400, 3],
  [401, 16],
  [403, 7],
  [404, 5],
  [409, 6],
  [429, 8],
  [499, 1],
  [500, 13],
  [501, 12],
  [503, 14],
  [504, 4],
])
const UNKNOWN = 2

/** The names of the statuses, by their numbers. */
const NAMES = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound'],
  ...['AlreadyExists', 'PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted'],
  ...['OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
]

/** Whether the client is one of gRPC, which reads of an answer without messages only fields, and those only over HTTP/2. */
export function isGrpc(request: {
  readonly httpVersion: string
  readonly headers: HeaderList
}): boolean {
  return request.httpVersion === '2.0' && !!request.headers.get('content-type')?.startsWith(TYPE)
}

/** An answer of the gateway's own to such a client: as Kong's, with the status of HTTP beside that of gRPC. */
export function grpcAnswer(
  status: number,
  message: unknown,
  headers: readonly (readonly [string, string])[],
) {
  const number = STATUSES.get(status) ?? STATUSES.get(status - (status % 100)) ?? UNKNOWN
  const text = typeof message === 'string' ? message : NAMES[number]!
  const fields = [
    ['Content-Type', TYPE],
    ['grpc-status', String(number)],
    ['grpc-message', escaped(text)],
  ] as const
  const others = headers.filter(([name]) => name.toLowerCase() !== 'content-type')
  return { status, headers: [...fields, ...others], body: '' }
}

/** As gRPC has it over HTTP/2: what is no printable ASCII stands in percent signs. */
function escaped(text: string): string {
  return text.replace(/[^\x20-\x7e]|%/gu, (char) => [...Buffer.from(char)].map(escapeByte).join(''))
}
