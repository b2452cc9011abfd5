import { boolean, number } from '../../../schema/field.ts'

/** The binding of tokens to their holder: what the guards need beside them. */
export const binding = {
  proof_of_possession_auth_methods_validation: boolean(
    'Whether only methods may be configured with which tokens can be bound.',
    { default: true },
  ),
  dpop_use_nonce: boolean('Whether the client has to repeat a nonce of ours.', { default: false }),
  dpop_proof_lifetime: number('How long a proof is good; seconds.', { default: 300 }),
}

/** Checks that Kong makes beside verification. */
export const checks = {
  resolve_distributed_claims: boolean('Whether claims that are kept elsewhere are fetched.', {
    default: false,
  }),
}
