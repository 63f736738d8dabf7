/** Encodes a program for inference, with the values of its variables, as an ONNX graph. */
import { hostArrayOf } from '../../backends/backend.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { liveOrder, nodeAt, refKey, rootKeys, usesOf } from '../../ir/graph.ts'
import { interpret } from '../../ir/interpret.ts'
import { sideTables } from '../../ir/side-tables.ts'
import type { Graph, Node } from '../../ir/types.ts'
import { graphOf, graphSteps, mainStep, type Program } from '../../passes/program.ts'
import { type OnnxGraph, OnnxWriter } from './onnx-writer.ts'
import { type Held, Planner } from './planner.ts'
import { lowerNode } from './table.ts'

export type Weights = ReadonlyMap<string, ArrayLike<number>>

/**
 * The step `run` as a graph. Values that another step derives from variables (for example a folded kernel) are computed here and become tensors in
 * the file.
 *
 * @param weights By the names of the program's variables.
 * @throws EffuseError EF405 for programs and ops that ONNX cannot express; EF407, EF408 (variables).
 */
export const onnxGraphOf = (program: Program, weights: Weights): OnnxGraph => {
  const main = graphOf(program, mainStep)
  checkInference(program)
  const derived = new Map<string, ArrayLike<number>>()
  for (const { when, graph } of graphSteps(program))
    if (when.kind === 'stale')
      for (const [name, { data }] of interpret(graph, { variables: new Map(weights) }).updates) derived.set(name, data)
  return written(main, (name) => derived.get(name) ?? weights.get(name), derived)
}

/** @throws EffuseError EF405 for a training step */
export const checkInference = (program: Program): void => {
  const other = graphSteps(program).find(({ name, when }) => name !== mainStep && when.kind !== 'stale')
  if (other === undefined && graphOf(program, mainStep).updates.length === 0) return
  throw new EffuseError({
    code: 'EF405',
    message: `${program.name} updates variables when it runs; an ONNX file holds a network for inference`,
    hint: 'export the model that the training step trains',
  })
}

const written = (
  graph: Graph,
  weightOf: (variable: string) => ArrayLike<number> | undefined,
  derived: ReadonlyMap<string, unknown>,
): OnnxGraph => {
  const writer = new OnnxWriter()
  const plan = new Planner(writer)
  const inputs = graph.inputs.flatMap((id) => {
    const node = nodeAt(graph, id)
    return node.op === 'input' ? [node.attrs.name] : []
  })
  writer.reserve([...inputs, ...graph.outputs.map(({ name }) => name)])
  const held = new Map<number, Held>()
  for (const node of liveOrder(graph)) {
    const results = plan.at(
      node.path,
      () => sourceOf(node, graph, plan, weightOf, derived) ?? lowered(node, graph, plan, held),
    )
    results.forEach((value, port) => held.set(refKey({ id: node.id, port }), value))
  }
  const results = graph.outputs.map(({ name, value }) => ({ name, value: plan.dense(held.get(refKey(value)) as Held) })) // a value was made for each node
  return writer.finish(graph.name, results)
}

const lowered = (node: Node, graph: Graph, plan: Planner, held: ReadonlyMap<number, Held>): readonly Held[] => {
  const operands = node.inputs.map((ref) => held.get(refKey(ref)) as Held) // nodes are in graph order
  const isOnlyUse = (index: number): boolean => {
    const key = refKey(node.inputs[index] ?? { id: node.id, port: 0 })
    return usesOf(graph).get(key)?.length === 1 && !rootKeys(graph).has(key)
  }
  return lowerNode(node, operands, plan, isOnlyUse)
}

/** The value of an input, a variable or a constant; null for other nodes. */
const sourceOf = (
  node: Node,
  graph: Graph,
  plan: Planner,
  weightOf: (variable: string) => ArrayLike<number> | undefined,
  derived: ReadonlyMap<string, unknown>,
): readonly Held[] | null => {
  const [type] = node.types
  if (type === undefined) return null
  const known = (data: ArrayLike<number>, name: string): readonly Held[] => [
    plan.known(type, hostArrayOf(type.dtype, data), name),
  ]
  switch (node.op) {
    case 'input':
      return [plan.made(type, plan.writer.input(node.attrs.name, type))]
    case 'variable': {
      const { name } = node.attrs
      const data = weightOf(name)
      if (data === undefined)
        throw new EffuseError({
          code: 'EF407',
          path: node.path,
          message: `the variable "${name}" has no value to export`,
        })
      return known(data, derived.has(name) ? '' : name)
    }
    case 'constant': {
      const { value } = node.attrs
      if (typeof value === 'number') {
        // One number for all elements.
        return [
          plan.known(
            type,
            hostArrayOf(type.dtype, [value]),
            '',
            type.shape.map(() => 1),
          ),
        ]
      }
      return known('sha256' in value ? sideTables(graph).constants.get(value.sha256).data : value, '')
    }
  }
  return null
}
