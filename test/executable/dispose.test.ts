/** A backend whose freeing fails: no caller waits for it, and the process continues. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { compile } from '../../src/compile.ts'
import { add, float32, graph } from '../../src/index.ts'

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(() => {
  process.off('unhandledRejection', note)
  unhandled.length = 0
  vi.restoreAllMocks()
})
/** Unhandled rejections are reported after the current jobs. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}

const twice = graph('twice', { x: float32(1) }, ({ x }) => ({ y: add(x, x) }))
const failing = (change: (inner: Backend) => Partial<Backend>): Backend => {
  const inner = referenceBackend()
  return { ...inner, ...change(inner) }
}
const stubborn = (lost: Backend['lost'] = new Promise(() => {})): Backend =>
  failing((inner) => ({
    lost,
    compile: async (...call) => ({
      ...(await inner.compile(...call)),
      dispose: () => {
        throw new Error('the driver is busy')
      },
    }),
  }))

test('an executable that cannot be freed gives a warning', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  const net = await compile(twice, { backend: stubborn() })
  const { y } = await net.run({ x: [2] })
  net.dispose()
  await settled()
  expect(await y.item()).toBe(4)
  expect(unhandled).toEqual([])
  expect(warn.mock.calls).toEqual([['effuse: reference could not free what "twice" held: Error: the driver is busy']])
})

test('a lost device gives no warning', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  let lose = (): void => {}
  const lost = new Promise<{ readonly reason: string }>((resolve) => {
    lose = () => resolve({ reason: 'unplugged' })
  })
  const net = await compile(twice, { backend: stubborn(lost) })
  lose()
  await settled()
  net.dispose()
  await settled()
  expect([unhandled, warn.mock.calls]).toEqual([[], []])
})

test('a fed result that cannot be released', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  let shares = 0
  const backend = failing((inner) => ({
    compile: async (...call) => {
      const runnable = await inner.compile(...call)
      return {
        ...runnable,
        run: async (...at) =>
          new Map(
            [...(await runnable.run(...at))].map(([name, tensor]) => [
              name,
              {
                ...tensor,
                share: () => {
                  shares++
                  return {
                    ...tensor,
                    dispose: () => {
                      throw new Error('it is mapped')
                    },
                  }
                },
              },
            ]),
          ),
      }
    },
  }))
  using net = await compile(twice, { backend })
  const { y } = await net.run({ x: [2] })
  const again = await net.run({ x: y })
  expect(await again.y.item()).toBe(8)
  await settled()
  expect(shares).toBe(1)
  expect(unhandled).toEqual([])
  expect(warn.mock.calls).toEqual([['effuse: reference could not free what "twice" held: Error: it is mapped']])
})

test('a failed compilation reports its own error, even if the cleanup fails', async () => {
  const backend = failing((inner) => ({
    createStore: () => ({
      ...inner.createStore(),
      releaseDerived: () => {
        throw new Error('the store is closed')
      },
      dispose: () => {
        throw new Error('the store is closed')
      },
    }),
    compile: async () => {
      throw new Error('no room')
    },
  }))
  await expect(compile(twice, { backend })).rejects.toThrow('no room')
})
