/**
 * effuse in a real browser: Chromium runs it from the sources. It needs a Chromium (`node scripts/install-chromium.mjs` on Debian; elsewhere name one
 * in EFFUSE_CHROMIUM). Without one, these tests are skipped.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { readImage } from '../../src/data/read-image.ts'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import { opfs } from '../../src/train/opfs.ts'
import { picture, smallNet } from '../train/small-data.ts'
import { type Chromium, chromiumPath, openChromium } from './chromium.ts'
import { openSite, type Site } from './site.ts'
import type {} from './page-program.ts'

test('outside a browser, or with an invalid path, the store throws a clear error', async () => {
  await expect(opfs('run').list()).rejects.toMatchObject({ code: 'EF501', hint: expect.stringContaining('directory(') })
  for (const path of ['', '/run', 'a//b', '../run']) expect(() => opfs(path)).toThrow(/opfs\(\) takes the path/)
})

describe.runIf(chromiumPath() !== null)('in Chromium', () => {
  let [site, profile]: [Site | null, string] = [null, '']
  let browser: Chromium
  let page: Page
  const openPage = async (): Promise<void> => {
    browser = await openChromium(profile)
    page = await browser.context.newPage()
    await page.goto(site?.address ?? '')
    await page.waitForFunction(() => 'effuse' in globalThis)
  }
  beforeAll(async () => {
    site = await openSite()
  })
  afterAll(async () => {
    await site?.close()
  })
  beforeEach(async () => {
    profile = await mkdtemp(join(tmpdir(), 'effuse-chromium-'))
    await openPage()
  })
  afterEach(async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })

  test.each(['wasm', 'cpu'] as const)('tfjs-%s conforms to the reference in every op', async (name) => {
    const report = await page.evaluate(([backend, seed]) => effuse.conformance(backend, 5, seed), [
      name,
      inject('propertySeed'),
    ] as const)
    expect(report.failures).toEqual([])
    expect(report.cases).toBeGreaterThan(200)
  })

  test('a network gives the same results as in Node', async () => {
    const image = new Uint8Array([0, 1, 2].flatMap((row) => [...picture(row)]))
    for (const name of ['wasm', 'cpu'] as const) {
      using net = await compile(smallNet(), { backend: `tfjs-${name}`, batch: 3, seed: 3 })
      const { logits } = await read(await net.run({ image }))
      const found = await page.evaluate((backend) => effuse.logits(backend), name)
      found.forEach((value, i) => expect(value).toBeCloseTo(logits[i] ?? Number.NaN, 5))
      expect(found.length).toBe(9)
    }
  })

  test('an interrupted run continues in another page with the bits of an uninterrupted run', async () => {
    const whole = await page.evaluate(() => effuse.train({ folder: null }))
    expect(whole).toMatchObject({ reason: 'finished', steps: 30 })
    expect(whole.top1).toBeGreaterThan(0.9)
    expect(await page.evaluate(() => effuse.train({ folder: 'runs/a', stopAfter: 7 }))).toMatchObject({
      reason: 'aborted',
      steps: 7,
    })
    await page.reload()
    await page.waitForFunction(() => 'effuse' in globalThis)
    expect(await page.evaluate(() => effuse.train({ folder: 'runs/a' }))).toEqual(whole)
    const files = await page.evaluate(() => effuse.list('runs/a'))
    expect(files.map(([name]) => name).sort()).toEqual([
      'best.safetensors',
      ...[26, 28, 30].map((step) => `step-${String(step).padStart(8, '0')}.safetensors`),
    ])
  })

  test('a run continues after its browser is killed, with the same bits', async () => {
    const whole = await page.evaluate(() => effuse.train({ folder: null }))
    let kills = 0
    for (const killAt of [3, 9, 14, 20]) {
      const isFinished = await new Promise<boolean>((resolve) => {
        page.on('console', (line) => {
          if (Number(/^step (\d+)$/.exec(line.text())?.[1]) >= killAt) resolve(false)
        })
        page
          .evaluate(() => effuse.train({ folder: 'run' }))
          .then(
            () => resolve(true),
            () => {}, // the browser is killed during the call
          )
      })
      await browser.kill()
      if (!isFinished) kills++
      await openPage()
    }
    expect(kills).toBeGreaterThan(1)
    expect(await page.evaluate(() => effuse.train({ folder: 'run' }))).toEqual(whole)
  })

  test('only one of two tabs can continue a run; the other can when the first is closed', async () => {
    const whole = await page.evaluate(() => effuse.train({ folder: null }))
    const first = await browser.context.newPage()
    await first.goto(site?.address ?? '')
    await first.waitForFunction(() => 'effuse' in globalThis)
    const isTraining = new Promise<void>((resolve) => {
      first.on('console', (line) => {
        if (line.text() === 'step 3') resolve()
      })
    })
    first.evaluate(() => effuse.tryToTrain('shared')).catch(() => {}) // the tab is closed during the call
    await isTraining
    expect(await page.evaluate(() => effuse.tryToTrain('shared'))).toBe('EF508: another run writes opfs:shared')
    expect(await page.evaluate(() => effuse.tryToTrain('another'))).toBe('finished')
    await first.close()
    // Its lock is released a moment later.
    await expect.poll(() => page.evaluate(() => effuse.tryToTrain('shared')), { timeout: 20_000 }).toBe('finished')
    expect(await page.evaluate(() => effuse.train({ folder: 'shared' }))).toEqual(whole)
  })

  test('an unfinished save is not a checkpoint, and the next run removes it', async () => {
    expect(await page.evaluate(() => effuse.train({ folder: 'run', stopAfter: 5 }))).toMatchObject({ steps: 5 })
    const before = await page.evaluate(() => effuse.entries('run'))
    await page.evaluate(() => effuse.leaveHalfSaved('run'))
    const withLeftovers = await page.evaluate(() => effuse.entries('run'))
    expect(withLeftovers).toContain('step-00000099.safetensors')
    expect((await page.evaluate(() => effuse.list('run'))).map(([name]) => name).sort()).toEqual(before)
    expect(await page.evaluate(() => effuse.train({ folder: 'run' }))).toMatchObject({ reason: 'finished', steps: 30 })
    const after = await page.evaluate(() => effuse.entries('run'))
    expect(after.filter((name) => /crswap|0000009\d/.test(name))).toEqual([])
    expect(after).toContain('step-00000030.safetensors')
  })

  test.each([null, 16, 96, 224])('a page reads the same pictures as Node, at size %s', async (size) => {
    const { png, canvas, apart } = await page.evaluate((wanted) => effuse.pixels(wanted), size)
    expect(apart).toEqual({ imageData: 0, bitmap: 0, image: 0, videoFrame: 0 })
    const file = join(profile, 'picture.png')
    await writeFile(file, Uint8Array.from(png))
    const read = await readImage(file, size === null ? { size: [200, 300], crop: 'none' } : { size })
    expect(canvas).toEqual([...read])
  })

  test('a picture that is not loaded or not readable gives an error', async () => {
    const elsewhere = `${(site?.address ?? '').replace('127.0.0.1', 'localhost')}picture.png`
    expect(await page.evaluate((picture) => effuse.unreadable(picture), elsewhere)).toEqual(['EF506', 'EF506'])
    expect(await page.evaluate((picture) => effuse.unreadable(picture), '/picture.png')).toEqual(['EF506', '3 values'])
  })

  test('a failed write without space gives an error, and the old content stays', async () => {
    const control = await browser.context.newCDPSession(page)
    await control.send('Storage.overrideQuotaForOrigin', { origin: site?.address ?? '', quotaSize: 1 << 20 })
    const { message, content } = await page.evaluate(() => effuse.overfill('run', 8 << 20))
    expect(message).toMatch(/^EF501: run\/kept cannot be written to the browser's storage/)
    expect(message).toMatch(/no more storage for this page: keep fewer checkpoints/)
    expect(content).toEqual([1, 2, 3])
  })
})
