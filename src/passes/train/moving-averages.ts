/** Averages of all weights and statistics, as variables `ema/<variable>`: one node each, of the value that the variable takes in this step. */
import { Edit } from '../../ir/edit.ts'
import { nodeAt, variablesOf } from '../../ir/graph.ts'
import type { Update } from '../../ir/types.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { outputOf } from './gradient-outputs.ts'
import { scaleVariables } from './loss-scale.ts'

export const averagePrefix = 'ema/'
/** State of the step itself is not averaged. */
const isState = (name: string): boolean =>
  name === 'step' || name.startsWith('optimizer/') || Object.values(scaleVariables).some((v) => v === name)

export const movingAverages = (decay: number): GraphPass =>
  definePass({
    name: 'moving-averages',
    summary: 'averages of weights and statistics',
    phase: 'grad',
    preserves: 'mode',
    options: { decay },
    run: (graph, cx) => {
      const edit = new Edit(graph, 'moving-averages')
      const finite = outputOf(graph, 'finite')
      const updated = new Map(graph.updates.map((update) => [update.variable, update.value]))
      const step = variablesOf(graph).find((node) => node.attrs.name === 'step')
      const updates: Update[] = []
      for (const node of variablesOf(graph)) {
        if (isState(node.attrs.name) || step === undefined) continue
        const b = edit.emitter(node, `ema(${node.attrs.name})`)
        const type = nodeAt(graph, node.id).types[0]
        if (type === undefined || type.dtype !== 'float32') continue
        const average = b.emit1(
          'variable',
          [],
          {
            name: `${averagePrefix}${node.attrs.name}`,
            trainable: false,
            init: { kind: 'sameAs', name: node.attrs.name, init: node.attrs.init },
          },
          [type],
        )
        const now = updated.get(node.id) ?? { id: node.id, port: 0 }
        updates.push({
          variable: average.id,
          value: b.emit1('ema', [average, now, { id: step.id, port: 0 }, finite], { decay }),
        })
        cx.report('averages')
      }
      edit.setUpdates([...graph.updates, ...updates])
      return edit.commit()
    },
  })
