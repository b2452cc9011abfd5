import { foreign, type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** A group that the acl plugin lets in or keeps out, and a consumer who is in it. */
export const acl = record(
  'A group that the acl plugin lets in or keeps out, and a consumer who is in it.',
  {
    id,
    consumer: foreign('The consumer.', 'consumers', { required: true }),
    group: string('The group.', { required: true }),
    tags,
    created_at,
  },
  { required: true },
)

export type Acl = Infer<typeof acl>
