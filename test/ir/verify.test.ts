/** The faults that the verifier finds, in graphs that the builder cannot make. */
import { describe, expect, test } from 'vitest'
import { graph } from '../../src/ir/model.ts'
import { parse } from '../../src/ir/parse.ts'
import { setSideTables, sideTables } from '../../src/ir/side-tables.ts'
import { float32 } from '../../src/ir/value.ts'
import { nodeId, type Graph, type Node } from '../../src/ir/types.ts'
import { verify, verifyOrThrow } from '../../src/ir/verify.ts'

const base = parse(
  'graph g { %x = input() {name="x"} : float32[2] %w = variable() {name="w"} : float32[2] %y = add(%x, %w) : float32[2] %z = neg(%y) : float32[2] update %w = %y return %z }',
)
const withNode = (id: number, change: Partial<Node>): Graph => ({
  ...base,
  nodes: base.nodes.map((n) => (n?.id === id ? ({ ...n, ...change } as Node) : n)),
})
const codes = (graph: Graph) => verify(graph).map((d) => d.code)

describe('findings', () => {
  test('none in a good graph', () => expect(verify(base)).toEqual([]))
  test('EF104 undefined operand, output and update value', () => {
    expect(
      codes(
        withNode(2, {
          inputs: [
            { id: nodeId(77), port: 0 },
            { id: nodeId(1), port: 0 },
          ],
        }),
      ),
    ).toEqual(['EF104'])
    expect(codes({ ...base, outputs: [{ name: 'z', value: { id: nodeId(3), port: 1 } }] })).toEqual(['EF104'])
    expect(codes({ ...base, updates: [{ variable: nodeId(1), value: { id: nodeId(9), port: 0 } }] })).toEqual(['EF104'])
  })
  test('EF105 a cycle, named once, also among dead nodes', () => {
    const found = verify(
      withNode(2, {
        inputs: [
          { id: nodeId(3), port: 0 },
          { id: nodeId(1), port: 0 },
        ],
      }),
    )
    expect(found.map((d) => d.code)).toEqual(['EF105'])
    expect(found[0]?.message).toMatch(/depends on its own result/)
  })
  test('EF106 stored type differs', () =>
    expect(codes(withNode(3, { types: [{ dtype: 'float32', shape: [3] }] }))).toContain('EF106'))
  test('EF101 incompatible operands', () =>
    expect(codes(withNode(1, { types: [{ dtype: 'float32', shape: [5] }] }))).toContain('EF101'))
  test('EF102 attribute', () =>
    expect(codes(withNode(0, { attrs: { name: 3 } } as unknown as Partial<Node>))).toContain('EF102'))
  test('EF103 arity', () => expect(codes(withNode(3, { inputs: [] }))).toContain('EF103'))
  test('EF107 names used twice', () => {
    expect(codes({ ...base, outputs: [...base.outputs, ...base.outputs] })).toEqual(['EF107'])
    expect(codes({ ...base, nodes: [...base.nodes, { ...(base.nodes[1] as Node), id: nodeId(4) }] })).toEqual(['EF107'])
  })
  test('EF108 updates', () => {
    expect(codes({ ...base, updates: [...base.updates, ...base.updates] })).toEqual(['EF108'])
    expect(codes({ ...base, updates: [{ variable: nodeId(0), value: { id: nodeId(2), port: 0 } }] })).toEqual(['EF108'])
  })
  test('EF109 model form after the mode was chosen', () => {
    const dropout = parse(
      'graph g { %x = input() {name="x"} : float32[2] %y = dropout(%x) {rate=0.5, stream="d"} : float32[2] return %y }',
    )
    expect(verify(dropout, { stage: 'model' })).toEqual([])
    expect(verify(dropout, { stage: 'tensor' }).map((d) => d.code)).toEqual(['EF109'])
  })
  test('EF111 signature', () => expect(codes({ ...base, inputs: [] })).toEqual(['EF111']))
  test('EF202 unknown op', () =>
    expect(codes(withNode(3, { op: 'constructor' } as unknown as Partial<Node>))).toContain('EF202'))
  test('a fault in a body is reported at its region, with the line in the body', () => {
    const fused = parse(
      'graph g { %x = input() {name="x"} : float32[2] %y = fusion(%x) {kind="loop", body=(%a: float32[2]) { %b = neg(%a) : float32[2] return %b }} : float32[2] @ stem return %y }',
    )
    const region = fused.nodes[1] as Node<'fusion'>
    const { body } = region.attrs
    const wrong = { ...body.nodes[1], types: [{ dtype: 'int32', shape: [2] }] } as Node
    const attrs = { ...region.attrs, body: { ...body, nodes: [body.nodes[0] as Node, wrong] } }
    const broken: Graph = { ...fused, nodes: [fused.nodes[0] as Node, { ...region, attrs } as Node] }
    const found = verify(broken).find(({ message }) =>
      message.startsWith('in the body of fusion: neg gives float32[2]'),
    )
    expect(found).toMatchObject({ code: 'EF106', path: 'stem', node: region.id })
    expect(found?.notes?.[0]).toBe('    %1 = neg(%0) : int32[2]')
  })
  test('all findings in one error', () => {
    expect(() => verifyOrThrow({ ...base, inputs: [], outputs: [...base.outputs, ...base.outputs] })).toThrow(
      /and 1 more/,
    )
  })
  test('the error shows the line, a caret and the call site', () => {
    const model = graph('m', { x: float32(2) }, ({ x }, b) => ({ y: b.scope('head', () => b.neg(b.exp(x))) }))
    const built = model.at({ batch: 1 })
    const broken: Graph = {
      ...built,
      nodes: built.nodes.map((n) =>
        n?.op === 'neg' ? ({ ...n, types: [{ dtype: 'float32', shape: [3] }] } as Node) : n,
      ),
    }
    setSideTables(broken, sideTables(built))
    expect(() => verifyOrThrow(broken)).toThrow(
      /^head: neg gives float32\[2\], but float32\[3\] is declared\n {4}%2 = neg\(%1\) : float32\[3\] @ head\n {9}\^{7}\n {2}built at .*verify\.test\.ts:\d+:\d+$/,
    )
  })
})
