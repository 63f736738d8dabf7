/** Losses: a scalar to minimise, and what it wants fed besides the model's inputs. */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { DType } from '../../ir/types.ts'
import {
  float32,
  int32,
  type Scalar,
  type Signature,
  type TensorType,
  type Value,
  type Values,
} from '../../ir/value.ts'

export interface Loss<T extends Signature, O extends Signature> {
  readonly targets: (outputs: O) => T
  readonly value: (outputs: Values<O>, targets: Values<T>) => Scalar
  /** Each row by itself, without smoothing, for evaluation; flags are bool [batch]. Absent: the loss cannot be evaluated by rows. */
  readonly rows?: (
    outputs: Values<O>,
    targets: Values<T>,
  ) => { readonly loss: Value; readonly isRight: Value; readonly isTop5: Value }
  /** How many rows are right, int32 []; absent: the step has no output `correct`. */
  readonly correct?: (outputs: Values<O>, targets: Values<T>) => Value<'int32', 0>
}

/** A loss seen without the types of its model. */
export type AnyLoss = Loss<Signature, Signature>

/** Its values fit the model's outputs by the signature of whoever took both. */
export const anyLoss = <T extends Signature, O extends Signature>(given: Loss<T, O>): AnyLoss =>
  given as unknown as AnyLoss // a function of certain outputs is none of any outputs

/** A loss of one's own: `loss({ wanted: float32('batch', 3) }, ({ embedding }, { wanted }) => ...)`. */
export const loss = <const T extends Signature, O extends Signature>(
  targets: T,
  value: (outputs: Values<O>, targets: Values<T>) => Scalar,
): Loss<T, O> => ({ targets: () => targets, value })

type Logits = { readonly logits: TensorType<'float32', 2> }
interface CrossEntropyOptions<L extends 'index' | 'distribution'> {
  readonly labels?: L
  /** Mass moved from the right class to all of them alike; default 0. */
  readonly labelSmoothing?: number
}
type Label<D extends DType, R extends number> = { readonly label: TensorType<D, R> }

interface CrossEntropy {
  (
    options: CrossEntropyOptions<'distribution'> & { readonly labels: 'distribution' },
  ): Loss<Label<'float32', 2>, Logits>
  (options?: CrossEntropyOptions<'index'>): Loss<Label<'int32', 1>, Logits>
}

/**
 * Softmax cross-entropy of the output `logits` [batch,classes], averaged over the batch.
 * Target `label`: int32 [batch] class indices, or float32 [batch,classes] distributions.
 */
export const crossEntropy = (({
  labels = 'index',
  labelSmoothing = 0,
}: CrossEntropyOptions<'index' | 'distribution'> = {}) => {
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new EffuseError({
      code: 'EF403',
      message: `labelSmoothing must be a number from 0 to below 1, got ${labelSmoothing}`,
    })
  const isIndex = labels === 'index'
  const distribution = (logits: Value, label: Value): Value => {
    const b = logits.builder
    const classes = logits.shape[1] ?? 1
    const exact = isIndex ? b.oneHot(label, classes) : label
    return labelSmoothing === 0 ? exact : b.add(b.mul(exact, 1 - labelSmoothing), labelSmoothing / classes)
  }
  const rightClass = (label: Value): Value => (isIndex ? label : label.builder.emit1('argMax', [label], { axis: 1 }))
  return {
    targets: (outputs: Logits) => {
      const classes = outputs.logits?.shape[1]
      if (outputs.logits?.rank !== 2 || classes === undefined)
        throw new EffuseError({
          code: 'EF111',
          message: `cross-entropy needs an output "logits" [batch,classes]; the outputs are ${Object.keys(outputs).join(', ')}`,
        })
      return { label: isIndex ? int32('batch') : float32('batch', classes) }
    },
    value: ({ logits }: { readonly logits: Value }, { label }: { readonly label: Value }) => {
      const b = logits.builder
      return b.mean(b.emit1('softmaxCrossEntropy', [logits, distribution(logits, label)], {}), [0])
    },
    rows: ({ logits }: { readonly logits: Value }, { label }: { readonly label: Value }) => {
      const b = logits.builder
      const classes = logits.shape[1] ?? 1
      const exact = isIndex ? b.oneHot(label, classes) : label
      const [, best] = b.emit('topK', [logits], { k: Math.min(5, classes) }) as readonly [Value, Value] // two results
      const right = b.broadcast(rightClass(label), best.shape, [0])
      return {
        loss: b.emit1('softmaxCrossEntropy', [logits, exact], {}),
        isRight: b.compare('eq', b.emit1('argMax', [logits], { axis: 1 }), rightClass(label)),
        isTop5: b.emit1('reduceAny', [b.compare('eq', best, right)], { axes: [1], keepDims: false }),
      }
    },
    correct: ({ logits }: { readonly logits: Value }, { label }: { readonly label: Value }) => {
      const b = logits.builder
      const hits = b.compare('eq', b.emit1('argMax', [logits], { axis: 1 }), rightClass(label))
      return b.reduceSum(b.cast(hits, 'int32'), [0])
    },
  }
}) as CrossEntropy // the overloads say what follows from `labels`
