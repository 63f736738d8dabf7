/**
 * Loss scaling as two rewrites around differentiation. Before: the loss is multiplied by the scale, so that every gradient is scaled. After: each
 * gradient is divided by it in float32, and the flag `finite` tells whether all are finite. Scales are powers of two, so in float32 a gradient
 * has the same bits with and without scaling. State: docs/training.md.
 */
import { Edit } from '../../ir/edit.ts'
import { nodeAt } from '../../ir/graph.ts'
import { isFloat, type Ref } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { gradientsIn, mapGradients, outputOf, withOutputs } from './gradient-outputs.ts'

/** 'none', a constant power of two, or 'dynamic'. */
export type LossScale = 'none' | 'dynamic' | number
/** Among float32's normal numbers: 2^-126 to 2^127. Beyond this range a scale would be infinite or 0 in the graph, and no step would be finite. */
export const isPowerOfTwo = (value: unknown): value is number =>
  typeof value === 'number' && value >= 2 ** -126 && value <= 2 ** 127 && value === 2 ** Math.round(Math.log2(value))

/** The initial value of a dynamic scale, the number of finite steps after which it doubles, and its smallest value. */
export const dynamicScale = { initial: 2 ** 15, interval: 2000, least: 1 } as const
export const scaleVariables = { scale: 'lossScale/scale', goodSteps: 'lossScale/goodSteps' } as const

/** Adds the outputs `lossScale` and `scaledLoss`. */
export const scaleLoss = (lossScale: LossScale): GraphPass =>
  definePass({
    name: 'scale-loss',
    summary: 'multiply the loss by the scale',
    phase: 'grad',
    preserves: 'mode',
    options: { lossScale },
    run: (graph) => {
      const edit = new Edit(graph, 'scale-loss')
      const loss = outputOf(graph, 'loss')
      const from = nodeAt(graph, loss.id)
      const b = edit.emitter(from, 'lossScale')
      const scale =
        lossScale === 'dynamic'
          ? b.emit1(
              'variable',
              [],
              { name: scaleVariables.scale, trainable: false, init: { kind: 'constant', value: dynamicScale.initial } },
              [{ dtype: 'float32', shape: [] }],
            )
          : b.splat(lossScale === 'none' ? 1 : lossScale, { dtype: 'float32', shape: [] })
      const scaled = lossScale === 'none' ? loss : b.mul(edit.value(loss, b), scale)
      edit.setOutputs(
        withOutputs(
          graph,
          new Map<string, Ref>([
            ['lossScale', scale],
            ['scaledLoss', scaled],
          ]),
        ),
      )
      return edit.commit()
    },
  })

/** Divides the gradients by the scale, and adds the output `finite`: true if all gradients, the loss and all new values of variables are finite. */
export const unscale = (lossScale: LossScale): GraphPass =>
  definePass({
    name: 'unscale',
    summary: 'divide the gradients by the scale, and check whether all are finite',
    phase: 'grad',
    preserves: 'mode',
    options: { lossScale },
    run: (graph, cx) => {
      const edit = new Edit(graph, 'unscale')
      const scale = outputOf(graph, 'lossScale')
      const loss = outputOf(graph, 'loss')
      const b = edit.emitter(nodeAt(graph, loss.id), 'lossScale')
      const inverse = lossScale === 'none' ? null : b.reciprocal(edit.value(scale, b))
      const gradients = mapGradients(graph, 'unscale', edit, (gradient) =>
        inverse === null ? gradient : gradient.builder.mul(gradient, inverse),
      )
      // The only updates so far are statistics. A variance may overflow while everything else is finite: division by its infinite root gives 0.
      const statistics = graph.updates.flatMap(({ value }) => (isFloat(edit.typeOf(value).dtype) ? [value] : []))
      const finite: Value = b.emit1('allFinite', [loss, ...gradients.values(), ...statistics], {})
      cx.report('gradients', gradientsIn(graph).length)
      const outputs = withOutputs(graph, new Map<string, Ref>([...gradients, ['finite', finite]]))
      edit.setOutputs(outputs.filter((output) => output.name !== 'scaledLoss'))
      return edit.commit()
    },
  })
