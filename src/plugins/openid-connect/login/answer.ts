import type { ClientRequest } from '../../../pdk.ts'
import {
  AMBIGUOUS,
  type BodyArguments,
  findArgument,
  FORM,
  hasBodyArguments,
  mediaType,
} from '../../arguments.ts'
import type { Claims } from '../claims.ts'
import { Refusal } from '../refusal.ts'
import type { fields } from './fields.ts'
import type { Config } from '../../../schema/field.ts'

/** What the provider answers to a login (RFC 6749 §4.1.2, RFC 9207); nothing of it is proved. */
export interface AuthorizationAnswer {
  readonly state: string | undefined
  readonly code: string | undefined
  readonly error: string | undefined
  readonly error_description: string | undefined
  readonly iss: string | undefined
  /** All of it in one signed text (JARM). */
  readonly response: string | undefined
}

/** All that an authorization response may consist of, and that no service is to see. */
export const ANSWER_ARGUMENTS = [
  'access_token',
  'code',
  'error',
  'error_description',
  'error_uri',
  'expires_in',
  'id_token',
  'iss',
  'response',
  'session_state',
  'state',
  'token_type',
] as const

/** Those of a query that must not be seen in a log. */
export const SECRET_ANSWER_ARGUMENTS = ['access_token', 'code', 'id_token', 'response'] as const

type Mode = Config<Pick<typeof fields, 'response_mode'>>['response_mode']

/** Whether the answers of a mode are signed (JARM). */
export function isSignedMode(mode: Mode): boolean {
  return mode.endsWith('jwt')
}

/** Where a request may have an answer in that mode; only there, or an unsigned one could stand in for a signed one. */
export function placeOfAnswer(request: ClientRequest, mode: Mode): 'query' | 'body' | undefined {
  if (request.method === 'POST') {
    const isForm = mode.startsWith('form_post') && hasBodyArguments(request)
    return isForm && mediaType(request) === FORM ? 'body' : undefined
  }
  return request.method === 'GET' && looksAnswered(request.query, mode) ? 'query' : undefined
}

function looksAnswered(query: string, mode: Mode): boolean {
  if (query === '') return false
  const has = (name: string) => findArgument(query, name) !== undefined
  if (has('state') && has('error')) return true
  if (mode.startsWith('form_post')) return false
  return isSignedMode(mode) ? has('response') : has('state') && has('code')
}

/** Reads an answer from a form, or from the query. Throws `Refusal` for what is there twice. */
export function readAnswer(
  request: ClientRequest,
  form: BodyArguments | undefined,
): AuthorizationAnswer {
  const find = (name: string): string | undefined => {
    const value = form ? form.get(name) : findArgument(request.query, name)
    // RFC 6749 §3.1: of two nobody could tell which one counts.
    if (value === AMBIGUOUS) throw new Refusal('invalid_login_answer', `"${name}" is there twice`)
    return value
  }
  return {
    state: find('state'),
    code: find('code'),
    error: find('error'),
    error_description: find('error_description'),
    iss: find('iss'),
    response: find('response'),
  }
}

/** The same of what was signed. */
export function answerIn(claims: Claims): AuthorizationAnswer {
  const text = (name: string) => {
    const value = claims[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    state: text('state'),
    code: text('code'),
    error: text('error'),
    error_description: text('error_description'),
    iss: text('iss'),
    response: undefined,
  }
}
