/** The backend wasm without memory, threads, shared memory or SIMD: variables are kept, and errors say what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { wasmEntry } from '../../../src/backends/wasm/entry.ts'
import { createWasmBackend, workerSource } from '../../../src/backends/wasm/index.ts'
import { backendOn } from '../../../src/backends/wasm/backend-on.ts'
import {
  type DeviceOptions,
  openDevice,
  startDevice,
  type WasmDevice,
} from '../../../src/backends/wasm/runtime/device.ts'
import { compile } from '../../../src/compile.ts'
import { read } from '../../../src/executable/results.ts'
import { add, crossEntropy, exp, float32, graph, matmul, nn, relu, sgd, trainingStep } from '../../../src/index.ts'

const classifier = graph('net', { x: float32('batch', 16) }, ({ x }) => ({
  logits: nn.dense(relu(nn.dense(x, { name: 'first', units: 64 })), { name: 'second', units: 8 }),
}))
const step = trainingStep(classifier, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
const feeds = { x: Float32Array.from({ length: 64 * 16 }, (_, i) => Math.sin(i)), label: new Int32Array(64).fill(3) }

const open: Backend[] = []
const opened = async (options: DeviceOptions): Promise<Backend> => {
  const backend = backendOn(await openDevice(options)) as Backend
  open.push(backend)
  return backend
}
const deviceOf = (backend: Backend): WasmDevice => backend.device as WasmDevice

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-wasm-'))
})
afterEach(() => {
  for (const backend of open.splice(0)) backend.dispose()
  rmSync(folder, { recursive: true })
  vi.unstubAllGlobals()
})

/** The worker program with every `from` replaced by `to`. In it, `isOn()` is true while the test has enabled the fault. */
const changed = (from: string, to: string) => {
  const flag = join(folder, 'on')
  const program = join(folder, 'worker.cjs')
  expect(workerSource).toContain(from)
  const isOn = `const isOn = () => require('node:fs').existsSync(${JSON.stringify(flag)})\n`
  writeFileSync(program, isOn + workerSource.replaceAll(from, to))
  return { workerUrl: pathToFileURL(program).href, turnOn: () => writeFileSync(flag, ''), turnOff: () => rmSync(flag) }
}

describe.each([1, 3])('on %i threads', (threads) => {
  test.each<readonly [string, string, string, string]>([
    [
      'the leader exits',
      'const run = (order) => {',
      'const run = (order) => {\n if (isOn()) process.exit(3)',
      'exited with code 3',
    ],
    [
      'a kernel traps',
      'call.apply(null, args)',
      ";(isOn() ? (() => { throw new Error('unreachable') }) : call).apply(null, args)",
      'unreachable',
    ],
  ])('%s during a run: the run fails, variables do not change, and later runs work', async (_, from, to, message) => {
    const program = changed(from, to)
    const backend = await opened({ threads, workerUrl: program.workerUrl })
    using net = await compile(step, { backend, batch: 64 })
    await net.run(feeds)
    const before = await net.variables.save()
    program.turnOn()
    await expect(net.run(feeds)).rejects.toMatchObject({ code: 'EF411', message: expect.stringContaining(message) })
    expect(await net.variables.save()).toEqual(before)
    program.turnOff()
    using healthy = await compile(step, { backend: 'reference', batch: 64 })
    await healthy.variables.load(before)
    healthy.runIndex = net.runIndex
    const [got, want] = [await read(await net.run(feeds)), await read(await healthy.run(feeds))]
    expect(got.loss).toBeCloseTo(want.loss, 5)
    expect(got.loss).toBeGreaterThan(0)
  })
})

test('if a helper exits with unfinished units, the run fails instead of waiting, and later runs work', async () => {
  const { workerUrl, turnOn, turnOff } = changed(
    'args[i] = begin\n',
    'args[i] = begin\n          if (thread === 1 && isOn()) process.exit(4)\n          if (isOn() && units > 1) while (true) if (control === null) break\n',
  )
  // The leader takes a unit and never finishes it, so the helper gets another unit and exits.
  const backend = await opened({ threads: 2, workerUrl })
  using net = await compile(step, { backend, batch: 64 })
  const first = await read(await net.run(feeds))
  turnOn()
  await expect(net.run(feeds)).rejects.toMatchObject({ code: 'EF411', message: expect.stringContaining('code 4') })
  turnOff()
  const second = await read(await net.run(feeds))
  expect(second.loss).toBeLessThan(first.loss)
})

