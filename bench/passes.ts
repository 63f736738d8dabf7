/**
 * The time of each pass on graphs of 500 to 30,000 nodes, and on EfficientNet B0 and B7. A pass is n log n if its time per node grows no faster than
 * the logarithm. Takes the median of several rounds after a warm-up, with new graphs, so that no analysis is cached.
 */
import { Builder } from '../src/ir/build.ts'
import { nodesOf } from '../src/ir/graph.ts'
import type { Graph } from '../src/ir/types.ts'
import type { Value } from '../src/ir/value.ts'
import { efficientNet } from '../src/models/efficientnet.ts'
import { ampSettings } from '../src/passes/mixed-precision/options.ts'
import { programOf } from '../src/passes/program.ts'
import { inferencePipeline } from '../src/passes/standard-pipelines.ts'
import { parsePipeline } from '../src/passes/registry.ts'
import { runPipeline } from '../src/passes/runner.ts'
import { decompose } from '../src/passes/decompose.ts'

const rounds = 5
const backend = {
  legalize: [decompose((n) => n.op === 'silu' || n.op === 'batchNormInference' || n.op === 'mean')],
  fuse: [],
}

/** Blocks of convolution, batch norm, swish and a residual: about 9 nodes each. */
const chain = (nodes: number): Graph => {
  const b = new Builder('chain')
  let x = b.input('x', { dtype: 'float32', shape: [1, 8, 8, 8] })
  for (let i = 0; i * 9 < nodes; i++) {
    x = b.scope(`blocks.${i}`, () => {
      const vector = (name: string) => b.variable(name, { shape: [8] })
      const y = b.conv2d(x, b.variable('kernel', { shape: [1, 1, 8, 8] }))
      const normed = b.emit1('batchNorm', [y, vector('scale'), vector('offset'), vector('mean'), vector('variance')], {
        epsilon: 1e-3,
        momentum: 0.99,
      })
      return b.add(b.silu(normed), x)
    })
  }
  return b.finish({ x })
}

const measure = (build: () => Graph): Map<string, number> => {
  const samples = new Map<string, number[]>()
  for (let round = 0; round <= rounds; round++) {
    const { records } = runPipeline(
      inferencePipeline(backend, { simplify: true, fusion: true, amp: ampSettings({}) }),
      programOf(build()),
    )
    if (round === 0) continue // warm-up
    const byPass = new Map<string, number>()
    for (const r of records) if (r.plan === 'run') byPass.set(r.name, (byPass.get(r.name) ?? 0) + r.ms)
    for (const [name, ms] of byPass) samples.set(name, [...(samples.get(name) ?? []), ms])
  }
  const median = (list: readonly number[]): number =>
    [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
  return new Map([...samples].map(([name, list]) => [name, median(list)]))
}

const sizes = [500, 2_000, 8_000, 30_000]
const graphs: readonly (readonly [string, () => Graph])[] = [
  ...sizes.map((n) => [`${n} nodes`, () => chain(n)] as const),
  // A new declaration each time, because `at` would return the same graph with cached analyses.
  ['B0', () => efficientNet('b0').at({ batch: 1 })],
  ['B7', () => efficientNet('b7').at({ batch: 1 })],
]
const columns = graphs.map(([name, build]) => ({ name, nodes: nodesOf(build()).length, times: measure(build) }))
const passes = [...(columns[0]?.times.keys() ?? [])]
const row = (cells: readonly (string | number)[]): void =>
  console.log(cells.map((c, i) => (i === 0 ? String(c).padEnd(18) : String(c).padStart(14))).join(''))
row(['pass, ms', ...columns.map((c) => c.name)])
for (const pass of passes) row([pass, ...columns.map((c) => (c.times.get(pass) ?? 0).toFixed(1))])
row(['all', ...columns.map((c) => [...c.times.values()].reduce((a, b) => a + b, 0).toFixed(1))])
row(['nodes', ...columns.map((c) => c.nodes)])
row([
  'us per node',
  ...columns.map((c) => ((1000 * [...c.times.values()].reduce((a, b) => a + b, 0)) / c.nodes).toFixed(1)),
])

/** Shapes that are slow for a pass which walks back along a chain from each node, or visits all users of a value for each of them. */
const shapes: { readonly [name: string]: (b: Builder, n: number) => Graph } = {
  'chain of neg': (b, n) => repeated(b, n, (x) => b.unary('neg', x)),
  'chain of transpose': (b, n) => repeated(b, n, (x) => b.transpose(x, [1, 0])),
  'chain of reshape': (b, n) => repeated(b, n, (x, i) => b.reshape(x, i % 2 === 0 ? [3, 2] : [2, 3])),
  'chain of cast': (b, n) => repeated(b, n, (x, i) => b.cast(x, i % 2 === 0 ? 'float16' : 'float32')),
  'chain of add': (b, n) => repeated(b, n, (x) => b.add(x, b.unary('neg', x))),
  'fan of mul': (b, n) => {
    const x = b.input('x', { dtype: 'float32', shape: [2, 3] })
    return b.finish(Object.fromEntries(Array.from({ length: n }, (_, i) => [`y${i}`, b.mul(x, i + 2)])))
  },
}
const repeated = (b: Builder, n: number, step: (x: Value, i: number) => Value): Graph => {
  let x: Value = b.input('x', { dtype: 'float32', shape: [2, 3] })
  for (let i = 0; i < n; i++) x = step(x, i)
  return b.finish({ x })
}

const cleaning = ['simplify', 'fold-constants', 'cse', 'dce', 'hoist-prepare']
const lengths = [10_000, 100_000]
console.log('\nms of one pass over chains and fans: ten times the nodes should take about ten times as long')
row(['shape', ...cleaning.flatMap((pass) => lengths.map((n) => `${pass} ${n / 1000}k`))])
for (const [name, build] of Object.entries(shapes)) {
  const times = cleaning.flatMap((pass) =>
    lengths.map((n) => {
      const { records } = runPipeline(parsePipeline(pass), programOf(build(new Builder('shape'), n)))
      return records[0]?.ms ?? Number.NaN
    }),
  )
  row([name, ...times.map((ms) => ms.toFixed(0))])
}
