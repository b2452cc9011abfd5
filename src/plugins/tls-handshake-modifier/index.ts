import type { Plugin } from '../../pdk.ts'
import { type Infer, record, string } from '../../schema/field.ts'

const schema = record(
  'Has clients asked for a certificate, which other plugins and the log may then see. It checks nothing.',
  {
    tls_client_certificate: string('How clients are asked: they may decline.', {
      one_of: ['REQUEST'],
      default: 'REQUEST',
    }),
  },
  { required: true },
)

export const tlsHandshakeModifier: Plugin<Infer<typeof schema>> = {
  name: 'tls-handshake-modifier',
  priority: 997,
  schema,
  create: () => ({ clientCertificate: {} }),
}
