/** The backend wasm keeps the sign of zero in ops that only move elements: Object.is() distinguishes 0 and -0, unlike the tolerances of other tests. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createWasmBackend } from '../../../src/backends/wasm/index.ts'
import { interpret } from '../../../src/ir/interpret.ts'
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
