/** Selection of the WebGPU adapter, and the errors for unsuitable ones, with fake adapters. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { create, globals } from 'webgpu'
import { selectBackend } from '../../src/backends/select.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { findAdapter } from '../../src/backends/tfjs/webgpu/find-adapter.ts'
import { probeWebgpu } from '../../src/backends/tfjs/webgpu/probe.ts'
import * as browser from '../../src/platform/browser.ts'
import { hasAdapter } from '../support/webgpu.ts'

/** Does `#platform` find WebGPU as in a page? */
const platform = vi.hoisted(() => ({ isPage: false }))
vi.mock('#platform', async (importOriginal) => {
  const node = await importOriginal<typeof import('../../src/platform/node.ts')>()
  return { ...node, findGpu: () => (platform.isPage ? browser.findGpu() : node.findGpu()) }
})

afterEach(() => {
  platform.isPage = false
  vi.unstubAllGlobals()
})

const enough: { readonly [limit: string]: number } = {
  maxStorageBuffersPerShaderStage: 10,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupStorageSize: 32_768,
  maxStorageBufferBindingSize: 2 ** 30,
  maxBufferSize: 2 ** 31,
}
interface Given {
  readonly limits?: { readonly [limit: string]: number }
  readonly description?: string
  readonly isFallbackAdapter?: boolean
}
/** Like WebGPU's adapters: the properties of an adapter are on its class. */
class FakeAdapter {
  readonly #given: Given
  constructor(given: Given) {
    this.#given = given
  }
  get info(): object {
    return { vendor: 'acme', architecture: 'a1', device: '', description: this.#given.description ?? 'Acme GPU' }
  }
  get limits(): object {
    return { ...enough, ...this.#given.limits }
  }
  get features(): ReadonlySet<string> {
    return new Set()
  }
  get isFallbackAdapter(): boolean {
    return this.#given.isFallbackAdapter ?? false
  }
}
const pageWith = (adapter: object | null): void => {
  vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => adapter } })
}

test('accepts and describes an adapter that is large enough', async () => {
  pageWith(new FakeAdapter({}))
  expect(await findAdapter()).toMatchObject({ name: 'Acme GPU', isSoftware: false, hasHalf: false })
  expect(await probeWebgpu()).toEqual({
    isAvailable: true,
    detail:
      'Acme GPU; buffers of 2,048 MiB, bindings of 1,024 MiB; 10 buffers and 1024 invocations a program; no shader-f16',
    fix: null,
    isByNameOnly: false,
  })
})

test.each<[string, Given]>([
  ['SwiftShader', { description: 'SwiftShader Device (Subzero)' }],
  ["Mesa's llvmpipe", { description: 'llvmpipe (LLVM 19.1.7, 256 bits)' }],
  ['one that says so itself', { isFallbackAdapter: true }],
])('an adapter in software is taken by name only: %s', async (_, given) => {
  pageWith(new FakeAdapter(given))
  expect(await probeWebgpu()).toMatchObject({ isAvailable: true, isByNameOnly: true })
})

describe('is rejected with EF404 and the next step', () => {
  test.each(Object.keys(enough))('an adapter whose %s is too small', async (limit) => {
    pageWith(new FakeAdapter({ limits: { [limit]: 4 } }))
    const needed = new RegExp(`^the WebGPU adapter Acme GPU is too small: ${limit} is 4, needed are \\d+$`)
    const error = { code: 'EF404', message: expect.stringMatching(needed), hint: expect.stringContaining("'wasm'") }
    await expect(findAdapter()).rejects.toMatchObject(error)
    await expect(createTfjsBackend({ backend: 'webgpu' })).rejects.toMatchObject(error)
  })

  test('no adapter', async () => {
    pageWith(null)
    await expect(createTfjsBackend({ backend: 'webgpu' })).rejects.toMatchObject({
      code: 'EF404',
      message: expect.stringContaining('no adapter'),
      hint: expect.stringMatching(/driver.*chrome:\/\/gpu.*'wasm'/),
    })
    expect(await probeWebgpu()).toMatchObject({ isAvailable: false, detail: expect.stringContaining('no adapter') })
  })

  test('a page without WebGPU', async () => {
    platform.isPage = true
    vi.stubGlobal('navigator', {})
    await expect(createTfjsBackend({ backend: 'webgpu' })).rejects.toMatchObject({
      code: 'EF404',
      message: 'this page has no WebGPU: navigator.gpu is missing',
      hint: expect.stringMatching(/https.*'wasm'/),
    })
  })
})

