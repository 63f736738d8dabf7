/** A pass for tests of runs that change a variable: the only variable is updated with the output `y`. */
import { Edit } from '../../src/ir/edit.ts'
import { liveOrder, variablesOf } from '../../src/ir/graph.ts'
import { definePass } from '../../src/passes/pass.ts'

export const updating = definePass({
  name: 'updating',
  summary: 'w becomes the output',
  phase: 'build',
  preserves: 'mode',
  run: (g) => {
    const edit = new Edit(g, 'updating')
    const [w] = variablesOf(g)
    const value = g.outputs.find(({ name }) => name === 'y')?.value
    if (w === undefined || value === undefined || liveOrder(g).length === 0) return g
    edit.setUpdates([{ variable: w.id, value }])
    return edit.commit()
  },
})
