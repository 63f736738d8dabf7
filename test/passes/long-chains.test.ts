/** Passes take n log n time, also on long chains and wide fans, where a pass that visits many nodes for each node is slow. */
import { expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import type { Value } from '../../src/ir/value.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const chains: { readonly [name: string]: (b: Builder, x: Value, i: number) => Value } = {
  neg: (b, x) => b.unary('neg', x),
  reverse: (b, x) => b.reverse(x, [0, 1]),
  transpose: (b, x) => b.transpose(x, [1, 0]),
  reshape: (b, x, i) => b.reshape(x, i % 2 === 0 ? [3, 2] : [2, 3]),
}

const simplified = (length: number, step: (b: Builder, x: Value, i: number) => Value) => {
  const b = new Builder('chain')
  let x: Value = b.input('x', { dtype: 'float32', shape: [2, 3] })
  for (let i = 0; i < length; i++) x = step(b, x, i)
  return runPipeline(parsePipeline('simplify,dce'), programOf(b.finish({ x })))
}

// An even number of steps that undo each other.
test.each(Object.entries(chains))('simplify removes a chain of %s', (_, step) => {
  const { program } = simplified(4_000, step)
  expect(liveOrder(graphOf(program)).map((n) => n.op)).toEqual(['input'])
})

test('simplify does not traverse a chain again for each of its nodes', () => {
  const { records } = simplified(60_000, chains['neg'] as (typeof chains)[string])
  expect(records[0]?.ms).toBeLessThan(20_000) // a traversal for each node takes longer than this even on an idle machine
}, 300_000)
