export { fields } from '../logout/fields.ts'
