/**
 * Selects inference: batch norm uses its moving statistics, dropout and stochastic depth become the identity, updates are removed.
 * Afterwards no model-form op is left.
 */
import { Edit } from '../ir/edit.ts'
import { liveOrder } from '../ir/graph.ts'
import { definePass } from './pass.ts'

export const toInference = definePass({
  name: 'to-inference',
  summary: 'model form to inference form',
  phase: 'build',
  preserves: 'mode',
  stage: 'tensor',
  run: (graph, cx) => {
    const edit = new Edit(graph, 'to-inference')
    for (const node of liveOrder(graph)) {
      if (node.op === 'batchNorm') {
        edit.replaceUses(
          { id: node.id, port: 0 },
          edit.add('batchNormInference', node.inputs, { epsilon: node.attrs.epsilon }, node),
        )
        cx.report('batch norms')
      }
      if (node.op === 'dropout') {
        const [x] = node.inputs
        if (x !== undefined) edit.replaceUses({ id: node.id, port: 0 }, x)
        cx.report('dropouts removed')
      }
      if (node.op === 'batchNorm' || node.op === 'dropout') edit.remove(node.id)
    }
    if (graph.updates.length > 0) edit.setUpdates([])
    return edit.commit()
  },
})
