const TEXT = `Gatehouse, an API gateway that runs your kong.yaml with OpenID Connect.

Usage: gatehouse <command> [options]

  start -c FILE...    serve a configuration in the foreground
                      FILE: a Kong or decK file (YAML, JSON), a folder of them,
                      - for standard input, or a kong.conf; may be repeated
        --watch       load again whenever a file changes
  quickstart          try it: a gateway, a development identity provider and an
                      echo service, on this machine alone
        --verify      make the how-to's requests, print a line for each, end
        --rotate      refresh tokens work only once
  check -c FILE...    say what is wrong with a configuration, and what to know
        --online      ask its identity providers, and say what will not work
        --try-clients ask for a token as each of its clients, too
        --json        for programs
  explain -c FILE... -- curl ...
                      say step by step what becomes of a request, and why
        --send        ask the service too
        --at URL      ask a running gateway (GATEHOUSE_EXPLAIN_KEY)
        --client IP   the client's address, 127.0.0.1 unless told
        --json        for machines
  health              whether the gateway on this machine is ready
  version             the version

Settings are Kong's, as KONG_PROXY_LISTEN, KONG_LOG_LEVEL or in a kong.conf.
Signals: HUP loads again, USR1 opens the logs again, TERM, INT and QUIT answer
what was asked and stop.
`

/** `gatehouse --help` */
export function help(): number {
  process.stdout.write(TEXT)
  return 0
}
