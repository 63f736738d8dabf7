/** Loads tfjs-node beside the user's tfjs, each case in its own process. The user's tfjs does not change. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FoundPackage } from '../../../src/backends/tensorflow/places.ts'
import { bindingFile, checkBinding } from '../../../src/backends/tensorflow/tfjs-node.ts'
import { bindingReason, boundPackage, hasBinding } from '../../support/tensorflow.ts'

const cache = fileURLToPath(new URL('../../../node_modules/.cache', import.meta.url))
let folder: string
beforeAll(async () => {
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(join(cache, 'effuse-tfjs-node-')) // in the cache next to the packages, so that Node finds them
  await build({
    entryPoints: [fileURLToPath(new URL('../../../src/backends/tensorflow/tfjs-node.ts', import.meta.url))],
    outfile: join(folder, 'tfjs-node.mjs'),
    ...{ bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The value that the program passes to `show`. */
const shownBy = (program: string): unknown => {
  const file = join(folder, 'program.mjs')
  writeFileSync(
    file,
    `import { createRequire } from 'node:module'
     import { importTfjsNode } from './tfjs-node.mjs'
     const require = createRequire(import.meta.url)
     const show = (value) => process.stdout.write('\\n@' + JSON.stringify(value))
     ${program}`,
  )
  const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  const shown = stdout.split('\n@')[1]
  if (shown === undefined) throw new Error(stderr)
  return JSON.parse(shown)
}

describe.runIf(hasBinding)(`importTfjsNode${bindingReason}`, () => {
  test("the user's backend, tensors and memory stay; tfjs-node's can be used by name", () => {
    const value = shownBy(`
      import * as tf from '@tensorflow/tfjs-core'
      import '@tensorflow/tfjs-backend-cpu'
      await tf.setBackend('cpu')
      const x = tf.tensor1d([1, 2, 3])
      const before = tf.memory()
      const node = await importTfjsNode()
      const after = [tf.getBackend(), tf.memory().numTensors - before.numTensors, Array.from(tf.add(x, 1).dataSync())]
      await tf.setBackend('tensorflow')
      show([...after, tf.getBackend(), Array.from(tf.add(x, 2).dataSync()), typeof node.node.summaryFileWriter])
    `)
    expect(value).toEqual(['cpu', 0, [2, 3, 4], 'tensorflow', [3, 4, 5], 'function'])
  })

  test('without a chosen backend, tfjs chooses its default', () => {
    const value = shownBy(`
      import * as tf from '@tensorflow/tfjs-core'
      import '@tensorflow/tfjs-backend-cpu'
      await importTfjsNode()
      show([Array.from(tf.add(1, 2).dataSync()), tf.getBackend()])
    `)
    expect(value).toEqual([[3], 'cpu'])
  })

  test("loaded earlier by the user: the same module, and the user's backend", () => {
    const value = shownBy(`
      const theirs = require(${JSON.stringify(boundPackage?.name)})
      const before = theirs.getBackend()
      show([before, (await importTfjsNode()) === theirs, theirs.getBackend()])
    `)
    expect(value).toEqual(['tensorflow', true, 'tensorflow'])
  })

  test('with Node 23 and later, without util.isArray and util.isNullOrUndefined', () => {
    const value = shownBy(`
      import util from 'node:util'
      delete util.isArray
      delete util.isNullOrUndefined
      const tf = await importTfjsNode()
      await tf.setBackend('tensorflow')
      show(Array.from(tf.tidy(() => tf.conv2d(tf.ones([1, 2, 2, 1]), tf.ones([2, 2, 1, 1]), 1, 'valid').dataSync())))
    `)
    expect(value).toEqual([4])
  })
})

test.runIf(hasBinding)(`a binding that loads answers with the version of its TensorFlow${bindingReason}`, async () => {
  expect(await checkBinding(bindingFile(boundPackage as FoundPackage) /* it is there */)).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    hasGpu: expect.any(Boolean),
    problem: null,
  })
})

test('a binding that does not load gives the reason, and the process continues', async () => {
  const other = mkdtempSync(join(tmpdir(), 'effuse-binding-'))
  try {
    const file = join(other, 'tfjs_binding.node')
    expect(await checkBinding(file)).toEqual({ version: null, hasGpu: false, problem: 'it was never built' })
    writeFileSync(file, 'no library')
    expect(await checkBinding(file)).toMatchObject({
      version: null,
      problem: expect.stringMatching(/too short|invalid ELF/),
    })
  } finally {
    rmSync(other, { recursive: true })
  }
})
