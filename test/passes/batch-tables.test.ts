/** A graph with inputs that have as many rows as the batch has examples, but no examples: these stay whole, and the batch is divided. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import type { Graph } from '../../src/ir/types.ts'
import { batchPart } from '../../src/passes/batch-part.ts'
import { feedsFor } from '../../src/testing/index.ts'
import { expectSame } from './part-results.ts'

const image = 'float32[4,2,2,4]'
const of = (nodes: string): Graph => parse(`graph g {\n%x = input() {name="x"} : ${image}\n${nodes}\n}`)

/** Divides the batch in two, and expects the right numbers and that these inputs are divided. */
const expectDivided = (graph: Graph, divided: readonly string[]): void => {
  const part = batchPart(graph, 2)
  if (part === null) expect.fail(`not divided:\n${print(graph)}`)
  expectSame(graph, part, 2, feedsFor(graph, 3).inputs)
  expect([...part.inputs.keys()]).toEqual(divided)
}

const subsetsOf = (names: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: 2 ** names.length }, (_, bits) => names.filter((_name, at) => (bits >> at) % 2 === 1))

describe('batchPart()', () => {
  test.each([
    [
      'a table that is gathered from',
      '%t = input() {name="t"} : float32[4,3]\n%i = argMax(%x) {axis=3} : int32[4,2,2]\n%y = gather(%t, %i) {axis=0} : float32[4,2,2,3]\nreturn y = %y',
    ],
    [
      'a table, the other operand of a product',
      '%t = input() {name="t"} : float32[4,4]\n%f = reshape(%x) {shape=[16,4]} : float32[16,4]\n%y = matmul(%f, %t) {transposeB=true} : float32[16,4]\nreturn y = %y',
    ],
    [
      'the mean of the rows of a table, which is taken from all examples',
      `%t = input() {name="t"} : float32[4]\n%m = mean(%t) {axes=[0]} : float32[]
       %r = broadcast(%m) {axes=[], shape=[4,2,2,4]} : ${image}\n%y = sub(%x, %r) : ${image}\nreturn y = %y`,
    ],
    [
      'a result of a table beside one of the examples',
      `%t = input() {name="t"} : float32[4]\n%m = reduceMax(%t) {axes=[0]} : float32[]
       %y = sigmoid(%x) : ${image}\nreturn y = %y, m = %m`,
    ],
    [
      'a filter',
      `%t = input() {name="t"} : float32[4,1,4,4]\n%k = reshape(%t) {shape=[2,2,4,4]} : float32[2,2,4,4]
       %y = conv2d(%x, %k) {padding="same", strides=[1,1]} : ${image}\nreturn y = %y`,
    ],
  ])('leaves whole %s', (_, nodes) => {
    expectDivided(of(nodes), ['x'])
  })

  test('leaves a table whole that is larger than the batch', () => {
    const graph = of(
      `%t = input() {name="t"} : float32[4,512]\n%i = argMax(%x) {axis=3} : int32[4,2,2]\n%y = gather(%t, %i) {axis=0} : float32[4,2,2,512]
       %s = reduceSum(%y) {axes=[1,2], keepDims=false} : float32[4,512]\nreturn y = %s`,
    )
    expectDivided(graph, ['x'])
  })

  test('does not repeat a network that mixes examples in order to divide a small input', () => {
    const mixing = (scale: string): Graph =>
      of(`%t = input() {name="t"} : float32[4]\n%a = neg(%t) : float32[4]\n${scale}\nreturn y = %y, a = %a`)
    const softmax = `%y = softmax(%x) {axis=0} : ${image}`
    expect(batchPart(mixing(softmax), 2)).toBe(null)
    // The small input is divided if the image is not used.
    expectDivided(mixing('%y = mul(%a, %t) : float32[4]'), ['x', 't'])
  })

  test('finds a division of random graphs with tables, if one exists, and it has the right numbers', () => {
    const square = 'float32[4,4]'
    const names = ['t', 'u', 'v']
    type Step = { readonly kind: string; readonly table: string; readonly flag: boolean }
    const step: fc.Arbitrary<Step> = fc.record({
      kind: fc.constantFrom('matmul', 'matmul', 'add', 'softmax', 'table first'),
      table: fc.constantFrom(...names, 'x'),
      flag: fc.boolean(),
    })
    /** The graph with these tables as variables: these are whole by definition. */
    const graphOf = (steps: readonly Step[], whole: readonly string[]) => {
      const sources = names.map(
        (name) => `%${name} = ${whole.includes(name) ? 'variable' : 'input'}() {name="${name}"} : ${square}`,
      )
      const lines = steps.map(({ kind, table, flag }, i) => {
        const [y, other, next] = [i === 0 ? '%x' : `%y${i}`, `%${table}`, `%y${i + 1}`]
        if (kind === 'matmul') return `${next} = matmul(${y}, ${other}) {transposeB=${flag}} : ${square}`
        if (kind === 'table first') return `${next} = matmul(${other}, ${y}) {transposeA=${flag}} : ${square}`
        return kind === 'add'
          ? `${next} = add(${y}, ${other}) : ${square}`
          : `${next} = softmax(${y}) {axis=${flag ? 1 : 0}} : ${square}`
      })
      return parse(
        `graph g {\n%x = input() {name="x"} : ${square}\n${[...sources, ...lines].join('\n')}\nreturn y = %y${steps.length}\n}`,
      )
    }
    const counts = { whole: 0, none: 0, all: 0 }
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), fc.nat(99), (steps, seed) => {
        const graph = graphOf(steps, [])
        const part = batchPart(graph, 2)
        const exists = subsetsOf(names).some((whole) => batchPart(graphOf(steps, whole), 2)?.inputs.has('x'))
        if (part === null) counts.none++
        else if (part.inputs.size === 4) counts.all++
        else counts.whole++
        if (exists) expect(part, print(graph)).not.toBe(null)
        if (part !== null) expectSame(graph, part, 2, feedsFor(graph, seed).inputs)
      }),
      { numRuns: 300 },
    )
    expect(Math.min(...Object.values(counts)), JSON.stringify(counts)).toBeGreaterThan(5)
  })
})
