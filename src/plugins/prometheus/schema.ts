import { boolean, type Infer, record } from '../../schema/field.ts'

export const schema = record(
  'Counts requests for Prometheus, which reads `/metrics` on the status listener.',
  {
    per_consumer: boolean('Whether consumers are counted apart.', { default: false }),
    status_code_metrics: boolean('Whether answers are counted by their status.', {
      default: false,
    }),
    latency_metrics: boolean('Whether times are measured.', { default: false }),
    bandwidth_metrics: boolean('Whether bytes are counted.', { default: false }),
    upstream_health_metrics: boolean('Whether the health of targets is told.', { default: false }),
    ai_metrics: boolean('Whether requests to language models are counted.', { default: false }),
    wasm_metrics: boolean('Whether filters in WebAssembly are counted.'),
  },
  { required: true },
)

export type Config = Infer<typeof schema>
