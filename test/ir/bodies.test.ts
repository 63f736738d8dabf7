/** Bodies of regions: equal bodies are equal data with one text and one hash, and equal regions are merged. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sameAttr } from '../../src/ir/attrs.ts'
import { normalForm, toBody } from '../../src/ir/body.ts'
import { Builder } from '../../src/ir/build.ts'
import { nodesOfOp } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { hashBody, hashGraph, print, printBody } from '../../src/ir/print.ts'
import { emitRegion } from '../../src/ir/region.ts'
import { sideTables } from '../../src/ir/side-tables.ts'
import { genericTarget } from '../../src/ir/target.ts'
import type { Graph, Node, Type } from '../../src/ir/types.ts'
import type { Value } from '../../src/ir/value.ts'
import { verify } from '../../src/ir/verify.ts'
import { cse } from '../../src/passes/cse.ts'
import { dce } from '../../src/passes/dce.ts'
import { decompose } from '../../src/passes/decompose.ts'

const vector: Type = { dtype: 'float32', shape: [20] }
const cx = { target: genericTarget, report: () => {} }

/** The op, and two of the earlier values. There are few of each, so that two draws often give the same program. */
type Step = readonly [op: number, a: number, b: number]
const steps: fc.Arbitrary<readonly Step[]> = fc.array(fc.tuple(fc.nat(6), fc.nat(2), fc.nat(2)), {
  minLength: 1,
  maxLength: 4,
})

/** Ways to write the same program. They are not part of a body. */
interface Style {
  readonly name: string
  readonly prefix: string
  readonly path: string
  readonly isDeadCodeAdded: boolean
}
const styles: fc.Arbitrary<Style> = fc.record({
  name: fc.constantFrom('body', 'swish', 'a graph'),
  prefix: fc.constantFrom('', 'x', 'operand '),
  path: fc.constantFrom('', 'stem', 'blocks.0/se'),
  isDeadCodeAdded: fc.boolean(),
})

const apply = (b: Builder, given: readonly Value[], list: readonly Step[], style: Style): Value =>
  b.scopeAt(style.path, () => {
    const values = [...given]
    for (const [op, first, second] of list) {
      const [x, y] = [values.at(-1 - (first % values.length)) as Value, values[second % values.length] as Value]
      if (style.isDeadCodeAdded) b.exp(x)
      values.push(makers[op % makers.length]?.(b, x, y) ?? x)
    }
    return values.at(-1) as Value
  })
const table = Float32Array.from({ length: 20 }, (_, i) => i / 8 - 1)
const makers: readonly ((b: Builder, x: Value, y: Value) => Value)[] = [
  (b, x) => b.neg(x),
  (b, x, y) => b.add(x, y),
  (b, x, y) => b.maximum(x, y),
  (b, x) => b.mul(x, 0.5),
  (b, x) => b.mul(x, -0),
  (b, x) => b.add(x, b.literal(vector, table)),
  (b, x, y) => {
    const attrs = { name: 'inner', amp: 'infer', tolerance: 'composite' } as const
    const [z] = emitRegion(b, 'composite', [x, y], attrs, ([u, v], inner) => {
      const [p, q] = [u as Value, v as Value] // as many as operands
      return [inner.sub(inner.mul(p, inner.literal(vector, table)), q)]
    })
    return z as Value
  },
]

const program = (list: readonly Step[], style: Style): Graph => {
  const b = new Builder(style.name)
  const inputs = [0, 1].map((i) => b.input(`${style.prefix}${i}`, vector))
  return b.finish({ [style.prefix === '' ? '0' : 'y']: apply(b, inputs, list, style) })
}

