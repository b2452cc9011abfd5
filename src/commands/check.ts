import type { LocatedFault } from '../declarative/faults.ts'
import { loadDeclarative } from '../declarative/load.ts'
import { DEFAULT_SETTINGS } from '../gateway.ts'
import { plugins as bundled } from '../plugins/index.ts'
import { checkOrdering } from '../prepare.ts'
import { countOf, findOnline, printFindings } from './check_online.ts'
import { readConfiguration } from './configuration.ts'
import { help } from './help.ts'
import { reportError, reportFaults } from './report.ts'
import { enabledPlugins, readStatusCertificates, settingsOf, vaultSettings } from './settings.ts'
import { UnreadableFile } from './sources.ts'
import { readWords, Usage } from './usage.ts'

/** `gatehouse check`: all that is wrong with a configuration, and all that its author should know. */
export async function check(args: string[]): Promise<number> {
  const { values: options, positionals } = readWords(args, {
    conf: { type: 'string', short: 'c', multiple: true, default: [] },
    online: { type: 'boolean', default: false },
    'try-clients': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  })
  if (options.help) return help()
  const { json, online } = options
  if (options['try-clients'] && !online) throw new Usage('--try-clients needs --online')
  try {
    const configuration = readConfiguration([...options.conf, ...positionals], process.env)
    if ('faults' in configuration) return refuse(configuration.faults, json)
    const { files, conf } = configuration
    const settings = { ...DEFAULT_SETTINGS, ...settingsOf(conf, process.env) }
    // Only for what would keep a node from its start.
    readStatusCertificates(conf)
    const plugins = enabledPlugins(conf.plugins, conf.untrusted_lua)
    const loaded = loadDeclarative(files, {
      env: process.env,
      plugins,
      bundled,
      compat: conf.compat,
      allowMissingPlugins: conf.allow_missing_plugins,
      dialect: conf.declarative_dialect,
      vaults: vaultSettings(conf),
      routerFlavor: conf.router_flavor,
    })
    if (loaded.faults) return refuse(loaded.faults, json)
    const circles = checkOrdering(loaded, plugins)
    if (circles.length > 0) return refuse(circles, json)
    const notes = [...configuration.warnings, ...loaded.warnings, ...loaded.differences()]
    const found = online
      ? await findOnline(loaded, settings, plugins, options['try-clients'])
      : undefined
    const status = found?.some(({ level }) => level === 'error') ? 1 : 0
    if (json) {
      const told = notes.map((message) => ({ level: 'note', code: 'configuration', message }))
      writeJson(true, [...told, ...(found ?? [])])
      return status
    }
    for (const note of notes) process.stdout.write(`note: ${note}\n`)
    process.stdout.write(printFindings(found ?? []))
    const asked = found ? `; online: ${countOf(found)}` : '; online: nobody to ask'
    const names = files.map(({ name }) => name).join(', ')
    process.stdout.write(`${names}: valid${online ? asked : ''}\n`)
    return status
  } catch (error) {
    if (error instanceof UnreadableFile) return reportError(error.help)
    throw error
  }
}

function refuse(faults: readonly LocatedFault[], json: boolean): number {
  if (!json) return reportFaults(faults)
  writeJson(
    false,
    faults.map((fault) => ({ level: 'error', code: 'configuration', ...fault })),
  )
  return 1
}

/** For programs: one object, whatever is found. */
function writeJson(valid: boolean, findings: readonly object[]): void {
  process.stdout.write(`${JSON.stringify({ valid, findings }, undefined, 2)}\n`)
}