test('if the leader exits between its start and the run, the run fails instead of waiting, and later runs work', async () => {
  const ready = "port.postMessage({ kind: 'ready', bytesMax, byteLength: memory.buffer.byteLength })"
  const { workerUrl, turnOn, turnOff } = changed(ready, `${ready}\n    if (isOn()) process.exit(5)`)
  turnOn()
  const backend = await opened({ threads: 1, workerUrl })
  using net = await compile(classifier, { backend, batch: 64 })
  for (let i = 0; i < 3; i++) {
    const run = net.run({ x: feeds.x })
    const failed = expect(run).rejects.toMatchObject({ code: 'EF411', message: expect.stringContaining('code 5') })
    // Until the thread has started and ended. Then its message and its end arrive together.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    await failed
  }
  turnOff()
  expect((await read(await net.run({ x: feeds.x }))).logits.length).toBe(64 * 8)
})

describe('without shared memory', () => {
  test('one thread with its own memory gives the same bits, and reads return as messages', async () => {
    const own = await opened({ threads: 4, isShared: false })
    expect(deviceOf(own).runner.threads).toBe(1)
    expect(deviceOf(own).notes.join()).toContain('cross-origin isolated')
    const shared = await opened({ threads: 2 })
    using a = await compile(step, { backend: own, batch: 64 })
    using b = await compile(step, { backend: shared, batch: 64 })
    for (let i = 0; i < 5; i++) {
      const [first, second] = [await read(await a.run(feeds)), await read(await b.run(feeds))]
      expect(first).toEqual(second)
    }
    expect(await a.variables.save()).toEqual(await b.variables.save())
  })

  test('if its thread ends, the memory is lost, and every call reports it', async () => {
    const { workerUrl, turnOn } = changed(
      'const run = (order) => {',
      'const run = (order) => {\n if (isOn()) process.exit(3)',
    )
    const backend = await opened({ isShared: false, workerUrl })
    const net = await compile(classifier, { backend, batch: 64 })
    const { logits } = await net.run({ x: feeds.x })
    turnOn()
    await expect(net.run({ x: feeds.x })).rejects.toMatchObject({ code: 'EF410' })
    await expect(net.run({ x: feeds.x })).rejects.toMatchObject({ code: 'EF410' })
    await expect(logits.data()).rejects.toMatchObject({ code: 'EF410' })
  })

  test('after dispose() a read fails instead of waiting', async () => {
    const backend = await opened({ isShared: false })
    const net = await compile(classifier, { backend, batch: 64 })
    const { logits } = await net.run({ x: feeds.x })
    backend.dispose()
    await expect(logits.data()).rejects.toMatchObject({ code: 'EF406' })
    await expect(net.variables.get('first/kernel')).rejects.toMatchObject({ code: 'EF406' })
  })

  test('writes grow the memory', async () => {
    const backend = await opened({ isShared: false })
    const size = 3_000_000
    const model = graph('large', { x: float32(size) }, ({ x }) => ({ y: add(x, 1) }))
    using net = await compile(model, { backend })
    const results = await Promise.all([1, 2, 3].map((value) => net.run({ x: new Float32Array(size).fill(value) })))
    for (const [i, { y }] of results.entries()) expect(new Set(await y.data())).toEqual(new Set([i + 2]))
  })
})

test('if no worker starts, the calling thread computes, and a note gives the reason', async () => {
  const backend = await opened({ threads: 4, workerUrl: pathToFileURL(join(folder, 'missing.cjs')).href })
  expect(deviceOf(backend).notes.join()).toContain('no worker starts here')
  using net = await compile(step, { backend, batch: 64 })
  using reference = await compile(step, { backend: 'reference', batch: 64 })
  for (let i = 0; i < 3; i++)
    expect((await read(await net.run(feeds))).loss).toBeCloseTo((await read(await reference.run(feeds))).loss, 5)
})

test('compile() waits for threads that are still starting, and notes if none starts', async () => {
  const device = await startDevice({ threads: 4, workerUrl: pathToFileURL(join(folder, 'missing.cjs')).href })
  const backend = backendOn(device) as Backend
  open.push(backend)
  expect(device.notes).toEqual([])
  using net = await compile(step, { backend, batch: 64 })
  expect(net.explain('first').notes.join()).toContain('no worker starts here')
  expect(backend.fingerprint).toContain('1 thread')
  using reference = await compile(step, { backend: 'reference', batch: 64 })
  expect((await read(await net.run(feeds))).loss).toBeCloseTo((await read(await reference.run(feeds))).loss, 5)
})

