/** Side tables: graphs built by hand have none; bodies have those of their source graphs. */
import { describe, expect, test } from 'vitest'
import { fuseTfjs } from '../../src/backends/tfjs/fuse-tfjs.ts'
import { composite, exp, float32, graph, mul, type Value } from '../../src/index.ts'
import { Edit } from '../../src/ir/edit.ts'
import { liveOrder, nodesOfOp } from '../../src/ir/graph.ts'
import { parse } from '../../src/ir/parse.ts'
import { setSideTables, sideTables } from '../../src/ir/side-tables.ts'
import type { Graph, NodeId } from '../../src/ir/types.ts'
import { definePass } from '../../src/passes/pass.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const chain = (): Graph =>
  parse(`graph g {
    %x = input() {name="x"} : float32[1,4,4,2]
    %k = variable() {name="k"} : float32[1,1,2,2]
    %b = variable() {name="b"} : float32[2]
    %y = conv2d(%x, %k) : float32[1,4,4,2] @ stem/conv
    %r = broadcast(%b) {axes=[3], shape=[1, 4, 4, 2]} : float32[1,4,4,2] @ stem/bn
    %s = add(%y, %r) : float32[1,4,4,2] @ stem/bn
    %z = relu(%s) : float32[1,4,4,2] @ stem/relu
    return z = %z
  }`)
/** Fuses the graph, and then runs the passes. */
const fusedThen = (passes: string, start: Graph): Graph => {
  const all = pipeline([fuseTfjs, ...parsePipeline(passes).passes])
  return graphOf(runPipeline(all, programOf(start), { verify: true }).program)
}

describe('a body', () => {
  test('stores the path and the origin of each node, also after later passes', () => {
    const start = chain()
    const [node] = nodesOfOp(fusedThen('simplify,cse,dce', start), 'fusion')
    const body = node?.attrs.body as Graph
    const { path, origin } = sideTables(body)
    const known = liveOrder(body).flatMap((n) =>
      n.inputs.length === 0 ? [] : [[n.op, n.path, path(n.id), origin(n.id)?.from]],
    )
    const idOf = (op: string) => start.nodes.find((n) => n?.op === op)?.id
    expect(known).toEqual([
      ['conv2d', '', 'stem/conv', [idOf('conv2d')]],
      ['broadcast', '', 'stem/bn', [idOf('add')]],
      ['add', '', 'stem/bn', [idOf('add')]],
      ['relu', '', 'stem/relu', [idOf('relu')]],
    ])
  })
  test('a decomposed body restores the paths of its nodes', () => {
    const flat = fusedThen('decompose{ops=["fusion"]},dce', chain())
    expect(liveOrder(flat).flatMap((n) => (n.inputs.length === 0 ? [] : [`${n.op} ${n.path}`]))).toEqual([
      'conv2d stem/conv',
      'broadcast stem/bn',
      'add stem/bn',
      'relu stem/relu',
    ])
  })
  test("of a user's composite stores the call site, at any depth", () => {
    const inner = composite('inner', (x: Value<'float32'>) => exp(x))
    const outer = composite('outer', (x: Value<'float32'>) => mul(inner(x), x))
    const built = graph('g', { x: float32(3) }, ({ x }, b) => ({ y: b.scope('head', () => outer(x)) })).at({ batch: 1 })
    const [node] = nodesOfOp(built, 'composite')
    const body = node?.attrs.body as Graph
    const [nested] = nodesOfOp(body, 'composite')
    const innermost = nested?.attrs.body as Graph
    const [leaf] = nodesOfOp(innermost, 'exp')
    for (const [of, id] of [
      [body, nested?.id],
      [innermost, leaf?.id],
    ] as const) {
      expect(sideTables(of).path(id as NodeId)).toBe('head')
      expect(sideTables(of).callSite(id as NodeId)).toMatch(/side-tables\.test\.ts:\d+:\d+$/)
    }
  })
})

describe('a graph built by hand', () => {
  const byHand = (g: Graph): Graph => ({ ...g, name: 'copy' })
  test('without tables gives EF112', () => {
    const start = chain()
    const copy = byHand(start)
    expect(() => sideTables(copy)).toThrow(
      expect.objectContaining({ code: 'EF112', message: expect.stringContaining('the graph "copy"') }),
    )
    expect(() => {
      const edit = new Edit(copy, 'edit')
      edit.setOutputs([])
      edit.commit()
    }).toThrow(expect.objectContaining({ code: 'EF112' }))
    expect(sideTables(setSideTables(copy, sideTables(start))).constants).toBe(sideTables(start).constants)
  })
  test('is attributed to the pass that returned it', () => {
    const parts = { summary: 'renames', phase: 'simplify', preserves: 'bits' } as const
    const careless = definePass({ name: 'careless', ...parts, run: byHand })
    const all = pipeline([careless, ...parsePipeline('cse,dce').passes])
    expect(() => runPipeline(all, programOf(chain()))).toThrow(
      expect.objectContaining({ code: 'EF112', message: expect.stringContaining("pass 'careless'") }),
    )
  })
})
