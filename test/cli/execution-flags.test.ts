/** --xla-tensorflow, --precision and --deterministic: the commands that have them, rejected values, and their effect. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tensorflowOrSkip } from '../support/tensorflow.ts'
import { flagsOf, run, writeRecipe } from './command.ts'

let folder = ''
const at = (name: string): string => join(folder, name)
const model = (): string => `${at('net.mjs')}#small`
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-execution-'))
  const library = JSON.stringify(fileURLToPath(new URL('../../src/index.ts', import.meta.url)))
  await writeFile(
    at('net.mjs'),
    `import { efficientNet } from ${library}
     const blocks = [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }]
     export const small = efficientNet('b0', { classes: 10, resolution: 16, inChannels: 1, blocks })`,
  )
  await writeRecipe(at('tiny.json'), { epochs: 1, stepsPerEpoch: 1 })
})
afterAll(() => rm(folder, { recursive: true }))

const names = ['--xla-tensorflow', '--precision', '--deterministic', '--no-deterministic']

test.each(['train', 'evaluate', 'predict', 'bench', 'explain'])('%s has the flags', async (command) => {
  expect(await flagsOf(command)).toEqual(expect.arrayContaining(names))
})

const explain = (...flags: readonly string[]) => run('explain', 'stem', '--model', model(), ...flags)

test.each([
  [['--precision', 'half'], /^error EF601: --precision must be one of float32, tf32, got "half"/],
  [['--precision', 'tf23'], /\n {2}hint: did you mean tf32\?/],
  [['--xla-tensorflow', 'on'], /^error EF601: --xla-tensorflow must be one of auto, always, never, got "on"/],
  [['--xla-tensorflow'], /^error EF601: --xla-tensorflow needs a WHEN, got nothing/],
  [
    ['--backend', 'reference', '--xla-tensorflow', 'always'],
    /^error EF601: --xla-tensorflow is for the backend tensorflow, but --backend is reference\n {2}hint: add --backend/,
  ],
  [['--no-xla', '--xla-tensorflow', 'always'], /^error EF601: --xla-tensorflow and --no-xla exclude each other/],
])('%j is rejected', async (flags, message) => {
  const { code, err } = await explain(...flags)
  expect([code, err]).toEqual([2, expect.stringMatching(message)])
})

describe('train', () => {
  const train = (...flags: readonly string[]) => run('train', '--recipe', at('tiny.json'), '--json', ...flags)
  const configOf = async (name: string) => JSON.parse(await readFile(join(at(name), 'config.json'), 'utf8'))

  test('keeps them in the settings of the run, and a resumed run has them', async () => {
    expect((await train('--out', at('plain'))).code).toBe(0)
    expect(await configOf('plain')).toMatchObject({ xlaTensorflow: null, precision: 'float32', deterministic: true })
    const flags = ['--precision', 'tf32', '--no-deterministic']
    expect((await train('--out', at('loose'), ...flags)).code).toBe(0)
    expect(await configOf('loose')).toMatchObject({ precision: 'tf32', deterministic: false })
    const { code, err } = await run('train', '--resume', at('loose'), '--epochs', '2', '--deterministic')
    expect([code, err]).toEqual([0, expect.stringContaining('note: --deterministic was false and is now true')])
    expect(await configOf('loose')).toMatchObject({ precision: 'tf32', deterministic: true })
  })

  test.each([
    [['--precision', 'half'], /EF601: --precision must be one of float32, tf32, got "half"/],
    [['--xla-tensorflow', 'on'], /EF601: --xla-tensorflow must be one of auto, always, never, or none, got "on"/],
    [
      ['--xla-tensorflow', 'always'],
      /EF403: --xla-tensorflow is for "backend" in \S+ tensorflow or auto, but here it is tfjs-wasm/,
    ],
    [
      ['--backend', 'auto', '--no-xla', '--xla-tensorflow', 'always'],
      /EF403: --xla-tensorflow is for --xla true, but here it is false/,
    ],
  ])('%j is rejected', async (flags, message) => {
    const { code, err } = await run('train', '--recipe', at('tiny.json'), '--out', at('none'), ...flags)
    expect([code, err]).toEqual([2, expect.stringMatching(message)])
  })

  test('another backend removes xlaTensorflow of a recipe, with a note', async () => {
    const recipe = await writeRecipe(at('xla.json'), {
      ...{ epochs: 1, stepsPerEpoch: 1, backend: 'tensorflow', xlaTensorflow: 'always' },
    })
    const { code, err } = await run('train', '--recipe', recipe, '--out', at('other'), '--backend', 'tfjs-wasm')
    expect([code, err]).toEqual([
      0,
      expect.stringContaining(`note: the recipe's --xla-tensorflow "always" contradicts the other flags`),
    ])
    expect(await configOf('other')).toMatchObject({ backend: 'tfjs-wasm', xlaTensorflow: null })
  })
})

test('bench --no-xla times the program op by op only', async () => {
  const bench = ['bench', '--model', model(), '--backend', 'reference', '--rounds', '1', '--json']
  const [plain, opByOp] = await Promise.all([run(...bench), run(...bench, '--no-xla')])
  const found = [plain, opByOp].map(({ out }) => JSON.parse(out).rows.map(({ name }: { name: string }) => name))
  expect(found).toEqual([['effuse', 'effuse, op by op'], ['effuse, op by op']])
})

tensorflowOrSkip('on TensorFlow', () => {
  test('explain shows their effect', async () => {
    const on = (...flags: readonly string[]) => explain('--backend', 'tensorflow', ...flags)
    const plain = await on()
    expect([plain.code, plain.out]).toEqual([0, expect.stringContaining('deterministic: equal runs give equal bits')])
    const { out } = await on('--xla-tensorflow', 'always', '--precision', 'tf32', '--no-deterministic', '--json')
    expect(JSON.parse(out).notes).toEqual([
      "XLA compiles each graph, because of xla: { tensorflow: 'always' }",
      expect.stringMatching(/tf32/),
      'deterministic: false, so equal runs may differ in the last bits',
    ])
  })

  test('train, evaluate and bench accept them', async () => {
    const flags = ['--backend', 'tensorflow', '--xla-tensorflow', 'never', '--precision', 'tf32', '--no-deterministic']
    const trained = await run('train', '--recipe', at('tiny.json'), '--out', at('run'), '--json', ...flags)
    const evaluated = await run('evaluate', at('run'), '--json', ...flags)
    const timed = await run('bench', '--model', model(), '--rounds', '1', '--json', ...flags)
    expect([trained.code, evaluated.code, timed.code]).toEqual([0, 0, 0])
    expect(JSON.parse(evaluated.out).top1).toBe(JSON.parse(trained.out).top1)
    expect(JSON.parse(timed.out).rows[0]).toMatchObject({ name: 'effuse', backend: 'tensorflow', xla: true })
  })
})