test('the signal ends a compilation that waits for threads that never start', async () => {
  const silent = join(folder, 'silent.cjs')
  writeFileSync(silent, 'setInterval(() => {}, 1000)')
  const backend = backendOn(await startDevice({ threads: 2, workerUrl: pathToFileURL(silent).href })) as Backend
  open.push(backend)
  const controller = new AbortController()
  const compiled = compile(step, { backend, batch: 64, signal: controller.signal })
  const left = expect(compiled).rejects.toThrow('no longer wanted')
  setTimeout(() => controller.abort(new Error('no longer wanted')), 2000)
  await left
  expect(deviceOf(backend).space.usedBytes).toBe(0)
})

test('a backend that is disposed of while its threads start ends them', async () => {
  const device = await startDevice({ threads: 2 })
  backendOn(device).dispose()
  await device.started
  await expect(compile(step, { backend: backendOn(device) as Backend, batch: 64 })).rejects.toMatchObject({
    code: 'EF406',
  })
})

describe('memory', () => {
  const wide = graph('wide', { x: float32('batch', 1024, 1024) }, ({ x }) => ({ y: matmul(exp(x), x) }))

  test('a program that cannot fit is rejected before any allocation, with a batch that fits', async () => {
    const backend = await opened({ threads: 1 })
    const { space } = deviceOf(backend)
    const before = space.usedBytes
    await expect(compile(wide, { backend, batch: 600 })).rejects.toMatchObject({
      code: 'EF409',
      message: expect.stringMatching(/^wide needs [\d,]+ MiB for a run; the backend wasm has at most 4,096 MiB$/),
      hint: expect.stringMatching(/^if 600 is its batch, compile it with a batch of at most about \d+; otherwise /),
    })
    expect(space.usedBytes).toBe(before)
  })

  test('the batch in the hint fits', async () => {
    const backend = await opened({ threads: 1, bytesMax: 64 * 2 ** 20 })
    const error = await compile(wide, { backend, batch: 20 }).catch((reason: unknown) => reason as { hint: string })
    const batch = Number(/about (\d+)/.exec('hint' in error ? (error.hint ?? '') : '')?.[1])
    expect(batch).toBeGreaterThan(2)
    using net = await compile(wide, { backend, batch })
    const { y } = await net.run({ x: new Float32Array(batch * 2 ** 20) })
    expect((await y.data())[0]).toBe(0)
    await expect(compile(wide, { backend, batch: batch + 1 })).rejects.toMatchObject({ code: 'EF409' })
  })

  // 8 MiB for each row. With 40 MiB held, the arena fits and the result does not; with 52 MiB, the arena does not fit.
  test.each([40, 52])('the batch in the hint of a run fits beside %i MiB of others', async (heldMiB) => {
    const backend = await opened({ threads: 1, bytesMax: 64 * 2 ** 20 })
    const { space } = deviceOf(backend)
    const net = await compile(wide, { backend, batch: 4 })
    const held = space.allocate(heldMiB * 2 ** 20, () => 'what others hold')
    const error = await net.run({ x: new Float32Array(4 * 2 ** 20) }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'EF409' })
    net.dispose()
    const batch = Number(/about (\d+)/.exec((error as { hint: string }).hint)?.[1])
    using smaller = await compile(wide, { backend, batch })
    const { y } = await smaller.run({ x: new Float32Array(batch * 2 ** 20) })
    expect((await y.data())[0]).toBe(0)
    space.release(held)
  })

  test('a compilation that fails for lack of memory leaves nothing in the threads', async () => {
    const constants = graph('constants', { x: float32(20_000) }, ({ x }, b) => {
      const table = b.constant(Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i)))
      return { y: add(x, table as typeof x) }
    })
    const backend = await opened({ threads: 2 })
    const { runner, space } = deviceOf(backend)
    const [load, unload] = [vi.spyOn(runner, 'load'), vi.spyOn(runner, 'unload')]
    const allocate = space.allocate.bind(space)
    for (const refused of ['a constant', 'a table of addresses', 'scratch memory of the threads']) {
      const spy = vi.spyOn(space, 'allocate').mockImplementation((bytes, what, hint) => {
        if (what() === refused) throw new Error(`no memory for ${refused}`)
        return allocate(bytes, what, hint)
      })
      await expect(compile(constants, { backend })).rejects.toThrow(refused)
      spy.mockRestore()
      expect(unload.mock.calls.flat()).toEqual(load.mock.calls.map(([{ list }]) => list))
      expect(space.usedBytes).toBe(0)
    }
  })

  test('packed forms count: compile() rejects the program, instead of each run', async () => {
    const dense = graph('dense', { x: float32('batch', 1024) }, ({ x }) => ({
      y: nn.dense(x, { name: 'd', units: 1024 }),
    }))
    const small = await opened({ threads: 1, bytesMax: 7 * 2 ** 20 })
    await expect(compile(dense, { backend: small, batch: 4 })).rejects.toMatchObject({
      code: 'EF409',
      message: expect.stringMatching(/^dense needs .*, 5 MiB for its variables, 4 MiB for packed copies of variables/),
      hint: 'use a smaller model, or another backend',
    })
    const enough = await opened({ threads: 1, bytesMax: 9 * 2 ** 20 })
    using net = await compile(dense, { backend: enough, batch: 4 })
    expect((await read(await net.run({ x: new Float32Array(4096) }))).y.length).toBe(4096)
  })

  test('if memory is insufficient, the run names the block, and no variable is lost', async () => {
    const backend = await opened({ threads: 1, bytesMax: 7 * 2 ** 20 })
    const model = graph('m', { x: float32(500_000) }, ({ x }, b) => {
      const w = b.variable('w', { shape: [500_000], init: { kind: 'ones' } })
      return { y: add(x, w as typeof x) }
    })
    using net = await compile(model, { backend })
    const x = new Float32Array(500_000).fill(2)
    const first = await net.run({ x })
    await expect(net.run({ x })).rejects.toMatchObject({
      code: 'EF409',
      message: expect.stringMatching(
        /^the backend wasm needs 2 MiB for a result float32\[500000\]; \d MiB of at most 7 MiB are in use/,
      ),
    })
    await expect(net.variables.set('w', x)).rejects.toMatchObject({
      code: 'EF409',
      message: expect.stringContaining('"w"'),
    })
    expect((await first.y.data())[7]).toBe(3)
    expect((await net.variables.get('w', 'float32'))[7]).toBe(1)
    first.y.dispose()
    expect((await read(await net.run({ x }))).y[9]).toBe(3)
  })

  test('addresses above 2 GiB are not negative', async () => {
    const backend = await opened({ threads: 2 })
    const { space } = deviceOf(backend)
    const low = space.allocate(2 ** 31 + 2 ** 20, () => 'a block that nobody writes')
    using net = await compile(step, { backend, batch: 64 })
    using reference = await compile(step, { backend: 'reference', batch: 64 })
    for (let i = 0; i < 3; i++)
      expect((await read(await net.run(feeds))).loss).toBeCloseTo((await read(await reference.run(feeds))).loss, 5)
    space.release(low)
  })
})

