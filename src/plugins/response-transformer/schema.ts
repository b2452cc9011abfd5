import { array, type Infer, record, string } from '../../schema/field.ts'
import { badHeader, badHeaders, badName, WITH_COLON } from '../pair.ts'

const LIST = { required: true, default: [] } as const

const pairs = (description: string) =>
  array(description, string('`name:value`.', { match: WITH_COLON }), LIST)
const headerPairs = (description: string) =>
  array(description, string('`name:value`.', { match: WITH_COLON, custom: badHeader }), LIST)
const types = array(
  'What the values of `json` are made of, in the same order; texts unless told.',
  string('A type of JSON.', { one_of: ['boolean', 'number', 'string'] }),
  LIST,
)

const JSON_MEMBERS = 'Members of a JSON object.'

export const schema = record(
  'Changes answers on their way to the client. In this order: it removes, renames, replaces, adds and appends. Whether a header is there is asked of the answer as it came.',
  {
    remove: record('What is taken out.', {
      headers: array('Headers.', string('The name of a header.', { custom: badHeader }), LIST),
      json: array(JSON_MEMBERS, string('A name.', { custom: badName }), LIST),
    }),
    rename: record('What gets another name, if it is there.', {
      headers: array(
        'Headers, as `old:new`.',
        string('`old:new`.', { match: WITH_COLON, custom: badHeaders }),
        LIST,
      ),
      json: pairs('Members of a JSON object, as `old:new`.'),
    }),
    replace: record('What gets another value, if it is there.', {
      headers: headerPairs('Headers.'),
      json: pairs(JSON_MEMBERS),
      json_types: types,
    }),
    add: record('What is put in, unless it is there.', {
      headers: headerPairs('Headers.'),
      json: pairs(JSON_MEMBERS),
      json_types: types,
    }),
    append: record('What is put in beside what is there.', {
      headers: headerPairs('Headers.'),
      json: pairs(JSON_MEMBERS),
      json_types: types,
    }),
  },
  { required: true },
)

export type Config = Infer<typeof schema>
