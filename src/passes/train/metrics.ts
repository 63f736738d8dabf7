/** Custom metrics: functions in the graph that return a value per row. An evaluation takes the mean. */
import { isValue } from '../../ir/build.ts'
import { type Check, isObject } from '../../ir/check-record.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import type { Signature, Value, Values } from '../../ir/value.ts'

/**
 * A function from the model's outputs and the loss's targets to a value per row, [batch] of any dtype. Flags count as 0 and 1.
 *
 * @example
 * const isSure = ({ logits }: { logits: Value<'float32', 2> }) => greater(reduceMax(softmax(logits, 1), [1]), 0.9)
 */
export type Metric<T extends Signature = Signature, O extends Signature = Signature> = (
  outputs: Values<O>,
  targets: Values<T>,
) => Value

/** Metrics by name. */
export type Metrics<T extends Signature = Signature, O extends Signature = Signature, M extends string = string> = {
  readonly [K in M]: Metric<T, O>
}

/** Metrics without the types of their model. */
export type AnyMetrics = { readonly [name: string]: Metric }

/** The signature of the function that took both guarantees that they fit the model's outputs. */
export const anyMetrics = <T extends Signature, O extends Signature>(
  given: Metrics<T, O> | undefined,
): AnyMetrics | undefined => given as AnyMetrics | undefined // as with anyLoss()

/** Names of the outputs that every evaluation has. */
const taken: ReadonlySet<string> = new Set(['loss', 'correct', 'top1', 'top5', 'count', 'predicted', 'wanted'])

/** The check of the option `metrics`. */
export const metricsCheck: Check = [
  `an object of functions from outputs and targets to a value per row; their names are letters, digits and "_", other than ${[...taken].join(', ')}`,
  (v) =>
    isObject(v) &&
    !Array.isArray(v) &&
    Object.entries(v).every(
      ([name, metric]) => /^[A-Za-z_]\w*$/.test(name) && !taken.has(name) && typeof metric === 'function',
    ),
]

/** The values of each, float32 [batch]. @throws EffuseError EF111 if a function does not return one value per row */
export const metricRows = (
  metrics: AnyMetrics,
  outputs: Values<Signature>,
  targets: Values<Signature>,
  batch: number,
): readonly (readonly [name: string, rows: Value])[] =>
  Object.entries(metrics).map(([name, metric]) => {
    const rows: unknown = metric(outputs, targets)
    if (!isValue(rows) || rows.rank !== 1 || rows.shape[0] !== batch)
      throw new EffuseError({
        code: 'EF111',
        message: `the metric "${name}" must return a value per row, [batch], it returned ${shown(rows, batch)}`,
        hint: 'reduce over the other axes: mean(x, [1]); the evaluation takes the mean over the rows',
      })
    return [name, rows.builder.cast(rows, 'float32')]
  })

const shown = (rows: unknown, batch: number): string =>
  isValue(rows)
    ? `${rows.dtype}[${rows.shape.join(',')}] for a batch of ${batch}`
    : rows instanceof Promise
      ? 'a promise'
      : showGiven(rows)
