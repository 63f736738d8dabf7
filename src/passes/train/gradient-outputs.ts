/** The interface between the training passes: outputs `gradient/<variable>`, `finite`, `lossScale` and others. */
import { type Edit, passError } from '../../ir/edit.ts'
import { variablesOf } from '../../ir/graph.ts'
import type { Graph, Node, Output, Ref } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { gradientPrefix } from '../autodiff/differentiate.ts'

export interface GradientOf {
  readonly variable: Node<'variable'>
  readonly gradient: Ref
}

/** Each trained variable with its gradient, in the graph's order. */
export const gradientsIn = (graph: Graph): readonly GradientOf[] => {
  const byName = new Map(graph.outputs.map((output) => [output.name, output.value]))
  return variablesOf(graph).flatMap((variable) => {
    const gradient = byName.get(`${gradientPrefix}${variable.attrs.name}`)
    return gradient === undefined ? [] : [{ variable, gradient }]
  })
}

/** The output's value. If it is missing, the passes are in a wrong order. */
export const outputOf = (graph: Graph, name: string): Ref => {
  const found = graph.outputs.find((output) => output.name === name)
  if (found !== undefined) return found.value
  const [node] = graph.nodes.filter((n) => n !== null)
  throw node === undefined
    ? new Error(`the graph is empty`)
    : passError(node, `the training passes need the output "${name}"`, 'is the order of the passes right?')
}

/** The outputs with some replaced or added, by name. */
export const withOutputs = (graph: Graph, changes: ReadonlyMap<string, Ref>): readonly Output[] => [
  ...graph.outputs.map(({ name, value }) => ({ name, value: changes.get(name) ?? value })),
  ...[...changes]
    .filter(([name]) => !graph.outputs.some((output) => output.name === name))
    .map(([name, value]) => ({ name, value })),
]

/** Applies `change` to every gradient. It adds nodes at the path `train(<path>)` of the variable. */
export const mapGradients = (
  graph: Graph,
  label: string,
  edit: Edit,
  change: (gradient: Value, variable: Value, of: Node<'variable'>) => Value,
): ReadonlyMap<string, Ref> =>
  new Map(
    gradientsIn(graph).map(({ variable, gradient }) => {
      const b = edit.emitter(variable, `${label}(${variable.attrs.name})`)
      return [
        `${gradientPrefix}${variable.attrs.name}`,
        change(edit.value(gradient, b), edit.value({ id: variable.id, port: 0 }, b), variable),
      ]
    }),
  )