describe('normal form', () => {
  test('equal bodies are equal data, equal text and equal hash; different ones differ in each', () => {
    let [equal, different] = [0, 0]
    fc.assert(
      fc.property(steps, fc.option(steps), styles, styles, (first, second, one, other) => {
        const [a, b] = [toBody(program(first, one)).body, toBody(program(second ?? first, other)).body]
        const isSame = sameAttr(a, b)
        if (isSame) equal++
        else different++
        expect(printBody(a) === printBody(b)).toBe(isSame)
        expect(hashBody(a) === hashBody(b)).toBe(isSame)
      }),
      { numRuns: 400 },
    )
    expect(Math.min(equal, different)).toBeGreaterThan(20) // both cases occurred
  })
  test('names of the graph, inputs and outputs, paths and dead nodes do not affect it', () => {
    fc.assert(
      fc.property(steps, styles, styles, (list, one, other) => {
        const [a, b] = [toBody(program(list, one)), toBody(program(list, other))]
        expect(a.body).toEqual(b.body)
        expect(hashBody(a.body)).toBe(hashBody(b.body))
        expect(normalForm(a.body)).toEqual(a.body)
      }),
    )
  })
  test('a body with its literals as operands has the meaning of the graph', () => {
    fc.assert(
      fc.property(steps, styles, fc.infiniteStream(fc.integer({ min: -64, max: 64 })), (list, style, stream) => {
        const numbers = (): Float64Array => Float64Array.from({ length: 20 }, () => stream.next().value / 16)
        const [x, y] = [numbers(), numbers()]
        const graph = program(list, style)
        const { body, literals } = toBody(graph)
        const { constants } = sideTables(graph)
        const values = literals.map(({ value }) =>
          typeof value === 'object' && 'sha256' in value ? constants.get(value.sha256).data : [],
        )
        const inputs = Object.fromEntries([x, y, ...values].map((data, i) => [String(i), data]))
        const want = interpret(graph, { inputs: { [`${style.prefix}0`]: x, [`${style.prefix}1`]: y } }).outputs
        const got = interpret(body, { inputs }).outputs
        expect(Object.values(got)).toEqual(Object.values(want))
      }),
    )
  })
})

/** A graph that applies the programs as composites, each written in its own style. */
const calls = (programs: readonly (readonly [list: readonly Step[], style: Style])[]): Graph => {
  const b = new Builder('calls')
  const inputs = [b.input('x', vector), b.input('y', vector)]
  const results = programs.map(([list, style]) =>
    b.scope(style.path, () => {
      const attrs = { name: 'mine', amp: 'infer', tolerance: 'composite' } as const
      return emitRegion(b, 'composite', inputs, attrs, (values, inner) => [apply(inner, values, list, style)])[0]
    }),
  )
  return b.finish(Object.fromEntries(results.map((value, i) => [`y${i}`, value as Value])))
}
const composites = (graph: Graph) => nodesOfOp(graph, 'composite')

describe('common subexpressions', () => {
  test('composites merge iff their bodies are equal', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(steps, styles), { minLength: 2, maxLength: 5 }), (programs) => {
        const graph = calls(programs)
        const shared = cse.run(graph, cx)
        // CSE merges equal literals first: the operands of a body are the merged literals.
        const hashes = new Set(composites(graph).map((n) => `${n.inputs.length} ${hashBody(n.attrs.body)}`))
        expect(composites(shared)).toHaveLength(hashes.size)
        expect(verify(shared)).toEqual([])
      }),
    )
  })
  test('equal fusions merge; fusions of different kinds do not', () => {
    const b = new Builder('g')
    const x = b.input('x', vector)
    const fused = (kind: string, path: string) =>
      b.scope(path, () => emitRegion(b, 'fusion', [x], { kind }, ([u], inner) => [inner.neg(u as Value)])[0] as Value)
    const graph = b.finish({ a: fused('loop', 'a'), b: fused('loop', 'b'), c: fused('other', 'c') })
    expect(nodesOfOp(cse.run(graph, cx), 'fusion').map((n) => n.attrs.kind)).toEqual(['loop', 'other'])
  })
  test('composites of another name or class do not merge', () => {
    const b = new Builder('g')
    const x = b.input('x', vector)
    const call = (name: string, amp: 'allow' | 'deny') =>
      emitRegion(b, 'composite', [x], { name, amp, tolerance: 'composite' }, ([u], inner) => [
        inner.neg(u as Value),
      ])[0] as Value
    const graph = b.finish({ a: call('f', 'deny'), b: call('g', 'deny'), c: call('f', 'allow'), d: call('f', 'deny') })
    expect(composites(cse.run(graph, cx))).toHaveLength(3)
  })
})