test('concurrent runs of two executables of one store use one arena in turn', async () => {
  const backend = await opened({ threads: 2 })
  using trainer = await compile(step, { backend, batch: 64 })
  using net = await compile(classifier, { backend, batch: 64, variables: trainer.variables })
  using reference = await compile(step, { backend: 'reference', batch: 64 })
  using referenceNet = await compile(classifier, { backend: 'reference', batch: 64, variables: reference.variables })
  const both = async (a: typeof trainer, b: typeof net) => {
    const runs = [a.run(feeds), b.run({ x: feeds.x }), a.run(feeds), b.run({ x: feeds.x })] as const
    const [first, second, third, fourth] = await Promise.all(runs)
    return [
      ...(await read(second)).logits,
      ...(await read(fourth)).logits,
      (await read(first)).loss,
      (await read(third)).loss,
    ]
  }
  const [got, want] = [await both(trainer, net), await both(reference, referenceNet)]
  got.forEach((value, i) => expect(value).toBeCloseTo(want[i] as number, 4))
})

test('pending and later runs fail after dispose()', async () => {
  const backend = await createWasmBackend({ threads: 2 })
  const net = await compile(classifier, { backend, batch: 64 })
  await net.run({ x: feeds.x })
  const pending = [net.run({ x: feeds.x }), net.run({ x: feeds.x })]
  await new Promise((resolve) => setImmediate(resolve))
  backend.dispose()
  const ends = await Promise.allSettled([...pending, net.run({ x: feeds.x }), compile(classifier, { backend })])
  for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'EF406' })
  expect(ends.slice(2).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

test('without WebAssembly or SIMD the backend is unavailable, with the reason', async () => {
  vi.stubGlobal('WebAssembly', { validate: () => false })
  await expect(createWasmBackend()).rejects.toMatchObject({ code: 'EF404', message: expect.stringContaining('SIMD') })
  expect(await wasmEntry.probe()).toMatchObject({ isAvailable: false, detail: expect.stringContaining('SIMD') })
  vi.stubGlobal('WebAssembly', undefined)
  await expect(createWasmBackend()).rejects.toMatchObject({
    code: 'EF404',
    message: expect.stringContaining('no WebAssembly'),
  })
})

test('wrong options', async () => {
  await expect(createWasmBackend({ threads: 0 })).rejects.toMatchObject({ code: 'EF403' })
  await expect(createWasmBackend({ threads: 1.5 })).rejects.toMatchObject({ code: 'EF403' })
})
