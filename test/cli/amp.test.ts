/** Mixed precision on the command line: inspecting it needs no half arithmetic, running it does. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { compile } from '../../src/compile.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'

const run = async (...argv: string[]) => {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runCli(argv, { out: (line) => out.push(line), err: (line) => err.push(line) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-amp-'))
  const source = fileURLToPath(new URL('../../src/index.ts', import.meta.url))
  const small = `efficientNet('b0', { classes: 3, resolution: 16, blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 2, strides: 1 }] })`
  await writeFile(
    join(folder, 'net.mjs'),
    `import { efficientNet, float32, graph, silu } from ${JSON.stringify(source)}\nexport const small = ${small}\nexport const tiny = graph('tiny', { x: float32('batch', 3) }, ({ x }) => ({ y: silu(x) }))\n`,
  )
  const model = efficientNet('b0', {
    classes: 3,
    resolution: 16,
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 2, strides: 1 }],
  })
  using net = await compile(model, { backend: 'reference' })
  await net.variables.save(join(folder, 'small.safetensors'), { metadata: { 'effuse.labels': '["ant","bee","cat"]' } })
})
afterAll(() => rm(folder, { recursive: true }))
const small = () => `${join(folder, 'net.mjs')}#small`

/** A backend without half arithmetic; `auto` would select one that stores half types. */
const onTfjs = ['--backend', 'tfjs-wasm'] as const

describe('inspect', () => {
  test.each([['--amp'], ['--use_amp']])(
    '%s: the certificate of B0, also on a backend without half arithmetic',
    async (flag) => {
      const { code, out } = await run('inspect', '--model', 'b0', flag, ...onTfjs, '--json')
      expect(code).toBe(0)
      expect(JSON.parse(out)).toMatchObject({
        backend: 'tfjs-wasm',
        train: false,
        amp: {
          strategy: 'minCut',
          dtype: 'float16',
          casts: 1,
          absorbed: 1,
          lowerBound: 1,
          weightCasts: 163,
          emulated: true,
        },
      })
    },
  )
  test('--train: the training step, with its casts', async () => {
    const { code, out } = await run('inspect', '--model', 'b0', '--train', '--batch', '2', '--amp', ...onTfjs, '--json')
    expect(code).toBe(0)
    const report = JSON.parse(out)
    expect(report).toMatchObject({
      model: 'efficientnet-b0.train',
      train: true,
      amp: { casts: 2, absorbed: 116, lowerBound: 2, weightCasts: 114 },
    })
    expect(report.amp.castsAt).toEqual([
      'input image -> normalize sub: to float16, 602112 bytes of half',
      expect.stringMatching(/^grad\(loss\) softmaxCrossEntropyGradient -> .*: to float16, 4000 bytes of half$/),
    ])
    const sum = (key: string): number =>
      report.amp.layers.reduce((total: number, layer: { [key: string]: number }) => total + (layer[key] ?? 0), 0)
    expect([sum('casts'), sum('absorbed'), sum('weightCasts')]).toEqual([2, 116, 114])
    expect(report.passes.map((p: { name: string }) => p.name)).toContain('scale-loss')
  })
  test('--train without mixed precision', async () => {
    const { code, out } = await run('inspect', '--model', small(), '--train', '--batch', '2', '--backend', 'reference')
    expect(code).toBe(0)
    expect(out).toContain('apply-optimizer')
    expect(out).not.toContain('mixed precision')
  })
  test('as a table: a row per layer, the proof, each cast, and a note that nothing is executed', async () => {
    const { out } = await run('inspect', '--model', small(), '--amp', '--amp-dtype', 'bfloat16', ...onTfjs)
    expect(out).toContain('mixed precision: bfloat16, minCut')
    expect(out).toMatch(/^blocks\.0\/se +10 +- +- +- +4$/m)
    expect(out).toContain('1 cast, lower bound 1: minimal; 1 absorbed by wide results')
    expect(out).toContain('  input image -> normalize sub: to bfloat16, 1536 bytes of half')
    expect(out).toContain('tfjs-wasm has no half arithmetic: this is the program that --emulate-half')
    expect((await run('inspect', '--model', small(), '--amp', '--backend', 'reference')).out).not.toContain('emulate')
  })
  test('the table fits into 80 columns: letters refer to the reasons below it', async () => {
    const { out } = await run('inspect', '--model', 'b0', '--train', '--batch', '2', '--amp', ...onTfjs)
    const lines = out.slice(out.indexOf('mixed precision: ')).split('\n')
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(lines.find((line) => line.startsWith('blocks.5/se'))).toMatch(/ a$/)
    expect(lines).toContain('a: it is on the way into a variable, with no contraction after it')
    expect(lines.filter((line) => /^[a-z]: /.test(line)).length).toBeGreaterThan(3)
  })
  test('names the source of a decision: the user or TensorFlow', async () => {
    vi.stubEnv('EFFUSE_AMP_DENY', 'mean')
    const { out } = await run('inspect', '--model', small(), '--amp', '--amp-strategy', 'tensorflow', '--json')
    vi.unstubAllEnvs()
    const because = JSON.parse(out).amp.layers.flatMap((layer: { because: string[] }) => layer.because)
    expect(because).toContain('"deny" names mean')
    expect(because).toContain("TensorFlow's painting does not reach softmax")
  })
  test('--train of a model without logits is an error', async () => {
    const { code, err } = await run('inspect', '--model', `${join(folder, 'net.mjs')}#tiny`, '--train')
    expect([code, err]).toEqual([2, expect.stringContaining('--train needs a model with an output "logits"')])
  })
})

