/**
 * A tfjs backend that ends during a program: tf.engine().reset(), tf.removeBackend() and a lost device give the same error, and the next backend is
 * new.
 */
import * as tf from '@tensorflow/tfjs-core'
import { expect, test, vi } from 'vitest'
import { createTfjsBackend, toTensor } from '../../src/backends/tfjs/index.ts'
import { compile, type Executable } from '../../src/index.ts'
import { normedNet, rows, squaresStep } from '../support/small-steps.ts'
import { withAdapter } from '../support/webgpu.ts'

const backends = ['cpu', 'wasm', ...withAdapter.map(() => 'webgpu' as const)] as const
const feeds = { x: rows(2, 3, 1), wanted: rows(2, 2, 1) }
const step = () => squaresStep(normedNet())

type Ending = readonly [name: string, end: (backend: string) => void]
const endings: readonly Ending[] = [
  ['tf.engine().reset()', () => tf.engine().reset()],
  ['tf.removeBackend()', (backend) => tf.removeBackend(backend)],
]
const cases = backends.flatMap((backend) => endings.map(([name, end]) => [backend, name, end] as const))
const lossOf = async (net: Executable): Promise<unknown> => (await net.run(feeds))['loss']?.item()

test.each(cases)('%s after %s', async (name, how, end) => {
  const backend = await createTfjsBackend({ backend: name })
  const net = await compile(step(), { backend, batch: 2 })
  const first = await lossOf(net)
  const { loss, ...others } = await net.run(feeds)
  end(name)
  await backend.lost
  const lost = { code: 'EF410', message: expect.stringContaining(how), hint: expect.stringContaining('compile') }
  for (const late of [
    () => loss.data(),
    () => net.run(feeds),
    () => net.variables.get('first/kernel'),
    () => net.variables.save(),
    () => compile(step(), { backend, batch: 2 }),
  ])
    await expect(late()).rejects.toMatchObject(lost)
  expect(() => toTensor(loss)).toThrow(expect.objectContaining({ code: 'EF410' }))
  // Lost tensors are freed without a warning.
  const warn = vi.spyOn(console, 'warn')
  for (const result of [loss, ...Object.values(others)]) result.dispose()
  net.dispose()
  await new Promise((resolve) => setImmediate(resolve))
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
  const fresh = await createTfjsBackend({ backend: name })
  expect(fresh.device).not.toBe(backend.device)
  using again = await compile(step(), { backend: fresh, batch: 2 })
  expect(await lossOf(again)).toBe(first)
  using byName = await compile(step(), { backend: `tfjs-${name}`, batch: 2 })
  expect(await lossOf(byName)).toBe(first)
})

test.each(backends)("the user's own tfjs starts %s again after a reset", async (name) => {
  await createTfjsBackend({ backend: name })
  tf.engine().reset()
  expect(await tf.setBackend(name)).toBe(true)
  expect([...(await tf.square(tf.tensor1d([1, 3])).data())]).toEqual([1, 9])
  const backend = await createTfjsBackend({ backend: name })
  using net = await compile(step(), { backend, batch: 2 })
  expect(await lossOf(net)).toBeGreaterThan(0)
})

test.each(backends)('%s: every caller gets the same device', async (name) => {
  const [first, started, second] = await Promise.all([
    createTfjsBackend({ backend: name }),
    tf.setBackend(name),
    createTfjsBackend({ backend: name }),
  ])
  expect(started).toBe(true)
  expect(second.device).toBe(first.device)
  using net = await compile(step(), { backend: first, batch: 2 })
  using shared = await compile(step(), { backend: second, batch: 2, variables: net.variables })
  await net.variables.set('first/kernel', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  expect(await shared.variables.get('first/kernel')).toEqual(await net.variables.get('first/kernel'))
})

test('a backend prints one line', async () => {
  const { inspect } = await import('node:util')
  expect(inspect(await createTfjsBackend({ backend: 'cpu' }))).toBe(
    'Backend "tfjs-cpu"; compile(model, { backend }) runs a model on it',
  )
})
