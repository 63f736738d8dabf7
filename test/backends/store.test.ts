/** The store that backends share: turns, versions, derived values, and copies between two stores. */
import { describe, expect, test } from 'vitest'
import type { HostArray, Store } from '../../src/backends/backend.ts'
import { jointTurn } from '../../src/backends/common/turns.ts'
import { makeVariableStore } from '../../src/backends/common/variable-store.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { type Cell, counting } from '../support/counting-memory.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

const scalar = { dtype: 'float32', shape: [] } as const
const declared = <V>(store: Store<V>, names: readonly string[]): Store<V> => {
  for (const name of names) store.declare(name, scalar, () => Float32Array.of(0))
  return store
}
const storeWith = (names: readonly string[], memory = counting()) => ({
  store: declared(makeVariableStore(memory), names),
  memory,
})
/** A store on counting memory, and the store of each backend. */
const stores: readonly (readonly [string, () => Promise<Store>])[] = [
  ['counting', async () => makeVariableStore<unknown>(counting())],
  ['reference', async () => referenceBackend().createStore()],
  ...(['wasm', 'cpu', ...withAdapter] as const).map(
    (name) =>
      [name, async () => (await createTfjsBackend({ backend: name.replace('tfjs-', '') })).createStore()] as const,
  ),
  ['generated wasm', async () => (await createWasmBackend({ threads: 2 })).createStore()],
  ...withTensorflow.map((name) => [name, async () => (await createTensorflowBackend()).createStore()] as const),
]
const valueIn = async (store: Store, name: string): Promise<number | undefined> =>
  (await store.read([name])).get(name)?.[0]
const of = (entries: { readonly [name: string]: number }): ReadonlyMap<string, HostArray> =>
  new Map(Object.entries(entries).map(([name, x]) => [name, Float32Array.of(x)]))

describe('turns', () => {
  test('run one after another in call order, also after a failed turn', async () => {
    const { store } = storeWith(['w'])
    const order: string[] = []
    const slow = store.turn(async () => {
      for (let i = 0; i < 50; i++) await null
      order.push('slow')
      throw new Error('no')
    })
    const quick = store.turn(() => order.push('quick'))
    await expect(slow).rejects.toThrow('no')
    await quick
    expect(order).toEqual(['slow', 'quick'])
  })
  test.each(stores)('a turn can read, write and query versions: %s', async (_, open) => {
    const store = declared(await open(), ['w'])
    await store.turn(async (turn) => {
      const before = turn.versionOf('w')
      const early = turn.read(['w'])
      turn.write(of({ w: 3 }))
      expect(turn.versionOf('w')).toBeGreaterThan(before)
      expect((await early).get('w')).toEqual(Float32Array.of(0))
      expect((await turn.read(['w'])).get('w')).toEqual(Float32Array.of(3))
    })
  })
  test('a write of several variables is atomic, and copies its values at the call', async () => {
    const { store, memory } = storeWith(['a', 'b'])
    const data = Float32Array.of(1)
    const writing = store.write(new Map([['a', data]]))
    data[0] = 9
    await writing
    expect(await valueIn(store, 'a')).toBe(1)
    await expect(store.write(of({ a: 5, nothing: 6 }))).rejects.toMatchObject({ code: 'EF407' })
    memory.fails = true
    await expect(store.write(of({ a: 5, b: 6 }))).rejects.toThrow('out of memory')
    memory.fails = false
    expect(await valueIn(store, 'a')).toBe(1)
    expect(memory.alive()).toBe(1)
  })
  test('dispose() waits for earlier turns, frees all memory, and rejects later turns', async () => {
    const { store, memory } = storeWith(['a'])
    await store.write(of({ a: 4 }))
    const reading = valueIn(store, 'a')
    store.dispose()
    expect(await reading).toBe(4)
    await expect(store.turn(() => 1)).rejects.toMatchObject({ code: 'EF406' })
    expect(memory.alive()).toBe(0)
  })
})

describe('derived values', () => {
  test('are stale until they are computed, and after a change of a source; other variables do not affect them', async () => {
    const { store } = storeWith(['w', 'v'])
    store.declareDerived('.d', scalar, ['w'])
    const isStale = () => store.turn((turn) => turn.isStale('.d'))
    const make = () => store.turn((turn) => turn.commit(new Map([['.d', { data: Float32Array.of(1), isFree: false }]])))
    expect(await isStale()).toBe(true)
    await make()
    expect(await isStale()).toBe(false)
    await store.write(of({ v: 1 }))
    expect(await isStale()).toBe(false)
    await store.write(of({ w: 1 }))
    expect(await isStale()).toBe(true)
    await make()
    expect(await isStale()).toBe(false)
  })
  test.each(['w', 'v'])('are stale after a change of one of several sources: %s', async (changed) => {
    const { store } = storeWith(['w', 'v'])
    store.declareDerived('.d', scalar, ['w', 'v'])
    const isStale = () => store.turn((turn) => turn.isStale('.d'))
    await store.turn((turn) => turn.commit(new Map([['.d', { data: Float32Array.of(1), isFree: false }]])))
    expect(await isStale()).toBe(false)
    await store.write(of({ [changed]: 1 }))
    expect(await isStale()).toBe(true)
  })
  test('a commit that also writes a source leaves them stale, since they depend on the old value', async () => {
    const { store } = storeWith(['w'])
    store.declareDerived('.d', scalar, ['w'])
    const cell = (x: number): Cell => ({ data: Float32Array.of(x), isFree: false })
    await store.turn((turn) =>
      turn.commit(
        new Map([
          ['w', cell(2)],
          ['.d', cell(1)],
        ]),
      ),
    )
    expect(await store.turn((turn) => turn.isStale('.d'))).toBe(true)
  })
  test('stay as long as an executable uses them', async () => {
    const { store, memory } = storeWith(['w'])
    store.declareDerived('.d', scalar, ['w'])
    store.declareDerived('.d', scalar, ['w'])
    await store.turn((turn) => turn.commit(new Map([['.d', memory.upload(Float32Array.of(1), scalar)]])))
    store.releaseDerived(['.d'])
    expect(await store.turn((turn) => turn.isStale('.d'))).toBe(false)
    expect(memory.alive()).toBe(1)
    store.releaseDerived(['.d'])
    await store.turn(() => {})
    expect(memory.alive()).toBe(0)
    expect(store.has('.d')).toBe(false)
  })
})

test.each(stores)(
  'joint turns on two stores, requested in either order, neither deadlock nor interleave: %s',
  async (_, open) => {
    const [a, b] = [declared(await open(), ['w']), declared(await open(), ['w'])]
    const log: string[] = []
    const swap = (name: string, stores: readonly Store[]) =>
      jointTurn(stores, async ([first, second]) => {
        log.push(`${name} begins`)
        const x = (await first?.read(['w']))?.get('w')?.[0] ?? Number.NaN
        await null
        second?.write(of({ w: x + 1 }))
        log.push(`${name} ends`)
      })
    await Promise.all([
      swap('one', [a, b]),
      swap('two', [b, a]),
      swap('three', [a, b]),
      a.write(of({ w: 10 })),
      swap('four', [a, a]),
    ])
    expect(log).toEqual(['one', 'two', 'three', 'four'].flatMap((name) => [`${name} begins`, `${name} ends`]))
    expect([await valueIn(a, 'w'), await valueIn(b, 'w')]).toEqual([11, 3])
    await expect(
      jointTurn([a, b], () => {
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await valueIn(b, 'w')).toBe(3)
  },
)
