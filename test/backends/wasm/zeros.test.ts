/** The backend wasm keeps the sign of zero: Object.is() distinguishes 0 and -0, unlike the tolerances of other tests. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createWasmBackend } from '../../../src/backends/wasm/index.ts'
import { interpret } from '../../../src/ir/interpret.ts'
import { opDef, opNames } from '../../../src/ir/ops/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { runnableOf } from '../../support/one-graph.ts'

let backend: Backend
beforeAll(async () => {
  backend = await createWasmBackend({ threads: 1 })
})
afterAll(() => backend.dispose())

const x = [0, -0, -1, -0, 0, -0, -0, -0, -0, -0, -0, -0, Number.NaN, -0, 1, -0, -2, -Infinity]

describe.each(['float32', 'float16', 'bfloat16'])('%s', (dtype) => {
  test.each([
    ['topK', '%y:2 = topK(%x) {k=6}', `${dtype}[3,6], int32[3,6]`, '%y.0'],
    ['topK of the largest', '%y:2 = topK(%x) {k=1}', `${dtype}[3,1], int32[3,1]`, '%y.0'],
    ['reduceMax', '%y = reduceMax(%x) {axes=[1], keepDims=false}', `${dtype}[3]`, '%y'],
    ['reduceMin', '%y = reduceMin(%x) {axes=[0], keepDims=false}', `${dtype}[6]`, '%y'],
    ['reverse', '%y = reverse(%x) {axes=[1]}', `${dtype}[3,6]`, '%y'],
    ['transpose', '%y = transpose(%x) {permutation=[1, 0]}', `${dtype}[6,3]`, '%y'],
    ['concatenate', '%y = concatenate(%x, %x) {axis=1}', `${dtype}[3,12]`, '%y'],
    ['pad', '%y = pad(%x) {high=[1, 2], interior=[1, 0], low=[0, 1], value=-0.0}', `${dtype}[6,9]`, '%y'],
    ['slice', '%y = slice(%x) {limits=[3, 6], starts=[0, 1], strides=[2, 2]}', `${dtype}[2,3]`, '%y'],
  ])('%s', async (_, node, type, result) => {
    const g = parse(`graph g {\n%x = input() {name="x"} : ${dtype}[3,6]\n${node} : ${type}\nreturn y = ${result}\n}`)
    const { run, dispose } = await runnableOf(backend, g, new Map())
    const { y } = await run({ x })
    dispose()
    const want = interpret(g, { inputs: { x } }).outputs['y']?.data ?? []
    expect(Array.from(want).some((value) => Object.is(value, -0))).toBe(true)
    expect(Array.from(y ?? [])).toEqual(Array.from(want)) // toEqual distinguishes 0 and -0
  })
})

const graphOf = (op: string, dtype: string) =>
  parse(`graph g {\n%x = input() {name="x"} : ${dtype}[6]\n%y = ${op}(%x) : ${dtype}[6]\nreturn y = %y\n}`)

/** Two vectors of which the second is not full. */
const zeros = [-0, 0, -0, 0, -0, 0]

const referenceOf = (op: string, dtype: string): readonly number[] =>
  Array.from(interpret(graphOf(op, dtype), { inputs: { x: zeros } }).outputs['y']?.data ?? [])

/** Ops on single elements without attributes that give -0 for some zero, by the reference. */
const signed = opNames.filter((op) => {
  const { arity, attrs, fusion } = opDef(op)
  if (arity !== 1 || fusion !== 'elementwise' || Object.keys(attrs).length > 0) return false
  if (op === 'not' || op === 'isFinite') return false // their results are bool
  return referenceOf(op, 'float32').some((value) => Object.is(value, -0))
})

test('ops that keep the sign of zero are among those that are tested', () => {
  expect(signed).toEqual(
    expect.arrayContaining(['neg', 'floor', 'sqrt', 'expm1', 'log1p', 'tanh', 'sin', 'elu', 'selu']),
  )
})

describe.each(['float32', 'float16', 'bfloat16'])('%s', (dtype) => {
  test.each(signed)('%s', async (op) => {
    const { run, dispose } = await runnableOf(backend, graphOf(op, dtype), new Map())
    const { y } = await run({ x: zeros })
    dispose()
    expect(Array.from(y ?? [])).toEqual(referenceOf(op, dtype))
  })
})
