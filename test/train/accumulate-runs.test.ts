/**
 * A run is one micro-batch: the time of the update, the effect of a bad micro-batch, external changes of the position, and the state after errors.
 */
import { describe, expect, test } from 'vitest'
import type { Backend, StoreTurn } from '../../src/backends/backend.ts'
import { selectBackend } from '../../src/backends/select.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { compile } from '../../src/compile.ts'
import type { Executable } from '../../src/executable/executable.ts'
import { read } from '../../src/executable/results.ts'
import { add, graph, mean, mul, nn } from '../../src/index.ts'
import { float32 } from '../../src/ir/value.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { adam, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import { piecewise } from '../../src/passes/train/schedules.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { normedNet, plainNet, rows, squaresStep } from '../support/small-steps.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const feeds = (seed: number, count = 2) => ({ x: rows(count, 3, seed), wanted: rows(count, 2, seed + 50) })
type Net = Pick<Executable, 'variables'>
/** Values by name, as plain lists. */
const valuesOf = async (net: Net, glob: string | readonly string[] = '**') => {
  const entries = net.variables.names(glob).map(async (name) => {
    const { dtype } = net.variables.describe(name)
    return [name, [...(await net.variables.get(name, dtype))]] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}
const scalar = async (net: Net, name: 'step' | 'accumulate/count') => (await net.variables.get(name, 'int32'))[0]

describe.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)('%s', (backend) => {
  test('exactly n micro-batches make an update, from the first one', async () => {
    const step = squaresStep(normedNet(), {
      accumulate: 3,
      optimizer: sgd({ learningRate: piecewise({ boundaries: [1, 2], values: [0.5, 0.25, 0.125] }) }),
    })
    using net = await compile(step, { backend, batch: 2 })
    const rates = [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    let weights = await valuesOf(net, ['first/*', 'bn/scale', 'second/*'])
    for (let n = 1; n <= 7; n++) {
      const { updated, finite, learningRate } = await read(await net.run(feeds(n)))
      expect([updated, finite, learningRate]).toEqual([n % 3 === 0, true, rates[n - 1]])
      expect([await scalar(net, 'step'), await scalar(net, 'accumulate/count')]).toEqual([Math.floor(n / 3), n % 3])
      const now = await valuesOf(net, ['first/*', 'bn/scale', 'second/*'])
      if (updated) for (const name of Object.keys(now)) expect(now[name]).not.toEqual(weights[name])
      else expect(now).toEqual(weights)
      weights = now
    }
    expect(net.runIndex).toBe(7)
  })

  test('runs that are not awaited are queued like others', async () => {
    const step = squaresStep(normedNet(), { accumulate: 2 })
    using one = await compile(step, { backend, batch: 2 })
    using other = await compile(step, { backend, batch: 2 })
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => one.run(feeds(n))))
    expect(await Promise.all(results.map(({ updated }) => updated.item()))).toEqual([false, true, false, true, false])
    for (let n = 1; n <= 5; n++) await other.run(feeds(n))
    expect(await valuesOf(one)).toEqual(await valuesOf(other))
  })

  test('the state has exactly the documented variables', async () => {
    const step = squaresStep(plainNet, {
      accumulate: 2,
      emaDecay: 0.5,
      lossScale: 'dynamic',
      optimizer: rmsprop({ learningRate: 0.1 }),
    })
    using net = await compile(step, { backend, batch: 1 })
    const names = ['dense/kernel', 'dense/bias']
    expect([...net.variables.names()].sort()).toEqual(
      [
        ...names,
        ...names.flatMap((name) => [`optimizer/${name}/meanSquare`, `optimizer/${name}/momentum`]),
        ...names.flatMap((name) => [`ema/${name}`, `accumulate/${name}`]),
        ...['accumulate/count', 'accumulate/finite', 'step', 'lossScale/scale', 'lossScale/goodSteps'],
      ].sort(),
    )
    for (const name of net.variables.names('accumulate/*')) expect(net.variables.describe(name).trainable).toBe(false)
  })

  const scales = ['none', 2 ** 4, 'dynamic'] as const
  test.each(scales.flatMap((lossScale) => [0, 1, 2].map((at) => ({ lossScale, at }))))(
    'NaN in micro-batch $at, loss scale $lossScale: is reported at once, and skips only its own update',
    async ({ lossScale, at }) => {
      const step = squaresStep(normedNet(), {
        accumulate: 3,
        lossScale,
        emaDecay: 0.5,
        weightDecay: 0.01,
        clipNorm: 1,
        optimizer: adam({ learningRate: 0.1 }),
      })
      using net = await compile(step, { backend, batch: 2 })
      for (let n = 0; n < 3; n++) await net.run(feeds(n))
      const kept = ['!lossScale/*', '!accumulate/*', '!bn/mean', '!bn/variance']
      const before = await valuesOf(net, kept)
      const scale = lossScale === 'none' ? 1 : lossScale === 'dynamic' ? 2 ** 15 : lossScale
      for (let n = 0; n < 3; n++) {
        const statistics = await valuesOf(net, ['bn/mean', 'bn/variance'])
        const { x, wanted } = feeds(n + 10)
        const reported = await read(
          await net.run({
            x:
              n === at
                ? [
                    [Number.NaN, 0, 0],
                    [0, 0, 0],
                  ]
                : x,
            wanted,
          }),
        )
        // The last run of an update reports the whole update.
        expect([reported.finite, reported.updated, reported.lossScale]).toEqual([n !== at && n !== 2, false, scale])
        const moved = await valuesOf(net, ['bn/mean', 'bn/variance'])
        if (n === at) expect(moved).toEqual(statistics)
        else expect(moved).not.toEqual(statistics)
      }
      expect(await valuesOf(net, kept)).toEqual(before)
      const zeros = Object.values(await valuesOf(net, ['accumulate/**', '!accumulate/finite'])).flat()
      expect(zeros.every((v) => Object.is(v, 0))).toBe(true)
      expect(await net.variables.get('accumulate/finite', 'bool')).toEqual(Uint8Array.of(1))
      if (lossScale === 'dynamic') {
        expect(await net.variables.get('lossScale/scale')).toEqual(Float32Array.of(2 ** 14))
        expect(await net.variables.get('lossScale/goodSteps', 'int32')).toEqual(Int32Array.of(0))
      }
      // The next update equals that of a step that never received the bad micro-batch.
      using clean = await compile(step, { backend, batch: 2 })
      await clean.variables.load(await net.variables.save(), { except: 'accumulate/**' })
      for (let n = 0; n < 3; n++) {
        const reported = await read(await net.run(feeds(n + 20)))
        await clean.run(feeds(n + 20))
        expect([reported.finite, reported.updated]).toEqual([true, n === 2])
      }
      expect(await valuesOf(net)).toEqual(await valuesOf(clean))
      expect(await valuesOf(net, kept)).not.toEqual(before)
    },
  )

  test('finite gradients with an infinite sum: the update is skipped, and only the scale changes', async () => {
    // For y * wanted, with weights of 0: the gradients of the kernel are x * wanted / 2, and the outputs stay 0.
    const linear = trainingStep(plainNet, {
      loss: loss({ wanted: float32('batch', 2) }, ({ y }, { wanted }) => mean(mul(y, wanted))),
      optimizer: adam({ learningRate: 0.1 }),
      accumulate: 3,
      emaDecay: 0.5,
      lossScale: 'dynamic',
    })
    using net = await compile(linear, { backend, batch: 1 })
    await net.variables.set('lossScale/scale', [1])
    await net.variables.set('dense/kernel', new Float32Array(6))
    const kept = ['!accumulate/*', '!lossScale/*']
    const before = await valuesOf(net, kept)
    const huge = { x: [[3e38, 0, 0]], wanted: [[1, 1]] }
    const reported: (readonly [boolean, boolean])[] = []
    for (let n = 0; n < 3; n++) {
      const { finite, updated } = await read(await net.run(huge))
      reported.push([finite, updated])
    }
    expect(reported).toEqual([
      [true, false],
      [true, false],
      [false, false],
    ])
    expect(await valuesOf(net, kept)).toEqual(before)
    for (let n = 0; n < 3; n++) await net.run(feeds(n, 1))
    expect(await scalar(net, 'step')).toBe(1)
    expect(
      Object.values(await valuesOf(net, kept))
        .flat()
        .every(Number.isFinite),
    ).toBe(true)
  })

  test('a loss that is not finite skips the update, even if all gradients and their sums are finite', async () => {
    const step = trainingStep(plainNet, {
      loss: loss({ wanted: float32('batch', 2) }, ({ y }, { wanted }) => mean(add(y, wanted))),
      optimizer: sgd({ learningRate: 0.1 }),
      accumulate: 2,
    })
    using net = await compile(step, { backend, batch: 1 })
    const before = await valuesOf(net, ['dense/*', 'step'])
    const { x, wanted } = feeds(1, 1)
    const first = await read(await net.run({ x, wanted: [[Number.POSITIVE_INFINITY, 0]] }))
    const second = await read(await net.run({ x, wanted }))
    expect([first.finite, second.finite, second.updated]).toEqual([false, false, false])
    expect(await valuesOf(net, ['dense/*', 'step'])).toEqual(before)
    for (const isUpdate of [false, true]) expect((await read(await net.run({ x, wanted }))).updated).toBe(isUpdate)
    expect(await valuesOf(net, 'dense/*')).not.toEqual(before)
  })

  test('a resumed accumulation gives the bits of an uninterrupted one', async () => {
    const step = squaresStep(normedNet(0.5), { accumulate: 3, emaDecay: 0.9, optimizer: adam({ learningRate: 0.1 }) })
    using whole = await compile(step, { backend, batch: 2, seed: 7 })
    for (let n = 0; n < 4; n++) await whole.run(feeds(n))
    const checkpoint = { bytes: await whole.variables.save(), runIndex: whole.runIndex }
    using resumed = await compile(step, { backend, batch: 2, seed: 7 })
    await resumed.variables.load(checkpoint.bytes)
    resumed.runIndex = checkpoint.runIndex
    for (let n = 4; n < 9; n++) {
      const [a, b] = [await read(await whole.run(feeds(n))), await read(await resumed.run(feeds(n)))]
      expect(b).toEqual(a)
      expect(a.updated).toBe(n % 3 === 2)
    }
    expect(await valuesOf(resumed)).toEqual(await valuesOf(whole))
    expect(resumed.runIndex).toBe(9)
    // Without the index other numbers are drawn, so the comparison above can fail.
    using astray = await compile(step, { backend, batch: 2, seed: 7 })
    await astray.variables.load(checkpoint.bytes)
    for (let n = 4; n < 9; n++) await astray.run(feeds(n))
    expect(await valuesOf(astray, '**/kernel')).not.toEqual(await valuesOf(whole, '**/kernel'))
  })

  test('another executable on the same variables, set() and load() may change the position', async () => {
    const step = squaresStep(plainNet, { accumulate: 2 })
    using one = await compile(step, { backend, batch: 2 })
    using other = await compile(step, { backend, batch: 2, variables: one.variables })
    const isUpdate = async (net: typeof one) => (await net.run(feeds(1))).updated.item()
    const turns = [one, other, one, one, other, other, one]
    const reported: boolean[] = []
    for (const net of turns) reported.push(await isUpdate(net))
    expect(reported).toEqual([false, true, false, true, false, true, false])
    await one.variables.set('accumulate/count', [0])
    expect([await isUpdate(one), await isUpdate(one), await isUpdate(other)]).toEqual([false, true, false])
    const bytes = await other.variables.save()
    expect(await isUpdate(other)).toBe(true)
    await one.variables.load(bytes)
    expect([await isUpdate(one), await isUpdate(one)]).toEqual([true, false])
  })

  test('a position that is invalid for this accumulation', async () => {
    const [three, two] = [3, 2].map((accumulate) => squaresStep(plainNet, { accumulate }))
    using long = await compile(three as NonNullable<typeof three>, { backend, batch: 2 })
    using short = await compile(two as NonNullable<typeof two>, { backend, batch: 2 })
    await short.variables.set('accumulate/count', [3])
    const message = 'the variable "accumulate/count" is 3; here it is at least 0 and below 2, at which "apply" runs'
    await expect(short.run(feeds(1))).rejects.toMatchObject({
      code: 'EF408',
      message,
      hint: expect.stringContaining("except: 'accumulate/**'"),
    })
    await short.variables.set('accumulate/count', [-1])
    await expect(short.run(feeds(1))).rejects.toMatchObject({ code: 'EF408' })
    await short.variables.set('accumulate/count', [0])
    await short.variables.load(await long.variables.save(), { except: 'accumulate/**' })
    expect(short.runIndex).toBe(0)
    await short.run(feeds(1))
    expect(await (await short.run(feeds(1))).updated.item()).toBe(true)
  })

  test('every run returns the loss of its micro-batch, including the weight decay', async () => {
    const step = squaresStep(plainNet, { accumulate: 2, weightDecay: 0.5 })
    using net = await compile(step, { backend, batch: 2 })
    // Without decay, and with too many micro-batches for an update here.
    using plain = await compile(squaresStep(plainNet, { accumulate: 3 }), { backend, batch: 2 })
    const weights = Object.values(await valuesOf(net, 'dense/*')).flat()
    const decay = 0.5 * weights.reduce((sum, w) => sum + w * w, 0)
    for (const n of [1, 2]) {
      const { loss, dataLoss } = await read(await net.run(feeds(n)))
      expect(dataLoss).toBe(await (await plain.run(feeds(n))).loss.item())
      expect(loss).toBeCloseTo(dataLoss + decay, 6)
    }
  })

  test('profile() is also a micro-batch: it counts, and has the rows of the update', async () => {
    using net = await compile(squaresStep(plainNet, { accumulate: 2 }), { backend, batch: 2 })
    const first = await net.profile(feeds(1))
    const second = await net.profile(feeds(2))
    expect([await scalar(net, 'step'), await scalar(net, 'accumulate/count'), net.runIndex]).toEqual([1, 0, 2])
    expect(await (await net.run(feeds(3))).updated.item()).toBe(false)
    // TensorFlow chooses its kernels when it optimizes a function, so no row is a node. On wasm, rows are phases of kernels, and packings of changed
    // variables.
    if (backend === 'tensorflow' || backend === 'wasm') return
    expect(second.length).toBe(net.plan.kernels)
    expect(first.length).toBeLessThan(second.length)
    expect(second.slice(0, first.length).map(({ op }) => op)).toEqual(first.map(({ op }) => op))
    expect(second.slice(first.length).map(({ op }) => op)).toContain(backend === 'reference' ? 'sgd' : 'select')
  })
})

