/** Judging by regions on random graphs with correct passes: no pass may be rejected. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkRegions } from '../../src/passes/check-regions.ts'
import { graphOf, graphsOf, programOf } from '../../src/passes/program.ts'
import { positiveVariables } from '../../src/passes/random-feeds.ts'
import { parsePipeline, passFactories } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { anyGraph } from '../../src/testing/graphs.ts'

describe('no correct pass is reported', () => {
  const cases = passFactories
    .map((f) => ({ name: f.name, pass: f.make({}) }))
    .filter(({ name, pass }) => pass.preserves !== 'mode' && name !== 'hoist-prepare')
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
