/** Properties of every pass on random graphs, then the laws of single passes. goldens/ has their results on the smallest graphs. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpret, type Mode } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { sideTables } from '../../src/ir/side-tables.ts'
import { liveOrder, nodesOf } from '../../src/ir/graph.ts'
import { verify } from '../../src/ir/verify.ts'
import { hoists } from '../../src/passes/pass.ts'
import { findGraph, graphOf, graphsOf, type Program, programOf } from '../../src/passes/program.ts'
import { passFactories, parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { simplifyRules } from '../../src/passes/simplify/index.ts'
import { rewrite } from '../../src/passes/rewrite/driver.ts'
import { anyGraph, feedsFor } from '../../src/testing/graphs.ts'

type Feeds = ReturnType<typeof feedsFor>

/** Runs `prepare` and then `run`, as an executable does. */
const runProgram = (program: Program, feeds: Feeds, mode: Mode = 'declared') => {
  const variables = new Map<string, ArrayLike<number>>(feeds.variables)
  const prepare = findGraph(program, 'prepare')
  if (prepare !== undefined)
    for (const [name, tensor] of interpret(prepare, { variables, mode }).updates) variables.set(name, tensor.data)
  return interpret(graphOf(program), { inputs: feeds.inputs, variables, mode })
}

const same = (got: ArrayLike<number>, want: ArrayLike<number>, exact: boolean): void => {
  expect(got.length).toBe(want.length)
  for (let i = 0; i < want.length; i++) {
    const [g, w] = [got[i] as number, want[i] as number]
    if (Object.is(g, w) || (Number.isNaN(g) && Number.isNaN(w))) continue
    if (exact) expect.fail(`element ${i}: got ${g}, expected exactly ${w}`)
    if (!(g === w || Math.abs(g - w) <= 1e-6 * Math.max(1, Math.abs(w))))
      expect.fail(`element ${i}: got ${g}, expected ${w}`)
  }
}

