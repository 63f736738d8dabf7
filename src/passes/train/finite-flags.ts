/**
 * Finds the first number that is not finite. The outputs become one flag for each float value of the forward and backward computation, in the
 * order of computation; the updates are removed. The first false flag identifies the value; finiteFlagOf() parses the flag's name.
 */
import { Edit } from '../../ir/edit.ts'
import { liveOrder } from '../../ir/graph.ts'
import { isFloat, type Output } from '../../ir/types.ts'
import { definePass, type Pass } from '../pass.ts'

export const finiteFlags = definePass({
  name: 'finite-flags',
  summary: 'a flag for each value: whether all its elements are finite',
  phase: 'grad',
  preserves: 'mode',
  run: (graph, cx) => {
    const edit = new Edit(graph, 'finite-flags')
    const outputs: Output[] = []
    for (const node of liveOrder(graph)) {
      if (node.op === 'constant') continue
      const b = edit.emitter(node)
      node.types.forEach((type, port) => {
        if (!isFloat(type.dtype)) return
        const flags = b.emit1('isFinite', [edit.value({ id: node.id, port }, b)], {})
        const axes = type.shape.map((_, axis) => axis)
        const name = node.op === 'variable' || node.op === 'input' ? `${node.op} ${node.attrs.name}` : node.op
        outputs.push({
          name: `${outputs.length}|${name}|${node.path}`,
          value: axes.length === 0 ? flags : b.emit1('reduceAll', [flags], { axes, keepDims: false }),
        })
      })
    }
    cx.report('values', outputs.length)
    edit.setOutputs(outputs)
    edit.setUpdates([])
    return edit.commit()
  },
})

/** The parts of a flag's name: its position in the order of computation, the op, and the path. */
export const finiteFlagOf = (name: string): { readonly order: number; readonly op: string; readonly path: string } => {
  const [order = '0', op = '', ...path] = name.split('|')
  return { order: Number(order), op, path: path.join('|') }
}

/** The passes of a training step up to the gradients, then the flags, then what any graph needs to run. */
export const finiteFlagPasses = (step: readonly Pass[]): readonly Pass[] => {
  const last = step.findLastIndex((pass) => pass.name === 'unscale')
  return [...step.slice(0, last + 1), finiteFlags, ...step.slice(last + 1).filter((pass) => pass.phase !== 'grad')]
}
