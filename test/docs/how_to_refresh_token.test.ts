import { follow } from './document.ts'

follow('docs/how-to-refresh-token.md')