describe('every pass', () => {
  const cases = passFactories
    .map((f) => ({ name: f.name, pass: f.make({}) }))
    .filter(({ pass }) => pass.preserves !== 'mode')

  test.each(cases)('$name preserves meaning, validity and the signature', ({ pass }) => {
    fc.assert(
      fc.property(
        anyGraph({ mixedTypes: pass.preserves === 'bits', effects: !hoists(pass) }),
        fc.nat(1000),
        ({ graph }, seed) => {
          const { program } = runPipeline({ ...parsePipeline('dce'), passes: [pass] }, programOf(graph), {
            verify: true,
          })
          const feeds = feedsFor(graph, seed)
          // In float64 nothing is rounded to a type: a pass that preserves only half precision preserves every bit there, and another order or
          // formula changes only the last digits.
          const mode = pass.preserves === 'bits' ? 'declared' : 'float64'
          const exact = pass.preserves !== 'rounding'
          const want = interpret(graph, { ...feeds, mode })
          const got = runProgram(program, feeds, mode)
          expect(Object.keys(got.outputs)).toEqual(Object.keys(want.outputs))
          for (const [name, tensor] of Object.entries(want.outputs)) {
            expect(got.outputs[name]?.dtype).toBe(tensor.dtype)
            expect(got.outputs[name]?.shape).toEqual(tensor.shape)
            same(got.outputs[name]?.data ?? [], tensor.data, exact)
          }
          for (const [name, tensor] of want.updates) same(got.updates.get(name)?.data ?? [], tensor.data, exact)
          expect(graphOf(program).inputs).toEqual(graph.inputs)
        },
      ),
      { numRuns: 80 },
    )
  })

  test.each(cases)('$name returns the same object if it changes nothing, and is idempotent', ({ name, pass }) => {
    fc.assert(
      fc.property(anyGraph(), ({ graph }) => {
        const clean = parsePipeline(`${name},dce`)
        const once = runPipeline(clean, programOf(graph))
        const twice = runPipeline({ ...clean, passes: [pass] }, once.program)
        expect(twice.program).toBe(once.program)
        expect(twice.records.every((r) => !r.changed)).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  test('the simplification passes preserve bits in any order', () => {
    const names = ['fold-constants', 'cse', 'dce', 'hoist-prepare']
    fc.assert(
      fc.property(
        anyGraph({ effects: false }),
        fc.shuffledSubarray(names, { minLength: 2 }),
        fc.nat(1000),
        ({ graph }, order, seed) => {
          const { program } = runPipeline(parsePipeline(order.join(',')), programOf(graph), { verify: true })
          const feeds = feedsFor(graph, seed)
          const [want, got] = [interpret(graph, feeds), runProgram(program, feeds)]
          for (const [name, tensor] of Object.entries(want.outputs))
            same(got.outputs[name]?.data ?? [], tensor.data, true)
        },
      ),
      { numRuns: 60 },
    )
  })
})

test.each([
  [4096, 'constant'],
  [4097, 'neg'],
])('a result of %i elements is folded up to the limit', (count, op) => {
  const graph = parse(
    `graph g { %i = iota() {axis=0, dtype="int32", shape=[${count}]} : int32[${count}] %y = neg(%i) : int32[${count}] return y = %y }`,
  )
  const { program } = runPipeline(parsePipeline('fold-constants,dce'), programOf(graph))
  expect(liveOrder(graphOf(program)).at(-1)?.op).toBe(op)
})

describe('fold-batch-norm', () => {
  // The last axis of a depthwise kernel is not the axis of its filters.
  test.each([
    ['conv2d', '[3,3,2,3]', 3],
    ['depthwiseConv2d', '[3,3,2,1]', 2],
  ])('the norm is folded into the kernel of %s, and the results agree', (op, kernel, channels) => {
    const graph = parse(`
    graph g {
      %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32${kernel}
      %s = variable() {name="s"} : float32[${channels}]  %o = variable() {name="o"} : float32[${channels}]  %m = variable() {name="m"} : float32[${channels}]  %v = variable() {name="v", init={kind="ones"}} : float32[${channels}]
      %c = ${op}(%x, %k) {padding="valid"} : float32[1,2,2,${channels}]
      %y = batchNormInference(%c, %s, %o, %m, %v) {epsilon=0.001} : float32[1,2,2,${channels}]
      return y = %y
    }`)
    const { program } = runPipeline(parsePipeline('fold-batch-norm,dce'), programOf(graph), { verify: true })
    expect(nodesOf(graphOf(program)).some((n) => n.op === 'batchNormInference')).toBe(false)
    const feeds = feedsFor(graph, 5)
    const variables = new Map([...feeds.variables, ['v', Float64Array.of(0.5, 1, 2).subarray(0, channels)]])
    const options = { inputs: feeds.inputs, variables, mode: 'float64' } as const
    const [want, got] = [
      interpret(graph, options).outputs['y']?.data ?? [],
      interpret(graphOf(program), options).outputs['y']?.data ?? [],
    ]
    Array.from(want).forEach((w, i) => expect(got[i]).toBeCloseTo(w, 12))
  })
})

describe('simplify', () => {
  test('every rule fires on its own law', () => {
    const seen = new Set<string>()
    for (const source of lawPrograms) rewrite(parse(source), simplifyRules, 'test', (name) => seen.add(name))
    expect(simplifyRules.map((r) => r.name).filter((name) => !seen.has(name))).toEqual([])
  })
  test('rules that undo each other are reported', () => {
    const flip = [
      { name: 'neg -> abs', op: 'neg', preserves: 'rounding', rewrite: (n, m) => m.b.emit1('abs', n.inputs, {}) },
      { name: 'abs -> neg', op: 'abs', preserves: 'rounding', rewrite: (n, m) => m.b.emit1('neg', n.inputs, {}) },
    ] satisfies Parameters<typeof rewrite>[1]
    expect(() =>
      rewrite(
        parse('graph g { %x = input() {name="x"} : float32[2] %y = neg(%x) : float32[2] return %y }'),
        flip,
        'test',
      ),
    ).toThrow(expect.objectContaining({ code: 'EF304', message: expect.stringMatching(/neg -> abs|abs -> neg/) }))
  })
})

const program = (body: string) =>
  `graph g { %x = input() {name="x"} : float32[2,3] %f = input() {name="f"} : float32[2,3] %p = input() {name="p"} : bool[2,3] ${body} }`
const constant = (value: string, type = 'float32[2,3]') => `%c = constant() {value=${value}} : ${type}`
const lawPrograms: readonly string[] = [
  program(`${constant('-0')} %y = add(%x, %c) : float32[2,3] return %y`),
  program(`${constant('0')} %y = add(%c, %x) : float32[2,3] return %y`),
  program(`${constant('0')} %y = sub(%x, %c) : float32[2,3] return %y`),
  program(`${constant('1')} %y = mul(%x, %c) : float32[2,3] return %y`),
  program(`${constant('1')} %y = div(%x, %c) : float32[2,3] return %y`),
  program(`${constant('1')} %y = pow(%x, %c) : float32[2,3] return %y`),
  program(`${constant('2')} %y = pow(%x, %c) : float32[2,3] return %y`),
  program(`${constant('4')} %y = div(%x, %c) : float32[2,3] return %y`),
  program(`${constant('3')} %y = div(%x, %c) : float32[2,3] return %y`),
  ...['neg', 'abs', 'relu', 'relu6'].map((op) =>
    program(`%a = ${op}(%x) : float32[2,3] %y = ${op}(%a) : float32[2,3] return %y`),
  ),
  program('%a = not(%p) : bool[2,3] %y = not(%a) : bool[2,3] return %y'),
  program('%a = neg(%f) : float32[2,3] %y = add(%x, %a) : float32[2,3] return %y'),
  program('%a = neg(%f) : float32[2,3] %y = sub(%x, %a) : float32[2,3] return %y'),
  ...['maximum', 'minimum'].map((op) => program(`%y = ${op}(%x, %x) : float32[2,3] return %y`)),
  ...['and', 'or'].map((op) => program(`%y = ${op}(%p, %p) : bool[2,3] return %y`)),
  program('%a = sqrt(%x) : float32[2,3] %y = reciprocal(%a) : float32[2,3] return %y'),
  program('%y = select(%p, %x, %x) : float32[2,3] return %y'),
  program(`${constant('1', 'bool[]')} %y = select(%c, %x, %f) : float32[2,3] return %y`),
  program('%y = cast(%x) {to="float32"} : float32[2,3] return %y'),
  program('%a = cast(%p) {to="float32"} : float32[2,3] %y = cast(%a) {to="bool"} : bool[2,3] return %y'),
  program('%y = reshape(%x) {shape=[2, 3]} : float32[2,3] return %y'),
  program('%a = reshape(%x) {shape=[6]} : float32[6] %y = reshape(%a) {shape=[3, 2]} : float32[3,2] return %y'),
  program('%y = transpose(%x) {permutation=[0, 1]} : float32[2,3] return %y'),
  program(
    '%a = transpose(%x) {permutation=[1, 0]} : float32[3,2] %y = transpose(%a) {permutation=[1, 0]} : float32[2,3] return %y',
  ),
  program('%a = reverse(%x) {axes=[1]} : float32[2,3] %y = reverse(%a) {axes=[1]} : float32[2,3] return %y'),
  program('%y = reverse(%x) {axes=[]} : float32[2,3] return %y'),
  program('%y = broadcast(%x) {axes=[0, 1], shape=[2, 3]} : float32[2,3] return %y'),
  program(
    '%a = broadcast(%x) {axes=[1, 2], shape=[4, 2, 3]} : float32[4,2,3] %y = broadcast(%a) {axes=[1, 2, 3], shape=[5, 4, 2, 3]} : float32[5,4,2,3] return %y',
  ),
  program(`${constant('3')} %y = broadcast(%c) {axes=[1, 2], shape=[4, 2, 3]} : float32[4,2,3] return %y`),
  program(`${constant('3')} %y = reshape(%c) {shape=[6]} : float32[6] return %y`),
  program(`${constant('3')} %y = transpose(%c) {permutation=[1, 0]} : float32[3,2] return %y`),
  program(`${constant('3')} %y = slice(%c) {limits=[1, 3], starts=[0, 0], strides=[1, 1]} : float32[1,3] return %y`),
  program('%y = slice(%x) {limits=[2, 3], starts=[0, 0], strides=[1, 1]} : float32[2,3] return %y'),
  program('%y = pad(%x) {high=[0, 0], interior=[0, 0], low=[0, 0], value=0} : float32[2,3] return %y'),
  program('%y = concatenate(%x) {axis=0} : float32[2,3] return %y'),
  ...['reduceSum', 'reduceMax', 'reduceMin'].map((op) => program(`%y = ${op}(%x) {axes=[]} : float32[2,3] return %y`)),
]

test('hoist-prepare does not move random numbers, even if they depend on variables', () => {
  const source = `graph g {
    %w = variable() {name="w"} : float32[3]  %r = randomUniform() {shape=[3], stream="s"} : float32[3]
    %a = neg(%w) : float32[3]  %y = mul(%a, %r) : float32[3]
    return y = %y
  }`
  const { program } = runPipeline(parsePipeline('hoist-prepare'), programOf(parse(source)), { verify: true })
  const isRandom = (step: string) => findGraph(program, step)?.nodes.some((node) => node?.op === 'randomUniform')
  expect([isRandom('prepare'), isRandom('run')]).toEqual([false, true])
})

test('a pass says that it hoists if it moves work on variables to another step', () => {
  const source = `graph g {
    %w = variable() {name="w"} : float32[3]  %x = input() {name="x"} : float32[3]
    %a = neg(%w) : float32[3]  %y = mul(%a, %x) : float32[3]
    return y = %y
  }`
  const passes = passFactories.map(({ make }) => make({})).filter(({ preserves }) => preserves !== 'mode')
  const moves = passes.filter((pass) => {
    const { program } = runPipeline({ ...parsePipeline('dce'), passes: [pass] }, programOf(parse(source)))
    return program.steps.length > 1
  })
  expect(moves.map(({ name }) => name)).toEqual(['hoist-prepare'])
  expect(passes.filter(hoists)).toEqual(moves)
})

test('cse distinguishes ports of one type', () => {
  const graph = parse(`graph g {
    %x = input() {name="x"} : float32[4,2]  %s = input() {name="s"} : float32[2]
    %n:4 = batchNormTraining(%x, %s, %s) {epsilon=0.001} : float32[4,2], float32[2], float32[2], float32[2]
    %a = neg(%n.1) : float32[2]  %b = neg(%n.2) : float32[2]
    return a = %a, b = %b
  }`)
  expect(graphOf(runPipeline(parsePipeline('cse'), programOf(graph), { verify: true }).program)).toBe(graph)
})

test('the verifier accepts results of passes', () => {
  fc.assert(
    fc.property(anyGraph(), ({ graph }) => {
      const { program } = runPipeline(
        parsePipeline('simplify,fold-constants,cse,decompose,simplify,fold-constants,cse,dce,hoist-prepare'),
        programOf(graph),
        { verify: true },
      )
      for (const step of graphsOf(program)) expect(verify(step)).toEqual([])
      const text = print(graphOf(program))
      expect(print(parse(text, { constants: sideTables(graph).constants }))).toBe(text)
    }),
    { numRuns: 60 },
  )
})
