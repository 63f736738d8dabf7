/** Messages about values that JSON cannot represent, and about positions in programs. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { evaluate, float32, graph, nn, read } from '../../src/index.ts'
import { sideTables } from '../../src/ir/side-tables.ts'
import { parse, parsePipeline, runPipeline } from '../../src/compiler.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'

const model = graph('m', { x: float32('batch', 2) }, ({ x }) => ({ y: x }))
const circle: { self?: unknown } = {}
circle.self = circle

test.each([
  [{ batch: 2n }, 'got 2'],
  [{ batch: Number.NaN }, 'got NaN'],
  [{ seed: Number.POSITIVE_INFINITY }, 'got Infinity'],
  [{ seed: circle }, 'got an object'],
  [{ passes: 'a'.repeat(1000) }, 'a…'],
  [{ verify: Symbol('x') }, 'got Symbol(x)'],
])('compile(%o)', async (options, message) => {
  await expect(compile(model, options as never)).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringContaining(message),
  })
})
test.each<[string, unknown, unknown, RegExp]>([
  ['no model', undefined, {}, /compile\(\) takes a model, got undefined/],
  ['the graph of a model', model.at({ batch: 1 }).nodes, {}, /compile\(\) takes a model, got/],
  ['no options', model, null, /compile\(\) takes an object of options, backend, batch, .*, got null/],
])('compile() of %s', async (_what, what, options, message) => {
  await expect(compile(what as never, options as never)).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringMatching(message),
  })
})
test.each<[string, () => unknown, RegExp]>([
  [
    'no function',
    () => graph('g', { x: float32(2) }, undefined as never),
    /graph "g" needs a function .*, got undefined/,
  ],
  ['nothing', () => graph('g', { x: float32(2) }, () => undefined as never), /must return .*, got undefined/],
  ['no outputs', () => graph('g', { x: float32(2) }, () => ({})), /must return .*, got \{\}/],
  ['a promise', () => graph('g', { x: float32(2) }, (async () => ({})) as never), /must return .*, got a promise/],
  ['one tensor', () => graph('g', { x: float32(2) }, (({ x }: never) => x) as never), /must return .*, got a tensor/],
  ['no inputs', () => graph('g', null as never, () => ({})), /graph\(\) takes a name, inputs .*, got "g" and null/],
  ['an input of no type', () => graph('g', { x: null } as never, () => ({})), /input "x" of g: sizes must be/],
])('graph() of %s', (_what, make, message) => {
  expect(make).toThrow(expect.objectContaining({ code: 'EF111', message: expect.stringMatching(message) }))
})
test.each([
  [undefined, /read\(\) takes results by name, got undefined/],
  [{ y: 3 }, /read\(\) takes results by name, got 3 as "y"/],
])('read(%o)', async (results, message) => {
  await expect(read(results as never)).rejects.toMatchObject({ code: 'EF402', message: expect.stringMatching(message) })
})
test.each<[string, unknown, RegExp]>([
  ['no options', undefined, /evaluate\(\) takes an object of options/],
  ['no data', { variables: 'net.safetensors' }, /evaluate\(\) needs the option "data"/],
  ['a misspelt option', { bach: 3 }, /evaluate\(\) has no option "bach"/],
])('evaluate() with %s', async (_what, options, message) => {
  await expect(evaluate(model, options as never)).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringMatching(message),
  })
})
test('options of models and attributes of ops', () => {
  expect(() => efficientNet('b0', { classes: Number.NaN })).toThrow('got NaN')
  const body = (filters: unknown) => () =>
    graph('g', { x: float32(1, 4, 4, 1) }, ({ x }) => ({
      y: nn.conv2d(x, { filters: filters as number, kernel: 3, name: 'c' }),
    }))
  expect(body(2n)).toThrow(/positive integer, got 2/)
  expect(body(Number.NaN)).toThrow(/positive integer, got NaN/)
})

test('call sites are outside of effuse, whatever its folder is called', () => {
  const declared = model.at({ batch: 3 })
  const site = sideTables(declared).callSite(declared.inputs[0] as never)
  expect(site).toMatch(/test\/executable\/messages\.test\.ts:\d+:\d+$/)
})

test('hoisting chooses unused names', () => {
  const text = `graph g {
  %0 = input() {name="x"} : float32[2]
  %1 = variable() {name=".prepared/0"} : float32[2]
  %2 = mul(%1, %1) : float32[2]
  %3 = add(%0, %2) : float32[2]
  return y = %3
}`
  const { program } = runPipeline(parsePipeline('hoist-prepare'), programOf(parse(text)), { verify: true })
  const names = graphOf(program).nodes.flatMap((n) => (n?.op === 'variable' ? n.attrs.name : []))
  expect(names).toEqual(['.prepared/1'])
})