/** The backend, with calls before a run reads the value of a variable, and before a read. */
const watched = (inner: Backend, on: { value?(name: string): void; read?(name: string): void }): Backend => ({
  ...inner,
  createStore: () => {
    const store = inner.createStore()
    const watchedTurn = (turn: StoreTurn): StoreTurn => ({
      ...turn,
      valueOf: (name) => {
        on.value?.(name)
        return turn.valueOf(name)
      },
      read: (names) => {
        for (const name of names) on.read?.(name)
        return turn.read(names)
      },
    })
    return { ...store, turn: (work) => store.turn((turn) => work(watchedTurn(turn))) }
  },
})

test('the position needs no read if nothing else changes it', async () => {
  const gets: string[] = []
  const backend = watched(await createTfjsBackend({ backend: 'wasm' }), { read: (name) => gets.push(name) })
  using net = await compile(squaresStep(plainNet, { accumulate: 3 }), { backend, batch: 2 })
  for (let n = 0; n < 8; n++) await net.run(feeds(n))
  expect(gets).toEqual(['accumulate/count'])
  await net.variables.set('dense/bias', [0, 0])
  for (let n = 0; n < 8; n++) await net.run(feeds(n))
  expect(gets).toEqual(['accumulate/count'])
  await net.variables.set('accumulate/count', [1])
  for (let n = 0; n < 8; n++) await net.run(feeds(n))
  expect(gets).toEqual(['accumulate/count', 'accumulate/count'])
})

