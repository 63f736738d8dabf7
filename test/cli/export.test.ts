/** effuse export: the file is what the library gives, and faults of the command line are told. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportOnnx } from '../../src/export/index.ts'
import { compile, efficientNet } from '../../src/index.ts'
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
  test('writes weights of a file, with the network that they are of', async () => {
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

  test('writes initial values of a seed, and says that they are', async () => {
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
    ['another format', ['--format', 'tflite', '--model', 'b0'], 2, /EF601: --format must be one of onnx, got "tflite"/],
    ['no model', ['--format', 'onnx'], 2, /EF601: export needs --model, or --weights/],
    ['an unknown model', ['--format', 'onnx', '--model', 'b9'], 2, /EF602: there is no model "b9"/],
    [
      'classes of weights',
      ['--format', 'onnx', '--weights', 'x', '--classes', '3'],
      2,
      /--classes goes without --weights/,
    ],
    ['weights that are not there', ['--format', 'onnx', '--weights', 'none.safetensors'], 1, /EF501/],
  ])('refuses %s', async (_what, argv, code, message) => {
    const ran = await run('export', ...argv, '-o', file('x.onnx'))
    expect(ran.code).toBe(code)
    expect(ran.err).toMatch(message)
    expect(await readdir(folder)).not.toContain('x.onnx')
  })

  test('refuses weights of another variant, and a file that cannot be written', async () => {
    const onnx = ['export', '--format', 'onnx', '--weights', file('net.safetensors')]
    const other = await run(...onnx, '--model', 'b1', '-o', file('x.onnx'))
    expect([other.code, other.err]).toEqual([
      2,
      expect.stringContaining('--model is b1, and the weights are of efficientnet-b0'),
    ])
    await writeFile(file('plain'), '')
    const beneath = await run(...onnx, '-o', file('plain/x.onnx'))
    expect([beneath.code, beneath.err]).toEqual([1, expect.stringContaining('EF501')])
    const asFolder = await run(...onnx, '-o', folder)
    expect([asFolder.code, asFolder.err]).toEqual([1, expect.stringContaining('EF501')])
  })
})
