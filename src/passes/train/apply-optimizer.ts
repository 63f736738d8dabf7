/**
 * Turns gradients into updates: one optimizer node per variable, its slots as variables `optimizer/<variable>/<slot>`. It also updates
 * the step and the loss scale. A step that is not finite changes only the loss scale. A plan with the output `updated` has already been
 * transformed, or another plan makes its update.
 */
import { Edit } from '../../ir/edit.ts'
import { nodeAt } from '../../ir/graph.ts'
import type { Ref, Update } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { gradientPrefix } from '../autodiff/differentiate.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { gradientsIn, outputOf, withOutputs } from './gradient-outputs.ts'
import { dynamicScale, type LossScale, scaleVariables } from './loss-scale.ts'
import { emitOptimizer, slotsOf, type StepValues, type UpdateRule } from './optimizers.ts'
import { scalarState, stepName } from './state.ts'

export const applyOptimizer = (rule: UpdateRule, lossScale: LossScale): GraphPass =>
  definePass({
    name: 'apply-optimizer',
    summary: 'gradients into updates',
    phase: 'grad',
    preserves: 'mode',
    options: { rule, lossScale },
    run: (graph, cx) => {
      if (graph.outputs.some((output) => output.name === 'updated')) return graph
      const edit = new Edit(graph, 'apply-optimizer')
      const flag = outputOf(graph, 'finite')
      const b = edit.emitter(nodeAt(graph, flag.id), 'step')
      const finite = edit.value(flag, b)
      const step = scalarState(edit, b, stepName, 'int32', 0)
      const rate = edit.value(outputOf(graph, 'learningRate'), b)
      const trained = gradientsIn(graph)
      cx.report('variables', trained.length)
      const isTrained = new Set(trained.map(({ variable }) => variable.id))
      const updates: Update[] = [
        // After accumulation the trained variables have identity updates, so that the plan contains them.
        ...graph.updates.filter(({ variable }) => !isTrained.has(variable)),
        ...trained.flatMap((of) => optimizerUpdates(edit, rule, of, { rate, step, finite })),
        { variable: step.id, value: b.select(finite, b.add(step, 1), step) },
      ]
      if (lossScale === 'dynamic') {
        const good = scalarState(edit, b, scaleVariables.goodSteps, 'int32', 0)
        const scale = edit.value(outputOf(graph, 'lossScale'), b)
        const [nextScale, nextGood] = b.emit('lossScaleUpdate', [scale, good, finite], {
          interval: dynamicScale.interval,
          least: dynamicScale.least,
        }) as readonly [Value, Value] // two results
        updates.push({ variable: scale.id, value: nextScale }, { variable: good.id, value: nextGood })
      }
      edit.setUpdates(updates)
      const outputs = withOutputs(graph, new Map<string, Ref>([['updated', finite]]))
      edit.setOutputs(outputs.filter((output) => !output.name.startsWith(gradientPrefix)))
      return edit.commit()
    },
  })

const optimizerUpdates = (
  edit: Edit,
  rule: UpdateRule,
  { variable, gradient }: ReturnType<typeof gradientsIn>[number],
  values: StepValues,
): readonly Update[] => {
  const b = edit.emitter(variable, `optimizer(${variable.attrs.name})`)
  const w = edit.value({ id: variable.id, port: 0 }, b)
  const slots = slotsOf(rule).map(([slot, init]) =>
    b.emit1('variable', [], { name: `optimizer/${variable.attrs.name}/${slot}`, trainable: false, init }, [
      { dtype: 'float32', shape: w.shape },
    ]),
  )
  const results = emitOptimizer(rule, w, edit.value(gradient, b), slots, values)
  return [w, ...slots].map((old, i) => ({ variable: old.id, value: results[i] as Value })) // an optimizer gives one result for each
}