describe('auto', () => {
  test.each<[string, object | null]>([
    ['is too small', new FakeAdapter({ limits: { maxBufferSize: 4 } })],
    ['is in software', new FakeAdapter({ isFallbackAdapter: true })],
    ['is missing', null],
  ])('takes WebAssembly where the adapter %s', async (_, adapter) => {
    pageWith(adapter)
    expect((await selectBackend('auto')).backend.name).toBe('wasm')
    expect((await createTfjsBackend()).name).toBe('tfjs-wasm')
  })

  test.runIf(hasAdapter).each<[string, (adapter: GpuAdapter, how: object) => Promise<Device>]>([
    ['is refused', async () => Promise.reject(new TypeError('the driver is too old'))],
    [
      'is lost at once',
      async (adapter, how) => {
        const device = await adapter.requestDevice(how)
        device.destroy()
        return device
      },
    ],
  ])('selects WebAssembly if the adapter is a GPU and its device %s', async (_, requestDevice) => {
    gpuWith(requestDevice)
    const { backend, reason } = await selectBackend('auto')
    expect([backend.name, reason]).toEqual(['wasm', expect.stringMatching(/without .*tfjs-webgpu/)])
    expect((await selectBackend('tfjs')).backend.name).toBe('tfjs-wasm')
    expect((await createTfjsBackend()).name).toBe('tfjs-wasm')
    for (const open of [() => selectBackend('tfjs-webgpu'), () => createTfjsBackend({ backend: 'webgpu' })])
      await expect(open()).rejects.toMatchObject({
        code: 'EF404',
        message: expect.stringMatching(/did not start: .*(too old|lost at once)/),
        hint: expect.stringMatching(/driver.*'wasm'/),
      })
  })

  test.runIf(hasAdapter)('prefers a GPU to WebAssembly, and requests its adapter once, as tfjs does', async () => {
    const requestAdapter = gpuWith((adapter, how) => adapter.requestDevice(how))
    const { backend, reason } = await selectBackend('auto')
    expect([backend.name, reason]).toEqual(['tfjs-webgpu', expect.stringContaining('the fastest available')])
    expect(requestAdapter).toHaveBeenCalledTimes(2)
    for (const wanted of ['auto', 'tfjs', 'tfjs-webgpu']) expect((await selectBackend(wanted)).backend).toBe(backend)
    expect(requestAdapter).toHaveBeenCalledTimes(2)
    expect((await createTfjsBackend()).name).toBe('tfjs-webgpu')
  })
})

interface Device {
  destroy(): void
}
interface GpuAdapter {
  requestDevice(how: object): Promise<Device>
}
/** A page with the adapter of this machine, which counts as a GPU. */
const gpuWith = (requestDevice: (adapter: GpuAdapter, how: object) => Promise<Device>) => {
  const gpu = create([])
  const requestAdapter = vi.fn(async () => {
    const adapter = (await gpu.requestAdapter()) as GpuAdapter & object // hasAdapter has checked it
    return new Proxy(adapter, {
      get: (target, key) => {
        if (key === 'info') return new FakeAdapter({}).info
        if (key === 'requestDevice') return (how: object) => requestDevice(target, how)
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  })
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  vi.stubGlobal('navigator', { gpu: { requestAdapter, getPreferredCanvasFormat: () => 'rgba8unorm' } })
  return requestAdapter
}
