/** Judging by regions on random graphs with correct passes: no pass may be rejected. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { genericTarget } from '../../src/ir/target.ts'
import { checkRegions } from '../../src/passes/check-regions.ts'
import { hoists } from '../../src/passes/pass.ts'
import { graphOf, graphsOf, graphSteps, programOf } from '../../src/passes/program.ts'
import { positiveVariables } from '../../src/passes/random-feeds.ts'
import { parsePipeline, passFactories } from '../../src/passes/registry.ts'
import { runPass } from '../../src/passes/run-pass.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { stepOptionsOf } from '../../src/passes/train/declaration.ts'
import { anyTrainingStep } from '../../src/testing/index.ts'
import { anyGraph } from '../../src/testing/graphs.ts'

describe('no correct pass is reported', () => {
  const cases = passFactories
    .map((f) => ({ name: f.name, pass: f.make({}) }))
    .filter(({ pass }) => pass.preserves !== 'mode' && !hoists(pass))
  test.each(cases)('$name', ({ pass }) => {
    fc.assert(
      fc.property(anyGraph({ mixedTypes: pass.preserves === 'bits' }), fc.nat(1000), ({ graph }, seed) => {
        const before = programOf(graph)
        const { program } = runPipeline({ ...parsePipeline('dce'), passes: [pass] }, before)
        const isExact = pass.preserves === 'bits'
        const found = checkRegions(graph, graphOf(program), {
          isExact,
          mode: isExact ? 'declared' : 'float64',
          guess: pass.preserves === 'precision',
          positive: positiveVariables(graphsOf(before)),
          seed,
        })
        expect(found.difference).toBeNull()
      }),
      { numRuns: 80 },
    )
  })
})

describe('no correct pass over a training step is reported', () => {
  test('random steps through the passes of compile()', async () => {
    const backend = await createWasmBackend()
    let judged = 0
    fc.assert(
      fc.property(anyTrainingStep(), fc.nat(1000), (step, seed) => {
        const start = programOf(step.at({ batch: 2 }), step.name)
        const options = stepOptionsOf(step)
        if (options === null) throw new Error('it is a training step')
        const { passes } = trainingPipeline(backend, { simplify: true, fusion: true }, options)
        let before = start
        for (const pass of passes) {
          const after = runPass(pass, before, { target: backend.target, declared: start, report: () => {} })
          // Passes that keep the bits are judged by structure on such graphs.
          if (pass.preserves === 'rounding' || pass.preserves === 'precision')
            for (const { name, graph } of graphSteps(before)) {
              const to = graphSteps(after).find((other) => other.name === name)?.graph
              if (to === undefined || to === graph) continue
              const found = checkRegions(graph, to, {
                isExact: false,
                mode: 'float64',
                guess: pass.preserves === 'precision',
                positive: positiveVariables([...graphsOf(start), ...graphsOf(before)]),
                seed,
              })
              expect(found.difference, pass.name).toBeNull()
              judged += found.equal
            }
          before = after
        }
      }),
      { numRuns: 4 },
    )
    expect(judged).toBeGreaterThan(100)
  })

  test('statistics of a batch norm, which the part recomputes before its decomposition and reads after it', () => {
    // The convolution is too large to run, so the part must agree without it.
    const [x, vector] = ['float32[1,16,16,640]', 'float32[640]']
    const graph = parse(`graph g {
  %0 = input() {name="x"} : float32[1,16,16,64]
  %1 = variable() {name="kernel"} : float32[9,9,64,640]
  %2 = conv2d(%0, %1) : ${x}
  %3 = input() {name="dy"} : ${x}
  %4 = variable() {name="scale"} : ${vector}
  %5 = variable() {name="offset"} : ${vector}
  %6:4 = batchNormTraining(%2, %4, %5) {epsilon=0.001} : ${x}, ${vector}, ${vector}, ${vector}
  %7:3 = batchNormGradient(%2, %4, %6.1, %6.3, %3) : ${x}, ${vector}, ${vector}
  %8 = neg(%6.1) : ${vector}
  %9 = neg(%6.2) : ${vector}
  return mean = %8, variance = %9, dscale = %7.1
}`)
    const [decompose] = parsePipeline('decompose{ops=["batchNormTraining","batchNormGradient"]}').passes
    if (decompose === undefined) throw new Error('it is registered')
    const after = graphOf(runPass(decompose, programOf(graph), { target: genericTarget, report: () => {} }))
    const options = { isExact: false, mode: 'float64', guess: false, positive: new Set<string>(), seed: 1 } as const
    expect(checkRegions(graph, after, options)).toMatchObject({ difference: null, equal: 3, unjudged: [] })
  })
})
