import { map, string } from '../schema/field.ts'

/** `custom_fields_by_lua` of the log plugins: Lua that adds to what is logged, or takes away from it. */
export const custom_fields_by_lua = map(
  'Fields whose values are written in Lua. Gatehouse runs no Lua, so none may be given.',
  string('An expression in Lua.'),
  {
    custom: (fields: object) =>
      Object.keys(fields).length > 0
        ? 'Gatehouse runs no Lua, and what these would add or take away is in the log otherwise'
        : undefined,
  },
)
