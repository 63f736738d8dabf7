/**
 * The kernels of models: how many, and the hash of their texts. A refactoring of fusion or of the lowering does not change replay.golden. After an
 * intended change, UPDATE_GOLDEN=1 writes it again.
 */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { printKernel } from '../../../src/backends/codegen/kernel/print.ts'
import { splitReductions } from '../../../src/backends/codegen/kernel/split-reduction.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { efficientNet } from '../../../src/index.ts'
import type { Model } from '../../../src/ir/model.ts'
import { fused, preparedGraph } from '../../passes/fusion/networks.ts'
import { regionsOf } from '../../passes/fusion/structure.ts'
import { checkGoldenFile } from '../../support/golden-file.ts'

const models: { readonly [name: string]: Model } = {
  'b0 at 64': efficientNet('b0', { resolution: 64 }),
  'b2 at 64': efficientNet('b2', { resolution: 64 }),
  'lite0 at 64': efficientNet('lite0', { resolution: 64 }),
  // The network of examples/digits.mjs.
  digits: efficientNet('b0', {
    classes: 10,
    resolution: 28,
    inChannels: 1,
    stochasticDepth: 0,
    blocks: [
      { kernel: 3, repeats: 1, filters: 16, expand: 1, strides: 1 },
      { kernel: 3, repeats: 1, filters: 24, expand: 4, strides: 2 },
      { kernel: 3, repeats: 1, filters: 40, expand: 4, strides: 2 },
    ],
  }),
}

const summaryOf = (model: Model): string => {
  const regions = regionsOf(fused(preparedGraph(model, 1)))
  const kernels = regions.map(({ attrs }) => {
    const made = packOperands(splitReductions(kernelOf(attrs.body).kernel), () => true).kernel
    verifyKernelData(made)
    return made
  })
  const texts = kernels.map(printKernel)
  const phases = kernels.reduce((sum, kernel) => sum + kernel.phases.length, 0)
  const hash = createHash('sha256').update(texts.join('\n\n')).digest('hex').slice(0, 16)
  return `${kernels.length} kernels, ${new Set(texts).size} different, ${phases} phases, ${hash}`
}

test('the kernels of models equal the goldens', () => {
  const make = (): string =>
    Object.entries(models)
      .map(([name, model]) => `${name}: ${summaryOf(model)}\n`)
      .join('')
  const { stored, made } = checkGoldenFile(new URL('replay.golden', import.meta.url).pathname, make, process.env)
  expect(made).toBe(stored)
}, 180_000)
