import { existsSync } from 'node:fs'
import { join } from 'node:path'

const shared = join(import.meta.dir, '..', '..', '..', 'shared')
const script = join(shared, 'keycloak', 'keycloak.sh')

/** Ports that leave 8080 and 9443 to whoever uses Keycloak on this machine; a running one on them is used as it is. */
const env = {
  ...process.env,
  KEYCLOAK_HTTP_PORT: process.env.KEYCLOAK_HTTP_PORT ?? '18080',
  KEYCLOAK_HTTPS_PORT: process.env.KEYCLOAK_HTTPS_PORT ?? '19443',
  KEYCLOAK_CACHE: process.env.KEYCLOAK_CACHE ?? join(process.env.HOME ?? '', '.cache', 'keycloak'),
  KEYCLOAK_JAVA_OPTS: process.env.KEYCLOAK_JAVA_OPTS ?? '-XX:TieredStopAtLevel=1',
}

export interface Keycloak {
  readonly url: string
  readonly httpsUrl: string
  /** The file of the authority that signed its certificate. */
  readonly ca: string
}

/** A real Keycloak; nothing, and a printed reason, where one cannot be had. */
export const keycloak = start()

/** The folder of how-tos as data; nothing where it is absent. */
export const howtos = existsSync(join(shared, 'data', 'howtos'))
  ? join(shared, 'data', 'howtos')
  : undefined

function start(): Keycloak | undefined {
  const missing = !existsSync(script)
    ? '../shared/keycloak is not there'
    : Bun.which('java') === null && !process.env.KEYCLOAK_JAVA_HOME
      ? 'there is no java'
      : undefined
  if (missing) {
    console.log(`skipped: every test against Keycloak: ${missing}`)
    return undefined
  }
  const isRunning = Bun.spawnSync([script, 'status'], { env }).success
  if (!isRunning) {
    const { success, stderr } = Bun.spawnSync([script, 'start'], { env })
    if (!success) throw new Error(`Keycloak did not start:\n${stderr}`)
    // The runner tells nobody when its last file is done, so this waits for the end of its process.
    Bun.spawn(['sh', '-c', 'tail --pid="$0" -f /dev/null; "$1" stop', `${process.pid}`, script], {
      env,
      stdio: ['ignore', 'ignore', 'ignore'],
      detached: true,
    }).unref()
  }
  const said = Bun.spawnSync([script, 'env'], { env }).stdout.toString()
  const variable = (name: string) => new RegExp(`${name}=(\\S+)`).exec(said)![1]!
  return {
    url: variable('KEYCLOAK_URL'),
    httpsUrl: variable('KEYCLOAK_HTTPS_URL'),
    ca: join(variable('KEYCLOAK_TLS'), 'ca.crt'),
  }
}
