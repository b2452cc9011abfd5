import { boolean, record, string } from '../schema/field.ts'

/** The field `principals` of plugins that know callers by their credentials; refused where it is turned on. */
export const principals = record('Looks callers up in Kong Identity.', {
  directory: string('The directory of Kong Identity.', { default: 'default' }),
  enabled: boolean('Whether callers are looked up there instead of among the credentials.', {
    default: false,
    custom: (enabled: boolean) =>
      enabled ? 'Kong Identity is a service of Konnect and cannot be asked' : undefined,
  }),
  error_on_miss: boolean('Whether callers whom Kong Identity does not know are refused.', {
    default: true,
  }),
})
