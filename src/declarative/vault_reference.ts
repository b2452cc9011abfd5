import { isRecord } from '../schema/check.ts'
import type { Field } from '../schema/field.ts'
import { isVaultReference } from '../schema/vault_reference.ts'
import type { Path } from './parse.ts'

/** Finds the `{vault://…}` references in `value`: only where the schema lets a field hold one are they more than text. */
export function findVaultReferences(field: Field, value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string')
    return field.rules.referenceable && isVaultReference(value) ? [path] : []
  const element = field.element
  if (Array.isArray(value))
    return element
      ? value.flatMap((each, i) => findVaultReferences(element, each, [...path, i]))
      : []
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([key, each]) => {
    const child = field.type === 'record' ? field.fields?.[key] : element
    return child ? findVaultReferences(child, each, [...path, key]) : []
  })
}
