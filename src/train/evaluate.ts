/** Measures a network on held-out data. */
import { nextTurn, now } from '#platform'
import { compile } from '../compile.ts'
import type { Executable } from '../executable/executable.ts'
import type { CompileOptions, ExecutionOptions } from '../executable/options.ts'
import { read } from '../executable/results.ts'
import type { Variables } from '../executable/variables.ts'
import type { WeightsSource } from '../executable/weights-source.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { callback, type Check, checkPresent, checkRecord, count, flag, unchecked } from '../ir/check-record.ts'
import { shortList } from '../ir/listed.ts'
import { checkModel, type Model } from '../ir/model.ts'
import type { Signature, TensorType } from '../ir/value.ts'
import { declareEvaluation } from '../passes/train/evaluation.ts'
import { anyLoss, crossEntropy, type Loss, lossCheck } from '../passes/train/losses.ts'
import { anyMetrics, type Metrics, metricsCheck } from '../passes/train/metrics.ts'
import { drawBatches } from './draw-batches.ts'
import type { Evaluation } from './evaluation-result.ts'
import { type BatchFigures, makeSums } from './evaluation-sums.ts'
import { makeFeeder, nonFiniteFeed } from './feeder.ts'
import { type Column, type DataSource, sourceCheck } from './source.ts'
import type { WebAbortSignal } from '../ir/web-types.ts'

export interface EvaluateOptions<
  T extends Signature = Signature,
  O extends Signature = Signature,
  M extends string = string,
