/** The smallest graph that still shows a fault: known faults in large graphs shrink to a few nodes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { liveOrder } from '../../../src/ir/graph.ts'
import { parse } from '../../../src/ir/parse.ts'
import { print } from '../../../src/ir/print.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { verify } from '../../../src/ir/verify.ts'
import { efficientNet } from '../../../src/models/efficientnet.ts'
import { parsePipeline } from '../../../src/passes/registry.ts'
import { rulePass } from '../../../src/passes/rewrite/driver.ts'
import { rule } from '../../../src/passes/rewrite/rules.ts'
import { passCounterexample } from '../../../src/passes/shrink/pass-fault.ts'
import { smallest } from '../../../src/passes/shrink/search.ts'
import { shrinking } from '../../../src/passes/shrink/shrink-graph.ts'
import { anyGraph } from '../../../src/testing/graphs.ts'

const has = (graph: Graph, op: string): boolean => liveOrder(graph).some((node) => node.op === op)
const opsOf = (graph: Graph): string[] => liveOrder(graph).map((node) => node.op)
const wrong = rulePass('wrong', 'a wrong law', [
  rule('sigmoid -> tanh', 'sigmoid', (n, m) => m.b.emit1('tanh', n.inputs, {}), 'bits'),
])

describe('a graph', () => {
  test('shrinks to the single failing node, with a constant operand', () => {
    fc.assert(
      fc.property(
        anyGraph({ stepsMax: 20 }).filter(({ graph }) => has(graph, 'tanh')),
        ({ graph }) => {
          const small = smallest(shrinking(graph), (candidate) => has(candidate, 'tanh'))
          expect(verify(small)).toEqual([])
          expect([...opsOf(small)].sort()).toEqual(['constant', 'tanh'])
        },
      ),
      { numRuns: 30 },
    )
  })
  test('is minimal: no smaller candidate of the search fails', () => {
    fc.assert(
      fc.property(anyGraph({ stepsMax: 20 }), ({ graph }) => {
        const fails = (g: Graph): boolean => liveOrder(g).filter(({ inputs }) => inputs.length > 1).length >= 2
        if (!fails(graph)) return
        const small = smallest(shrinking(graph), fails)
        expect(print(smallest(shrinking(small), fails))).toBe(print(small))
        expect(liveOrder(small).filter(({ inputs }) => inputs.length > 0)).toHaveLength(2)
      }),
      { numRuns: 30 },
    )
  })
  test.each([
    [3, 3],
    [4, 5],
    [6, 10],
    [11, 20],
  ])('a fault from size %i on shrinks to size %i', (least, size) => {
    const graph = parse('graph g { %x = input() {name="x"} : float32[20] %t = tanh(%x) : float32[20] return y = %t }')
    const isLarge = (g: Graph): boolean =>
      liveOrder(g).some(({ op, types }) => op === 'tanh' && (types[0]?.shape[0] ?? 0) >= least)
    const [node] = liveOrder(smallest(shrinking(graph), isLarge)).filter(({ op }) => op === 'tanh')
    expect(node?.types[0]?.shape).toEqual([size])
  })
  test('keeps an update that contains the fault', () => {
    const graph = parse(`graph g { %x = input() {name="x"} : float32[2] %w = variable() {name="w"} : float32[2]
      %s = add(%x, %w) : float32[2] %t = tanh(%s) : float32[2] update %w = %t return y = %s }`)
    const small = smallest(shrinking(graph), (g) => g.updates.length > 0)
    expect([...opsOf(small)].sort()).toEqual(['constant', 'variable'])
  })
})

describe('a fault of a pass', () => {
  test('in EfficientNet-B0 shrinks to the replaced op', () => {
    const graph = efficientNet('b0', { resolution: 32 }).at({ batch: 1 })
    const passes = [...parsePipeline('to-inference,decompose{ops=["silu"]}').passes, wrong]
    const found = passCounterexample(passes, graph)
    expect(opsOf(found?.graph as Graph).length).toBeLessThanOrEqual(3)
    expect(found?.message).toMatch(/was .* and is/)
  })
  test('uses only zeros and ones where numbers do not matter', () => {
    const relu = rulePass('wrong', 'a wrong law', [
      rule('relu6 -> relu', 'relu6', (n, m) => m.b.emit1('relu', n.inputs, {}), 'bits'),
    ])
    const graph = parse(`graph g { %x = input() {name="x"} : float32[7] %z = input() {name="z"} : float32[7]
      %a = relu6(%x) : float32[7] %b = add(%a, %z) : float32[7] return y = %b }`)
    const found = passCounterexample([relu], graph)
    expect(opsOf(found?.graph as Graph)).toEqual(['input', 'relu6'])
    expect(found?.inputs['x']).toHaveLength(1)
    expect(found?.inputs['x']?.[0]).toBeGreaterThan(6)
  })
  test('is not reported for a correct pass', () => {
    expect(
      passCounterexample(
        parsePipeline('cse').passes,
        parse('graph g { %x = input() {name="x"} : float32[2] return y = %x }'),
      ),
    ).toBeNull()
  })
})