describe('literals', () => {
  test('large literals become operands, from any depth; small ones and splats stay', () => {
    const b = new Builder('g')
    const attrs = { name: 'outer', amp: 'infer', tolerance: 'composite' } as const
    const [y] = emitRegion(b, 'composite', [b.input('x', vector)], attrs, ([u], inner) => {
      const [z] = emitRegion(inner, 'fusion', [u as Value], { kind: 'loop' }, ([v], innermost) => [
        innermost.add(innermost.mul(v as Value, innermost.literal(vector, table)), 2),
      ])
      const few = inner.literal({ dtype: 'float32', shape: [2] }, Float32Array.of(1, 2))
      return [inner.add(z as Value, inner.reduceSum(few, [0]))]
    })
    const graph = b.finish({ y: y as Value })
    expect(print(graph)).toMatchInlineSnapshot(`
      "graph g {
        %0 = input() {name="x"} : float32[20]
        %1 = constant() {value=#sha256:e3cd2d297437abbb9943e7adb767ddcf80353b04203da7f11a0e9e5139ca098b} : float32[20]
        %2 = composite(%0, %1) {body=(%0: float32[20], %1: float32[20]) {
          %2 = fusion(%0, %1) {body=(%0: float32[20], %1: float32[20]) {
            %2 = mul(%0, %1) : float32[20]
            %3 = constant() {value=2} : float32[20]
            %4 = add(%2, %3) : float32[20]
            return %4
          }, kind="loop"} : float32[20]
          %3 = constant() {value=[1, 2]} : float32[2]
          %4 = reduceSum(%3) {axes=[0]} : float32[]
          %5 = broadcast(%4) {axes=[], shape=[20]} : float32[20]
          %6 = add(%2, %5) : float32[20]
          return %6
        }, name="outer"} : float32[20]
        return y = %2
      }
      "
    `)
    expect(verify(graph)).toEqual([])
    const x = Float64Array.from(table, (t) => t + 1)
    expect(interpret(graph, { inputs: { x } }).outputs['y']?.data).toEqual(x.map((v, i) => v * (table[i] ?? 0) + 5))
  })
  test('large literals in a hand-written body are rejected', () => {
    const list = Array.from({ length: 17 }, (_, i) => i).join(', ')
    const source = `graph g { %x = input() {name="x"} : float32[17] %y = fusion(%x) {kind="loop", body=(%a: float32[17]) { %c = constant() {value=[${list}]} : float32[17] %b = add(%a, %c) : float32[17] return %b }} : float32[17] return %y }`
    expect(() => parse(source)).toThrow(
      expect.objectContaining({
        code: 'EF101',
        message: expect.stringContaining('C4: the body has the literal float32[17]'),
      }),
    )
  })
})

