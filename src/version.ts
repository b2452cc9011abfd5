import { version } from '../package.json'

/** The release, as `gatehouse version` prints it and the `Via` and `Server` fields name it. */
export const VERSION = version
export const PRODUCT = `gatehouse/${version}`
