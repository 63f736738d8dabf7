/**
 * EfficientNet in float32 on wasm and tfjs-wasm compared with float64 PyTorch: logits within 1e-5, op by op and with all passes. Also checks for
 * leaks.
 */
import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { efficientNet, type Variant } from '../../src/models/efficientnet.ts'
import { goldenImage, goldenVariable } from '../support/golden-weights.ts'

interface Case {
  readonly model: string
  readonly variant: Variant
  readonly padding: 'same' | 'symmetric'
  readonly epsilon: number
  readonly normalize: { readonly mean: readonly number[]; readonly std: readonly number[] }
  readonly classes: number
  readonly inChannels: number
  readonly batch: number
  readonly height: number
  readonly width: number
  readonly logits: readonly (readonly number[])[]
}

const cases = (['same', 'symmetric', 'lite'] as const)
  .flatMap(
    (file): readonly Case[] =>
      JSON.parse(readFileSync(new URL(`../goldens/efficientnet/${file}.json`, import.meta.url), 'utf8')).cases,
  )
  .filter((c) => /^(b[0-4]|lite[04])$/.test(c.variant))

const compiled = async (c: Case, xla: boolean, backend: 'wasm' | 'tfjs-wasm' = 'tfjs-wasm') => {
  const model = efficientNet(c.variant, {
    padding: c.padding,
    batchNorm: { epsilon: c.epsilon },
    normalize: c.normalize,
    classes: c.classes,
    inChannels: c.inChannels,
    resolution: [c.height, c.width],
  })
  const net = await compile(model, { backend, batch: c.batch, xla })
  for (const name of net.variables.names())
    await net.variables.set(name, goldenVariable(name, net.variables.describe(name).shape))
  return net
}

describe.each([
  ['wasm', true],
  ['wasm', false],
  ['tfjs-wasm', true],
  ['tfjs-wasm', false],
] as const)('%s, xla %s', (backend, xla) => {
  test.each(cases)('$model $padding $batch x $height x $width', async (c) => {
    using net = await compiled(c, xla, backend)
    const { logits } = await net.run({ image: goldenImage([c.batch, c.height, c.width, c.inChannels]) })
    const got = await logits.data()
    c.logits.forEach((row, n) => {
      row.forEach((want, i) => expect(Math.abs((got[n * c.classes + i] ?? Number.NaN) - want)).toBeLessThan(1e-5))
    })
  })
})

test('100 runs of B0 leak no tensor, and dispose() frees everything', async () => {
  const [c] = cases.filter((x) => x.variant === 'b0' && x.height === 64)
  if (c === undefined) throw new Error('no such golden')
  const before = tf.findBackend('wasm')?.numDataIds() ?? 0
  const net = await compiled(c, true)
  const image = goldenImage([c.batch, c.height, c.width, c.inChannels])
  const once = async (): Promise<number> => {
    const results = await net.run({ image })
    for (const result of Object.values(results)) result.dispose()
    return tf.findBackend('wasm').numDataIds()
  }
  const first = await once()
  for (let run = 0; run < 100; run++) await once()
  expect(await once()).toBe(first)
  net.dispose()
  await new Promise((resolve) => setTimeout(resolve, 0)) // dispose() waits for current runs
  expect(tf.findBackend('wasm').numDataIds()).toBe(before)
})
