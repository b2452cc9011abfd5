import { array, boolean, type Infer, number, record, string } from '../../schema/field.ts'
import { badHeaderValue } from '../header.ts'
import { badOrigin } from './origins.ts'

/** In Kong's order, which is the order of the header. */
export const METHODS = [
  'GET',
  'HEAD',
  'PUT',
  'PATCH',
  'POST',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
] as const

export const schema = record(
  'Tells browsers which pages of other origins may call the service, and answers their preflight requests.',
  {
    origins: array(
      'Who may call: origins, regular expressions for them, or `*`. Without any, everybody may.',
      string(
        'An origin as browsers send it, or a regular expression for the whole of it; one without `:` is for the host alone.',
        { custom: badOrigin },
      ),
    ),
    headers: array(
      'Value of `Access-Control-Allow-Headers`. Without any, those that the preflight request asks for.',
      string('The name of a header.', { custom: badHeaderValue }),
    ),
    exposed_headers: array(
      'Value of `Access-Control-Expose-Headers`: what pages may read of an answer.',
      string('The name of a header.', { custom: badHeaderValue }),
    ),
    methods: array(
      'Value of `Access-Control-Allow-Methods`.',
      string('A method.', { one_of: METHODS }),
      { default: METHODS },
    ),
    max_age: number('How long browsers may remember the answer to a preflight request; seconds.'),
    credentials: boolean('Whether pages may send cookies and the like along.', {
      required: true,
      default: false,
    }),
    private_network: boolean(
      'Whether pages of public networks may call, where the preflight request asks for that.',
      { required: true, default: false },
    ),
    preflight_continue: boolean('Whether the service answers preflight requests itself.', {
      required: true,
      default: false,
    }),
    allow_origin_absent: boolean(
      'Whether answers to requests without `Origin` carry the headers too.',
      { required: true, default: true },
    ),
  },
  { required: true },
)

export type Config = Infer<typeof schema>
