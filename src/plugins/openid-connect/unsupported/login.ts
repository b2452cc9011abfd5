export { fields } from '../login/fields.ts'
