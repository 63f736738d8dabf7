/** effuse train: its results, resuming, and its errors for wrong command lines. */
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { settingNames } from '../../src/recipes/recipe.ts'
import { version } from '../../src/cli/common.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { readSafetensors } from '../../src/io/safetensors.ts'
import { toFloat32 } from '../../src/io/tensor-entry.ts'
import { openModel } from '../../src/models/open-model.ts'
import { run, tinyRecipe, writeRecipe } from './command.ts'

let folder = ''
const at = (name: string): string => join(folder, name)
let recipe = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-train-'))
  recipe = await writeRecipe(at('tiny.json'))
})
afterAll(() => rm(folder, { recursive: true }))

const jsonLines = async (path: string): Promise<readonly { readonly [key: string]: number }[]> =>
  (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
const configOf = async (run: string) => JSON.parse(await readFile(join(at(run), 'config.json'), 'utf8'))

describe('a run', () => {
  test('writes its settings, metrics and checkpoints, and prints one document', async () => {
    const { code, out, err } = await run(
      'train',
      '--recipe',
      recipe,
      '--out',
      at('whole'),
      '--log-every',
      '2',
      '--json',
    )
    expect(code).toBe(0)
    const document = JSON.parse(out)
    expect(document).toEqual({
      folder: at('whole'),
      checkpoint: join(at('whole'), 'step-00000006.safetensors'),
      reason: 'finished',
      epochs: 2,
      steps: 6,
      seconds: expect.any(Number),
      loss: expect.any(Number),
      top1: expect.any(Number),
      emaTop1: expect.any(Number),
      skippedSteps: 0,
      lossScale: 1,
    })
    expect(err).toContain('epoch 2/2: test loss')
    const config = await configOf('whole')
    expect(Object.keys(config).sort()).toEqual(['effuse', 'recipe', ...settingNames].sort())
    expect(config).toMatchObject({ effuse: version, ...tinyRecipe, weightDecay: 5e-6, learningRateInit: null })
    const lines = await jsonLines(join(at('whole'), 'metrics.jsonl'))
    // Updates 1, 2 and 4, 6, the ends of both epochs, and two evaluations.
    expect(lines.map((line) => [line['step'], line['epoch'], 'top5' in line])).toEqual([
      [1, 0, false],
      [2, 0, false],
      [3, 0, false],
      [3, 0, true],
      [4, 1, false],
      [6, 1, false],
      [6, 1, true],
    ])
    expect(lines[5]).toMatchObject({ loss: document.loss, lossScale: 1, imagesPerSecond: expect.any(Number) })
    expect(lines[6]).toMatchObject({ top1: document.top1, emaTop1: document.emaTop1, loss: expect.any(Number) })
    expect((await readdir(at('whole'))).sort()).toEqual([
      'best.safetensors',
      'config.json',
      'metrics.jsonl',
      'step-00000003.safetensors',
      'step-00000006.safetensors',
    ])
    const { model, labels } = await openModel(document.checkpoint)
    expect(model.inputs.image.shape).toEqual(['batch', 16, 16, 1])
    expect(labels).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  })

  test('prints its test accuracy last, with a percent sign', async () => {
    const { out } = await run('train', '--recipe', recipe, '--out', at('words'), '--epochs', '1')
    expect(out.trimEnd()).toMatch(/test accuracy: \d+\.\d\d %\ntest accuracy of the averages: \d+\.\d\d %$/)
  })

  test('that is resumed ends like an uninterrupted one', async () => {
    await run('train', '--recipe', recipe, '--out', at('halves'), '--epochs', '1', '--schedule', 'constant')
    await run('train', '--recipe', recipe, '--out', at('one'), '--epochs', '2', '--schedule', 'constant')
    const { code, err, out } = await run('train', '--resume', at('halves'), '--epochs', '2', '--json')
    expect(code).toBe(0)
    expect(err).toContain('note: --epochs was 1 and is now 2')
    expect(err).toContain('resuming after update 3')
    expect(JSON.parse(out)).toMatchObject({ epochs: 2, steps: 6, reason: 'finished' })
    expect(await configOf('halves')).toEqual({ ...(await configOf('one')), epochs: 2 })
    const last = 'step-00000006.safetensors'
    expect((await readFile(join(at('halves'), last))).equals(await readFile(join(at('one'), last)))).toBe(true)
    const timeless = async (name: string) =>
      (await jsonLines(join(at(name), 'metrics.jsonl'))).map((line) => ({ ...line, imagesPerSecond: 0 }))
    expect(await timeless('halves')).toEqual(await timeless('one'))
    const again = await run('train', '--resume', at('halves'))
    expect(again.code).toBe(0)
    expect(again.err).toContain('note: all 2 epochs were already finished')
  })

  test.each([
    ['--batch', '16', 6],
    ['--batch', '4', 6],
    ['--steps-per-epoch', '5', 10],
    ['--steps-per-epoch', '1', 2],
  ] as const)(
    'that is resumed with %s %s ends its schedule and its count with its last epoch',
    async (flag, value, total) => {
      const out = at(`other${flag}-${value}`)
      await run('train', '--recipe', recipe, '--out', out, '--epochs', '1', '--warmup-epochs', '0')
      const { code, err } = await run('train', '--resume', out, '--epochs', '2', flag, value, '--log-every', '1')
      expect([code, err]).toEqual([0, expect.stringMatching(/resuming after update 3/)])
      for (const [, done, all] of err.matchAll(/update (\d+)\/(\d+)/g))
        expect(Number(done)).toBeLessThanOrEqual(Number(all))
      const rates = (await jsonLines(join(out, 'metrics.jsonl'))).flatMap(({ step, learningRate }) =>
        step !== undefined && learningRate !== undefined && step > 3 ? [learningRate] : [],
      )
      const half = total / 2
      expect(rates).toHaveLength(half)
      for (const [n, rate] of rates.entries())
        expect(rate).toBeCloseTo(0.005 * (1 + Math.cos((Math.PI * (half + n)) / total)), 7)
    },
  )

  test('that lost its last checkpoint repeats the updates, and drops their log lines', async () => {
    await run('train', '--recipe', recipe, '--out', at('cut'), '--log-every', '1')
    await rm(join(at('cut'), 'step-00000006.safetensors'))
    await appendFile(join(at('cut'), 'metrics.jsonl'), '{"step":7,"epo')
    expect((await run('train', '--resume', at('cut'), '--log-every', '1')).code).toBe(0)
    const steps = (await jsonLines(join(at('cut'), 'metrics.jsonl'))).map((line) => line['step'])
    expect(steps).toEqual([1, 2, 3, 3, 4, 5, 6, 6])
  })

  test('changes the size of its pictures in stages', async () => {
    const stages = ['--epochs', '2', '--stages', '2', '--base-size', '8', '--base-mixup', '0', '--mixup', '0.2']
    const { code, err } = await run('train', '--recipe', recipe, '--out', at('stages'), ...stages)
    expect(code).toBe(0)
    expect(err).toMatch(
      /stage 1 of 2, from epoch 1: size 12, mixup 0\n[\s\S]*stage 2 of 2, from epoch 2: size 16, mixup 0\.2\n/,
    )
  })

  test('in mixed precision scales its loss, as recorded in its settings', async () => {
    const amp = ['--amp-dtype', 'float16', '--emulate-half', '--epochs', '1', '--steps-per-epoch', '1']
    const { code, out, err } = await run('train', '--recipe', recipe, ...amp, '--out', at('half'), '--json')
    expect([code, err]).toEqual([0, expect.stringContaining('epoch 1/1')])
    expect(JSON.parse(out).lossScale).toBe(2 ** 15)
    expect(await configOf('half')).toMatchObject({
      amp: true,
      ampDtype: 'float16',
      ampStrategy: null,
      emulateHalf: true,
    })
  })

  test('without --out writes to a new folder in `runs`', async () => {
    const home = process.cwd()
    process.chdir(folder)
    try {
      const args = ['train', '--recipe', recipe, '--epochs', '1', '--json'] as const
      expect(JSON.parse((await run(...args)).out).folder).toBe(join('runs', 'tiny'))
      expect(JSON.parse((await run(...args)).out).folder).toBe(join('runs', 'tiny-2'))
    } finally {
      process.chdir(home)
    }
  })

  test('trains a model of your own', async () => {
    const library = JSON.stringify(fileURLToPath(new URL('../../src/index.ts', import.meta.url)))
    await writeFile(
      at('own.mjs'),
      `import { abs, argMax, cast, float32, globalAveragePool2d, graph, nn, silu, softmax, sub } from ${library}
       export const own = graph('own', { image: float32('batch', 28, 28, 1) }, ({ image }) => {
         const x = silu(nn.conv2d(image, { name: 'stem', filters: 4, kernel: 3, strides: 2 }))
         const logits = nn.dense(globalAveragePool2d(x), { name: 'dense', units: 10 })
         return { logits, probabilities: softmax(logits) }
       })
       export const metrics = {
         distance: ({ logits }, { label }) => abs(cast(sub(argMax(logits, 1), label), 'float32')),
       }`,
    )
    const model = `${at('own.mjs')}#own`
    const args = ['--data', 'digits', '--steps-per-epoch', '2', '--epochs', '1', '--batch', '4', '--eval-batch', '500']
    const { code, err } = await run('train', '--model', model, ...args, '--out', at('own'))
    expect([code, err]).toEqual([0, expect.stringMatching(/epoch 1\/1: test loss .*, distance \d/)])
    const [logged] = (await jsonLines(at('own/metrics.jsonl'))).filter((line) => 'top1' in line)
    const evaluated = await run('evaluate', at('own'), '--json')
    expect(evaluated.code).toBe(0)
    const { metrics, top1 } = JSON.parse(evaluated.out)
    expect(metrics.distance).toBeGreaterThanOrEqual(1 - top1) // a wrong digit is wrong by at least 1
    expect(logged).toMatchObject({ top1, metrics, emaMetrics: null })
    expect((await run('evaluate', at('own'))).out).toMatch(/ loss +distance {2}images\/s/)
    const picture = fileURLToPath(new URL('../goldens/photos/coffee.png', import.meta.url))
    const predicted = await run('predict', picture, '--weights', at('own'), '--json')
    expect(predicted.code).toBe(0)
    expect(JSON.parse(predicted.out).results[0].top.length).toBe(5)
    const sized = await run('train', '--model', model, ...args, '--size', '32')
    expect([sized.code, sized.err]).toEqual([2, expect.stringMatching(/EF403: --size is for variants/)])
    await writeFile(at('odd.mjs'), "export { own } from './own.mjs'\nexport const metrics = { loss: 3 }")
    const odd = await run('train', '--model', `${at('odd.mjs')}#own`, ...args)
    expect([odd.code, odd.err]).toEqual([2, expect.stringMatching(/EF403: the export "metrics" of .*odd\.mjs must be/)])
  })
})

describe('fine-tuning', () => {
  const blocks = [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }] as const
  const saveWeights = async (name: string, classes: number): Promise<string> => {
    const padding = 'symmetric'
    using net = await compile(efficientNet('b0', { classes, resolution: 16, inChannels: 1, blocks, padding }), {
      seed: 5,
    })
    await net.variables.save(at(name))
    return at(name)
  }
  const options = ['--data', 'digits', '--steps-per-epoch', '1', '--epochs', '1', '--batch', '4', '--eval-batch', '500']
  // The rate is so small that the weights change at most in the last bits of float32.
  const still = ['--lr', '1e-30', '--weight-decay', '0', '--warmup-epochs', '0']
  const kernel = async (file: string, name: string): Promise<Float32Array> => {
    const { model, weights } = await openModel(file, { weights: 'raw' })
    using net = await compile(model, { variables: weights })
    return net.variables.get(name)
  }

  test('starts from the weights, with their conventions', async () => {
    const file = await saveWeights('ten.safetensors', 10)
    const { code, out } = await run('train', '--weights', file, ...options, ...still, '--out', at('ten'), '--json')
    expect(code).toBe(0)
    const { checkpoint } = JSON.parse(out)
    for (const name of ['stem/conv/kernel', 'head/dense/kernel'])
      expect(await kernel(checkpoint, name)).toEqual(await kernel(file, name))
    expect((await configOf('ten')).architecture).toMatchObject({ padding: 'symmetric', inChannels: 1 })
  })
  test('initializes a head for other classes, and reports it', async () => {
    const file = await saveWeights('three.safetensors', 3)
    const { code, err, out } = await run(
      'train',
      '--weights',
      file,
      ...options,
      ...still,
      '--out',
      at('three'),
      '--json',
    )
    expect(code).toBe(0)
    expect(err).toContain('note: the weights have 3 classes and the data has 10')
    const { checkpoint } = JSON.parse(out)
    expect(await kernel(checkpoint, 'stem/conv/kernel')).toEqual(await kernel(file, 'stem/conv/kernel'))
    expect((await kernel(checkpoint, 'head/dense/kernel')).length).toBe(1280 * 10)
  })
  test('uses the best checkpoint of a folder', async () => {
    const file = join(at('ten'), 'best.safetensors')
    const { code, out } = await run(
      'train',
      '--weights',
      at('ten'),
      ...options,
      ...still,
      '--out',
      at('more'),
      '--json',
    )
    expect(code).toBe(0)
    const name = 'stem/conv/kernel'
    expect(await kernel(JSON.parse(out).checkpoint, name)).toEqual(await kernel(file, name))
  })
  test('uses the variant of the weights', async () => {
    const file = await saveWeights('b0.safetensors', 10)
    const { code, err } = await run('train', '--weights', file, '--model', 'b1', ...options, '--out', at('b1'))
    expect([code, err]).toEqual([1, expect.stringMatching(/EF505: .* has weights of b0, but the run trains b1/)])
  })
})

