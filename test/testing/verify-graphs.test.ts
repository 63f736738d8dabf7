/** verifyGraphs accepts correct backends, and finds wrong kernels, wrong passes and small errors. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { roundingErrorsOf } from '../../src/backends/rounding-errors.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { anyGraph, feedsFor, verifyGraphs } from '../../src/testing/index.ts'
import { wrongBackend } from './wrong-backends.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-graphs-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('correct backends', () => {
  test('the reference agrees with itself through all passes, nearly all numbers compared', async () => {
    const { failures, cases, numbers } = await verifyGraphs(referenceBackend(), { runs: 300, seed: 2 })
    expect([failures, cases]).toEqual([[], 300])
    expect(numbers.compared).toBeGreaterThan(3000)
    expect(numbers.unbounded).toBeLessThan(numbers.compared / 100)
  })

  test('kernels in WebAssembly are within the bounds, and not exactly equal', async () => {
    const backend = await createWasmBackend({ threads: 1 })
    try {
      const { failures, worst } = await verifyGraphs(backend, { runs: 60, seed: 3 })
      expect(failures).toEqual([])
      expect(worst?.error).toBeGreaterThan(0)
    } finally {
      backend.dispose()
    }
  })
})

describe('faults', () => {
  test('a wrong kernel is shrunk to that kernel, stored, and tried first the next time', async () => {
    const backend = wrongBackend('relu6', (b, y) => b.minimum(y, 5.5))
    const options = { runs: 300, seed: 1, failures: folder }
    const [failure] = (await verifyGraphs(backend, options)).failures
    expect(failure?.counterexample.graph).toContain('relu6')
    expect(failure?.counterexample.graph.match(/^ {2}%/gm)?.length).toBeLessThanOrEqual(3)
    const again = await verifyGraphs(backend, { ...options, runs: 1 })
    expect(again.failures[0]?.name).toBe('graphs on wrong-relu6, kept')
  })

  test('a wrong pass of the backend', async () => {
    const wrong = rulePass('wrong', 'a law that does not hold', [
      rule('x - y -> x', 'sub', (n) => n.inputs[0] ?? null, 'rounding'),
    ])
    const { failures } = await verifyGraphs({ ...referenceBackend(), legalize: [wrong] }, { runs: 200, seed: 1 })
    expect(failures[0]?.counterexample.graph).toContain('sub')
  })

  test('a variable that is read wrong by 2^-18', async () => {
    const backend = wrongBackend('variable', (b, y) => b.mul(y, 1 + 2 ** -18))
    const { failures } = await verifyGraphs(backend, { runs: 100, seed: 1 })
    expect(failures[0]?.counterexample.graph).toContain('variable')
  })

  test.each(['exp', 'add', 'matmul', 'softmax', 'mean'] as const)(
    '%s with a relative error of 2^-16, where float32 rounds by 2^-24',
    async (op) => {
      const backend = wrongBackend(op, (b, y) => (y.dtype === 'float32' ? b.mul(y, 1 + 2 ** -16) : y))
      expect((await verifyGraphs(backend, { runs: 500, seed: 1 })).failures).toHaveLength(1)
    },
  )

  test('a message of the backend', async () => {
    const backend = wrongBackend('tanh', () => {
      throw new Error('no tanh here')
    })
    expect((await verifyGraphs(backend, { runs: 200, seed: 1 })).failures[0]?.error).toBe('no tanh here')
  })
})

describe('the bound of roundings', () => {
  test('contains the distance from the results in float64, on random graphs', () => {
    let [judged, largest] = [0, 0]
    fc.assert(
      fc.property(anyGraph(), fc.nat(1000), ({ graph }, seed) => {
        const { inputs, variables } = feedsFor(graph, seed)
        const { outputs } = roundingErrorsOf(graph, { inputs, variables }, referenceBackend().target.exactOps)
        const declared = interpret(graph, { inputs, variables }).outputs
        const exact = interpret(graph, { inputs, variables, mode: 'float64' }).outputs
        for (const [name, { data }] of Object.entries(exact))
          data.forEach((x, i) => {
            const want = declared[name]?.data[i] as number
            const error = outputs.get(name)?.[i] ?? 0
            if (Object.is(want, x) || !Number.isFinite(error) || !Number.isFinite(want)) return
            expect(Math.abs(want - x)).toBeLessThanOrEqual(error)
            judged++
            largest = Math.max(largest, Math.abs(want - x) / error)
          })
      }),
      { numRuns: 500 },
    )
    expect(judged).toBeGreaterThan(300)
    expect(largest).toBeGreaterThan(0.2) // so it is not far too wide
  })

  test('a cancellation carries the error of its terms', () => {
    const graph = parse(
      'graph g { %x = input() {name="x"} : float32[1] %e = exp(%x) : float32[1] %y = sub(%e, %x) : float32[1] return y = %y }',
    )
    const [error] =
      roundingErrorsOf(graph, { inputs: { x: [-0.5671432904097838] }, variables: new Map() }, ['sub']).outputs.get(
        'y',
      ) ?? []
    // exp(x) is 0.567: 16 eps of it and 4 eps; the difference adds nearly nothing.
    const eps = 2 ** -23
    expect(error).toBeGreaterThan((16 * 0.567 + 4) * eps)
    expect(error).toBeLessThan((16 * 0.567 + 7) * eps)
  })

  test('the gradient of a max pool has the error of its sum where the largest number is, not the largest magnitude', () => {
    const graph = parse(
      'graph g { %x = input() {name="x"} : float32[1,1,2,1] %g = input() {name="g"} : float32[1,1,1,1] %y = maxPool2dGradient(%x, %g) {strides=[1, 2], window=[1, 2]} : float32[1,1,2,1] return y = %y }',
    )
    const { outputs } = roundingErrorsOf(graph, { inputs: { x: [-5, 1], g: [3] }, variables: new Map() }, [])
    const [at5, at1] = outputs.get('y') ?? []
    expect(at1).toBeGreaterThan(3 * 2 ** -23 + 3 * 2 ** -24)
    expect(at5).toBeLessThan(2 ** -100)
  })

  test('no number is compared beyond a pole or where NaN may be a number', () => {
    const of = (text: string, x: number): number | undefined =>
      roundingErrorsOf(
        parse(
          `graph g { %x = input() {name="x"} : float32[1] %e = tanh(%x) : float32[1] %d = sub(%e, %x) : float32[1] ${text} return y = %y }`,
        ),
        { inputs: { x: [x] }, variables: new Map() },
        [],
      ).outputs.get('y')?.[0]
    expect(of('%y = reciprocal(%d) : float32[1]', 1e-4)).toBe(Infinity)
    expect(of('%y = sqrt(%d) : float32[1]', 1e-4)).toBe(Infinity)
    expect(of('%y = sqrt(%d) : float32[1]', -3)).toBeLessThan(1e-5)
  })
})
