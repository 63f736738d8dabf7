/** The three laws of the text form, its errors, and its details. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { Edit } from '../../src/ir/edit.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse, parseAll } from '../../src/ir/parse.ts'
import { hashGraph, print } from '../../src/ir/print.ts'
import { emitRegion } from '../../src/ir/region.ts'
import { sideTables } from '../../src/ir/side-tables.ts'
import { verify } from '../../src/ir/verify.ts'
import { anyGraph, feedsFor } from '../../src/testing/graphs.ts'
import { dce } from '../../src/passes/dce.ts'
import { genericTarget } from '../../src/ir/target.ts'

const cx = { target: genericTarget, report: () => {} }

describe('laws', () => {
  test('law 1: print(parse(print(g))) == print(g)', () => {
    fc.assert(
      fc.property(anyGraph(), ({ graph, text }) => {
        expect(print(parse(text, { constants: sideTables(graph).constants }))).toBe(text)
      }),
    )
  })

  test('law 2: a parsed graph verifies iff the original does, and means the same', () => {
    fc.assert(
      fc.property(anyGraph(), fc.nat(1000), ({ graph, text }, seed) => {
        const parsed = parse(text, { constants: sideTables(graph).constants })
        expect(verify(graph)).toEqual([])
        expect(verify(parsed)).toEqual([])
        const feeds = feedsFor(graph, seed)
        expect(interpret(parsed, feeds).outputs).toEqual(interpret(graph, feeds).outputs)
      }),
      { numRuns: 60 },
    )
  })

  test('law 3: ids, dead nodes and (for the hash) paths do not affect the text', () => {
    fc.assert(
      fc.property(anyGraph(), fc.nat(20), ({ graph, text }, at) => {
        const node = graph.nodes[at % graph.nodes.length]
        if (node === null || node === undefined) return
        const edit = new Edit(graph, 'dead code')
        edit.add('constant', [], { value: 7 }, node, 'dead', [{ dtype: 'float32', shape: [] }])
        const longer = edit.commit()
        expect(longer).not.toBe(graph)
        expect(print(longer)).toBe(text)
        expect(print(dce.run(longer, cx))).toBe(text)
        const moved = { ...graph, nodes: graph.nodes.map((n) => (n === null ? null : { ...n, path: 'elsewhere' })) }
        expect(hashGraph(moved)).toBe(hashGraph(graph))
      }),
    )
  })

  test('different programs have different texts', () => {
    fc.assert(
      fc.property(anyGraph(), anyGraph(), (a, b) => {
        if (a.text === b.text) return
        const feeds = feedsFor(a.graph, 3)
        if (hashGraph(a.graph) !== hashGraph(b.graph)) return
        expect(interpret(b.graph, feeds).outputs).toEqual(interpret(a.graph, feeds).outputs)
      }),
    )
  })
})

describe('details', () => {
  const line = (body: string, result = '%x') =>
    parse(`graph g { %x = input() {name="x"} : float32[2] ${body} return ${result} }`)

  test('comments, free names, one line; printed canonically', () => {
    expect(print(line('// a comment\n %sum = add(%x, %x) : float32[2] @ blocks.0/add', 'total = %sum'))).toBe(
      'graph g {\n  %0 = input() {name="x"} : float32[2]\n  %1 = add(%0, %0) : float32[2] @ blocks.0/add\n  return total = %1\n}\n',
    )
  })

  test('numbers keep their bits: -0, infinities, NaN, the smallest denormal', () => {
    const g = line('%c = constant() {value=[-0, inf, -inf, nan, 5e-324, 0.1]} : float32[6]', '%c')
    const node = g.nodes[1]
    expect(node?.op === 'constant' && node.attrs.value).toEqual([-0, Infinity, -Infinity, Number.NaN, 5e-324, 0.1])
    expect(print(parse(print(g)))).toBe(print(g))
  })

  test('names that are not words are quoted', () => {
    const b = new Builder('my "graph"')
    const text = print(
      b.finish({ 'an output': b.scope('a path {x}', () => b.neg(b.input('in put', { dtype: 'float32', shape: [] }))) }),
    )
    expect(text).toContain('graph "my \\"graph\\"" {')
    expect(text).toContain('@ "a path {x}"')
    expect(print(parse(text))).toBe(text)
  })

  test('regions print nested, with their own names and numbering', () => {
    const b = new Builder('outer')
    const x = b.input('x', { dtype: 'float32', shape: [2] })
    const [y] = emitRegion(b, 'fusion', [x], { kind: 'loop' }, ([u], inner) =>
      u === undefined ? [] : [inner.add(u, u)],
    )
    if (y === undefined) throw new Error('no result')
    const text = print(b.finish({ y }))
    expect(text).toMatchInlineSnapshot(`
      "graph outer {
        %0 = input() {name="x"} : float32[2]
        %1 = fusion(%0) {body=(%0: float32[2]) {
          %1 = add(%0, %0) : float32[2]
          return %1
        }, kind="loop"} : float32[2]
        return y = %1
      }
      "
    `)
    const parsed = parse(text)
    expect(print(parsed)).toBe(text)
    const fused = parsed.nodes[1]
    expect(fused?.op === 'fusion' && fused.attrs.body.nodes.map((n) => n?.id)).toEqual([0, 1])
  })

  test('two graphs in one text', () => {
    expect(
      parseAll(
        'graph a { %x = input() {name="x"} : bool[] return %x }\n// ----\ngraph b { %x = input() {name="x"} : bool[] return %x }',
      ).map((g) => g.name),
    ).toEqual(['a', 'b'])
  })
})

describe('errors show the position', () => {
  test.each([
    [
      'unknown op',
      'graph g { %x = input() {name="x"} : float32[2] %y = ad(%x, %x) : float32[2] return %y }',
      'EF202',
      '1:53: there is no op "ad"',
    ],
    [
      'undefined value',
      'graph g {\n  %x = input() {name="x"} : float32[2]\n  %y = add(%x, %z) : float32[2]\n  return %y\n}',
      'EF104',
      '3:16: value %z is used before it is defined',
    ],
    [
      'cycle',
      'graph g {\n  %a = neg(%b) : float32[2]\n  %b = neg(%a) : float32[2]\n  return %b\n}',
      'EF104',
      '2:12: value %b is used before it is defined',
    ],
    [
      'defined twice',
      'graph g { %x = input() {name="x"} : float32[2] %x = input() {name="y"} : float32[2] return %x }',
      'EF107',
      'value %x is defined twice',
    ],
    [
      'ill-typed',
      'graph g { %x = input() {name="x"} : float32[2] %y = input() {name="y"} : float32[3] %z = add(%x, %y) : float32[2] return %z }',
      'EF101',
      'C1: operand shapes differ: float32[2] and float32[3]',
    ],
    [
      'declared type wrong',
      'graph g { %x = input() {name="x"} : float32[2] %z = neg(%x) : float32[3] return %z }',
      'EF106',
      'neg gives float32[2], but float32[3] is declared',
    ],
    [
      'unknown attribute',
      'graph g { %x = input() {name="x", size=3} : float32[2] return %x }',
      'EF102',
      'input has no attribute "size"; it has name',
    ],
    [
      'wrong attribute',
      'graph g { %x = input() {name=3} : float32[2] return %x }',
      'EF102',
      'attribute "name" of input must be a string, got 3',
    ],
    [
      'attribute twice',
      'graph g { %x = input() {name="x", name="y"} : float32[2] return %x }',
      'EF201',
      '"name" is given twice',
    ],
    [
      'unknown dtype',
      'graph g { %x = input() {name="x"} : float8[2] return %x }',
      'EF201',
      'there is no element type "float8"',
    ],
    [
      'zero size',
      'graph g { %x = input() {name="x"} : float32[0] return %x }',
      'EF201',
      'a size must be a positive integer, got 0',
    ],
    ['no port', 'graph g { %x = input() {name="x"} : float32[2] return %x.1 }', 'EF104', 'there is no %x.1'],
    [
      'arity',
      'graph g { %x = input() {name="x"} : float32[2] %y = add(%x) : float32[2] return %y }',
      'EF103',
      'add takes 2 operands, got 1',
    ],
    ['end', 'graph g { %x = input() {name="x"} : float32[2]', 'EF201', 'expected "return", found the end of the text'],
    ['trailing text', 'graph g { return } graph h { return }', 'EF201', 'expected the end of the text, found "graph"'],
    [
      'hostile name',
      'graph g { %x = input() {__proto__=3} : float32[2] return %x }',
      'EF102',
      'input has no attribute "__proto__"',
    ],
    [
      'update of no variable',
      'graph g { %x = input() {name="x"} : float32[2] update %x = %x return %x }',
      'EF108',
      'only a variable can be updated, got input',
    ],
    ['strange character', 'graph g { ; }', 'EF201', '1:11: unexpected ";"'],
  ])('%s', (_name, source, code, message) => {
    expect(() => parse(source)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  })

  test('the message shows line and caret', () => {
    expect(() =>
      parse('graph g {\n  %x = input() {name="x"} : float32[2]\n  %y = ad(%x) : float32[2]\n  return %y\n}'),
    ).toThrow('3:8: there is no op "ad"\n    %y = ad(%x) : float32[2]\n         ^')
  })

  test('deep nesting ends with an error, not with a stack overflow', () => {
    expect(() => parse(`graph g { %x = constant() {value=${'['.repeat(5000)}`)).toThrow(
      expect.objectContaining({ code: 'EF201' }),
    )
    expect(() => parse(`graph g { ${'%x = fusion() {body=() { '.repeat(500)}`)).toThrow(
      expect.objectContaining({ code: 'EF201' }),
    )
  })

  test('random damage gives only EffuseErrors or valid graphs', () => {
    fc.assert(
      fc.property(
        anyGraph({ stepsMax: 6 }),
        fc.nat(),
        fc.constantFrom('', '{', '}', '%0', '"', '-', '9', ':', '@', '[', 'graph'),
        ({ graph, text }, at, patch) => {
          const place = at % text.length
          try {
            expect(
              verify(
                parse(text.slice(0, place) + patch + text.slice(place + 1), { constants: sideTables(graph).constants }),
              ),
            ).toEqual([])
          } catch (error) {
            expect(error).toMatchObject({ name: 'EffuseError', code: expect.stringMatching(/^EF(10\d|20\d)$/) })
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})
