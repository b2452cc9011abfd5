/** What the banner tells. */
export interface BannerFacts {
  readonly version: string
  /** Where the proxy listens, as `http://localhost:8000`. */
  readonly proxyUrl: string
  /** From the start of the process to the first request it can serve; milliseconds. */
  readonly readyMs: number
  readonly issuer: string
  readonly user: string
  readonly password: string
}

/** What `gatehouse quickstart` prints when it is ready: at most 12 lines of 80 columns, its commands fit to paste. */
export function banner(facts: BannerFacts): string {
  const { version, proxyUrl, readyMs, issuer, user, password } = facts
  const url = `${proxyUrl}/anything`
  const login = `${user}:${password}`
  const refresh = `curl -iH "Refresh-Token: $(curl -su ${login} ${url} \\`
  return `\
Gatehouse ${version} quickstart: for development only, open to this machine only
  Proxy     ${proxyUrl}, ready in ${Math.round(readyMs)} ms
  Provider  ${issuer}, user ${user}, password ${password}

Paste: with the password, then with its refresh token, then that without jq
curl -i --user ${login} ${url}
${refresh}
  | jq -r '.headers."Refresh-Token"')" ${url}
${refresh}
  | awk -F'"' '/"Refresh-Token"/{print $4}')" ${url}

Ctrl-C stops it and leaves nothing behind
`
}
