/** Common subexpressions: the first of equal nodes replaces the others. */
import { Edit } from '../ir/edit.ts'
import { nodeAt } from '../ir/graph.ts'
import { equalNodes } from './equal-nodes.ts'
import { definePass } from './pass.ts'

export const cse = definePass({
  name: 'cse',
  summary: 'share equal nodes',
  phase: 'simplify',
  preserves: 'bits',
  run: (graph, cx) => {
    const edit = new Edit(graph, 'cse')
    for (const [id, first] of equalNodes(graph)) {
      nodeAt(graph, id).types.forEach((_, port) => edit.replaceUses({ id, port }, { id: first, port }))
      edit.remove(id)
      cx.report('shared')
    }
    return edit.commit()
  },
})
