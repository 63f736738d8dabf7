/** Long graphs and graphs with many paths: recursion is not as deep as the graph, and paths are not enumerated. */
import { expect, test } from 'vitest'
import { Builder } from '../../../src/ir/build.ts'
import type { Graph } from '../../../src/ir/types.ts'
import type { Value } from '../../../src/ir/value.ts'
import { amp } from '../../../src/passes/mixed-precision/amp.ts'
import { decisionOf } from '../../../src/passes/mixed-precision/report.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { runPipeline } from '../../../src/passes/runner.ts'

const shape = [2, 2]
/** A product of x [2,2] and a weight, each after some steps. */
const product = (ofInput: (x: Value, b: Builder) => Value, ofWeight: (w: Value, b: Builder) => Value): Graph => {
  const b = new Builder('large')
  const [x, w] = [b.input('x', { dtype: 'float32', shape }), b.variable('w', { shape })]
  return b.finish({ y: b.matmul(ofInput(x, b), ofWeight(w, b)) })
}
const times = (count: number, step: (value: Value, i: number) => Value, start: Value): Value =>
  Array.from({ length: count }).reduce<Value>((value, _, i) => step(value, i), start)
/** Rotates the rows: splits them in two and joins them again. */
const rolled = (w: Value, b: Builder): Value =>
  b.concatenate([b.slice(w, [1, 0], [2, 2]), b.slice(w, [0, 0], [1, 2])], 0)
const same = (value: Value): Value => value

test.each([
  ['a weight rolled again and again', product(same, (w, b) => times(40, (v) => rolled(v, b), w))],
  [
    'a literal moved about',
    product(
      (x, b) =>
        b.mul(
          x,
          times(40, (v) => rolled(v, b), b.literal({ dtype: 'float32', shape }, Float32Array.of(1, 2, 3, 4))),
        ),
      same,
    ),
  ],
  ['a weight moved in 20,000 steps', product(same, (w, b) => times(20_000, (v, i) => b.reverse(v, [i % 2]), w))],
  ['20,000 activations', product((x, b) => times(20_000, (v) => b.tanh(v), x), same)],
] as const)('%s', (_name, graph) => {
  const { program } = runPipeline(pipeline([amp()]), programOf(graph))
  expect(decisionOf(graphOf(program))?.report).toMatchObject({ casts: 1, lowerBound: 1, weightCasts: 1 })
})
