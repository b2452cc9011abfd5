import type { Plugin } from '../../pdk.ts'
import { boolean, type Infer, record, string } from '../../schema/field.ts'
import { custom_fields_by_lua } from '../custom_fields.ts'
import { logEntry } from '../log_entry.ts'
import { LogFile } from './log_file.ts'

const schema = record(
  'Writes a line of JSON about each request to a file.',
  {
    path: string('The file; it is made if it is not there. `/dev/stdout` and `/dev/stderr` work.', {
      required: true,
      match: [/^[^\s*&%\\`][^*&%\\`]*[^\s*&%\\`]$/, 'not a valid filename'],
    }),
    reopen: boolean(
      'Whether the file is opened anew for what is written, so that it may be moved away.',
      {
        required: true,
        default: false,
      },
    ),
    custom_fields_by_lua,
  },
  { required: true },
)

type Config = Infer<typeof schema>

/** Logs to a file. */
export const fileLog: Plugin<Config> = {
  name: 'file-log',
  priority: 9,
  schema,
  create({ path, reopen }, gateway) {
    // One for all that write there, so that lines stay whole.
    const file = gateway.keep(`file-log ${path}`, () => new LogFile(path, gateway.log))
    return { log: (ctx) => file.add(`${JSON.stringify(logEntry(ctx))}\n`, reopen) }
  },
}
