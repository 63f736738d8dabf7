/** Statistics change only in a finite step: every update so far keeps the old value if `finite` is false. */
import { Edit } from '../../ir/edit.ts'
import type { Update } from '../../ir/types.ts'
import { definePass } from '../pass.ts'
import { outputOf } from './gradient-outputs.ts'

export const guardUpdates = definePass({
  name: 'guard-updates',
  summary: 'update statistics only in finite steps',
  phase: 'grad',
  preserves: 'mode',
  run: (graph, cx) => {
    if (graph.updates.length === 0) return graph
    const edit = new Edit(graph, 'guard-updates')
    const finite = outputOf(graph, 'finite')
    const guarded = ({ variable, value }: Update): Update => {
      const b = edit.emitter(edit.node(variable))
      const old = edit.value({ id: variable, port: 0 }, b)
      return { variable, value: b.select(edit.value(finite, b), edit.value(value, b), old) }
    }
    edit.setUpdates(graph.updates.map(guarded))
    cx.report('updates', graph.updates.length)
    return edit.commit()
  },
})
