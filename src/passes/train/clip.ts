/** Clipping by global norm: scales all gradients by min(1, longest / norm), with the norm over all gradients together. */
import { Edit } from '../../ir/edit.ts'
import type { Value } from '../../ir/value.ts'
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
      const gradients = gradientsIn(graph).map(({ gradient }) => edit.value(gradient, b))
      const factor = b.minimum(shareOf(longest, gradients), 1)
      edit.setOutputs(
        withOutputs(
          graph,
          mapGradients(graph, 'clip', edit, (gradient) => gradient.builder.mul(gradient, factor)),
        ),
      )
      return edit.commit()
    },
  })

/** The factor that reduces gradients before squaring if their squares overflow. With such a large norm the squares then do not underflow. */
const shrinking = 2 ** -80

/** longest / norm. Norm 0 gives infinity. */
const shareOf = (longest: number, gradients: readonly Value[]): Value => {
  const normOf = (scale: number): Value => {
    const squares = gradients.map((gradient) => {
      const b = gradient.builder
      const g = scale === 1 ? gradient : b.mul(gradient, scale)
      return b.reduceSum(
        b.mul(g, g),
        g.shape.map((_, axis) => axis),
      )
    })
    const sum = squares.reduce((total, square) => total.builder.add(total, square))
    return sum.builder.sqrt(sum)
  }
  const norm = normOf(1)
  const b = norm.builder
  // Clipping is for exploding gradients. Above about 1e19 their squares overflow float32, although the gradients do not.
  const exploded = b.div(longest * shrinking, normOf(shrinking))
  return b.select(b.unary('isFinite', norm), b.div(longest, norm), exploded)
}
