import { type Conf, isKongConf, loadConf } from '../conf.ts'
import type { LocatedFault } from '../declarative/faults.ts'
import type { SourceFile } from '../declarative/faults.ts'
import { missingPlugins } from './settings.ts'
import { distinctNames, readSources, UnreadableFile } from './sources.ts'

/** The node's settings and where its declarative configuration comes from. */
export interface Configuration {
  readonly conf: Conf
  readonly warnings: readonly string[]
  /** The words that name the declarative files, to read them again. */
  readonly names: readonly string[]
  readonly files: readonly SourceFile[]
}

/**
 * Reads what the words after `-c` name: Kong's `kong.conf` and declarative files are told apart by their content.
 * Without a declarative file among them, `declarative_config` names it. Throws `UnreadableFile`.
 */
export function readConfiguration(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Configuration | { faults: readonly LocatedFault[] } {
  const known = new Set<string>()
  const given = distinctNames(words).map((word) => ({ word, files: readSources([word], known) }))
  const confs = given.filter(({ files }) => files.length === 1 && isKongConf(files[0]!.text))
  if (confs.length > 1) throw new UnreadableFile(`${confs[1]!.word}: one kong.conf is enough`)
  const loaded = loadConf({ ...(confs[0] && { file: confs[0].files[0]! }), env })
  if (loaded.faults) return { faults: loaded.faults }
  const { conf } = loaded
  const warnings = [...loaded.warnings, ...missingPlugins(conf.plugins)]
  const declarative = given.filter((each) => each !== confs[0])
  if (declarative.length > 0) {
    const names = declarative.map(({ word }) => word)
    return { conf, warnings, names, files: declarative.flatMap(({ files }) => files) }
  }
  if (conf.declarative_config !== undefined) {
    const names = [conf.declarative_config]
    return { conf, warnings, names, files: readSources(names) }
  }
  if (conf.declarative_config_string !== undefined) {
    const files = [{ name: 'declarative_config_string', text: conf.declarative_config_string }]
    return { conf, warnings, names: [], files }
  }
  throw new UnreadableFile(
    'no configuration is given',
    'Say which: gatehouse start -c kong.yaml (or KONG_DECLARATIVE_CONFIG), or try: gatehouse quickstart',
  )
}