describe.each([
  ['micro', 'first/kernel'],
  ['apply', 'ema/first/kernel'],
] as const)('an error in %s', (_step, variable) => {
  test.each(['reference', 'wasm', 'tfjs-wasm'] as const)(
    '%s: nothing changes, and the run can be repeated',
    async (name) => {
      const step = squaresStep(normedNet(0.5), { accumulate: 2, emaDecay: 0.5 })
      const { backend: inner } = await selectBackend(name)
      let values = 0
      const backend = watched(inner, {
        value: (asked) => {
          if (asked === variable && ++values === 2) throw new Error('out of memory')
        },
      })
      using net = await compile(step, { backend, batch: 2 })
      using clean = await compile(step, { backend: name, batch: 2 })
      const failed: number[] = []
      const reported: boolean[] = []
      for (let n = 0; n < 6; n++) {
        const before = await valuesOf(net)
        const run = async () => {
          const { updated } = await read(await net.run(feeds(n)))
          reported.push(updated)
        }
        await run().catch(async (error: unknown) => {
          expect(error).toMatchObject({ message: 'out of memory' })
          failed.push(n)
          // The micro-batch of a failed update does not count either.
          expect(await valuesOf(net)).toEqual(before)
          expect(net.runIndex).toBe(n)
          await run()
        })
        await clean.run(feeds(n))
      }
      expect(failed).toEqual([variable === 'first/kernel' ? 1 : 3])
      expect(reported).toEqual([false, true, false, true, false, true])
      expect(await valuesOf(net)).toEqual(await valuesOf(clean))
    },
  )
})

