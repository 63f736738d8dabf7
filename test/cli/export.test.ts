/** effuse export: the file equals the result of the library, and wrong command lines give errors. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportOnnx } from '../../src/export/index.ts'
import { compile, efficientNet } from '../../src/index.ts'
import { expectClose } from '../support/one-graph.ts'
import { openSavedModel } from '../support/saved-model-session.ts'
import { tensorflowOrSkip } from '../support/tensorflow.ts'
import { buildCli, endOf } from './built-cli.ts'
import { run } from './command.ts'

let folder = ''
const file = (name: string): string => path.join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'effuse-export-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const blocks = [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }] as const
const model = efficientNet('b0', { resolution: 16, classes: 3, blocks })

describe('effuse export', () => {
  test('exports weights from a file, with their network', async () => {
    using net = await compile(model, { backend: 'reference', seed: 5 })
    await net.variables.save(file('net.safetensors'))
    const argv = ['--weights', file('net.safetensors'), '--batch', '2', '-o', file('net.onnx'), '--json']
    const { code, out } = await run('export', '--format', 'onnx', ...argv)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      file: file('net.onnx'),
      format: 'onnx',
      opset: 18,
      model: 'efficientnet-b0',
      batch: 2,
      inputs: [{ name: 'image', dtype: 'float32', shape: [2, 16, 16, 3] }],
      outputs: [
        { name: 'logits', dtype: 'float32', shape: [2, 3] },
        { name: 'probabilities', dtype: 'float32', shape: [2, 3] },
      ],
      bytes: (await readFile(file('net.onnx'))).length,
    })
    const wanted = await exportOnnx(model, { batch: 2, variables: net.variables })
    expect((await readFile(file('net.onnx'))).equals(wanted)).toBe(true)
    expect((await readdir(folder)).sort()).toEqual(['net.onnx', 'net.safetensors']) // no temporary file
  })

  test('exports initial values of a seed, and reports it', async () => {
    const argv = ['--model', 'b0', '--size', '32', '--classes', '2', '--seed', '3', '-o', file('initial.onnx')]
    const { code, out, err } = await run('export', '--format', 'onnx', ...argv)
    expect(code).toBe(0)
    expect(err).toContain('without --weights the file has initial values')
    expect(out).toMatch(
      /initial\.onnx: efficientnet-b0, ONNX opset 18, [\d,]+ bytes\n {2}image float32\[1,32,32,3\] -> logits float32\[1,2\]/,
    )
    const wanted = await exportOnnx(efficientNet('b0', { resolution: 32, classes: 2 }), { seed: 3 })
    expect((await readFile(file('initial.onnx'))).equals(wanted)).toBe(true)
  })

  test.each([
    [
      'another format',
      ['--format', 'tflite', '--model', 'b0'],
      2,
      /EF601: --format must be one of onnx, savedmodel, got "tflite"/,
    ],
    [
      'flags of another format',
      ['--format', 'onnx', '--model', 'b0', '--train'],
      2,
      /EF601: --train is for --format savedmodel, but the format is onnx/,
    ],
    ['no model', ['--format', 'onnx'], 2, /EF601: export needs --model, or --weights/],
    ['an unknown model', ['--format', 'onnx', '--model', 'b9'], 2, /EF602: there is no model "b9"/],
    [
      'classes of weights',
      ['--format', 'onnx', '--weights', 'x', '--classes', '3'],
      2,
      /--classes cannot be used with --weights/,
    ],
    ['weights that are not there', ['--format', 'onnx', '--weights', 'none.safetensors'], 1, /EF501/],
  ])('rejects %s', async (_what, argv, code, message) => {
    const ran = await run('export', ...argv, '-o', file('x.onnx'))
    expect(ran.code).toBe(code)
    expect(ran.err).toMatch(message)
    expect(await readdir(folder)).not.toContain('x.onnx')
  })

  test('rejects weights of another variant, and a file that cannot be written', async () => {
    const onnx = ['export', '--format', 'onnx', '--weights', file('net.safetensors')]
    const other = await run(...onnx, '--model', 'b1', '-o', file('x.onnx'))
    expect([other.code, other.err]).toEqual([
      2,
      expect.stringContaining('--model is b1, but the weights are of efficientnet-b0'),
    ])
    await writeFile(file('plain'), '')
    const beneath = await run(...onnx, '-o', file('plain/x.onnx'))
    expect([beneath.code, beneath.err]).toEqual([1, expect.stringContaining('EF501')])
    const asFolder = await run(...onnx, '-o', folder)
    expect([asFolder.code, asFolder.err]).toEqual([1, expect.stringContaining('EF501')])
  })
})

tensorflowOrSkip('effuse export --format savedmodel', () => {
  const savedmodel = ['export', '--format', 'savedmodel']

  test('writes a network with the weights of a file, and its training step', async () => {
    using net = await compile(model, { backend: 'reference', seed: 5 })
    await net.variables.save(file('weights.safetensors'))
    const argv = ['--weights', file('weights.safetensors'), '--train', '--train-batch', '4', '-o', file('saved')]
    const { code, out, err } = await run(...savedmodel, ...argv, '--json')
    expect([code, err]).toEqual([0, expect.any(String)])
    const report = JSON.parse(out)
    const image = (batch: number) => ({ name: 'image', dtype: 'float32', shape: [batch, 16, 16, 3] })
    expect(report).toMatchObject({
      folder: file('saved'),
      format: 'savedmodel',
      model: 'efficientnet-b0',
      signatures: [
        { name: 'serving_default', inputs: [image(1)], outputs: [{ name: 'logits' }, { name: 'probabilities' }] },
        { name: 'train', inputs: [image(4), { name: 'label', dtype: 'int32', shape: [4] }] },
      ],
    })
    const session = openSavedModel(file('saved'))
    const pixels = Float32Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 31) % 256)
    const want = await (await net.run({ image: pixels })).logits.data()
    const before = session.run('serving_default', { image: pixels })['logits'] ?? []
    expectClose(before, want, 1e-5)
    const feeds = { image: new Float32Array(4 * pixels.length).fill(9), label: Int32Array.of(0, 1, 2, 0) }
    expect(session.run('train', feeds)['finite']).toEqual(Uint8Array.of(1))
    expect(session.run('serving_default', { image: pixels })['logits']).not.toEqual(before)
    session.close()
  }, 300_000)

  test("exports a user's training step, with the network that it trains", async () => {
    const own = `${fileURLToPath(new URL('../export/own-step.ts', import.meta.url))}#step`
    const { code, out } = await run(...savedmodel, '--model', own, '--train-batch', '2', '-o', file('own'))
    expect([code, out.split('\n').slice(1)]).toEqual([
      0,
      [
        '  serving_default: x float32[1,3] -> y float32[1,2]',
        expect.stringMatching(/^ {2}train: x float32\[2,3\], wanted float32\[2,2\] -> loss float32\[\]/),
      ],
    ])
  })

  test('reports what it wrote; replaces a folder only with --force; leaves no partial folder on a full disk', async () => {
    const argv = [...savedmodel, '--model', 'b0', '--size', '32', '--classes', '2', '-o', file('b0')]
    const first = await run(...argv)
    expect(first.out).toMatch(
      /b0: efficientnet-b0, SavedModel, [\d,]+ bytes, \d+ variables\n {2}serving_default: image float32\[1,32,32,3\] -> logits/,
    )
    const second = await run(...argv)
    expect([second.code, second.err]).toEqual([1, expect.stringMatching(/EF501.*not empty\n {2}hint: .*--force/)])
    expect((await run(...argv, '--force')).code).toBe(0)
    // A limit on file sizes has the same effect on TensorFlow as a full disk.
    const cli = await buildCli()
    const limited = ['-c', 'ulimit -f 2000; exec "$0" "$@"', process.execPath, cli.path, ...argv, '--force', '--json']
    const { code, out } = await endOf(spawn('bash', limited))
    await cli.remove()
    const message = expect.stringMatching(/cannot write .*b0: the file would be larger/)
    expect([code, JSON.parse(out)]).toEqual([1, { error: expect.objectContaining({ code: 'EF501', message }) }])
    expect((await readdir(file('b0'))).sort()).toEqual(['saved_model.pb', 'variables'])
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([])
  }, 300_000)
})
