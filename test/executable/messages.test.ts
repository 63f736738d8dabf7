/** Messages about values that JSON cannot write, and about places in programs. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { float32, graph, nn } from '../../src/index.ts'
import { sideTables } from '../../src/ir/side-tables.ts'
import { parse, parsePipeline, runPipeline } from '../../src/compiler.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'

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
test('options of models and attributes of ops', () => {
  expect(() => efficientNet('b0', { classes: Number.NaN })).toThrow('got NaN')
  const body = (filters: unknown) => () =>
    graph('g', { x: float32(1, 4, 4, 1) }, ({ x }) => ({
      y: nn.conv2d(x, { filters: filters as number, kernel: 3, name: 'c' }),
    }))
  expect(body(2n)).toThrow(/positive integer, got 2/)
  expect(body(Number.NaN)).toThrow(/positive integer, got NaN/)
})

test('call sites lie outside of effuse, whatever its folder is called', () => {
  const declared = model.at({ batch: 3 })
  const site = sideTables(declared).callSite(declared.inputs[0] as never)
  expect(site).toMatch(/test\/executable\/messages\.test\.ts:\d+:\d+$/)
})

test('hoisting takes names that the text does not use', () => {
  const text = `graph g {
  %0 = input() {name="x"} : float32[2]
  %1 = variable() {name=".prepared/0"} : float32[2]
  %2 = mul(%1, %1) : float32[2]
  %3 = add(%0, %2) : float32[2]
  return y = %3
}`
  const { plans } = runPipeline(parsePipeline('hoist-prepare'), { run: parse(text) }, { verify: true })
  const names = plans.run?.nodes.flatMap((n) => (n?.op === 'variable' ? n.attrs.name : []))
  expect(names).toEqual(['.prepared/1'])
})
