/** evaluationStep(): the model with a loss, without smoothing and decay, which counts only valid rows. */
import { checkPresent, checkRecord } from '../../ir/check-record.ts'
import { modelMetadata, withMetadata } from '../../ir/metadata.ts'
import { checkModel, type Model, probed, typeAt } from '../../ir/model.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { Edit } from '../../ir/edit.ts'
import { liveOrder } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import { float32, int32, type Signature, type TensorType, type Value, type Values } from '../../ir/value.ts'
import { type AnyLoss, anyLoss, type Loss, lossCheck } from './losses.ts'
import { type AnyMetrics, anyMetrics, metricRows, type Metrics, metricsCheck } from './metrics.ts'

export type EvaluationOutputs = {
  /** Mean over the valid rows. */
  readonly loss: TensorType<'float32', 0>
  /** Rows whose largest logit is the right class. */
  readonly correct: TensorType<'int32', 0>
  /** Rows whose right class is among the five largest logits. */
  readonly top5: TensorType<'int32', 0>
}
type Merge<A, B> = { readonly [K in keyof A | keyof B]: K extends keyof A ? A[K] : K extends keyof B ? B[K] : never }

/**
 * Declares an evaluation. Inputs: the model's inputs, the loss's targets and `valid` (int32 scalar: how many of the first rows count, for a
 * padded last batch). Outputs: `loss`, `correct` and `top5` over the valid rows, and the mean of each metric over them, float32 [].
 *
 * @throws EffuseError EF111 if the loss or a metric gives no value per row (crossEntropy gives one); EF403 (options).
 * @example
 * const evaluation = evaluationStep(efficientNet('b0', { classes: 10, resolution: 32 }), { loss: crossEntropy() })
 */
export const evaluationStep = <I extends Signature, O extends Signature, T extends Signature, M extends string = never>(
  model: Model<I, O>,
  options: {
    readonly loss: Loss<T, NoInfer<O>>
    readonly metrics?: Metrics<NoInfer<T>, NoInfer<O>, M> | undefined
  },
): Model<
  Merge<Merge<I, T>, { readonly valid: TensorType<'int32', 0> }>,
  Merge<EvaluationOutputs, { readonly [K in M]: TensorType<'float32', 0> }>
> => {
  checkModel('evaluationStep()', model)
  const checks = { loss: lossCheck, metrics: metricsCheck }
  checkRecord('evaluationStep()', '', options, checks)
  checkPresent('evaluationStep()', options, { loss: lossCheck })
  const declared = declareEvaluation(model, { loss: anyLoss(options.loss), metrics: anyMetrics(options.metrics) })
  return declared as never // the types of declareEvaluation()'s outputs
}

export interface EvaluationParts {
  readonly loss: AnyLoss
  readonly metrics?: AnyMetrics | undefined
  /** Also outputs each row's class as `predicted` and `wanted`, int32 [batch]. */
  readonly hasClasses?: boolean | undefined
}

/** evaluationStep() of any model. @throws EffuseError EF111 */
export const declareEvaluation = (model: Model, parts: EvaluationParts): Model => {
  const targets = { ...parts.loss.targets(model.outputs), valid: int32() }
  const at = ({ batch }: { readonly batch: number }): Graph => withCounts(model.at({ batch }), targets, parts, batch)
  probed(at)
  const outputs = {
    ...{ loss: float32(), correct: int32(), top5: int32() },
    ...Object.fromEntries(Object.keys(parts.metrics ?? {}).map((name) => [name, float32()])),
    ...(parts.hasClasses === true ? { predicted: int32('batch'), wanted: int32('batch') } : {}),
  }
  const inputs = { ...model.inputs, ...targets }
  return withMetadata(Object.freeze({ name: `${model.name}.evaluate`, inputs, outputs, at }), modelMetadata(model))
}

const withCounts = (
  inner: Graph,
  targets: Signature,
  { loss: { rows }, metrics = {}, hasClasses = false }: EvaluationParts,
  batch: number,
): Graph => {
  if (rows === undefined)
    throw new EffuseError({
      code: 'EF111',
      message: 'an evaluation needs a loss with a value per row',
      hint: 'crossEntropy() has one; a loss of your own gets it by { ...loss(…), rows }, or leave the test data out',
    })
  const edit = new Edit(inner, 'evaluation')
  const from = liveOrder(inner).at(-1)
  if (from === undefined) throw new EffuseError({ code: 'EF111', message: `${inner.name} is empty` })
  const b = edit.emitter(from, 'evaluation')
  const given = Object.entries(targets).map(
    ([name, type]) => [name, edit.value(edit.add('input', [], { name }, from, '', [typeAt(type, batch)]), b)] as const,
  )
  const outputs = Object.fromEntries(
    inner.outputs.map(({ name, value }) => [name, edit.value(value, b)]),
  ) as Values<Signature>
  const fed = Object.fromEntries(given) as Values<Signature>
  const { loss, isRight, isTop5, classes } = rows(outputs, fed)
  if (hasClasses && classes === undefined)
    throw new EffuseError({
      code: 'EF111',
      message: 'a confusion matrix needs a loss that says which class is right and which is predicted',
      hint: 'crossEntropy() does; the `rows` of your own loss may give `classes: { predicted, wanted }`, int32 [batch]',
    })
  const valid = fed['valid'] as Value // among the targets
  const counts = b.compare('lt', b.iota([batch], 0, 'int32'), b.broadcast(valid, [batch], []))
  const counted = (flag: Value): Value => b.reduceSum(b.cast(b.emit1('and', [flag, counts], {}), 'int32'), [0])
  const divisor = b.maximum(b.cast(valid, 'float32'), 1)
  const meanOf = (each: Value): Value => b.div(b.reduceSum(b.select(counts, each, 0), [0]), divisor)
  const ofOwn = metricRows(metrics, outputs, fed, batch)
  edit.setInputs([...inner.inputs, ...given.map(([, value]) => value.id)])
  edit.setOutputs([
    { name: 'loss', value: meanOf(loss) },
    { name: 'correct', value: counted(isRight) },
    { name: 'top5', value: counted(isTop5) },
    ...ofOwn.map(([name, each]) => ({ name, value: meanOf(each) })),
    ...(hasClasses && classes !== undefined
      ? [
          { name: 'predicted', value: classes.predicted },
          { name: 'wanted', value: classes.wanted },
        ]
      : []),
  ])
  return edit.commit()
}