describe('mistakes', () => {
  test.each([0, -1, 1.5, Number.NaN, '2', null])('accumulate: %o', (accumulate) => {
    expect(() => squaresStep(plainNet, { accumulate: accumulate as number })).toThrow(
      expect.objectContaining({
        code: 'EF403',
        message: expect.stringContaining('option "accumulate" must be a positive integer, got'),
      }),
    )
  })
  const named = (name: string, trainable = true) =>
    graph('named', { x: float32('batch', 3) }, ({ x }, b) => ({
      y: b.add(nn.dense(x, { name: 'dense', units: 2 }), b.variable(name, { shape: [2], trainable })) as typeof x,
    }))
  test.each(['step', 'optimizer/w', 'ema/w', 'lossScale/scale', 'accumulate/count'])(
    'a variable of the model named %s',
    (name) => {
      expect(() => squaresStep(named(name))).toThrow(
        expect.objectContaining({ code: 'EF107', message: expect.stringContaining(`the model's variable "${name}"`) }),
      )
    },
  )
  test.each(['count', 'finite'])('a trained variable named %s', async (name) => {
    const step = squaresStep(named(name), { accumulate: 2 })
    await expect(compile(step, { backend: 'reference', batch: 1 })).rejects.toMatchObject({
      code: 'EF107',
      message: expect.stringContaining(`would be summed in "accumulate/${name}"`),
    })
    using fine = await compile(squaresStep(named(name, false), { accumulate: 2 }), { backend: 'reference', batch: 1 })
    await fine.run(feeds(1, 1))
  })
})
