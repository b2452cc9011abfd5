import type { Conf } from '../conf.ts'
import { printFaults, type SourceFile } from '../declarative/faults.ts'
import { ListenError } from '../front/listener.ts'
import { ConfigurationError, type Gateway, startGateway } from '../gateway.ts'
import { writtenAddress } from '../listen.ts'
import { createLog } from '../log.ts'
import type { Log } from '../pdk.ts'
import { compatNotice } from '../schema/drift.ts'
import { firstSignal } from '../signal.ts'
import { type StatusOptions, type StatusServer, startStatus } from '../status.ts'
import { createDefaults } from '../tls.ts'
import { VERSION } from '../version.ts'
import { type Configuration, readConfiguration } from './configuration.ts'
import { help } from './help.ts'
import { type LogWriter, logWriter } from './log_writer.ts'
import { reportError, reportFaults } from './report.ts'
import { readSources, UnreadableFile } from './sources.ts'
import { enabledPlugins, readStatusCertificates, settingsOf } from './settings.ts'
import { readOptions } from './usage.ts'
import { watch } from './watch.ts'

/** `gatehouse start`: serves in the foreground until TERM or INT. */
export async function start(args: string[]): Promise<number> {
  const options = readOptions(args, {
    conf: { type: 'string', short: 'c', multiple: true, default: [] },
    watch: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  })
  if (options.help) return help()
  try {
    const configuration = readConfiguration(options.conf, process.env)
    if ('faults' in configuration) return reportFaults(configuration.faults)
    return await serve(configuration, options.watch)
  } catch (error) {
    if (error instanceof UnreadableFile) return reportError(error.help)
    if (error instanceof ConfigurationError) return reportFaults(error.faults)
    if (error instanceof ListenError) return reportError(adviceOn(error))
    throw error
  }
}

async function serve(
  { conf, files, names, warnings }: Configuration,
  watches: boolean,
): Promise<number> {
  const errorLog = logWriter(conf.proxy_error_log, 'KONG_PROXY_ERROR_LOG')
  const accessLog = logWriter(conf.proxy_access_log, 'KONG_PROXY_ACCESS_LOG')
  const log = createLog(conf.log_level, errorLog?.write ?? (() => {}))
  // From now on, since who moves a log away does not wait until we are ready.
  process.on('SIGUSR1', () => reopen([errorLog, accessLog], log))
  let isReady = true
  let isReloadAsked = false
  const askReload = () => (isReloadAsked = true)
  process.on('SIGHUP', askReload)
  const statusPairs = readStatusCertificates(conf)
  const [statusCertificate] = statusPairs ? createDefaults(statusPairs) : []
  const gateway = await startGateway({
    files,
    env: process.env,
    listen: conf.proxy_listen,
    log,
    ...(accessLog && { writeAccessLog: accessLog.write }),
    settings: settingsOf(conf, process.env),
    plugins: enabledPlugins(conf.plugins, conf.untrusted_lua),
  })
  // What failed outside of any request must not end everybody's.
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.on(event, (cause) => log.error('the gateway failed', { code: 'internal_error', cause }))
  const status = await openStatus(conf, gateway, {
    certificate: statusCertificate,
    isReady: () => isReady,
    drain: () => void (isReady = false),
    gateway,
  })
  log.notice(compatNotice(conf.compat))
  for (const warning of [...warnings, ...gateway.warnings]) log.warn(warning)

  // Without files, the configuration stands in a setting, which a process cannot be given anew.
  const read = () => (names.length > 0 ? readSources(names) : files)
  const reload = () => reloadFrom(read, gateway, log)
  // Before the line that says it is ready, since who reads it may send a signal at once.
  process.on('SIGHUP', reload).off('SIGHUP', askReload)
  if (isReloadAsked) reload()
  const stopping = firstSignal('SIGTERM', 'SIGINT', 'SIGQUIT')
  const unwatch = watches ? watch(names, reload) : undefined
  log.notice(`gatehouse ${VERSION} is ready`, {
    proxy: conf.proxy_listen
      .map((address, i) => writtenAddress({ ...address, port: gateway.ports[i]! }))
      .join(','),
    ms: Math.round(performance.now()),
  })

  const signal = await stopping
  log.notice(`${signal}: answers what was asked, then stops`)
  isReady = false
  unwatch?.()
  await gateway.stop()
  await Promise.all(status.map((server) => server.stop()))
  return 0
}

/** Goes on in new log files, as far as they can be opened. */
function reopen(logs: readonly (LogWriter | undefined)[], log: Log): void {
  let isDone = true
  for (const each of logs) {
    try {
      each?.reopen()
    } catch (error) {
      if (!(error instanceof UnreadableFile)) throw error
      isDone = false
      log.error(`${error.message}; the old one goes on`, { code: 'log_not_reopened' })
    }
  }
  if (isDone) log.notice('the logs were opened again')
}

/** A bad file changes nothing: the log says what is wrong, and the old configuration goes on. */
function reloadFrom(read: () => readonly SourceFile[], gateway: Gateway, log: Log): void {
  const refused = { code: 'reload_refused' }
  try {
    const loaded = gateway.reload(read())
    if ('faults' in loaded) {
      for (const fault of loaded.faults) log.error(printFaults([fault]), refused)
      return
    }
    for (const warning of loaded.warnings) log.warn(warning)
    log.notice('the configuration was loaded again')
  } catch (error) {
    if (error instanceof UnreadableFile)
      return log.error(`${error.message}; the old configuration goes on`, refused)
    log.error('the configuration was not loaded again', { ...refused, cause: error })
  }
}

async function openStatus(
  { status_listen }: Conf,
  gateway: Gateway,
  options: StatusOptions,
): Promise<readonly StatusServer[]> {
  const servers: StatusServer[] = []
  for (const address of status_listen) {
    try {
      servers.push(await startStatus(address, options))
    } catch (error) {
      await Promise.all([gateway.stop(0), ...servers.map((server) => server.stop())])
      const { code = 'failed' } = error as { code?: string }
      throw new ListenError(address, code, 'KONG_STATUS_LISTEN')
    }
  }
  return servers
}

function adviceOn({ address, code, setting }: ListenError): string {
  const { host, port, unix } = address
  const place = unix ?? `port ${port}`
  if (code === 'EADDRINUSE') return `${place} is in use; set ${setting}`
  if (code === 'EACCES') return `${place} needs more rights than this user has; set ${setting}`
  return `cannot listen on ${unix ?? `${host} port ${port}`} (${code}); set ${setting}`
}
