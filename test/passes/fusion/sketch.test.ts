/** The memory traffic of a kernel: its operands and results. */
import { expect, test } from 'vitest'
import { parse } from '../../../src/ir/parse.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import { chainsOf } from '../../../src/passes/fusion/chains.ts'
import { Clusters } from '../../../src/passes/fusion/clusters.ts'
import { factsOf } from '../../../src/passes/fusion/facts.ts'
import { Sketcher } from '../../../src/passes/fusion/sketch.ts'

/** On this machine arithmetic takes no time, and a byte takes a second. */
const cost = { ...genericTarget.cost, flopsPerSecond: Infinity, bytesPerSecond: 1 }

/** The seconds of all nodes of the body as one kernel. */
const secondsOf = (body: string, cacheBytes: number): number => {
  const facts = factsOf(parse(`graph g { ${body} return y = %y }`), {
    ...genericTarget,
    cost: { ...cost, cacheBytes },
  })
  const clusters = new Clusters(facts, chainsOf(facts))
  let [whole] = clusters.all()
  for (;;) {
    const other = clusters.all().find((each) => each !== whole)
    if (whole === undefined || other === undefined) break
    whole = clusters.merge(whole, other) ?? undefined
  }
  if (whole === undefined) throw new Error('the nodes are not one kernel')
  const { bytes, seconds, workSeconds } = new Sketcher(facts, clusters).sketch(whole.members, whole, null)
  expect(workSeconds).toBe(seconds)
  expect(seconds).toBeGreaterThanOrEqual(bytes)
  return seconds
}

const image = '%x = input() {name="x"} : float32[64,100]'

test.each([100, 1e9])(
  'an elementwise kernel reads its operands and writes its results, with a cache of %i bytes',
  (cache) => {
    const z = '%z = input() {name="z"} : float32[64,100]'
    expect(secondsOf(`${image} %y = neg(%x) : float32[64,100]`, cache)).toBe(2 * 25_600)
    expect(secondsOf(`${image} ${z} %y = add(%x, %z) : float32[64,100]`, cache)).toBe(3 * 25_600)
    expect(secondsOf(`${image} %y = mul(%x, %x) : float32[64,100]`, cache)).toBe(2 * 25_600)
    expect(secondsOf(`${image} %y = reduceSum(%x) {axes=[1]} : float32[64]`, cache)).toBe(25_600 + 256)
  },
)
