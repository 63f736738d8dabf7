/** Fusion on random graphs: the same bits, regions with a valid structure, and explanations for all refused fusions. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from '../../../src/ir/parse.ts'
import { print } from '../../../src/ir/print.ts'
import { genericTarget, type TargetInfo } from '../../../src/ir/target.ts'
import { decompose } from '../../../src/passes/decompose.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { fusion } from '../../../src/passes/fusion/index.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { toInference } from '../../../src/passes/to-inference.ts'
import { anyGraph, verifyPass } from '../../../src/testing/index.ts'
import { structureFaults } from './structure.ts'

const primitives = decompose((node) => opDef(node.op).level === 'composite')

/** A machine on which every legal fusion saves time, and one with small limits. */
const eager: TargetInfo = {
  ...genericTarget,
  cost: { ...genericTarget.cost, launchSeconds: 1, cacheBytes: 0 },
  fusionBudget: { ...genericTarget.fusionBudget, horizontal: true },
}
const narrow: TargetInfo = {
  ...genericTarget,
  fusions: ['contraction', 'loop', 'reduction'],
  fusionBudget: { ...genericTarget.fusionBudget, buffers: 4, ops: 5, results: 2, reductions: 2, prologueReuse: 1 },
}

test.each([
  ['generic', genericTarget],
  ['eager', eager],
  ['narrow', narrow],
] as const)('%s: every graph keeps its bits', async (_name, target) => {
  const graphs = anyGraph({ specials: true, stepsMax: 24 })
  const { failures, judged } = await verifyPass(fusion, { graphs, after: [toInference, primitives], target, runs: 60 })
  expect(failures).toEqual([])
  expect(judged.structure + judged.whole).toBeGreaterThan(40)
})

test.each([
  ['generic', genericTarget],
  ['eager', eager],
  ['narrow', narrow],
] as const)('%s: every region is valid, and its text can be parsed', (_name, target) => {
  fc.assert(
    fc.property(anyGraph({ specials: true, stepsMax: 40 }), ({ graph }) => {
      const passes = pipeline([toInference, primitives])
      const before = graphOf(runPipeline(passes, programOf(graph), { verify: true }).program)
      const after = graphOf(
        runPipeline(pipeline([fusion]), programOf(before), { verify: true, target, stage: 'tensor' }).program,
      )
      expect(structureFaults(before, after, target)).toEqual([])
      expect(print(parse(print(after)))).toBe(print(after))
    }),
    { numRuns: 100 },
  )
})
