import { foreign, type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags, updated_at } from './typedefs.ts'

/** Consumers for whom plugins have settings of their own. */
export const consumer_group = record(
  'Consumers for whom plugins have settings of their own.',
  {
    id,
    name: string('The name of the group. Unique.', { required: true }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
)

/** That a consumer is in a group. */
export const consumer_group_consumer = record(
  'That a consumer is in a group.',
  {
    id,
    consumer: foreign('The consumer.', 'consumers', { required: true }),
    consumer_group: foreign('The group.', 'consumer_groups', { required: true }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
)

export type ConsumerGroup = Infer<typeof consumer_group>
export type ConsumerGroupConsumer = Infer<typeof consumer_group_consumer>
