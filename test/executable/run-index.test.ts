/** The position in the random streams: which runs count, and the effect of setting it on earlier and later runs. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { dropout, float32, graph } from '../../src/index.ts'
import { toTraining } from '../../src/passes/to-training.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const model = graph('m', { x: float32('batch', 64) }, ({ x }) => ({ y: dropout(x, { rate: 0.5 }) }))
const x = [new Array<number>(64).fill(1)]

describe.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)('%s', (backend) => {
  const dropping = () =>
    compile(model, {
      backend,
      seed: 5,
      passes: (p) => p.replace('to-inference', toTraining()).without('hoist-prepare'),
    })
  test('random draws depend on the run index, and setting the index repeats them', async () => {
    using net = await dropping()
    const drawn: number[][] = []
    for (let n = 0; n < 4; n++) {
      expect(net.runIndex).toBe(n)
      drawn.push([...(await (await net.run({ x })).y.data())])
    }
    expect(new Set(drawn.map(String)).size).toBe(4)
    using again = await dropping()
    for (const at of [2, 0, 3]) {
      again.runIndex = at
      expect(again.runIndex).toBe(at)
      expect([...(await (await again.run({ x })).y.data())]).toEqual(drawn[at])
      expect(again.runIndex).toBe(at + 1)
    }
  })
  test('earlier calls keep their run numbers; invalid feeds do not count, profile() does', async () => {
    using net = await dropping()
    const before = [net.run({ x }), net.run({ x })]
    net.runIndex = 7
    const after = net.run({ x })
    const drawn = await Promise.all([...before, after].map(async (run) => [...(await (await run).y.data())]))
    expect(net.runIndex).toBe(8)
    await expect(net.run({ x: [[1]] })).rejects.toMatchObject({ code: 'EF402' })
    expect(net.runIndex).toBe(8)
    await net.profile({ x })
    expect(net.runIndex).toBe(9)
    for (const [at, numbers] of [0, 1, 7].map((index, i) => [index, drawn[i]] as const)) {
      net.runIndex = at
      expect([...(await (await net.run({ x })).y.data())]).toEqual(numbers)
    }
  })
})

test.each([-1, 0.5, Number.NaN, 2 ** 53, '3'])('%o is not a run index', async (index) => {
  using net = await compile(model, { backend: 'reference' })
  expect(() => {
    net.runIndex = index as number
  }).toThrow(expect.objectContaining({ code: 'EF403', message: expect.stringContaining('runIndex must be') }))
  expect(net.runIndex).toBe(0)
})
