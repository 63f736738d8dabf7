/**
 * L2 weight decay: lambda * sum(w^2) over kernels and biases, not over norms. Its gradient 2 * lambda * w joins the float32 gradients
 * after unscaling, not through the loss, so that mixed precision has nothing to cast; the output `loss` includes it.
 */
import { Edit } from '../../ir/edit.ts'
import { globFilter } from '../../ir/glob.ts'
import { nodeAt } from '../../ir/graph.ts'
import type { Ref } from '../../ir/types.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { gradientsIn, mapGradients, outputOf, withOutputs } from './gradient-outputs.ts'

/** What decays: every kernel, depthwise ones too, and the biases of squeeze-excite and dense layers. */
export const decayed = globFilter(['**/kernel', '**/bias'])

export const weightDecay = (lambda: number): GraphPass =>
  definePass({
    name: 'weight-decay',
    summary: 'L2 on kernels and biases',
    phase: 'grad',
    preserves: 'mode',
    options: { lambda },
    run: (graph, cx) => {
      if (lambda === 0) return graph
      const edit = new Edit(graph, 'weight-decay')
      const gradients = mapGradients(graph, 'weightDecay', edit, (gradient, variable, { attrs }) =>
        decayed(attrs.name) ? gradient.builder.add(gradient, gradient.builder.mul(variable, 2 * lambda)) : gradient,
      )
      const loss = outputOf(graph, 'loss')
      const b = edit.emitter(nodeAt(graph, loss.id), 'weightDecay')
      const squares = gradientsIn(graph)
        .filter(({ variable }) => decayed(variable.attrs.name))
        .map(({ variable }) => {
          const w = edit.value({ id: variable.id, port: 0 }, b)
          return b.reduceSum(
            b.mul(w, w),
            w.shape.map((_, axis) => axis),
          )
        })
      cx.report('variables', squares.length)
      if (squares.length === 0) return graph
      const total = squares.reduce((sum, square) => b.add(sum, square))
      edit.setOutputs(
        withOutputs(
          graph,
          new Map<string, Ref>([...gradients, ['loss', b.add(edit.value(loss, b), b.mul(total, lambda))]]),
        ),
      )
      return edit.commit()
    },
  })
