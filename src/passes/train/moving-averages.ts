/**
 * Averages of all weights and statistics, as variables `ema/<variable>`: one node each, with the variable's new value in this step.
 * If gradients accumulate, the averages change with the update, and use the statistics after the last micro-batch.
 */
import { Edit } from '../../ir/edit.ts'
import { nodesOf, variablesOf } from '../../ir/graph.ts'
import type { Graph, Node, Update } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { definePass, type ProgramPass } from '../pass.ts'
import { findGraph, graphStep, graphSteps, mainStep, replaceStep } from '../program.ts'
import { applyStep, microStep } from './accumulate.ts'
import { outputOf } from './gradient-outputs.ts'
import { isState, scalarState, stepName } from './state.ts'

export const averagePrefix = 'ema/'

export const movingAverages = (decay: number): ProgramPass =>
  definePass({
    name: 'moving-averages',
    summary: 'averages of weights and statistics',
    phase: 'grad',
    preserves: 'mode',
    options: { decay },
    runProgram: (program, cx) => {
      const updating = graphSteps(program).find(({ name }) => name === applyStep || name === mainStep)
      if (updating === undefined) return program
      // The step that makes the update may not read every variable of the model; the step that computes the loss does.
      const averaged = variablesOf(findGraph(program, microStep) ?? updating.graph).filter(
        ({ attrs, types: [type] }) => !isState(attrs.name) && type?.dtype === 'float32',
      )
      cx.report('averages', averaged.length)
      const { name, graph, when } = updating
      return replaceStep(program, name, [graphStep(name, withAverages(graph, averaged, decay), when)])
    },
  })

const withAverages = (graph: Graph, averaged: readonly Node<'variable'>[], decay: number): Graph => {
  const edit = new Edit(graph, 'moving-averages')
  const known = new Map(nodesOf(graph).flatMap((node) => (node.op === 'variable' ? [[node.attrs.name, node]] : [])))
  const updated = new Map(graph.updates.map((update) => [update.variable, update.value]))
  const [first] = averaged
  if (first === undefined) return graph
  const step = scalarState(edit, edit.emitter(first, 'step'), stepName, 'int32', 0)
  const updates = averaged.map((node): Update => {
    const { name, init } = node.attrs
    const b = edit.emitter(node, `ema(${name})`)
    const own = known.get(name)
    const variable: Value =
      own === undefined
        ? edit.add('variable', [], node.attrs, node, node.path, node.types)
        : edit.value({ id: own.id, port: 0 }, b)
    const average = b.emit1(
      'variable',
      [],
      { name: `${averagePrefix}${name}`, trainable: false, init: { kind: 'sameAs', name, init } },
      node.types,
    )
    const now = updated.get(variable.id) ?? variable
    const finite = edit.value(outputOf(graph, 'finite'), b)
    return { variable: average.id, value: b.emit1('ema', [average, now, step, finite], { decay }) }
  })
  edit.setUpdates([...graph.updates, ...updates])
  return edit.commit()
}
