/**
 * The backend wasm in Chromium: with threads if the page is cross-origin isolated, otherwise with one worker; and with a content policy that forbids
 * Blobs.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWasmBackend, workerSource } from '../../src/backends/wasm/index.ts'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import { crossEntropy, sgd, trainingStep } from '../../src/index.ts'
import { picture, smallNet } from '../train/small-data.ts'
import { type Chromium, chromiumPath, openChromium } from './chromium.ts'
import { openSite, type Site } from './site.ts'
import type {} from './wasm-program.ts'

const isolating = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}
const image = [0, 1, 2].flatMap((row) => [...picture(row)])
const steps = 5

describe.runIf(chromiumPath() !== null)('in Chromium', () => {
  let profile = ''
  let browser: Chromium
  let want: readonly number[] = []
  beforeAll(async () => {
    profile = await mkdtemp(join(tmpdir(), 'effuse-chromium-'))
    browser = await openChromium(profile)
    const step = trainingStep(smallNet(), { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.05 }) })
    const backend = await createWasmBackend({ threads: 1 })
    using net = await compile(step, { backend, batch: 3, seed: 3 })
    const losses: number[] = []
    for (let i = 0; i < steps; i++)
      losses.push((await read(await net.run({ image: Uint8Array.from(image), label: [0, 1, 2] }))).loss)
    backend.dispose()
    want = losses
  }, 300_000)
  afterAll(async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })

  const onPage = async <T>(
    headers: { readonly [name: string]: string },
    work: (page: Page, site: Site) => Promise<T>,
  ) => {
    const site = await openSite('wasm-program.ts', headers, { '/worker.js': workerSource })
    const page = await browser.context.newPage()
    try {
      await page.goto(site.address)
      await page.waitForFunction(() => 'wasmPage' in globalThis)
      return await work(page, site)
    } finally {
      await page.close()
      await site.close()
    }
  }

  const [isolation, worker] = [expect.stringContaining('isolated'), expect.stringContaining('no worker starts here')]
  test.each<readonly [string, { readonly [name: string]: string }, string | undefined, RegExp, readonly unknown[]]>([
    ['isolated: threads', isolating, undefined, /^wasm, relaxed SIMD, [2-9]\d* threads$/, []],
    ['not isolated: one thread with a memory of its own', {}, undefined, /^wasm, relaxed SIMD, 1 thread$/, [isolation]],
    [
      'a policy that allows no Blobs, with a URL',
      { ...isolating, 'content-security-policy': "worker-src 'self'" },
      '/worker.js',
      /^wasm, relaxed SIMD, [2-9]\d* threads$/,
      [],
    ],
    [
      'a policy that allows no Blobs, without one: in the page',
      { 'content-security-policy': "worker-src 'self'" },
      undefined,
      /^wasm, relaxed SIMD, 1 thread$/,
      [isolation, worker],
    ],
    [
      'the same in an isolated page: in the page, on shared memory',
      { ...isolating, 'content-security-policy': "worker-src 'self'" },
      undefined,
      /^wasm, relaxed SIMD, 1 thread$/,
      [worker],
    ],
  ])(
    '%s: losses are those of Node, to the bit',
    async (_, headers, workerUrl, fingerprint, notes) => {
      const found = await onPage(headers, (page) =>
        page.evaluate(([pixels, count, url]) => wasmPage.train(pixels, count, url), [image, steps, workerUrl] as const),
      )
      expect(found.losses).toEqual(want)
      expect(found.fingerprint).toMatch(fingerprint)
      expect(found.notes).toEqual(notes)
      expect(found.doctor).toMatchObject({ available: true, detail: expect.stringContaining('relaxed SIMD') })
    },
    300_000,
  )

  test('conforms to the reference in every op, on threads', async () => {
    const { failures, cases } = await onPage(isolating, (page) => page.evaluate(() => wasmPage.conformance(1)))
    expect(failures).toEqual([])
    expect(cases).toBeGreaterThan(200)
  }, 200_000)
})