describe('weights for a model of your own', () => {
  const library = JSON.stringify(fileURLToPath(new URL('../../src/index.ts', import.meta.url)))
  const options = ['--data', 'digits', '--steps-per-epoch', '1', '--epochs', '1', '--batch', '4', '--eval-batch', '500']
  const still = ['--lr', '1e-30', '--weight-decay', '0', '--warmup-epochs', '0']
  const kernel = async (file: string, name: string): Promise<Float32Array | null> => {
    const entry = readSafetensors(await readFile(file)).tensors.get(name)
    return entry === undefined ? null : toFloat32(entry)
  }
  /** The name and width of the last layer, and the prefix of all other names. */
  const module = async (file: string, head: string, units: number, stem = 'stem'): Promise<string> => {
    await writeFile(
      at(file),
      `import { abs, argMax, cast, float32, globalAveragePool2d, graph, nn, silu, softmax, sub } from ${library}
       export default graph('own', { image: float32('batch', 28, 28, 1) }, ({ image }) => {
         const x = silu(nn.conv2d(image, { name: '${stem}', filters: 4, kernel: 3, strides: 2 }))
         const y = nn.dense(globalAveragePool2d(x), { name: 'middle', units: ${units} })
         return { logits: nn.dense(y, { name: '${head}', units: 10 }) }
       })`,
    )
    return at(file)
  }
  let file = ''
  let kept = ''
  beforeAll(async () => {
    kept = await module('kept.mjs', 'head', 6)
    const { out } = await run('train', '--model', kept, ...options, '--out', at('before'), '--json')
    file = JSON.parse(out).checkpoint
  })

  test('are assigned by name, and every difference is listed', async () => {
    const same = await run(
      'train',
      '--model',
      kept,
      '--weights',
      file,
      ...options,
      ...still,
      '--out',
      at('same'),
      '--json',
    )
    expect([same.code, same.err]).toEqual([0, expect.not.stringContaining('initial values')])
    expect(await kernel(JSON.parse(same.out).checkpoint, 'head/kernel')).toEqual(await kernel(file, 'head/kernel'))
    expect(await kernel(file, 'head/kernel')).toHaveLength(60)
    const other = await module('other.mjs', 'top', 7)
    const { code, err, out } = await run(
      'train',
      '--model',
      other,
      '--weights',
      at('before'),
      ...options,
      ...still,
      '--out',
      at('other'),
      '--json',
    )
    expect(code).toBe(0)
    expect(await kernel(JSON.parse(out).checkpoint, 'stem/kernel')).toEqual(await kernel(file, 'stem/kernel'))
    const note = err.split('note: ').find((text) => text.includes('initial values')) ?? ''
    const lines = note.split('\n').filter((line) => line.startsWith('  '))
    expect(note).toMatch(/best\.safetensors fits 1 of 5 variables; the others get initial values:/)
    expect(lines.map((line) => line.trim())).toEqual([
      '"middle/kernel" is float32[4,6] in the file, float32[4,7] in the model',
      '"middle/bias" is float32[6] in the file, float32[7] in the model',
      'missing: "top/kernel" float32[7,10]',
      'missing: "top/bias" float32[10]',
      'not in the model: "head/bias"',
      'not in the model: "head/kernel"',
    ])
  })
  test('without a matching variable are an error, before anything is written', async () => {
    const blocks = [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }] as const
    using net = await compile(efficientNet('b0', { classes: 10, resolution: 16, inChannels: 1, blocks }))
    await net.variables.save(at('foreign.safetensors'))
    const { code, err } = await run(
      'train',
      '--model',
      kept,
      '--weights',
      at('foreign.safetensors'),
      ...options,
      '--out',
      at('no'),
    )
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/EF505: .*foreign\.safetensors has no weights for own:\n {2}missing: "stem\/kernel"/),
    ])
    await expect(readdir(at('no'))).rejects.toThrow()
  })
  test("outside of a run can be evaluated and used for predictions with the model's name", async () => {
    await writeFile(at('loose.safetensors'), await readFile(file))
    const given = [at('loose.safetensors'), '--data', 'digits', '--batch', '500']
    expect((await run('evaluate', ...given)).code).toBe(1)
    const { code, out } = await run('evaluate', ...given, '--model', kept, '--json')
    expect([code, JSON.parse(out).count]).toEqual([0, 1996])
    const variant = await run('evaluate', ...given, '--model', 'b0')
    expect([variant.code, variant.err]).toEqual([2, expect.stringMatching(/EF601: --model is for your own/)])
  })
})

