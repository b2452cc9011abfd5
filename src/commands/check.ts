import { loadDeclarative } from '../declarative/load.ts'
import { plugins as bundled } from '../plugins/index.ts'
import { checkOrdering } from '../prepare.ts'
import { readConfiguration } from './configuration.ts'
import { help } from './help.ts'
import { reportError, reportFaults } from './report.ts'
import { enabledPlugins, vaultSettings } from './settings.ts'
import { UnreadableFile } from './sources.ts'
import { readOptions } from './usage.ts'

/** `gatehouse check`: all that is wrong with a configuration, and all that its author should know. */
export function check(args: string[]): number {
  const options = readOptions(args, {
    conf: { type: 'string', short: 'c', multiple: true, default: [] },
    help: { type: 'boolean' },
  })
  if (options.help) return help()
  try {
    const configuration = readConfiguration(options.conf, process.env)
    if ('faults' in configuration) return reportFaults(configuration.faults)
    const { files, conf } = configuration
    const plugins = enabledPlugins(conf.plugins)
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
    if (loaded.faults) return reportFaults(loaded.faults)
    const circles = checkOrdering(loaded, plugins)
    if (circles.length > 0) return reportFaults(circles)
    for (const note of [...configuration.warnings, ...loaded.warnings, ...loaded.differences()])
      process.stdout.write(`note: ${note}\n`)
    process.stdout.write(`${files.map(({ name }) => name).join(', ')}: valid\n`)
    return 0
  } catch (error) {
    if (error instanceof UnreadableFile) return reportError(error.help)
    throw error
  }
}
