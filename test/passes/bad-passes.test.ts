/** Faults in users' passes and pipelines give clear errors, for every kind of wrong result. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { Edit } from '../../src/ir/edit.ts'
import { add } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import { parse } from '../../src/ir/parse.ts'
import type { Graph } from '../../src/ir/types.ts'
import { float32 } from '../../src/ir/value.ts'
import { definePass, type GraphPass } from '../../src/passes/pass.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const model = graph('twice', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) }))
const mine = (run: (g: Graph) => unknown): GraphPass =>
  definePass({ name: 'mine', summary: 'wrong', phase: 'simplify', preserves: 'bits', run: run as GraphPass['run'] })
const holes = (g: Graph): unknown => ({ ...g, nodes: [undefined, ...g.nodes.slice(1)] })
const circle: { self?: unknown } = {}
circle.self = circle

describe('the result of a pass', () => {
  test.each([
    ['null', () => null, /it gave null, not a graph/],
    ['nothing', () => undefined, /it gave undefined, not a graph: does it end with return\?/],
    ['a number', () => 5, /it gave 5, not a graph/],
    ['a bigint', () => 5n, /it gave 5, not a graph/],
    ['a symbol', () => Symbol('g'), /it gave Symbol\(g\), not a graph/],
    ['a list', (g: Graph) => g.nodes, /it gave \[.*, not a graph/],
    ['a promise', (g: Graph) => Promise.resolve(g), /it gave a promise, not a graph: a pass must not be async/],
    ['a circle', () => circle, /it gave an object, not a graph/],
    ['undefined among the nodes', holes, /it gave a graph whose node 0 is undefined; a removed node is null/],
    ['undefined after the nodes', (g: Graph) => ({ ...g, nodes: [...g.nodes, undefined] }), /node 2 is undefined/],
    ['a hole among the nodes', (g: Graph) => ({ ...g, nodes: new Array(2) }), /node 0 is undefined/],
    [
      'half a node',
      (g: Graph) => ({ ...g, nodes: [...g.nodes, { id: 2, op: 'neg' }] }),
      /node 2 is .*make nodes by Edit/,
    ],
    [
      'a node with null for an operand',
      (g: Graph) => ({ ...g, nodes: g.nodes.map((n) => ({ ...n, inputs: [null] })) }),
      /node 0 is .*make nodes by Edit/,
    ],
    ['outputs that are none', (g: Graph) => ({ ...g, outputs: [null] }), /whose outputs are \[null\]/],
    ['updates that are none', (g: Graph) => ({ ...g, updates: 1 }), /whose updates are 1/],
    ['inputs that are none', (g: Graph) => ({ ...g, inputs: null }), /whose inputs are null/],
    [
      'an op of an unknown name',
      (g: Graph) => ({ ...g, nodes: g.nodes.map((n) => ({ ...n, op: 'constructor' })) }),
      /there is no op "constructor"/,
    ],
    [
      'an op that the prototype has',
      (g: Graph) => ({ ...g, nodes: g.nodes.map((n) => ({ ...n, op: '__proto__' })) }),
      /there is no op "__proto__"/,
    ],
    [
      'an attribute null',
      (g: Graph) => ({ ...g, nodes: g.nodes.map((n) => ({ ...n, attrs: { name: null } })) }),
      /attribute|make nodes/,
    ],
    [
      'a type of an unknown dtype',
      (g: Graph) => ({ ...g, nodes: g.nodes.map((n) => ({ ...n, types: [{ dtype: 'toString', shape: [2] }] })) }),
      /there is no element type "toString"/,
    ],
  ])('%s', async (_, run, message) => {
    const expected = expect.objectContaining({
      name: 'EffuseError',
      code: 'EF303',
      message: expect.stringMatching(new RegExp(`^pass 'mine': .*${message.source}`, 's')),
    })
    await expect(compile(model, { backend: 'reference', passes: (p) => p.before('fuse', mine(run)) })).rejects.toEqual(
      expected,
    )
    await expect(
      compile(model, { backend: 'reference', verify: true, passes: (p) => p.append(mine(run)) }),
    ).rejects.toEqual(expected)
  })

  test('the same holds for a pass over the program', () => {
    const program = programOf(parse('graph g { %x = input() {name="x"} : float32[2] return y = %x }'))
    const given = (result: unknown) =>
      pipeline([
        definePass({ name: 'mine', summary: '', phase: 'lower', preserves: 'bits', runProgram: () => result as never }),
      ])
    expect(() => runPipeline(given(null), program)).toThrow(/it gave null, not a program/)
    expect(() => runPipeline(given({ ...program, steps: [null] }), program)).toThrow(/a program with null for a step/)
    expect(() => runPipeline(given({ ...program, steps: [{ ...program.steps[0], graph: 3 }] }), program)).toThrow(
      /whose step "run" is 3, not a graph/,
    )
  })

  test('the error names the pass that left an invalid graph, not the next one', () => {
    const dangling = mine((g) => {
      const edit = new Edit(g, 'mine')
      edit.remove(g.inputs[0] as never)
      return edit.commit()
    })
    expect(() =>
      runPipeline(parsePipeline('cse,simplify').before('cse', dangling), programOf(model.at({ batch: 1 }))),
    ).toThrow(/^pass 'mine': it left a graph that is not well-formed/)
  })
})

describe('invalid passes and pipelines', () => {
  const valid = mine((g) => g)
  test.each([
    [null, /takes a pass, as definePass\(\) makes it, got null/],
    [5, /got 5/],
    [() => valid, /got a function/],
    [{}, /the name of "a pass" must be a word in kebab-case, got undefined/],
    [{ ...valid, name: 'a,b' }, /the name of "a,b" must be a word/],
    [{ ...valid, phase: 'late' }, /the phase of "mine" must be one of build, .*, got "late"/],
    [
      { ...valid, preserves: 'all' },
      /the preserves of "mine" must be one of bits, rounding, precision, mode, got "all"/,
    ],
    [{ ...valid, stage: 'model' }, /the stage of "mine" must be "tensor" or "fused"/],
    [{ ...valid, hoists: 'yes' }, /the hoists of "mine" must be true, false or not given, got "yes"/],
    [{ ...valid, run: 3 }, /the run of "mine" must be a function, got 3/],
    [{ ...valid, run: undefined }, /the pass "mine" needs a function run/],
  ])('%#', (given, message) => {
    const expected = expect.objectContaining({ code: 'EF111', message: expect.stringMatching(message) })
    expect(() => definePass(given as never)).toThrow(expected)
    expect(() => parsePipeline('cse').append(given as never)).toThrow(expected)
    expect(() => pipeline([given as never])).toThrow(expected)
  })
  test.each([
    [() => 5, /must give a pipeline, got 5/],
    [() => null, /got null/],
    [() => undefined, /got undefined/],
    [() => [valid], /got \[/],
    [() => ({ passes: [valid] }), /must give a pipeline/],
    [async (p: unknown) => Promise.resolve(p), /got a promise/],
  ])('passes: %s', async (passes, message) => {
    await expect(compile(model, { backend: 'reference', passes: passes as never })).rejects.toEqual(
      expect.objectContaining({ code: 'EF403', message: expect.stringMatching(message) }),
    )
  })
})