describe('invalid commands', () => {
  test.each<[string, readonly string[], number, RegExp]>([
    ['nothing to train', ['--data', 'digits'], 2, /EF601: train needs --model/],
    ['nothing to train on', ['--model', 'b0'], 2, /EF601: train needs --data/],
    ['no name for a folder', ['--model', 'b0', '--data', 'digits', '--out', ''], 2, /EF601: --out must name a folder/],
    [
      'a size beyond all memory',
      ['--model', 'b0', '--data', 'digits', '--size', '20000'],
      2,
      /EF601: --size must be an integer from 1 to 16384/,
    ],
    [
      'no accumulation',
      ['--recipe', 'RECIPE', '--accumulate', '0'],
      2,
      /EF601: --accumulate must be an integer of at least 1, got "0"/,
    ],
    [
      'a word for a number',
      ['--recipe', 'RECIPE', '--lr', 'fast'],
      2,
      /EF601: --lr must be a number above 0, or none, got "fast"/,
    ],
    ['an unknown recipe', ['--recipe', 'digit'], 2, /EF403: there is no recipe "digit".*\n.*did you mean digits/],
    [
      'an unknown optimizer',
      ['--recipe', 'RECIPE', '--optimizer', 'lamb'],
      2,
      /EF601: --optimizer must be one of rmsprop, sgd/,
    ],
    [
      'two rates',
      ['--recipe', 'RECIPE', '--lr', '1', '--lr-init', '1'],
      2,
      /EF403: --lr and --lr-init exclude each other/,
    ],
    [
      'settings of another optimizer',
      ['--recipe', 'RECIPE', '--optimizer', 'sgd', '--rho', '0.9'],
      2,
      /EF403: --rho is for --optimizer rmsprop, but here it is sgd/,
    ],
    [
      'half types without mixed precision',
      ['--recipe', 'RECIPE', '--emulate-half'],
      2,
      /EF403: --emulate-half is for --amp true, but here it is false/,
    ],
    [
      'a base without stages',
      ['--recipe', 'RECIPE', '--base-size', '8'],
      2,
      /EF403: --base-size is for --stages above 1/,
    ],
    [
      'more stages than epochs',
      ['--recipe', 'RECIPE', '--stages', '3'],
      2,
      /EF403: --stages 3 needs at least as many of "epochs" in \S+tiny\.json, got 2/,
    ],
    ['digits held out otherwise', ['--recipe', 'RECIPE', '--holdout', '0.5'], 2, /EF403: --holdout is for folders/],
    ['an unknown backend', ['--recipe', 'RECIPE', '--backend', 'cuda'], 2, /EF601: --backend must be one of auto/],
    [
      'a larger batch than the data',
      ['--recipe', 'RECIPE', '--steps-per-epoch', 'none', '--batch', '9000'],
      1,
      /EF701: one update takes 9000 rows/,
    ],
    ['a folder where a file is', ['--recipe', 'RECIPE', '--out', 'RECIPE'], 1, /EF501: cannot write .*tiny\.json/],
    ['a folder below a file', ['--recipe', 'RECIPE', '--out', 'RECIPE/run'], 1, /EF501: cannot write .*tiny\.json/],
    [
      'a folder with other things',
      ['--recipe', 'RECIPE', '--out', 'FOREIGN'],
      2,
      /EF601: --out .*foreign is not empty: it contains notes\.txt/,
    ],
    ['no run to go on with', ['--resume', 'FOREIGN'], 1, /EF501: there is no run in .*foreign/],
    [
      'a module that is none',
      ['--model', './nowhere.mjs#x', '--data', 'digits'],
      2,
      /EF602: the module .*nowhere\.mjs cannot be loaded/,
    ],
    ['a variant that is none', ['--model', 'b9', '--data', 'digits'], 2, /EF602: there is no model "b9"/],
  ])('%s', async (_, argv, code, message) => {
    await mkdir(at('foreign'), { recursive: true })
    await writeFile(join(at('foreign'), 'notes.txt'), 'mine')
    const given = argv.map((word) => word.replace('RECIPE', recipe).replace('FOREIGN', at('foreign')))
    const before = (await readdir(folder)).sort()
    const out = given.includes('--out') || given.includes('--resume') ? [] : ['--out', at('never')]
    const plain = await run('train', ...given, ...out)
    expect([plain.code, plain.err]).toEqual([code, expect.stringMatching(message)])
    expect((await readdir(folder)).sort()).toEqual(before)
    const json = await run('train', ...given, ...out, '--json')
    expect(JSON.parse(json.out).error).toMatchObject({ code: expect.stringMatching(/^EF\d+$/) })
  })

  test('a run is not started twice in one folder, and its fixed settings cannot change', async () => {
    await run('train', '--recipe', recipe, '--out', at('settled'), '--epochs', '1')
    const twice = await run('train', '--recipe', recipe, '--out', at('settled'))
    expect([twice.code, twice.err]).toEqual([2, expect.stringMatching(/EF601: .* already contains a run\n.*--resume/)])
    for (const flags of [
      ['--model', 'b1'],
      ['--recipe', recipe],
      ['--out', at('x')],
      ['--weights', 'x'],
    ]) {
      const { code, err } = await run('train', '--resume', at('settled'), ...flags)
      expect([code, err]).toEqual([2, expect.stringContaining(`EF601: ${flags[0]} cannot change`)])
    }
    const idle = await run('train', '--resume', at('settled'), '--averages', '--no-verify')
    for (const flag of ['--averages', '--no-verify'])
      expect(idle.err).toContain(`note: ${flag} is for --weights and has no effect here`)
  })

  test('a run without a checkpoint starts over, with a note; a finished run reports its epoch', async () => {
    const args = ['train', '--recipe', recipe, '--out', at('lost')]
    expect((await run(...args)).code).toBe(0)
    const fewer = await run('train', '--resume', at('lost'), '--epochs', '1')
    expect(fewer.err).toContain('has finished 2 epochs, more than the requested 1: there is nothing to do')
    expect([fewer.code, fewer.err]).toEqual([
      2,
      expect.stringContaining('nothing was changed\n  hint: --epochs 4 continues the run'),
    ])
    for (const name of await readdir(at('lost'))) if (name.endsWith('.safetensors')) await rm(join(at('lost'), name))
    const { code, err } = await run('train', '--resume', at('lost'))
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(/note: there is no checkpoint in .*lost: the run starts over/),
    ])
  })
  test('unreadable settings of a run give an error with the place and the program that wrote them', async () => {
    const config = join(at('spoilt'), 'config.json')
    await mkdir(at('spoilt'))
    await writeFile(config, '{"effuse": "9.0.0",\n "epochs": 2')
    const broken = await run('train', '--resume', at('spoilt'))
    expect([broken.code, broken.err]).toEqual([2, expect.stringMatching(/EF403: .*config\.json is not JSON: 2:13: /)])
    await writeFile(config, JSON.stringify({ effuse: '9.0.0', model: 'b0', data: 'digits', sharpness: 2 }))
    const { code, err } = await run('train', '--resume', at('spoilt'))
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/there is no setting "sharpness" in .*\n {2}hint: effuse 9\.0\.0 wrote .*, and this is /),
    ])
  })
  test('a run that cannot be resumed as requested keeps its settings', async () => {
    await run('train', '--recipe', recipe, '--out', at('kept'), '--epochs', '1')
    const before = await configOf('kept')
    const { code, err } = await run('train', '--resume', at('kept'), '--seed', '9', '--epochs', '2')
    expect([code, err]).toEqual([1, expect.stringMatching(/EF508: [\s\S]*the seed was 0 and is 9/)])
    expect(await configOf('kept')).toEqual(before)
  })

  test('a checkpoint of another network gives an error', async () => {
    await run('train', '--recipe', recipe, '--out', at('changed'), '--epochs', '1')
    const config = await configOf('changed')
    const blocks = [{ ...config.architecture.blocks[0], filters: 16 }]
    const architecture = { ...config.architecture, blocks }
    await writeFile(join(at('changed'), 'config.json'), JSON.stringify({ ...config, architecture, epochs: 2 }))
    const { code, err } = await run('train', '--resume', at('changed'))
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/EF508: the checkpoint step-00000003\.safetensors is of another model/),
    ])
  })
})
