/** EfficientNet compared with the published counts and with float64 PyTorch (test/goldens/efficientnet, made by scripts/goldens). */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { costOf } from '../../src/ir/cost.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { elements, type Graph } from '../../src/ir/types.ts'
import { efficientNet, type EfficientNetOptions, type Variant, variants } from '../../src/models/efficientnet.ts'
import { architectureOf } from '../../src/models/efficientnet-variants.ts'
import { goldenImage, goldenVariable } from '../support/golden-weights.ts'

const golden = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../goldens/efficientnet/${name}.json`, import.meta.url), 'utf8'))

interface Counts {
  readonly variants: {
    readonly [V in Variant]: {
      readonly resolution: number
      readonly trainable: number
      readonly withStatistics: number
      readonly kernels: number
      readonly batchNorms: number
      readonly biases: number
      readonly blocks: number
      readonly repeats: readonly number[]
      readonly stageOutputs: readonly number[]
      readonly stem: number
      readonly head: number
      readonly multiplyAdds: number
    }
  }
}
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
  readonly sum: readonly number[]
  readonly l2: readonly number[]
  readonly float32Constants?: {
    readonly logits: readonly (readonly number[])[]
    readonly sum: readonly number[]
    readonly l2: readonly number[]
  }
}

const count = (graph: Graph) => {
  const vars = variablesOf(graph).map((n) => ({
    name: n.attrs.name,
    size: elements(n.types[0]?.shape ?? []),
    trainable: n.attrs.trainable,
  }))
  const sum = (list: readonly { readonly size: number }[]): number => list.reduce((a, v) => a + v.size, 0)
  return {
    trainable: sum(vars.filter((v) => v.trainable)),
    withStatistics: sum(vars),
    kernels: vars.filter((v) => v.name.endsWith('/kernel')).length,
    batchNorms: vars.filter((v) => v.name.endsWith('/scale')).length,
    biases: vars.filter((v) => v.name.endsWith('/bias')).length,
    blocks: new Set(vars.flatMap((v) => /^blocks\.\d+/.exec(v.name)?.[0] ?? [])).size,
    trainableTensors: vars.filter((v) => v.trainable).length,
  }
}

describe('counts', () => {
  // Parameters and multiply-adds in G, as published.
  const published: { readonly [name: string]: readonly [number, number, number] } = {
    b0: [5_288_548, 5_330_564, 0.386],
    b1: [7_794_184, 7_856_232, 0.687],
    b2: [9_109_994, 9_177_562, 0.994],
    b3: [12_233_232, 12_320_528, 1.827],
    b4: [19_341_616, 19_466_816, 4.394],
    b5: [30_389_784, 30_562_520, 10.266],
    b6: [43_040_704, 43_265_136, 19.068],
    b7: [66_347_960, 66_658_680, 37.746],
  }
  const counts = golden<Counts>('counts').variants
  test.each(variants)('%s', (variant) => {
    const want = counts[variant]
    // timm uses other sizes for Lite3 and Lite4 (300, 380) than the reference (280, 300). The count is that of timm.
    const graph = efficientNet(variant, { resolution: want.resolution }).at({ batch: 1 })
    const got = count(graph)
    expect(got).toMatchObject({
      trainable: want.trainable,
      withStatistics: want.withStatistics,
      kernels: want.kernels,
      batchNorms: want.batchNorms,
      biases: want.biases,
      blocks: want.blocks,
    })
    const multiplyAdds = costOf(graph).multiplyAdds
    expect(multiplyAdds).toBe(want.multiplyAdds)
    const architecture = architectureOf(variant)
    expect(architecture.blocks.map((row) => row.repeats)).toEqual(want.repeats)
    expect(architecture.blocks.map((row) => row.filters)).toEqual(want.stageOutputs)
    expect([architecture.stemFilters, architecture.headFilters]).toEqual([want.stem, want.head])
    const paper = published[variant]
    if (paper !== undefined)
      expect([got.trainable, got.withStatistics, Number((multiplyAdds / 1e9).toFixed(3))]).toEqual(paper)
  })
  test('b0 has 213 trainable tensors', () =>
    expect(count(efficientNet('b0').at({ batch: 1 })).trainableTensors).toBe(213))
  test('resolutions', () => {
    expect(variants.map((v) => efficientNet(v).inputs.image.shape[1])).toEqual([
      224, 240, 260, 300, 380, 456, 528, 600, 224, 240, 260, 280, 300,
    ])
  })
})

describe('float64 agrees with PyTorch within 1e-9', () => {
  const all = (['same', 'symmetric', 'lite'] as const).flatMap(
    (file) => golden<{ readonly cases: readonly Case[] }>(file).cases,
  )
  const cost = (c: Case): number => costOf(modelOf(c).at({ batch: c.batch })).multiplyAdds
  const modelOf = (c: Case) => {
    const options: EfficientNetOptions = {
      padding: c.padding,
      batchNorm: { epsilon: c.epsilon },
      normalize: c.normalize,
      classes: c.classes,
      inChannels: c.inChannels,
      resolution: [c.height, c.width],
    }
    return efficientNet(c.variant, options)
  }
  // Up to 0.5 G multiply-adds, because the interpreter is not fast.
  test.each(all.filter((c) => cost(c) < 0.5e9))('$model $padding $batch x $height x $width', (c) => {
    const graph = modelOf(c).at({ batch: c.batch })
    const variables = new Map(
      variablesOf(graph).map((n) => [n.attrs.name, goldenVariable(n.attrs.name, n.types[0]?.shape ?? [])]),
    )
    const image = goldenImage([c.batch, c.height, c.width, c.inChannels])
    const { outputs } = interpret(graph, { inputs: { image }, variables, mode: 'float64' })
    const logits = outputs['logits']?.data ?? new Float64Array()
    const want = c.float32Constants ?? c // the constants of a graph are float32
    for (let n = 0; n < c.batch; n++) {
      const row = logits.subarray(n * c.classes, (n + 1) * c.classes)
      want.logits[n]?.forEach((x, i) => expect(Math.abs((row[i] ?? Number.NaN) - x)).toBeLessThan(1e-9))
      expect(Math.abs(row.reduce((a, b) => a + b, 0) - (want.sum[n] ?? Number.NaN))).toBeLessThan(1e-9 * c.classes)
      expect(Math.abs(Math.hypot(...row) - (want.l2[n] ?? Number.NaN))).toBeLessThan(1e-9 * Math.sqrt(c.classes))
    }
  })
})

describe('options', () => {
  test('blocks make small networks', () => {
    const model = efficientNet('b0', {
      classes: 10,
      resolution: 28,
      inChannels: 1,
      blocks: [{ kernel: 3, repeats: 2, filters: 16, expand: 2, strides: 2, squeezeExcite: 0 }],
    })
    const graph = model.at({ batch: 4 })
    expect(graph.outputs.map((o) => o.name)).toEqual(['logits', 'probabilities'])
    expect(count(graph)).toMatchObject({ blocks: 2, biases: 1 })
  })
  test('normalize: false uses pixels unchanged; other channel counts use 0.5 and 0.5', () => {
    expect(
      efficientNet('b0', { normalize: false })
        .at({ batch: 1 })
        .nodes.some((n) => n?.path === 'normalize'),
    ).toBe(false)
    const constants = efficientNet('b0', { inChannels: 1, resolution: 32 })
      .at({ batch: 1 })
      .nodes.filter((n) => n?.path === 'normalize' && n.op === 'constant')
    expect(constants.map((n) => n?.op === 'constant' && n.attrs.value)).toEqual([[127.5], [127.5]])
  })
  test.each<[string, () => unknown, string, string]>([
    ['variant', () => efficientNet('b8' as Variant), 'EF602', 'there is no variant "b8"'],
    [
      'unknown',
      () => efficientNet('b0', { clases: 3 } as EfficientNetOptions),
      'EF403',
      'efficientNet() has no option "clases"',
    ],
    [
      'classes',
      () => efficientNet('b0', { classes: 0 }),
      'EF403',
      'option "classes" must be a positive integer, got 0',
    ],
    [
      'dropout',
      () => efficientNet('b0', { dropout: 1 }),
      'EF403',
      'option "dropout" must be a number from 0 to below 1, got 1',
    ],
    [
      'padding',
      () => efficientNet('b0', { padding: 'valid' as 'same' }),
      'EF403',
      "option \"padding\" must be 'same' or 'symmetric'",
    ],
    [
      'row',
      () => efficientNet('b0', { blocks: [{ kernel: 4, repeats: 1, filters: 8, expand: 1, strides: 1 }] }),
      'EF403',
      'option "blocks[0].kernel" must be an odd integer from 1 to 63, got 4',
    ],
    [
      'row without filters',
      () => efficientNet('b0', { blocks: [{ kernel: 3, repeats: 1, expand: 1, strides: 1 } as never] }),
      'EF403',
      'blocks[0] needs "filters"',
    ],
    [
      'mean',
      () => efficientNet('b0', { normalize: { mean: [1, 2], std: 1 } }),
      'EF403',
      'normalize.mean needs 3 numbers, one per channel, got 2',
    ],
  ])('a wrong %s', (_name, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  })
})
