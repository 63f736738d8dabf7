/**
 * Turns gradients into updates: one optimizer node per variable, its slots as variables `optimizer/<variable>/<slot>`; the statistics of
 * batch norms, the step and the loss scale move under the same flag. A step that is not finite changes nothing but the loss scale.
 */
import { Edit } from '../../ir/edit.ts'
import { nodeAt } from '../../ir/graph.ts'
import type { Ref, Update } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { gradientPrefix } from '../autodiff/differentiate.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { gradientsIn, outputOf, withOutputs } from './gradient-outputs.ts'
import { dynamicScale, type LossScale, scaleVariables } from './loss-scale.ts'
import { emitOptimizer, type Optimizer, slotsOf } from './optimizers.ts'
import { emitSchedule } from './schedules.ts'

export const applyOptimizer = (optimizer: Optimizer, lossScale: LossScale): GraphPass =>
  definePass({
    name: 'apply-optimizer',
    summary: 'gradients into updates',
    phase: 'grad',
    preserves: 'mode',
    options: { optimizer, lossScale },
    run: (graph, cx) => {
      const edit = new Edit(graph, 'apply-optimizer')
      const flag = outputOf(graph, 'finite')
      const b = edit.emitter(nodeAt(graph, flag.id), 'step')
      const variable = (name: string, dtype: 'float32' | 'int32', value: number): Value =>
        b.emit1('variable', [], { name, trainable: false, init: { kind: 'constant', value } }, [{ dtype, shape: [] }])
      const finite = edit.value(flag, b)
      const step = variable('step', 'int32', 0)
      const rate = emitSchedule(optimizer.learningRate, step)
      const updates: Update[] = graph.updates.map((update) => guardedUpdate(edit, update, finite))
      for (const { variable: trained, gradient } of gradientsIn(graph)) {
        const at = edit.emitter(trained, `optimizer(${trained.attrs.name})`)
        const w = edit.value({ id: trained.id, port: 0 }, at)
        const slots = slotsOf(optimizer).map(([name, init]) =>
          at.emit1('variable', [], { name: `optimizer/${trained.attrs.name}/${name}`, trainable: false, init }, [
            { dtype: 'float32', shape: w.shape },
          ]),
        )
        const results = emitOptimizer(optimizer, w, edit.value(gradient, at), slots, { rate, step, finite })
        ;[w, ...slots].forEach((old, i) => updates.push({ variable: old.id, value: results[i] as Value })) // an optimizer gives one result for each
        cx.report('variables')
      }
      updates.push({ variable: step.id, value: b.select(finite, b.add(step, 1), step) })
      if (lossScale === 'dynamic') {
        const good = variable(scaleVariables.goodSteps, 'int32', 0)
        const scale = edit.value(outputOf(graph, 'lossScale'), b)
        const [nextScale, nextGood] = b.emit('lossScaleUpdate', [scale, good, finite], {
          interval: dynamicScale.interval,
          least: dynamicScale.least,
        }) as readonly [Value, Value] // two results
        updates.push({ variable: scale.id, value: nextScale }, { variable: good.id, value: nextGood })
      }
      edit.setUpdates(updates)
      const outputs = withOutputs(
        graph,
        new Map<string, Ref>([
          ['learningRate', rate],
          ['updated', finite],
        ]),
      )
      edit.setOutputs(outputs.filter((output) => !output.name.startsWith(gradientPrefix)))
      return edit.commit()
    },
  })

const guardedUpdate = (edit: Edit, { variable, value }: Update, finite: Value): Update => {
  const node = edit.node(variable)
  const b = edit.emitter(node)
  return {
    variable,
    value: b.select(edit.value(finite, b), edit.value(value, b), edit.value({ id: variable, port: 0 }, b)),
  }
}
