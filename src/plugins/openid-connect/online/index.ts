import type { Online } from '../../../pdk.ts'
import { type Config, withDefaults } from '../schema.ts'
import { checkAddresses } from './addresses.ts'
import { checkClock } from './clock.ts'
import type { Found } from './found.ts'
import { checkKeys } from './keys.ts'
import { askedEndpoints, needsOf } from './needs.ts'
import { checkOffers } from './offers.ts'
import { checkClientCertificate, checkPlainText, checkServer } from './server.ts'
import { surveyOf } from './survey.ts'
import { tryClients } from './tries.ts'

/** Asks the provider of a configuration for its metadata and keys, and says what will not work with it. */
export async function online(given: Config, gateway: Online): Promise<readonly Found[]> {
  const config = withDefaults(given)
  const needs = needsOf(config)
  const used = askedEndpoints(needs)
  const survey = await surveyOf(config, used, gateway)
  const { metadata, failure, skew } = survey
  const findings = [
    ...checkServer(config, survey, gateway.now()),
    ...checkPlainText(config, survey, used),
    ...checkClientCertificate(config, gateway),
    ...checkClock(config, skew),
    // Nobody knows where the keys would be.
    ...(failure && !config.jwks_endpoint ? [] : checkKeys(config, survey)),
    ...checkOffers(config, survey, needs),
    ...checkAddresses(config, gateway.destinationOf),
  ]
  if (!gateway.triesClients || !metadata || failure) return findings
  return [...findings, ...(await tryClients(config, metadata, gateway))]
}
