/** Losses: a scalar to minimise, and the targets that it needs in addition to the model's inputs. */
import { type Check, checkRecord, isFloat32, isObject } from '../../ir/check-record.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
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
  /** Values of each row, without smoothing, for evaluation; flags are bool [batch]. Absent: the loss has no values per row. */
  readonly rows?: (
    outputs: Values<O>,
    targets: Values<T>,
  ) => {
    readonly loss: Value
    readonly isRight: Value
    readonly isTop5: Value
    /** Class indices, int32 [batch]; absent: there is no confusion matrix. */
    readonly classes?: { readonly predicted: Value; readonly wanted: Value }
  }
  /** Names of the targets that are distributions over classes. Training loops refuse rows that are not distributions. */
  readonly distributions?: readonly string[]
  /** Number of correct rows, int32 []; absent: the step has no output `correct`. */
  readonly correct?: (outputs: Values<O>, targets: Values<T>) => Value<'int32', 0>
}

/** A loss without the types of its model. */
export type AnyLoss = Loss<Signature, Signature>

/** The signature of the function that took both guarantees that it fits the model's outputs. */
export const anyLoss = <T extends Signature, O extends Signature>(given: Loss<T, O>): AnyLoss =>
  given as unknown as AnyLoss // a function of certain outputs does not accept all outputs

/** The outputs that a loss reads, from the parameters that its function declares. */
type Read<V extends Outputs> = { readonly [K in keyof V]: TensorType<V[K]['dtype'], V[K]['rank']> }
type Outputs = { readonly [name: string]: Value }

interface MakeLoss {
  <const T extends Signature, O extends Signature>(
    targets: T,
    value: (outputs: Values<O>, targets: Values<T>) => Scalar,
  ): Loss<T, O>
  <const T extends Signature, V extends Outputs>(
    targets: T,
    value: (outputs: V, targets: Values<T>) => Scalar,
  ): Loss<T, Read<V>>
}

/**
 * A custom loss: its targets, and a function from the model's outputs and the targets to a float32 scalar []. Inside a call of
 * trainingStep() or fit() the outputs have the model's types; elsewhere the function declares which outputs it reads.
 *
 * @throws EffuseError EF403 if `value` is not a function; at trainingStep() EF111 if the function gives no float32 scalar.
 * @example
 * const line = graph('line', { x: float32('batch', 2) }, ({ x }) => ({ y: nn.dense(x, { name: 'dense', units: 1 }) }))
 * const squared = loss({ wanted: float32('batch', 1) }, ({ y }: { y: Value<'float32', 2> }, { wanted }) => {
 *   const difference = sub(y, wanted) // [batch,1]
 *   return mean(mul(difference, difference))
 * })
 * const step = trainingStep(line, { loss: squared, optimizer: sgd({ learningRate: 0.1 }) })
 */
export const loss = (<T extends Signature, O extends Signature>(
  targets: T,
  value: (outputs: Values<O>, targets: Values<T>) => Scalar,
): Loss<T, O> => {
  if (typeof targets !== 'object' || targets === null || typeof value !== 'function')
    throw new EffuseError({
      code: 'EF403',
      message: `loss() takes the types of its targets and a function of outputs and targets, got ${showGiven(targets)} and ${showGiven(value)}`,
      hint: "write loss({ wanted: float32('batch', 1) }, ({ y }, { wanted }) => …)",
    })
  return { targets: () => targets, value }
}) as MakeLoss // two ways to declare the outputs, one function

type Logits = { readonly logits: TensorType<'float32', 2> }
/** The check of the option `loss`. */
export const lossCheck: Check = [
  'a loss such as crossEntropy()',
  (v) =>
    isObject(v) && 'targets' in v && typeof v.targets === 'function' && 'value' in v && typeof v.value === 'function',
]

interface CrossEntropyOptions<L extends 'index' | 'distribution'> {
  /** 'index' (default): int32 [batch] class indices. 'distribution': float32 [batch,classes]. */
  readonly labels?: L | undefined
  /** Share of the target that is spread equally over all classes, from 0 to below 1; default 0. */
  readonly labelSmoothing?: number | undefined
  /** One weight per class, 0 or more, not all 0: how much a row counts in training. Evaluations ignore the weights. */
  readonly classWeights?: readonly number[] | undefined
}
const isWeight = (v: unknown): boolean => isFloat32(v) && v >= 0
const crossEntropyChecks: { readonly [K in keyof CrossEntropyOptions<'index'>]-?: Check } = {
  labels: ["'index' or 'distribution'", (v) => v === 'index' || v === 'distribution'],
  labelSmoothing: ['a number from 0 to below 1', (v) => typeof v === 'number' && v >= 0 && v < 1],
  classWeights: [
    'a list of numbers of at least 0, one per class, and not all of them 0',
    (v) => Array.isArray(v) && v.every(isWeight) && v.some((weight) => Math.fround(weight) > 0),
  ],
}
type Label<D extends DType, R extends number> = { readonly label: TensorType<D, R> }

interface CrossEntropy {
  (
    options: CrossEntropyOptions<'distribution'> & { readonly labels: 'distribution' },
  ): Loss<Label<'float32', 2>, Logits>
  (options?: CrossEntropyOptions<'index'>): Loss<Label<'int32', 1>, Logits>
}

