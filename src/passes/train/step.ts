/** trainingStep(): a declaration. Its graph is the model with loss and targets; the training pipeline turns it into the step. */
import { isValue } from '../../ir/build.ts'
import { type Check, checkPresent, checkRecord, isFloat32, isObject, count } from '../../ir/check-record.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import { Edit } from '../../ir/edit.ts'
import { globFilter } from '../../ir/glob.ts'
import { liveOrder, variablesOf } from '../../ir/graph.ts'
import { modelMetadata, withMetadata } from '../../ir/metadata.ts'
import { checkModel, type Model, probed, typeAt } from '../../ir/model.ts'
import { type Graph, type Ref, showType } from '../../ir/types.ts'
import type { Scalar, Signature, TensorType, Value, Values } from '../../ir/value.ts'
import { trainingPasses } from '../pipelines.ts'
import { rememberStep } from './declaration.ts'
import { isPowerOfTwo } from './loss-scale.ts'
import { type AnyLoss, anyLoss, type Loss, lossCheck } from './losses.ts'
import { checkOptimizer, type Optimizer } from './optimizers.ts'
import { isState } from './state.ts'
import { didYouMean } from '../../ir/words.ts'

export interface StepOptions {
  readonly optimizer: Optimizer
  /** lambda of lambda * sum(w^2), over kernels and biases; default 0. */
  readonly weightDecay?: number | undefined
  /** Decay of moving averages of all weights and statistics; default none. */
  readonly emaDecay?: number | undefined
  /** Largest norm of the gradient over all variables together; default none. */
  readonly clipNorm?: number | undefined
  /** Runs per update, default 1: their gradients are averaged, and every n-th run makes the update. */
  readonly accumulate?: number | undefined
  /** Variables that are not trained. */
  readonly frozen?: readonly string[] | undefined
  /** 'none', a constant, 'dynamic', or 'auto' (default): dynamic under float16 mixed precision, else none. */
  readonly lossScale?: 'auto' | 'dynamic' | 'none' | number | undefined
}

export type StepOutputs = {
  readonly loss: TensorType<'float32', 0>
  readonly dataLoss: TensorType<'float32', 0>
  readonly correct: TensorType<'int32', 0>
  readonly learningRate: TensorType<'float32', 0>
  readonly lossScale: TensorType<'float32', 0>
  readonly finite: TensorType<'bool', 0>
  readonly updated: TensorType<'bool', 0>
}
type Merge<A, B> = { readonly [K in keyof A | keyof B]: K extends keyof A ? A[K] : K extends keyof B ? B[K] : never }

/**
 * Declares a training step. Inputs: the model's inputs and the loss's targets. Outputs: `loss`, `dataLoss`, `correct`, `learningRate`,
 * `lossScale`, `finite`, `updated`. The variables are updated at the end of each run, or of every n-th run with `accumulate: n`. `batch` is
 * the batch of one run.
 *
 * @throws EffuseError EF107 (a variable has a name of the step's own state), EF111 (the loss does not fit the outputs), EF403 (options).
 * @example
 * const step = trainingStep(efficientNet('b0', { classes: 3, resolution: 32 }), { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
 */
export const trainingStep = <I extends Signature, O extends Signature, T extends Signature>(
  model: Model<I, O>,
  options: StepOptions & { readonly loss: Loss<T, NoInfer<O>> },
): Model<Merge<I, T>, StepOutputs> => {
  checkModel('trainingStep()', model)
  checkStepOptions(options)
  const targets = options.loss.targets(model.outputs)
  const clash = Object.keys(targets).find((name) => Object.hasOwn(model.inputs, name))
  if (clash !== undefined)
    throw new EffuseError({ code: 'EF107', message: `the loss needs an input "${clash}", which the model has already` })
  const inputs = { ...model.inputs, ...targets } as Merge<I, T> // no name is in both
  const at = ({ batch }: { readonly batch: number }): Graph =>
    withLoss(model.at({ batch }), targets, anyLoss(options.loss), batch)
  const built = probed(at)
  const whole = probed(model.at)
  checkNames(whole)
  checkFrozen(built, whole, options.frozen ?? [])
  const step: Model<Merge<I, T>, StepOutputs> = Object.freeze({
    name: `${model.name}.train`,
    inputs,
    outputs: stepOutputs(built),
    at,
  })
  rememberStep(step, { options, trained: model, pipeline: trainingPasses })
  return withMetadata(step, modelMetadata(model))
}

const checkNames = (graph: Graph): void => {
  const clash = variablesOf(graph).find(({ attrs }) => isState(attrs.name))
  if (clash !== undefined)
    throw new EffuseError({
      code: 'EF107',
      path: clash.path,
      message: `the model's variable "${clash.attrs.name}" has a name of the training step's own state`,
      hint: `step, optimizer/…, ema/…, lossScale/… and accumulate/… are reserved; give the variable another name`,
    })
}

