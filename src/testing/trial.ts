/** The cases that the conformance suite runs. */
import type { SharedCase } from '../backends/conformance.ts'
import type { OpName } from '../ir/signatures.ts'
import type { Graph } from '../ir/types.ts'

type Values = { readonly [name: string]: readonly number[] }

/** Graphs over one store, with feeds that can be printed. */
export interface Trial extends SharedCase {
  readonly rounds: readonly { readonly inputs: Values; readonly variables: Values }[]
}

/** One graph without variables, run once. */
export const trialOf = (op: OpName, graph: Graph, inputs: Values): Trial => ({
  op,
  graphs: [graph],
  rounds: [{ inputs, variables: {} }],
  isFused: false,
})

export const numbersOf = (list: Iterable<readonly [string, Float64Array]>): Values =>
  Object.fromEntries([...list].map(([name, data]) => [name, [...data]]))
