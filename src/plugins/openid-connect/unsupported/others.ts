import { boolean } from '../../../schema/field.ts'

/** Checks that Kong makes beside verification. */
export const checks = {
  resolve_distributed_claims: boolean('Whether claims that are kept elsewhere are fetched.', {
    default: false,
  }),
}
