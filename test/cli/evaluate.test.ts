/** effuse evaluate and effuse predict on the results of effuse train. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { digits } from '../../src/data/digits.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { openModel } from '../../src/models/open-model.ts'
import { run, writeRecipe } from './command.ts'

let folder = ''
const at = (name: string): string => join(folder, name)
let lines: readonly { readonly [key: string]: number }[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-evaluate-'))
  const recipe = await writeRecipe(at('tiny.json'), { size: 28, stepsPerEpoch: 12 })
  expect((await run('train', '--recipe', recipe, '--out', at('run'))).code).toBe(0)
  const text = await readFile(join(at('run'), 'metrics.jsonl'), 'utf8')
  lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}, 300_000)
afterAll(() => rm(folder, { recursive: true }))

describe('evaluate', () => {
  test('gives the results of the run, with the weights and with their averages', async () => {
    const { code, out } = await run('evaluate', at('run'), '--json')
    expect(code).toBe(0)
    const document = JSON.parse(out)
    const last = lines.at(-1) ?? {}
    expect(document).toMatchObject({
      checkpoint: join(at('run'), 'step-00000024.safetensors'),
      data: 'digits',
      batch: 500,
      count: 1996,
      top1: last['top1'],
      top5: last['top5'],
      imagesPerSecond: expect.any(Number),
    })
    expect(document.loss).toBeCloseTo(last['loss'] ?? Number.NaN, 5)
    expect(document.ema).toMatchObject({ count: 1996, top1: last['emaTop1'], top5: last['emaTop5'] })
    for (const { mean, p90, p95, p99 } of [document.latencyMs, document.ema.latencyMs]) {
      expect(mean).toBeGreaterThan(0)
      expect([p90, p95, p99]).toEqual([p90, p95, p99].sort((a, b) => a - b))
    }
  })

  test('accepts the best checkpoint, another batch size and other data', async () => {
    const { code, out } = await run('evaluate', at('run'), '--best', '--batch', '499', '--data', 'digits', '--json')
    expect(code).toBe(0)
    const evaluations = lines.filter((line) => 'emaTop1' in line)
    const best = Math.max(...evaluations.map((line) => line['emaTop1'] ?? 0))
    expect(JSON.parse(out)).toMatchObject({ checkpoint: join(at('run'), 'best.safetensors'), batch: 499, count: 1996 })
    expect(JSON.parse(out).ema.top1).toBeCloseTo(best, 6)
  })

  test('shows the confusion of classes as a table, as JSON and as a page', async () => {
    const page = at('matrix.html')
    const plain = await run('evaluate', at('run'), '--confusion', '--confusion-html', page)
    expect(plain.code).toBe(0)
    const { code, out } = await run('evaluate', at('run'), '--confusion', '--json')
    expect(code).toBe(0)
    const { confusion, top1, count, ema } = JSON.parse(out)
    for (const [found, share] of [
      [confusion, top1],
      [ema.confusion, ema.top1],
    ]) {
      expect(found.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
      expect(found.counts.flat().reduce((sum: number, n: number) => sum + n, 0)).toBe(count)
      const right = found.counts.reduce((sum: number, row: number[], i: number) => sum + (row[i] ?? 0), 0)
      expect(right / count).toBeCloseTo(share, 10)
    }
    expect(plain.out).toContain('of the averages')
    const table = plain.out.split('\n').filter((line) => /^\d( +\d+){10}$/.test(line))
    expect(table.map((line) => line.split(/ +/).slice(1).map(Number))).toEqual(ema.confusion.counts)
    const html = await readFile(page, 'utf8')
    ema.confusion.counts.forEach((row: number[], i: number) => {
      const total = row.reduce((sum, n) => sum + n, 0)
      row.forEach((n, j) => {
        expect(html).toContain(`<title>${i} predicted as ${j}: ${n} of ${total}</title>`)
      })
    })
  })

  test('a batch is at most as large as the data', async () => {
    const { code, out } = await run('evaluate', at('run'), '--batch', '1000000', '--json')
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ batch: 1996, count: 1996 })])
  })

  test('prints a table', async () => {
    const { out } = await run('evaluate', join(at('run'), 'best.safetensors'))
    expect(out).toMatch(/weights +top-1 +top-5 +loss +images\/s/)
    expect(out).toMatch(/raw +\d+\.\d\d % [\s\S]*averages +\d+\.\d\d % /)
  })

  test.each<[string, () => Promise<readonly string[]>, number, RegExp]>([
    ['a file of no run without data', () => alone(), 2, /EF601: .*alone\.safetensors is not in a run's folder/],
    ['classes of other names', () => renamed(), 1, /EF701: class 3 is "three" in .* and "3" in the data/],
    ['other classes', () => three(), 1, /EF701: .*has 3 classes, but the data has 10/],
    ['no file', async () => [at('nowhere')], 1, /EF501/],
    [
      'pictures beyond all memory',
      async () => [at('run'), '--size', '20000'],
      2,
      /EF601: --size must be an integer from 1 to 16384/,
    ],
    ['a format that is none', async () => [at('run'), '--format', 'tf'], 2, /EF601: --format must be one of timm, /],
    ['a batch of none', async () => [at('run'), '--batch', '0'], 2, /EF601: --batch must be an integer of at least 1/],
  ])('%s is an error', async (_, make, code, message) => {
    const given = await make()
    const { code: came, err } = await run('evaluate', ...given)
    expect([came, err]).toEqual([code, expect.stringMatching(message)])
  })
})

const best = (): Promise<Buffer> => readFile(join(at('run'), 'best.safetensors'))
const alone = async (): Promise<readonly string[]> => {
  await writeFile(at('alone.safetensors'), await best())
  return [at('alone.safetensors')]
}
const renamed = async (): Promise<readonly string[]> => {
  const { tensors, metadata } = readSafetensors(await best())
  const names: string[] = JSON.parse(metadata.get('effuse.labels') ?? '[]')
  const labels = JSON.stringify(names.map((name) => (name === '3' ? 'three' : name)))
  const bytes = writeSafetensors([...tensors.values()], { ...Object.fromEntries(metadata), 'effuse.labels': labels })
  await writeFile(at('renamed.safetensors'), bytes)
  return [at('renamed.safetensors'), '--data', 'digits', '--no-verify'] // it was modified on purpose
}
const three = async (): Promise<readonly string[]> => {
  const blocks = [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }] as const
  using net = await compile(efficientNet('b0', { classes: 3, resolution: 28, inChannels: 1, blocks }))
  await net.variables.save(at('three.safetensors'))
  return [at('three.safetensors'), '--data', 'digits']
}

describe('predict', () => {
  test('feeds a network of one channel the whole picture in grey', async () => {
    const { test: held } = digits()
    const pixels = held.images.slice(7 * 784, 8 * 784)
    await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(at('digit.png'))
    const { code, out } = await run('predict', at('digit.png'), '--weights', at('run'), '--top', '10', '--json')
    expect(code).toBe(0)
    const { top } = JSON.parse(out).results[0]
    const { model, weights } = await openModel(join(at('run'), 'best.safetensors'))
    using net = await compile(model, { variables: weights })
    const { probabilities } = await net.run({ image: pixels })
    const values = await probabilities.data()
    for (const { index, label, probability } of top) {
      expect(label).toBe(String(index))
      expect(probability).toBeCloseTo(values[index] ?? Number.NaN, 5)
    }
    expect(top.length).toBe(10)
    // In a wider picture the digit is in the center, and the whole picture differs from it.
    await sharp(at('digit.png')).extend({ left: 10, right: 10, background: 'white' }).toFile(at('wide.png'))
    const wide = async (...flags: readonly string[]) => {
      const { out } = await run('predict', at('wide.png'), '--weights', at('run'), '--top', '10', '--json', ...flags)
      return JSON.parse(out).results[0].top
    }
    expect(await wide('--crop', 'center')).toEqual(top)
    expect(await wide()).not.toEqual(top)
  })
  test('ignores a config.json of another program', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'effuse-foreign-'))
    await writeFile(join(folder, 'config.json'), '{"architecture": "tf_efficientnet_b0", "num_classes": 1000}')
    await writeFile(join(folder, 'weights.safetensors'), await best())
    const { code } = await run('predict', at('digit.png'), '--weights', join(folder, 'weights.safetensors'))
    await rm(folder, { recursive: true })
    expect(code).toBe(0)
  })
  test('an unreadable picture does not prevent predictions for the others', async () => {
    await writeFile(at('text.jpg'), 'no picture')
    await writeFile(at('empty.png'), '')
    const given = [at('text.jpg'), at('digit.png'), at('empty.png'), at('digit.png'), '--weights', at('run')]
    const ran = await run('predict', ...given)
    expect(ran.code).toBe(1)
    expect(ran.out).toContain('2 pictures could not be read.')
    expect(ran.err).toMatch(/error EF506: .*text\.jpg[\s\S]*error EF506: .*empty\.png/)
    const { code, out } = await run('predict', ...given, '--json')
    const { results, failed } = JSON.parse(out)
    expect([code, results.length]).toEqual([1, 2])
    expect(failed).toEqual([
      { file: at('text.jpg'), code: 'EF506', message: expect.stringContaining('looks like text') },
      { file: at('empty.png'), code: 'EF506', message: expect.stringContaining('it is empty') },
    ])
    const alone = await run('predict', at('text.jpg'), '--weights', at('run'), '--json')
    expect([alone.code, JSON.parse(alone.out).error.code]).toEqual([1, 'EF506'])
  })
  test('a name with line breaks takes one line', async () => {
    await writeFile(at('two\nlines\u001b.png'), await readFile(at('digit.png')))
    const { out } = await run('predict', at('two\nlines\u001b.png'), '--weights', at('run'))
    expect(out).toContain('two\\u000alines\\u001b.png')
  })
  test('colors are weighted by luminance', async () => {
    const flat = (r: number, g: number, b: number) =>
      ({ create: { width: 28, height: 28, channels: 3, background: { r, g, b } } }) as const
    for (const [name, colour] of [
      ['green', flat(0, 200, 0)],
      ['grey', flat(117, 117, 117)],
    ] as const)
      await sharp(colour)
        .png()
        .toFile(at(`${name}.png`)) // 0.587 * 200 = 117.4
    const { out } = await run('predict', at('green.png'), at('grey.png'), '--weights', at('run'), '--json')
    const [green, grey] = JSON.parse(out).results
    expect(green.top).toEqual(grey.top)
  })
  test('an invalid crop is an error', async () => {
    const { code, err } = await run('predict', at('digit.png'), '--weights', at('run'), '--crop', 'centre')
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/EF601: --crop must be one of center, none, got "centre"\n.*did you mean center/),
    ])
  })
})