> extends ExecutionOptions,
    Pick<CompileOptions, 'signal'> {
  readonly data: DataSource
  /** Another executable's variables (or their averages), or weights to load. */
  readonly variables: Variables | WeightsSource
  /** Must count correct rows. Default crossEntropy(). */
  readonly loss?: Loss<T, NoInfer<O>> | undefined
  /** Functions in the graph that return a value per row, by name. The result has their means. */
  readonly metrics?: Metrics<NoInfer<T>, NoInfer<O>, M> | undefined
  /** Count how often each class is predicted for each class. Default false. */
  readonly confusion?: boolean | undefined
  /** Rows of one run. Default 32. */
  readonly batch?: number | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

const checks: { readonly [K in keyof Required<EvaluateOptions>]: Check } = {
  data: sourceCheck,
  loss: lossCheck,
  metrics: metricsCheck,
  confusion: flag,
  // compile() reports an invalid one.
  variables: ["another executable's variables, or weights", () => true],
  batch: count,
  onProgress: callback,
  backend: unchecked,
  amp: unchecked,
  xla: unchecked,
  precision: unchecked,
  deterministic: unchecked,
  seed: unchecked,
  signal: unchecked,
}

/** The targets of crossEntropy(), the default loss. */
type DefaultTargets = { readonly label: TensorType<'int32', 1> }

/**
 * Top-1, top-5 and loss over all rows of a source; a short last batch is padded with blank rows that do not count.
 *
 * @throws EffuseError EF701 (the data does not fit), EF702 (a row's loss is not finite), EF403 (options), what compile() throws, and the
 * signal's reason.
 * @example
 * const source = { classes: ['a', 'b', 'c'], length: 2, batches: () => [{ image: new Uint8Array(2 * 224 * 224 * 3), label: Int32Array.of(0, 2) }] }
 * const { top1, confusion } = await evaluate(model, { data: source, variables: net.variables, batch: 2, confusion: true })
 * const isSure = ({ logits }: { logits: Value<'float32', 2> }) => greater(reduceMax(softmax(logits, 1), [1]), 0.9)
 * const { metrics } = await evaluate(model, { data: source, variables: net.variables, batch: 2, metrics: { isSure } })
 */
export const evaluate = async <
  I extends Signature,
  O extends Signature,
  T extends Signature = DefaultTargets,
  M extends string = never,
>(
  model: Model<I, O>,
  given: EvaluateOptions<T, O, M>,
): Promise<Evaluation<M>> => {
  checkModel('evaluate()', model)
  checkRecord('evaluate()', '', given, checks)
  checkPresent('evaluate()', given, { data: checks.data, variables: checks.variables })
  const { data, variables, loss, metrics, confusion, batch = 32, onProgress, ...options } = given
  classesOf(model, data)
  const declared = declareEvaluation(model, {
    loss: loss === undefined ? anyLoss(crossEntropy()) : anyLoss(loss), // the declaration checks it against the outputs
    metrics: anyMetrics(metrics),
    hasClasses: confusion,
  })
  using tester = await compile(declared, { ...options, batch, variables })
  const { distributions } = loss ?? {}
  const found = await evaluateWith(tester, declared, {
    ...{ data, batch, size: sizeOf(model), distributions, signal: options.signal, onProgress },
  })
  return found as Evaluation<M> // the declared metrics
}

/** Height and width of the pictures that a model takes; undefined for models with other inputs. */
export const sizeOf = ({ inputs }: { readonly inputs: Signature }): readonly [number, number] | undefined => {
  const [, height, width] = inputs['image']?.rank === 4 ? (inputs['image'].shape as readonly unknown[]) : []
  return typeof height === 'number' && typeof width === 'number' ? [height, width] : undefined
}

/**
 * The number of classes of a model; that of the data if the model has no logits.
 * @throws EffuseError EF701 if they differ, and if two classes of the data have the same name
 */
export const classesOf = ({ name, outputs }: Pick<Model, 'name' | 'outputs'>, data: DataSource): number => {
  const seen = new Set<string>()
  const twice = data.classes.find((label) => seen.size === seen.add(label).size)
  if (twice !== undefined)
    throw new EffuseError({
      code: 'EF701',
      message: `two classes of the data are called "${twice}"`,
      hint: 'give each class a unique name: resumed runs and predictions identify classes by their names',
    })
  const classes = outputs['logits']?.shape[1]
  if (typeof classes === 'number' && classes !== data.classes.length)
    throw new EffuseError({
      code: 'EF701',
      message: `${name} has ${classes} classes, but the data has ${data.classes.length}: ${shortList(data.classes, 10)}`,
      hint: `"logits" must have a column for each class, ${data.classes.length}: the units of the last layer (efficientNet: classes: ${data.classes.length})`,
    })
  return data.classes.length
}

export interface EvaluationRun {
  readonly data: DataSource
  readonly batch: number
  readonly size: readonly [number, number] | undefined
  /** Of the loss. */
  readonly distributions: readonly string[] | undefined
  readonly signal?: WebAbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Runs an executable of an evaluation over a source. `declared` describes its feeds. @throws EffuseError EF701, EF702 */
export const evaluateWith = async (
  tester: Executable,
  declared: Model,
  { data, batch, size, distributions, signal, onProgress }: EvaluationRun,
): Promise<Evaluation> => {
  const { valid: _, ...inputs } = declared.inputs
  const feeder = makeFeeder({ inputs, batch, classes: data.classes.length, distributions })
  const sums = makeSums(data.classes)
  const done: Timed[] = []
  let from = now()
  let index = 0
  for await (const columns of drawBatches(data, { batch, epoch: 0, seed: 0, size, signal })) {
    const { feeds, rows } = feeder.feed(columns, { epoch: 0, batch: index++ })
    const values = await runBatch(tester, feeds, rows)
    if (!Number.isFinite(values.loss)) throw await notFinite(tester, feeds, { rows, before: sums.count(), batch })
    sums.add(values, rows)
    if (sums.count() > data.length)
      throw new EffuseError({
        code: 'EF701',
        message: `the length of the data source is ${data.length} rows, but it gave ${sums.count()} rows to evaluate`,
        hint: 'length must be the number of rows, and batches() must end after them',
      })
    await nextTurn()
    done.push({ ms: now() - from, rows })
    from = now()
    onProgress?.(sums.count(), data.length)
  }
  signal?.throwIfAborted()
  if (sums.count() === 0) throw new EffuseError({ code: 'EF701', message: 'the data source gave no rows to evaluate' })
  return { ...sums.result(), ...speedOf(done) }
}

interface Timed {
  readonly ms: number
  readonly rows: number
}

/** The first batch is a warm-up. It does not count if there are others. */
const speedOf = (done: readonly Timed[]): Pick<Evaluation, 'imagesPerSecond' | 'latencyMs'> => {
  const warm = done.length > 1 ? done.slice(1) : done
  const times = warm.map(({ ms }) => ms)
  const total = times.reduce((sum, ms) => sum + ms, 0)
  return {
    imagesPerSecond: warm.reduce((sum, { rows }) => sum + rows, 0) / (total / 1000),
    latencyMs: {
      mean: total / times.length,
      p90: quantile(times, 0.9),
      p95: quantile(times, 0.95),
      p99: quantile(times, 0.99),
    },
  }
}

type Feeds = { readonly [input: string]: Column }

const runBatch = async (tester: Executable, feeds: Feeds, valid: number): Promise<BatchFigures> => {
  const results = await tester.run({ ...feeds, valid } as never) // the feeder made them for these inputs
  const given = (await read(results)) as { readonly [name: string]: unknown } // as declareEvaluation() has it
  for (const result of Object.values(results)) result.dispose()
  const { loss, correct, top5, predicted, wanted, ...metrics } = given
  return {
    ...({ loss, correct, top5 } as Pick<BatchFigures, 'loss' | 'correct' | 'top5'>),
    metrics: metrics as BatchFigures['metrics'],
    classes: predicted === undefined ? null : ({ predicted, wanted } as NonNullable<BatchFigures['classes']>),
  }
}

/** A network with a loss that is not finite has no accuracy. Bisection finds the first such row; rows from `valid` on are padding. */
const notFinite = async (
  tester: Executable,
  feeds: Feeds,
  { rows, before, batch }: { readonly rows: number; readonly before: number; readonly batch: number },
): Promise<EffuseError> => {
  let [finite, not] = [0, rows]
  while (not - finite > 1) {
    const middle = (finite + not) >> 1
    if (Number.isFinite((await runBatch(tester, feeds, middle)).loss)) finite = middle
    else not = middle
  }
  const { loss } = await runBatch(tester, feeds, not)
  const culprit = nonFiniteFeed(feeds, batch)
  return new EffuseError({
    code: 'EF702',
    message: `the evaluation is not finite: the loss of row ${before + not - 1} is ${loss}, and the rows before it are finite; ${culprit === null ? 'all inputs of its batch are finite' : `the input ${culprit} of its batch`}`,
    hint:
      culprit === null
        ? 'the weights are not finite, or this row overflows float32 (with mixed precision: the half type)'
        : 'correct the data',
  })
}

/** The quantile of this share, by nearest rank. */
const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
