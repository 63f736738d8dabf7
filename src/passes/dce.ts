/** Removes nodes on which no output and no update depends. Keeps ids. Inputs stay: they are the signature. */
import { Edit } from '../ir/edit.ts'
import { liveOrder, nodesOf } from '../ir/graph.ts'
import { definePass } from './pass.ts'

export const dce = definePass({
  name: 'dce',
  summary: 'remove dead nodes',
  phase: 'simplify',
  preserves: 'bits',
  run: (graph, cx) => {
    const live = new Set(liveOrder(graph).map((n) => n.id))
    const edit = new Edit(graph, 'dce')
    for (const node of nodesOf(graph)) {
      if (live.has(node.id)) continue
      edit.remove(node.id)
      cx.report('removed')
    }
    return edit.commit()
  },
})
