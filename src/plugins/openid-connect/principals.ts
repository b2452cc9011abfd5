import { array, boolean, record, string } from '../../schema/field.ts'

export const fields = {
  principals: record('Looks callers up in Kong Identity.', {
    enabled: boolean('Whether they are looked up.', {
      default: false,
      custom: (enabled: boolean) =>
        enabled ? 'Kong Identity is a service of Konnect and cannot be asked' : undefined,
    }),
    directory: string('The directory of Kong Identity.', { default: 'default' }),
    principal_claim: array(
      'The path of the claim that names the principal.',
      string('The name of a member.', { len_min: 1 }),
      { len_min: 1 },
    ),
    principal_by: string('By what the principal is looked up.', { len_min: 1 }),
    match_consumer: boolean('Whether the principal names the consumer.', { default: true }),
    match_consumer_groups: boolean('Whether the principal names the consumer groups.', {
      default: true,
    }),
    error_on_miss: boolean('Whether callers whom Kong Identity does not know are refused.', {
      default: true,
    }),
  }),
}
