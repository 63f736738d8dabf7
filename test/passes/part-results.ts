/** Compares the results of the parts of a batch with those of the whole batch. */
import { expect } from 'vitest'
import { inputTypes, typeOf } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { print } from '../../src/ir/print.ts'
import { elements, type Graph } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'
import type { BatchPart } from '../../src/passes/batch-part.ts'

type Numbers = ArrayLike<number>
/** Part `at` of `parts` along an axis. Written apart from the interpreter's ops. */
const partOf = (data: Numbers, shape: readonly number[], axis: number, at: number, parts: number): number[] => {
  const row = elements(shape.slice(axis)) // of one block before the axis
  const size = row / parts
  return Array.from(data).filter((_, i) => Math.floor((i % row) / size) === at)
}

/** Runs the graph on each part, and compares with the run on the whole batch. */
export const expectSame = (
  whole: Graph,
  { graph, inputs, outputs }: BatchPart,
  parts: number,
  feeds: { readonly [name: string]: Numbers },
  variables: ReadonlyMap<string, Numbers> = new Map(),
): void => {
  expect(verify(graph), print(graph)).toEqual([])
  const want = interpret(whole, { inputs: feeds, variables }).outputs
  const types = inputTypes(whole)
  for (let at = 0; at < parts; at++) {
    const fed = Object.entries(feeds).map(([name, data]) => {
      const axis = inputs.get(name)
      return [name, axis === undefined ? data : partOf(data, types.get(name)?.shape ?? [], axis, at, parts)] as const
    })
    const got = interpret(graph, { inputs: Object.fromEntries(fed), variables }).outputs
    for (const { name, value } of whole.outputs) {
      const { shape } = typeOf(whole, value)
      const data = want[name]?.data ?? []
      const axis = outputs.get(name)
      const expected = axis === undefined ? Array.from(data) : partOf(data, shape, axis, at, parts)
      expect(Array.from(got[name]?.data ?? []), `${name}, part ${at} of\n${print(whole)}`).toEqual(expected)
    }
  }
}
