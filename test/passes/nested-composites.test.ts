/** Composites that apply other composites several times: equal applications are decomposed once, and the number of nodes is limited. */
import { describe, expect, test } from 'vitest'
import { normalForm } from '../../src/ir/body.ts'
import { composite } from '../../src/ir/functions.ts'
import { Builder } from '../../src/ir/build.ts'
import { costOf } from '../../src/ir/cost.ts'
import { liveOrder, nodesOf } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import { hashBody } from '../../src/ir/print.ts'
import type { OpAttrs } from '../../src/ir/signatures.ts'
import type { Graph } from '../../src/ir/types.ts'
import { float32, type Value } from '../../src/ir/value.ts'
import { decompose } from '../../src/passes/decompose.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { genericTarget } from '../../src/ir/target.ts'

type Apply = (b: Builder, x: Value) => Value
const type = { dtype: 'float32', shape: [3] } as const

/** A graph with one composite. Each level's body is made once, however often the next level applies it. */
const nested = (levels: number, lowest: Apply, level: (b: Builder, x: Value, apply: Apply) => Value): Graph => {
  let apply = lowest
  for (let at = 0; at < levels; at++) {
    const inner = apply
    const body = new Builder('body')
    const attrs: OpAttrs<'composite'> = {
      name: `level ${at}`,
      amp: 'infer',
      tolerance: 'composite',
      body: normalForm(body.finish({ 0: level(body, body.input('0', type), inner) })),
    }
    apply = (b, x) => b.emit1('composite', [x], attrs)
  }
  const b = new Builder('nested')
  return b.finish({ y: apply(b, b.input('x', type)) })
}
/** x / 2 + x / 2, which is x: the operands are equal. */
const halves = (b: Builder, x: Value, inner: Apply): Value => b.add(b.mul(inner(b, x), 0.5), b.mul(inner(b, x), 0.5))
/** The same operands, each computed by nodes of its own. */
const negated = (b: Builder, x: Value, inner: Apply): Value =>
  b.sub(0, b.add(b.mul(inner(b, b.neg(x)), 0.5), b.mul(inner(b, b.neg(x)), 0.5)))
const twice = (b: Builder, x: Value, inner: Apply): Value => inner(b, inner(b, x))
const square: Apply = (b, x) => b.mul(x, x)
const increment: Apply = (b, x) => b.add(x, 1)

const decomposed = (g: Graph): Graph => graphOf(runPipeline(parsePipeline('decompose'), programOf(g)).program)
const yOf = (g: Graph, x: readonly number[]): number[] =>
  Array.from(interpret(g, { inputs: { x } }).outputs['y']?.data ?? [])

describe('composites that are applied to equal operands', () => {
  test.each([
    ['the same value', halves, [1, 4, 9], [1, 4, 9].map((x) => x ** 2)],
    ['values of equal nodes', negated, [1, 2, 3], [1, 2, 3].map((x) => x ** 2)],
  ] as const)('are decomposed once: %s', (_, level, x, want) => {
    const sizes = [10, 20, 40].map((levels) => {
      const flat = decomposed(nested(levels, square, level))
      expect(nodesOf(flat).some(({ op }) => op === 'composite')).toBe(false)
      expect(yOf(flat, x)).toEqual(want)
      return flat.nodes.length // dead nodes too: all that were made
    })
    const [ten = 0, twenty = 0, forty = 0] = sizes
    expect(forty - twenty).toBe(2 * (twenty - ten))
  })

  test('by functions of the library, too', () => {
    let f = (x: Value): Value => square(x.builder as Builder, x)
    for (let at = 0; at < 6; at++) {
      const inner = f
      f = composite(`f${at}`, (x: Value) => x.builder.add(inner(x), inner(x)))
    }
    const declared = graph('m', { x: float32(3) }, ({ x }) => ({ y: f(x) })).at({ batch: 1 })
    const flat = decomposed(declared)
    expect(liveOrder(flat)).toHaveLength(1 + 2 + 6) // the innermost function is not a composite, and its node is there twice
    expect(yOf(flat, [1, 2, 3])).toEqual([64, 256, 576])
  })
})

describe('composites that are applied to different operands', () => {
  test('are decomposed each time', () => {
    const flat = decomposed(nested(10, increment, twice))
    expect(nodesOf(flat).filter(({ op }) => op === 'add')).toHaveLength(1024)
    expect(yOf(flat, [0, 1, 2])).toEqual([1024, 1025, 1026])
  })

  test('give an error that names the composite before there are too many nodes', () => {
    const grown = nested(40, increment, twice)
    const error = expect.objectContaining({
      code: 'EF305',
      message: expect.stringMatching(/the composite "level 39" has \d{13} nodes .* 100000 are possible/),
    })
    const pass = decompose(({ op }) => op === 'composite')
    expect(() => pass.run(grown, { target: genericTarget, report: () => {} })).toThrow(error)
    // The runner adds the program to the errors of passes; this program would be as long.
    expect(() => decomposed(grown)).toThrow(error)
  })

  test('are not counted where they are not decomposed, and neither are the other nodes of the graph', () => {
    const grown = nested(40, increment, twice)
    const run = (wanted: (name: string) => boolean) =>
      decompose((node) => node.op === 'composite' && wanted(node.attrs.name)).run(grown, {
        target: genericTarget,
        report: () => {},
      })
    expect(liveOrder(run((name) => name === 'level 39'))).toHaveLength(3)
    const b = new Builder('long')
    let y = b.input('x', type)
    for (let at = 0; at < 100_001; at++) y = b.neg(y)
    const apply = composite('double', (x: Value) => x.builder.add(x, x))
    expect(liveOrder(decomposed(b.finish({ y: apply(y) })))).toHaveLength(100_003)
  })
})

test('hashes and costs of bodies that contain a body twice are computed once for each body', () => {
  const [a, b] = [nested(60, square, halves), nested(60, square, halves)]
  const bodyOf = (g: Graph): Graph => {
    const node = nodesOf(g).find(({ op }) => op === 'composite')
    if (node?.op !== 'composite') return expect.fail('no composite')
    return node.attrs.body
  }
  expect(hashBody(bodyOf(a))).toBe(hashBody(bodyOf(b)))
  expect(hashBody(bodyOf(a))).not.toBe(hashBody(bodyOf(nested(61, square, halves))))
  expect(hashBody(bodyOf(a))).not.toBe(hashBody(bodyOf(nested(60, increment, halves))))
  // Each level has two products and a sum of 3 elements for each time it is applied, and the innermost function one product.
  const { multiplyAdds, operations } = costOf(nested(10, square, halves))
  expect(multiplyAdds + operations).toBe(3 * (3 * 1023 + 1024))
  expect(costOf(a).operations / costOf(nested(59, square, halves)).operations).toBeCloseTo(2, 12)
})

test('a function that applies nested composites too often gives an error that names one of them', () => {
  // About 200 nodes in the innermost body, so that there need not be many bodies.
  let f = (x: Value): Value => Array.from({ length: 200 }).reduce<Value>((y) => y.builder.neg(y), x)
  for (let at = 0; at < 24; at++) {
    const inner = f
    f = composite(`f${at}`, (x: Value) => inner(inner(x)))
  }
  expect(() => graph('m', { x: float32(3) }, ({ x }) => ({ y: f(x) }))).toThrow(
    // 256 times 400 nodes are the first that are too many.
    expect.objectContaining({
      code: 'EF305',
      message: expect.stringMatching(/^the composite "f8" has 1\d{5} nodes/),
    }),
  )
})
