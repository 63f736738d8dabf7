/** explain() gives the kernel of a layer, and why it is not fused with its neighbors. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile, float32, graph, mul, nn, reduceSum, sigmoid } from '../../../src/index.ts'
import { Builder } from '../../../src/ir/build.ts'
import { liveOrder } from '../../../src/ir/graph.ts'
import type { Graph } from '../../../src/ir/types.ts'
import type { Value } from '../../../src/ir/value.ts'
import { fusionOf } from '../../../src/passes/fusion/decision.ts'
import { fusion } from '../../../src/passes/fusion/index.ts'
import { fused } from './networks.ts'
import { originsIn, regionsOf, structureFaults } from './structure.ts'

const gated = graph('gated', { x: float32(1, 32, 32, 64) }, ({ x }) => {
  const wide = nn.conv2d(x, { filters: 64, kernel: 1, name: 'wide' })
  const deep = nn.depthwiseConv2d(mul(wide, sigmoid(wide)), { kernel: 3, name: 'deep', bias: true })
  return { deep, sums: reduceSum(deep, [1, 2]) }
})

test('a layer of a network', async () => {
  const net = await compile(gated, { backend: 'reference', passes: (p) => p.after('fuse', fusion) })
  const { kernels, text } = net.explain('deep')
  expect(kernels).toEqual([
    {
      text: 'depthwiseConv2d (deep), add (deep): one kernel with reduceSum',
      fusedWith: ['depthwiseConv2d (deep)', 'add (deep)', 'reduceSum'],
      notFused: [
        {
          node: 'mul',
          is: 'before',
          rule: 'kinds',
          why: 'one kernel cannot have the loops of both a convolution or product and a depthwise convolution',
        },
      ],
    },
    { text: 'broadcast (deep): without cost, so each kernel that reads it computes it', fusedWith: [], notFused: [] },
  ])
  expect(text).toContain(`Kernels:
  depthwiseConv2d (deep), add (deep): one kernel with reduceSum
    not fused with mul before it: one kernel cannot have the loops of both a convolution or product and a depthwise convolution`)
  net.dispose()
})

test('without the pass there are no notes about kernels', async () => {
  const net = await compile(gated, { backend: 'reference' })
  expect(net.explain('deep').kernels).toEqual([])
  expect(net.explain('deep').text).not.toContain('Kernels:')
  net.dispose()
})

/** Is there a path from one node to another through a third? */
const isAround = (graph: Graph, from: number, to: number): boolean => {
  const reached = new Set<number>()
  for (const { id, inputs } of liveOrder(graph)) {
    if (id === to) return inputs.some((input) => reached.has(input.id))
    if (id !== from && inputs.some((input) => input.id === from || reached.has(input.id))) reached.add(id)
  }
  return false
}

/** Sums, exponentials, and kernels that are never fused, on earlier values. */
const tangles = fc.array(fc.tuple(fc.nat(3), fc.nat(40), fc.nat(40)), { minLength: 3, maxLength: 25 }).map((steps) => {
  const b = new Builder('tangle')
  const values = [b.input('x', { dtype: 'float32', shape: [4, 8] })]
  for (const [op, i, k] of steps) {
    const [x, y] = [values[i % values.length], values[k % values.length]] as [Value, Value] // there is one
    const made = op === 0 ? b.emit('topK', [x], { k: 8 })[0] : op === 1 ? b.exp(x) : b.add(x, y)
    values.push(made as Value) // topK has two results
  }
  return b.finish(Object.fromEntries(values.slice(-3).map((value, i) => [`y${i}`, value])))
})

test('each pair of a producer and a consumer has a reason, for example a cycle', () => {
  const rules = new Set<string>()
  fc.assert(
    fc.property(tangles, (before) => {
      const after = fused(before)
      expect(structureFaults(before, after)).toEqual([])
      const decision = fusionOf(after)
      const regions = regionsOf(after)
      const ids = new Set(regions.map(({ id }) => id))
      const pairs = regions.flatMap((to) =>
        [...new Set(to.inputs.map(({ id }) => id))].filter((id) => ids.has(id)).map((id) => [id, to.id] as const),
      )
      const regionWith = (members: readonly number[]): number => {
        const wanted = members.map((at) => decision?.facts.nodes[at]?.id)
        return regions.find((region) => wanted.every((id) => originsIn(region).some((from) => from === id)))?.id ?? -1
      }
      const refused = (decision?.refused ?? []).map(({ producer, consumer, refusal }) => ({
        from: regionWith(producer.members),
        to: regionWith(consumer.members),
        refusal,
      }))
      expect(refused.map(({ from, to }) => `${from} ${to}`).toSorted()).toEqual(
        pairs.map(([from, to]) => `${from} ${to}`).toSorted(),
      )
      for (const { from, to, refusal } of refused) {
        rules.add(refusal.rule)
        if (refusal.rule === 'cycle') expect(isAround(after, from, to)).toBe(true)
      }
    }),
    { numRuns: 200 },
  )
  expect([...rules].toSorted()).toEqual(['alone', 'cycle'])
})
