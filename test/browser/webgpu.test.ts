/** The backend of a page with and without WebGPU, in Chromium with SwiftShader, a software adapter that some tests treat as a GPU. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chromiumPath, openChromium, type Chromium } from './chromium.ts'
import { openSite, type Site } from './site.ts'
import type { WebgpuProgram } from './webgpu-program.ts'

declare const webgpu: WebgpuProgram

/** For a page: the adapter claims to be a GPU. */
const asGpu = `
  for (const [key, value] of [['info', { vendor: 'acme', architecture: 'a1', device: '', description: 'Acme GPU' }], ['isFallbackAdapter', false]])
    Object.defineProperty(GPUAdapter.prototype, key, { get: () => value, configurable: true })
`
const noDevice = `GPUAdapter.prototype.requestDevice = async () => { throw new TypeError('the driver is too old') }`
const noWebgpu = `Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined, configurable: true })`
const noAdapter = `GPU.prototype.requestAdapter = async () => null`

describe.runIf(chromiumPath() !== null)('a page', () => {
  let [site, browser, profile]: [Site | null, Chromium | null, string] = [null, null, '']
  beforeAll(async () => {
    profile = await mkdtemp(join(tmpdir(), 'effuse-chromium-'))
    site = await openSite('webgpu-program.ts')
    browser = await openChromium(profile, ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'])
  }, 300_000)
  afterAll(async () => {
    await browser?.close()
    await site?.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })

  const within = async <T>(scripts: readonly string[], work: (page: Page) => Promise<T>): Promise<T> => {
    if (browser === null || site === null) throw new Error('the browser did not start')
    const page = await browser.context.newPage()
    try {
      await page.addInitScript(scripts.join('\n'))
      await page.goto(site.address)
      await page.waitForFunction(() => 'webgpu' in globalThis)
      return await work(page)
    } finally {
      await page.close()
    }
  }
  const auto = (page: Page) => page.evaluate(() => webgpu.auto())
  const named = (page: Page) => page.evaluate(() => webgpu.named())
  const result = [30, 90, 190]

  test.each<[string, string, readonly string[]]>([
    ['tfjs-webgpu', 'a GPU', [asGpu]],
    ['tfjs-wasm', 'an adapter in software', []],
    ['tfjs-wasm', 'a GPU whose device does not start', [asGpu, noDevice]],
    ['tfjs-wasm', 'no adapter', [noAdapter]],
    ['tfjs-wasm', 'no WebGPU', [noWebgpu]],
  ])('gets %s with %s, between tensors of its own tfjs program', async (backend, _, scripts) => {
    expect(await within(scripts, auto)).toEqual({ backend, result })
  })

  test.each<[string, readonly string[], RegExp]>([
    ['an adapter in software', [], /^tfjs-webgpu$/],
    ['a GPU whose device does not start', [asGpu, noDevice], /^EF404: .*did not start: the driver is too old/],
    ['no adapter', [noAdapter], /^EF404: WebGPU finds no adapter/],
    ['no WebGPU', [noWebgpu], /^EF404: this page has no WebGPU: navigator.gpu is missing/],
  ])('that asks for webgpu by name, with %s', async (_, scripts, wanted) => {
    expect(await within(scripts, named)).toMatch(wanted)
  })

  test('whose device is lost receives an error, and gets a new device', async () => {
    const lost = expect.stringMatching(/^EF410: the device of the backend tfjs-webgpu is lost/)
    expect(await within([], (page) => page.evaluate(() => webgpu.lose()))).toEqual([lost, lost, '3,5,7'])
  })
})