/** A glob that matches nothing is a mistake, and so is a step with nothing to train. */
const checkFrozen = (withLoss: Graph, model: Graph, frozen: readonly string[]): void => {
  const trainable = variablesOf(withLoss).filter(({ attrs }) => attrs.trainable)
  const names = trainable.map(({ attrs }) => attrs.name)
  const all = variablesOf(model).map(({ attrs }) => attrs.name)
  const idle = frozen.find((glob) => !all.some(globFilter(glob.replace(/^!/, ''))))
  if (idle !== undefined)
    throw new EffuseError({
      code: 'EF403',
      message: `option "frozen": no variable fits the glob "${idle}"`,
      hint: all.length === 0 ? undefined : didYouMean(idle, all),
    })
  if (names.filter((name) => !globFilter(frozen)(name)).length === 0)
    throw new EffuseError({
      code: 'EF403',
      message: `there is nothing to train: ${names.length === 0 ? 'the loss depends on no trainable variable' : 'all of the variables that the loss depends on are frozen'}`,
    })
}

const stepOutputs = (graph: Graph): StepOutputs => {
  const scalar = <D extends 'float32' | 'int32' | 'bool'>(dtype: D): TensorType<D, 0> => ({ dtype, rank: 0, shape: [] })
  const float = scalar('float32')
  const outputs = {
    loss: float,
    dataLoss: float,
    learningRate: float,
    lossScale: float,
    finite: scalar('bool'),
    updated: scalar('bool'),
  }
  const hasCorrect = graph.outputs.some((output) => output.name === 'correct')
  return (hasCorrect ? { ...outputs, correct: scalar('int32') } : outputs) as StepOutputs // a loss without `correct` has none, as its type declares
}

/** The model's graph with targets as inputs; its outputs are `loss` (the data loss, so far), `dataLoss` and `correct`. */
const withLoss = (inner: Graph, targets: Signature, of: AnyLoss, batch: number): Graph => {
  const edit = new Edit(inner, 'loss')
  const from = liveOrder(inner).at(-1)
  if (from === undefined) throw new EffuseError({ code: 'EF111', message: `${inner.name} is empty` })
  const b = edit.emitter(from, 'loss')
  const given = Object.entries(targets).map(
    ([name, type]) => [name, edit.add('input', [], { name }, from, '', [typeAt(type, batch)])] as const,
  )
  const outputs = Object.fromEntries(
    inner.outputs.map(({ name, value }) => [name, edit.value(value, b)]),
  ) as Values<Signature>
  const fed = Object.fromEntries(given.map(([name, value]) => [name, edit.value(value, b)])) as Values<Signature>
  const value: Scalar = of.value(outputs, fed)
  if (!isValue(value))
    throw new EffuseError({
      code: 'EF111',
      message: `a loss is a float32 scalar of the graph, got ${showGiven(value)}`,
      hint: 'its function must return a result of ops',
    })
  if (value.shape.length > 0 || value.dtype !== 'float32')
    throw new EffuseError({
      code: 'EF111',
      message: `a loss is a float32 scalar, got ${showType(value)}`,
      hint: 'take the mean over the batch',
    })
  const correct: Ref | undefined = of.correct?.(outputs, fed)
  edit.setInputs([...inner.inputs, ...given.map(([, input]: readonly [string, Value]) => input.id)])
  edit.setOutputs([
    { name: 'loss', value },
    { name: 'dataLoss', value },
    ...(correct === undefined ? [] : [{ name: 'correct', value: correct }]),
  ])
  return edit.commit()
}

/** Numbers of the graph are float32. A number that rounds to 0 or to infinity is refused here. */
const isDecay = (v: unknown): boolean => isFloat32(v) && v >= 0 && isFloat32(2 * v) // the gradient of its square is twice that
const checks: { readonly [K in keyof Required<StepOptions> | 'loss']: Check } = {
  loss: lossCheck,
  optimizer: [
    'an optimizer such as rmsprop({ learningRate })',
    (v) => isObject(v) && 'kind' in v && 'learningRate' in v,
  ],
  weightDecay: ['a number of at least 0', isDecay],
  emaDecay: ['a number between 0 and 1', (v) => isFloat32(v) && v > 0 && Math.fround(v) < 1],
  clipNorm: ['a positive number', (v) => isFloat32(v) && Math.fround(v) > 0],
  accumulate: count,
  frozen: ['a list of globs', (v) => Array.isArray(v) && v.every((glob) => typeof glob === 'string')],
  lossScale: [
    "'auto', 'dynamic', 'none' or a power of two from 2^-126 to 2^127",
    (v) => isPowerOfTwo(v) || ['auto', 'dynamic', 'none'].includes(String(v)),
  ],
}

const checkStepOptions = (options: StepOptions & { readonly loss: unknown }): void => {
  checkRecord('trainingStep()', '', options, checks)
  checkPresent('trainingStep()', options, { loss: checks.loss, optimizer: checks.optimizer })
  checkOptimizer(options.optimizer)
}
