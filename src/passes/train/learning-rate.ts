/** The output `learningRate`: the schedule at the variable `step`. */
import { Edit } from '../../ir/edit.ts'
import { nodeAt } from '../../ir/graph.ts'
import type { Ref } from '../../ir/types.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { outputOf, withOutputs } from './gradient-outputs.ts'
import { emitSchedule, type Schedule } from './schedules.ts'
import { scalarState, stepName } from './state.ts'

export const learningRate = (schedule: Schedule): GraphPass =>
  definePass({
    name: 'learning-rate',
    summary: 'the learning rate of this step',
    phase: 'grad',
    preserves: 'mode',
    options: { schedule },
    run: (graph) => {
      const edit = new Edit(graph, 'learning-rate')
      const b = edit.emitter(nodeAt(graph, outputOf(graph, 'loss').id), 'step')
      const rate = emitSchedule(schedule, scalarState(edit, b, stepName, 'int32', 0))
      edit.setOutputs(withOutputs(graph, new Map<string, Ref>([['learningRate', rate]])))
      return edit.commit()
    },
  })
