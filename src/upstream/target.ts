/** A place on the network. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Where a request goes. Two requests with the same `key` may share a connection. */
export interface Target extends Address {
  readonly tls: TargetTls | undefined
  readonly key: string
}

export interface TargetTls {
  /** The name for SNI, and that the certificate must be for if `verify`. */
  readonly serverName: string
  readonly verify: boolean
  /** PEM of the authorities to trust instead of the built-in ones. */
  readonly ca: string | undefined
  /** PEM of what the gateway shows to say who it is, and its key. */
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined
}