/**
 * Softmax cross-entropy of the output `logits` float32 [batch,classes] in nats, averaged over the batch (Szegedy et al. 2015 for the smoothing).
 * Target `label`: int32 [batch] class indices, or float32 [batch,classes] distributions. A row with an invalid class index has the loss 0.
 * fit() and evaluate() refuse such rows (EF701), and distributions with a negative share or with a sum that differs from 1 by more than 1e-3.
 * run() of a step does not check labels, as PyTorch and TensorFlow do not: they may be on the device, and rows that are no distributions have a
 * use. Without smoothing, a row's loss is linear in its label: a row times 2 counts twice, and a row of zeros has the loss 0.
 * With `classWeights` each term of a class is multiplied by its weight. The sum is then divided by the sum of the rows' class weights or, if
 * labels are distributions, by the number of rows, as in PyTorch's CrossEntropyLoss. A batch whose weights are all 0 has the loss 0.
 *
 * @throws EffuseError EF403 (options; at trainingStep() a number of weights other than the number of classes); at trainingStep() EF111 if
 * the model has no such output.
 * @example
 * const loss = crossEntropy({ labelSmoothing: 0.1 })
 * const mixed = crossEntropy({ labels: 'distribution' }) // what mixup needs
 * const rare = crossEntropy({ classWeights: [1, 1, 4] }) // a row of the third class counts four times
 */
export const crossEntropy = ((options: CrossEntropyOptions<'index' | 'distribution'> = {}) => {
  checkRecord('crossEntropy()', '', options, crossEntropyChecks)
  const { labels = 'index', labelSmoothing = 0 } = options
  const classWeights = options.classWeights === undefined ? undefined : Float32Array.from(options.classWeights)
  const isIndex = labels === 'index'
  const distribution = (logits: Value, label: Value): Value => {
    const b = logits.builder
    const classes = logits.shape[1] ?? 1
    const exact = isIndex ? b.oneHot(label, classes) : label
    return labelSmoothing === 0 ? exact : b.add(b.mul(exact, 1 - labelSmoothing), labelSmoothing / classes)
  }
  const rightClass = (label: Value): Value => (isIndex ? label : label.builder.emit1('argMax', [label], { axis: 1 }))
  return {
    ...(isIndex ? {} : { distributions: ['label'] }),
    targets: (outputs: Logits) => {
      const classes = outputs.logits?.shape[1]
      if (outputs.logits?.rank !== 2 || classes === undefined)
        throw new EffuseError({
          code: 'EF111',
          message: `cross-entropy needs an output "logits" [batch,classes]; the outputs are ${Object.keys(outputs).join(', ')}`,
        })
      if (classWeights !== undefined && classWeights.length !== classes)
        throw new EffuseError({
          code: 'EF403',
          message: `option "classWeights" has ${classWeights.length} weights, and the model has ${classes} classes`,
          hint: 'give one weight per class, in the order of the classes',
        })
      return { label: isIndex ? int32('batch') : float32('batch', classes) }
    },
    value: ({ logits }: { readonly logits: Value }, { label }: { readonly label: Value }) => {
      const wanted = distribution(logits, label)
      return classWeights === undefined
        ? logits.builder.mean(entropyOf(logits, wanted), [0])
        : weightedMean(logits, { wanted, weights: classWeights, label: isIndex ? label : null })
    },
    rows: ({ logits }: { readonly logits: Value }, { label }: { readonly label: Value }) => {
      const b = logits.builder
      const classes = logits.shape[1] ?? 1
      const exact = isIndex ? b.oneHot(label, classes) : label
      const [, best] = b.emit('topK', [logits], { k: Math.min(5, classes) }) as readonly [Value, Value] // two results
      const predicted = b.emit1('argMax', [logits], { axis: 1 })
      const wanted = rightClass(label)
      const right = b.broadcast(wanted, best.shape, [0])
      return {
        loss: entropyOf(logits, exact),
        isRight: b.compare('eq', predicted, wanted),
        isTop5: b.emit1('reduceAny', [b.compare('eq', best, right)], { axes: [1], keepDims: false }),
        classes: { predicted, wanted },
      }
    },
    correct: ({ logits }: { readonly logits: Value }, { label }: { readonly label: Value }) => {
      const b = logits.builder
      const hits = b.compare('eq', b.emit1('argMax', [logits], { axis: 1 }), rightClass(label))
      return b.reduceSum(b.cast(hits, 'int32'), [0])
    },
  }
}) as CrossEntropy // the overloads define the type that follows from `labels`

const entropyOf = (logits: Value, wanted: Value): Value =>
  logits.builder.emit1('softmaxCrossEntropy', [logits, wanted], {})

interface Weighted {
  /** The distributions, smoothed. */
  readonly wanted: Value
  readonly weights: Float32Array
  /** Class indices; the mean is weighted by their weights. Null: the mean is over the rows. */
  readonly label: Value | null
}

const weightedMean = (logits: Value, { wanted, weights, label }: Weighted): Value => {
  const b = logits.builder
  const perClass = b.broadcast(b.literal({ dtype: 'float32', shape: [weights.length] }, weights), wanted.shape, [1])
  const rows = entropyOf(logits, b.mul(wanted, perClass))
  if (label === null) return b.mean(rows, [0])
  const weight = b.reduceSum(b.mul(b.oneHot(label, weights.length), perClass), [0, 1])
  const hasWeight = b.compare('gt', weight, 0)
  return b.select(hasWeight, b.div(b.reduceSum(rows, [0]), b.select(hasWeight, weight, 1)), 0)
}
