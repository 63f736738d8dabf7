/** Every @example of a docstring, and every TypeScript block of the documents, runs without changes (apart from imports). */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu' // for examples that create tensors
import fc from 'fast-check'
import ts from 'typescript'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as tfjs from '../../src/backends/tfjs/index.ts'
import * as tensorflow from '../../src/backends/tensorflow/index.ts'
import * as wasm from '../../src/backends/wasm/index.ts'
import * as compiler from '../../src/compiler.ts'
import * as exporting from '../../src/export/index.ts'
import * as effuse from '../../src/index.ts'
import * as inspect from '../../src/inspect/index.ts'
import * as safetensors from '../../src/io/safetensors.ts'
import * as entry from '../../src/io/tensor-entry.ts'
import * as torch from '../../src/io/torch-checkpoint.ts'
import { globFilter } from '../../src/ir/glob.ts'
import * as node from '../../src/node.ts'
import * as platform from '../../src/platform/node.ts'
import * as testing from '../../src/testing/index.ts'
import { tensorflowOrSkip } from '../support/tensorflow.ts'
import { type Block, blocks as examples, namesIn, root } from './blocks.ts'

const home = process.cwd()
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
let folder = ''
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-examples-'))
  // Files that examples name, with matching weights: a whole B0, and a state dict with one tensor.
  cpSync(join(root, 'test/goldens/photos/chelsea.png'), join(folder, 'cat.jpg'))
  for (const name of ['daisy/1', 'daisy/2', 'rose/1', 'rose/2', 'rose/3', 'rose/4', 'rose/5'])
    cpSync(join(root, 'test/goldens/photos/coffee.png'), join(folder, 'flowers', `${name}.png`))
  cpSync(join(root, 'test/goldens/io/parameters.pth'), join(folder, 'net.pth'))
  const names: { readonly tensors: readonly (readonly [string, readonly number[], string | null])[] } = JSON.parse(
    read('test/goldens/efficientnet/names-timm-b0.json'),
  )
  const tensors = names.tensors
    .filter(([, , ours]) => ours !== null)
    .map(([name, shape]) =>
      entry.tensorEntry(name, 'float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1))),
    )
  writeFileSync(join(folder, 'tf_efficientnet_b0.safetensors'), safetensors.writeSafetensors(tensors))
  process.chdir(folder)
})
afterAll(() => {
  process.chdir(home)
  rmSync(folder, { recursive: true })
})

test('there are examples', () => expect(examples.length).toBeGreaterThan(12))

const run = async ({ code }: Block): Promise<void> => {
  const model = effuse.efficientNet('b0', {
    resolution: 224,
    classes: 3,
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }],
  })
  const { declared, body } = namesIn(code)
  using net = /\bnet\b/.test(body) ? await effuse.compile(model) : null
  const scope: { readonly [name: string]: unknown } = {
    ...compiler,
    ...effuse, // of two exports named `reverse`, the op
    ...node,
    ...inspect,
    ...tfjs,
    ...tensorflow,
    ...wasm,
    ...exporting,
    ...safetensors,
    ...entry,
    ...torch,
    ...platform,
    globFilter,
    ...testing,
    fc,
    tf,
    model,
    net,
    image: new Uint8Array(224 * 224 * 3),
  }
  const names = Object.keys(scope).filter((name) => !declared.has(name))
  const { outputText } = ts.transpileModule(`export const run = async () => {\n${body}\n}`, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
  })
  const make = new Function('exports', ...names, `${outputText}\nreturn exports.run()`)
  await expect(make({}, ...names.map((name) => scope[name]))).resolves.not.toThrow()
}

const isOnTensorflow = ({ code }: Block): boolean =>
  /exportSavedModel|createTensorflowBackend|backend: 'tensorflow'/.test(code)
test.each(examples.filter((block) => !isOnTensorflow(block)))('$name %#', run)
tensorflowOrSkip('on TensorFlow', () => test.each(examples.filter(isOnTensorflow))('$name %#', run, 60_000))
