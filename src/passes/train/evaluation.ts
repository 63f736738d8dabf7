/** evaluationStep(): the model with a loss, without smoothing and decay, counting only the rows that are real. */
import { checkPresent, checkRecord } from '../../ir/check-record.ts'
import { modelMetadata, withMetadata } from '../../ir/metadata.ts'
import { checkModel, type Model, typeAt } from '../../ir/model.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { Edit } from '../../ir/edit.ts'
import { liveOrder } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import { int32, type Signature, type TensorType, type Value, type Values } from '../../ir/value.ts'
import { type AnyLoss, anyLoss, type Loss, lossCheck } from './losses.ts'

export type EvaluationOutputs = {
  /** Mean over the valid rows. */
  readonly loss: TensorType<'float32', 0>
  /** Rows whose largest logit is the right one. */
  readonly correct: TensorType<'int32', 0>
  /** Rows whose right class is among the five largest logits. */
  readonly top5: TensorType<'int32', 0>
}
type Merge<A, B> = { readonly [K in keyof A | keyof B]: K extends keyof A ? A[K] : K extends keyof B ? B[K] : never }

/**
 * Declares an evaluation: the model's inputs, the loss's targets and `valid` (int32 scalar: the first rows that count, for a last batch
 * filled up with blanks) in; `loss`, `correct` and `top5` out, over the valid rows.
 *
 * @throws EffuseError EF111 where the loss has no value per row (crossEntropy has).
 * @example
 * const evaluation = evaluationStep(efficientNet('b0', { classes: 10, resolution: 32 }), { loss: crossEntropy() })
 */
export const evaluationStep = <I extends Signature, O extends Signature, T extends Signature>(
  model: Model<I, O>,
  options: { readonly loss: Loss<T, NoInfer<O>> },
): Model<Merge<Merge<I, T>, { readonly valid: TensorType<'int32', 0> }>, EvaluationOutputs> => {
  checkModel('evaluationStep()', model)
  checkRecord('evaluationStep()', '', options, { loss: lossCheck })
  checkPresent('evaluationStep()', options, { loss: lossCheck })
  const targets = options.loss.targets(model.outputs)
  const inputs = { ...model.inputs, ...targets, valid: int32() } as Merge<
    Merge<I, T>,
    { readonly valid: TensorType<'int32', 0> }
  > // disjoint names
  const at = ({ batch }: { readonly batch: number }): Graph =>
    withCounts(model.at({ batch }), { ...targets, valid: int32() }, anyLoss(options.loss), batch)
  at({ batch: 2 })
  const scalar = <D extends 'float32' | 'int32'>(dtype: D): TensorType<D, 0> => ({ dtype, rank: 0, shape: [] })
  const outputs = { loss: scalar('float32'), correct: scalar('int32'), top5: scalar('int32') }
  return withMetadata(Object.freeze({ name: `${model.name}.evaluate`, inputs, outputs, at }), modelMetadata(model))
}

const withCounts = (inner: Graph, targets: Signature, of: AnyLoss, batch: number): Graph => {
  const { rows } = of
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
  const { loss, isRight, isTop5 } = rows(outputs, fed)
  const valid = fed['valid'] as Value // among the targets
  const counts = b.compare('lt', b.iota([batch], 0, 'int32'), b.broadcast(valid, [batch], []))
  const counted = (flag: Value): Value => b.reduceSum(b.cast(b.emit1('and', [flag, counts], {}), 'int32'), [0])
  const total = b.reduceSum(b.select(counts, loss, 0), [0])
  edit.setInputs([...inner.inputs, ...given.map(([, value]) => value.id)])
  edit.setOutputs([
    { name: 'loss', value: b.div(total, b.maximum(b.cast(valid, 'float32'), 1)) },
    { name: 'correct', value: counted(isRight) },
    { name: 'top5', value: counted(isTop5) },
  ])
  return edit.commit()
}