describe('explain', () => {
  test('explains why a layer is half, where its region ends, and what would change it', async () => {
    const { code, out } = await run('explain', '--model', 'b0', '--amp', ...onTfjs, 'blocks.3/se/reduce')
    expect(code).toBe(0)
    for (const line of [
      '  blocks.3/se/reduce conv2d: float16 (class allow), because contractions are half, summed in float32',
      '    its region ends at input image -> normalize sub: to float16, 301056 bytes of half',
      "    to change it: keep: ['blocks.3/se/reduce'] makes its layer float32; this node alone takes 1 contraction in float32 more and 1 cast more",
      '  blocks.3/se/reduce add: float16 (class infer), because what is around it is half: float32 would take 1 cast more',
      '  variable blocks.3/se/reduce/kernel: float32, because variables are float32 masters',
    ])
      expect(out.split('\n')).toContain(line)
  })
  test('explains why a layer is float32', async () => {
    const { out } = await run('explain', '--model', 'b0', '--amp', ...onTfjs, 'head')
    expect(out).toContain(
      '  head softmax: float32 (class wide), because half is not worth its casts here: half would take 2 casts more',
    )
    expect(out).toContain(
      "    to change it: allow: ['softmax'] makes every softmax half; this node alone takes 2 casts more",
    )
  })
  test('in the training step the gradients are explained with their layer', async () => {
    const { out } = await run(
      'explain',
      '--model',
      small(),
      '--train',
      '--batch',
      '2',
      '--amp',
      ...onTfjs,
      '--json',
      'head/dense',
    )
    const notes: { name: string; dtype: string; reason: string }[] = JSON.parse(out).precision
    const gradient = notes.filter((n) => n.name === 'grad(head/dense) matmul')
    expect(gradient.map((n) => n.dtype)).toEqual(['float16', 'float16'])
    expect(gradient.some((n) => n.reason.endsWith('its result is float32, without a cast'))).toBe(true)
    expect(notes.find((n) => n.name === 'unscale(head/dense/kernel) mul')).toMatchObject({
      dtype: 'float32',
      reason: 'it is on the way into a variable, with no contraction after it',
    })
  })
  test('without mixed precision, the output does not mention it', async () => {
    const { out } = await run('explain', '--model', small(), '--json', 'head/dense')
    expect(JSON.parse(out).precision).toEqual([])
  })
})

describe('running', () => {
  const photo = fileURLToPath(new URL('../goldens/photos/coffee.png', import.meta.url))
  const predict = (...flags: string[]) =>
    run('predict', photo, '--weights', join(folder, 'small.safetensors'), '--backend', 'tfjs-wasm', ...flags)
  test('needs half arithmetic, or the permission to emulate it', async () => {
    const { code, err } = await predict('--amp')
    expect([code, err]).toEqual([1, expect.stringMatching(/EF405: .*float16 arithmetic.*\n.*--emulate-half/)])
    expect(await predict('--amp', '--emulate-half')).toMatchObject({ code: 0, err: '' })
    const alone = await predict('--emulate-half')
    expect([alone.code, alone.err]).toEqual([2, expect.stringMatching(/EF601: --emulate-half needs --amp/)])
  })
  test('train stores the settings, and an emulated run learns with a dynamic loss scale', async () => {
    const out = join(folder, 'run')
    const flags = ['--epochs', '1', '--steps-per-epoch', '3', '--batch', '8', '--out', out, '--json']
    const small = ['--recipe', 'digits', '--backend', 'tfjs-wasm', ...flags]
    const { code, out: document } = await run('train', ...small, '--amp-dtype', 'float16', '--emulate-half')
    expect([code, JSON.parse(document).steps]).toEqual([0, 3])
    expect(JSON.parse(document).lossScale).toBeGreaterThanOrEqual(2 ** 10)
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
      amp: true,
      ampDtype: 'float16',
      emulateHalf: true,
    })
    expect(await run('train', ...small, '--emulate-half')).toMatchObject({ code: 2 })
    // `none` as half type disables mixed precision.
    const none = await run('train', ...small, '--amp-dtype', 'none', '--out', join(folder, 'none'))
    expect(none.code).toBe(0)
    expect(JSON.parse(await readFile(join(folder, 'none', 'config.json'), 'utf8'))).toMatchObject({ amp: false })
  })
  test('bench names the measured configuration', async () => {
    const flags = ['--model', small(), ...onTfjs, '--amp', '--emulate-half', '--rounds', '1', '--json']
    const { code, out } = await run('bench', ...flags)
    expect(code).toBe(0)
    expect(JSON.parse(out).rows[0]).toMatchObject({ name: 'effuse, emulated float16', amp: true })
  })
})
