/**
 * L2 weight decay: lambda * sum(w^2) over kernels and biases, not over norms. Its gradient 2 * lambda * w joins the float32 gradients
 * after unscaling, not through the loss, so that mixed precision adds no casts. The output `loss` includes it. There are two passes,
 * because every micro-batch reports its loss, but each update decays once.
 */
import { Edit } from '../../ir/edit.ts'
import { globFilter } from '../../ir/glob.ts'
import { nodeAt } from '../../ir/graph.ts'
import type { Ref } from '../../ir/types.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { gradientsIn, mapGradients, outputOf, withOutputs } from './gradient-outputs.ts'

/** The variables that decay: every kernel, including depthwise ones, and the biases of squeeze-excite and dense layers. */
export const decayed = globFilter(['**/kernel', '**/bias'])

/** Adds lambda * sum(w^2) to the output `loss`. */
export const weightDecayLoss = (lambda: number): GraphPass =>
  definePass({
    name: 'weight-decay-loss',
    summary: 'L2 of kernels and biases into the reported loss',
    phase: 'grad',
    preserves: 'mode',
    options: { lambda },
    run: (graph, cx) => {
      const variables = gradientsIn(graph).flatMap(({ variable }) => (decayed(variable.attrs.name) ? [variable] : []))
      if (lambda === 0 || variables.length === 0) return graph
      const edit = new Edit(graph, 'weight-decay-loss')
      const loss = outputOf(graph, 'loss')
      const b = edit.emitter(nodeAt(graph, loss.id), 'weightDecay')
      const squares = variables.map(({ id }) => {
        const w = edit.value({ id, port: 0 }, b)
        return b.reduceSum(
          b.mul(w, w),
          w.shape.map((_, axis) => axis),
        )
      })
      cx.report('variables', squares.length)
      const total = squares.reduce((sum, square) => b.add(sum, square))
      const whole = b.add(edit.value(loss, b), b.mul(total, lambda))
      edit.setOutputs(withOutputs(graph, new Map<string, Ref>([['loss', whole]])))
      return edit.commit()
    },
  })

/** Adds 2 * lambda * w to the gradients. */
export const weightDecay = (lambda: number): GraphPass =>
  definePass({
    name: 'weight-decay',
    summary: 'L2 of kernels and biases into their gradients',
    phase: 'grad',
    preserves: 'mode',
    options: { lambda },
    run: (graph, cx) => {
      if (lambda === 0) return graph
      const edit = new Edit(graph, 'weight-decay')
      const gradients = mapGradients(graph, 'weightDecay', edit, (gradient, variable, { attrs }) => {
        if (!decayed(attrs.name)) return gradient
        cx.report('variables')
        return gradient.builder.add(gradient, gradient.builder.mul(variable, 2 * lambda))
      })
      if (!edit.isEmpty) edit.setOutputs(withOutputs(graph, gradients))
      return edit.commit()
    },
  })
