/** Clipping by global norm: all gradients are scaled by min(1, longest / norm), the norm being that of all of them together. */
import { Edit } from '../../ir/edit.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { gradientsIn, mapGradients, withOutputs } from './gradient-outputs.ts'

export const clip = (longest: number): GraphPass =>
  definePass({
    name: 'clip',
    summary: 'clip the gradients by their global norm',
    phase: 'grad',
    preserves: 'mode',
    options: { longest },
    run: (graph) => {
      const edit = new Edit(graph, 'clip')
      const [first] = gradientsIn(graph)
      if (first === undefined) return graph
      const b = edit.emitter(first.variable, 'clip')
      const squares = gradientsIn(graph).map(({ gradient }) => {
        const g = edit.value(gradient, b)
        return b.reduceSum(
          b.mul(g, g),
          g.shape.map((_, axis) => axis),
        )
      })
      const norm = b.sqrt(squares.reduce((sum, square) => b.add(sum, square)))
      // norm 0 gives infinity, and the minimum is 1.
      const factor = b.minimum(b.div(longest, norm), 1)
      edit.setOutputs(
        withOutputs(
          graph,
          mapGradients(graph, 'clip', edit, (gradient) => gradient.builder.mul(gradient, factor)),
        ),
      )
      return edit.commit()
    },
  })
