/** Runs, set(), load(), save() and averages take effect in the order of their calls, also on executables that share variables. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { compile } from '../../src/compile.ts'
import type { Executable } from '../../src/executable/executable.ts'
import { add, exp, float32, graph, mul } from '../../src/index.ts'
import type { Value } from '../../src/ir/value.ts'
import { updating } from '../support/updating-pass.ts'
import { waitingBackend } from '../support/waiting-backend.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ['reference', async () => referenceBackend()],
  ['a backend that waits', async () => waitingBackend(7)],
  ['wasm', () => createWasmBackend({ threads: 2 })],
  ['tfjs-wasm', () => createTfjsBackend({ backend: 'wasm' })],
  ['tfjs-cpu', () => createTfjsBackend({ backend: 'cpu' })],
  ...withAdapter.map((name) => [name, () => createTfjsBackend({ backend: 'webgpu' })] as const),
  ...withTensorflow.map((name) => [name, () => createTensorflowBackend()] as const),
]

type Float32Vector = Value<'float32', 1>

/** y = x * exp(w) + w: exp(w) is a derived value, and w is read directly. Both must use the same w. */
const derived = graph('derived', { x: float32(1) }, ({ x }, b) => {
  const w: Float32Vector = b.variable('w', { shape: [1], init: { kind: 'zeros' } }) as Float32Vector // declared so
  return { y: add(mul(x, exp(w)), w) }
})
const derivedOf = (w: number): number => Math.fround(Math.exp(w) + w)

/** y = w, and w becomes w + x: each run adds. */
const adding = graph('adding', { x: float32(1) }, ({ x }, b) => {
  const w: Float32Vector = b.variable('w', { shape: [1], init: { kind: 'zeros' } }) as Float32Vector // declared so
  return { y: add(w, x) }
})
const addingOn = (backend: Backend, variables?: Executable['variables']) =>
  compile(adding, { backend, variables, passes: (p) => p.after('to-inference', updating) })

/** The backend, which reports the steps of each run. */
const reportingSteps = (backend: Backend, report: (steps: readonly string[]) => void): Backend => ({
  ...backend,
  compile: async (...args) => {
    const runnable = await backend.compile(...args)
    return {
      ...runnable,
      run: (turn, steps, feeds, at) => {
        report([...steps])
        return runnable.run(turn, steps, feeds, at)
      },
    }
  },
})

describe.each(backends)('%s', (_name, open) => {
  test('a run sees one value of a variable and of its derived values', async () => {
    using net = await compile(derived, { backend: await open() })
    const pending: Promise<number>[] = []
    const want: number[] = []
    const sets: Promise<void>[] = []
    for (let n = 0; n < 40; n++) {
      const w = n % 2
      sets.push(net.variables.set('w', [w]))
      pending.push(net.run({ x: [1] }).then(async ({ y }) => (await y.data())[0] ?? Number.NaN))
      want.push(derivedOf(w))
    }
    const got = await Promise.all(pending)
    await Promise.all(sets)
    for (const [n, y] of got.entries()) expect(y).toBeCloseTo(want[n] as number, 5)
  })

  test('two executables that add to one variable lose no update', async () => {
    const backend = await open()
    using one = await addingOn(backend)
    using other = await addingOn(backend, one.variables)
    const runs: Promise<unknown>[] = []
    for (let n = 0; n < 100; n++) for (const net of [one, other]) runs.push(net.run({ x: [1] }))
    await Promise.all(runs)
    expect(await one.variables.get('w')).toEqual(Float32Array.of(200))
    expect(await other.variables.get('w')).toEqual(Float32Array.of(200))
  })

  test('calls take effect in call order: runs, set, load, save and get on two executables', async () => {
    const backend = await open()
    const call = fc.oneof(
      fc.record({ kind: fc.constant('run' as const), net: fc.nat(1), x: fc.integer({ min: -9, max: 9 }) }),
      fc.record({ kind: fc.constant('set' as const), net: fc.nat(1), x: fc.integer({ min: -9, max: 9 }) }),
      fc.record({
        kind: fc.constantFrom('get' as const, 'save' as const, 'load' as const),
        net: fc.nat(1),
        x: fc.constant(0),
      }),
      fc.record({ kind: fc.constant('pause' as const), net: fc.nat(1), x: fc.nat(3) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 25 }), async (calls) => {
        using one = await addingOn(backend)
        using other = await addingOn(backend, one.variables)
        const file = await one.variables.save() // w = 0
        let w = 0
        const checks: Promise<unknown>[] = []
        for (const { kind, net: at, x } of calls) {
          const net = at === 0 ? one : other
          if (kind === 'pause') {
            for (let i = 0; i < x; i++) await null
            continue
          }
          w = kind === 'run' ? w + x : kind === 'set' ? x : kind === 'load' ? 0 : w
          const want = Float32Array.of(w)
          if (kind === 'run')
            checks.push(net.run({ x: [x] }).then(async ({ y }) => expect(await y.data()).toEqual(want)))
          if (kind === 'set') checks.push(net.variables.set('w', [x]))
          if (kind === 'load') checks.push(net.variables.load(new Blob([file as Uint8Array<ArrayBuffer>])))
          if (kind === 'get') checks.push(net.variables.get('w').then((got) => expect(got).toEqual(want)))
          if (kind === 'save')
            checks.push(
              net.variables.save().then((bytes) => expect(new Float32Array(bytes.slice(-4).buffer)).toEqual(want)),
            )
        }
        await Promise.all(checks)
        expect(await other.variables.get('w')).toEqual(Float32Array.of(w))
      }),
      { numRuns: 40 },
    )
  })

  test('feeds are captured at the call: later writes to arrays and disposals of results have no effect', async () => {
    using net = await addingOn(await open())
    const first = await net.run({ x: [5] })
    const array = Float32Array.of(1)
    const second = net.run({ x: array })
    array[0] = 100
    const third = net.run({ x: first.y })
    first.y.dispose()
    expect(await (await second).y.data()).toEqual(Float32Array.of(6))
    expect(await (await third).y.data()).toEqual(Float32Array.of(11))
  })

  test('executables that share variables share derived values', async () => {
    const ran: (readonly string[])[] = []
    const backend = reportingSteps(await open(), (steps) => ran.push(steps))
    using one = await compile(derived, { backend })
    using other = await compile(derived, { backend, variables: one.variables })
    for (const net of [one, one, other]) await net.run({ x: [1] })
    expect(ran).toEqual([['prepare', 'run'], ['run'], ['run']])
    await other.variables.set('w', [1])
    for (const net of [one, other]) await net.run({ x: [1] })
    expect(ran.slice(3)).toEqual([['prepare', 'run'], ['run']])
    expect((await (await other.run({ x: [1] })).y.data())[0]).toBeCloseTo(derivedOf(1), 5)
  })

  test('a failed run changes nothing and does not block later runs', async () => {
    using net = await addingOn(await open())
    const wrong = net.run({ x: [1, 2] as never })
    const right = net.run({ x: [3] })
    await expect(wrong).rejects.toMatchObject({ code: 'EF402' })
    expect(await (await right).y.data()).toEqual(Float32Array.of(3))
    await expect(net.variables.load(new Uint8Array([1, 2, 3]))).rejects.toThrow()
    expect(await net.variables.get('w')).toEqual(Float32Array.of(3))
  })
})