describe('text', () => {
  test('prints and parses, nested bodies and their literals included', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(steps, styles), { minLength: 1, maxLength: 3 }), (programs) => {
        const graph = calls(programs)
        const { constants } = sideTables(graph)
        const text = print(graph)
        const parsed = parse(text, { constants })
        expect(print(parsed)).toBe(text)
        expect(hashGraph(parsed)).toBe(hashGraph(graph))
        expect(verify(parsed)).toEqual([])
        expect(composites(parsed).map((n) => n.attrs.body)).toEqual(composites(graph).map((n) => n.attrs.body))
      }),
    )
  })
  test('decomposed composites give the same results', () => {
    const everyRegion = decompose((n: Node) => n.op === 'composite')
    fc.assert(
      fc.property(fc.array(fc.tuple(steps, styles), { minLength: 1, maxLength: 3 }), (programs) => {
        const graph = calls(programs)
        const inputs = { x: table, y: table.map((t) => 1 - t * t) }
        const flat = dce.run(everyRegion.run(graph, cx), cx)
        expect(composites(flat)).toEqual([])
        expect(interpret(flat, { inputs }).outputs).toEqual(interpret(graph, { inputs }).outputs)
      }),
    )
  })
  test('the parser accepts any order, names and dead code; the printer writes the normal form', () => {
    const read = parse(`graph g {
      %x = input() {name="x"} : float32[2]
      %y = fusion(%x, %x) {kind="loop", body=(%left: float32[2], %right: float32[2]) {
        %dead = exp(%left) : float32[2]
        %b = neg(%right) : float32[2]
        %a = abs(%left) : float32[2]
        %sum = add(%a, %b) : float32[2]
        return %sum
      }} : float32[2]
      return %y
    }`)
    expect(print(read)).toMatchInlineSnapshot(`
      "graph g {
        %0 = input() {name="x"} : float32[2]
        %1 = fusion(%0, %0) {body=(%0: float32[2], %1: float32[2]) {
          %2 = abs(%0) : float32[2]
          %3 = neg(%1) : float32[2]
          %4 = add(%2, %3) : float32[2]
          return %4
        }, kind="loop"} : float32[2]
        return %1
      }
      "
    `)
  })
  test.each([
    [
      'an input as a node',
      '() { %a = input() {name="0"} : float32[2] return %a }',
      'a body declares its inputs in brackets',
    ],
    ['a path', '(%a: float32[2]) { %b = neg(%a) : float32[2] @ stem return %b }', 'a node of a body has no path'],
    ['a named result', '(%a: float32[2]) { return y = %a }', 'the results of a body have no names'],
    ['a capture', '() { return %x }', 'value %x is used before it is defined'],
    ['an update', '(%a: float32[2]) { update %a = %a return %a }', 'expected "return", found "update"'],
    ['a graph', 'graph f { return }', 'expected a value, found "graph"'],
    ['a name twice', '(%a: float32[2], %a: float32[2]) { return %a }', 'value %a is defined twice'],
    [
      'a variable',
      '() { %w = variable() {name="w"} : float32[2] return %w }',
      'C2: a body has neither variables nor updates',
    ],
  ])('%s in a body is rejected', (_what, body, message) => {
    const source = `graph g { %x = input() {name="x"} : float32[2] %y = fusion() {kind="loop", body=${body}} : float32[2] return %y }`
    expect(() => parse(source)).toThrow(
      expect.objectContaining({ name: 'EffuseError', message: expect.stringContaining(message) }),
    )
  })
})

test.each<[string, (body: Graph) => Graph, string]>([
  ['a name', (body) => ({ ...body, name: 'swish' }), 'its name is "swish"'],
  [
    'a path',
    (body) => ({ ...body, nodes: body.nodes.map((n) => ({ ...n, path: 'stem' }) as Node) }),
    'has the path "stem"',
  ],
  ['a hole', (body) => ({ ...body, nodes: [...body.nodes, null] }), 'node 2 is gone'],
  [
    'a dead node',
    (body) => ({ ...body, outputs: [{ name: '0', value: { id: 0 as never, port: 0 } }] }),
    'not in canonical order',
  ],
  [
    'a named output',
    (body) => ({ ...body, outputs: body.outputs.map((o) => ({ ...o, name: 'y' })) }),
    'outputs are not named',
  ],
])('C3: a body with %s is refused', (_what, change, message) => {
  const b = new Builder('g')
  const x = b.input('0', vector)
  const { body } = toBody(b.finish({ y: b.neg(x) }))
  const outer = new Builder('outer')
  const operand = outer.input('x', vector)
  expect(() => outer.emit('fusion', [operand], { kind: 'loop', body: change(body) })).toThrow(
    expect.objectContaining({ code: 'EF101', message: expect.stringMatching(new RegExp(`C3: .*${message}`)) }),
  )
})
