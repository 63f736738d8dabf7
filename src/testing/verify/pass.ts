/** Verifies passes on random graphs by what they promise. */
import { print } from '../../ir/print.ts'
import type { TargetInfo } from '../../ir/target.ts'
import type { Graph } from '../../ir/types.ts'
import { tolerance } from '../../passes/compare-results.ts'
import type { Pass } from '../../passes/pass.ts'
import { passText } from '../../passes/pipeline.ts'
import { programOf } from '../../passes/program.ts'
import { judgeLastPass, type PassCounterexample, passCounterexample } from '../../passes/shrink/pass-fault.ts'
import { type Arbitrary, fc } from '../fast-check.ts'
import { anyGraph, type GraphText } from '../graphs.ts'
import { keepFailure, keptFailures } from './failure-store.ts'
import { Tally, type Verification, type VerificationFailure, type VerifyOptions } from './report.ts'

export interface VerifyPassOptions extends VerifyOptions {
  /** The graphs for the pass (default: anyGraph, without half types if the pass may round). */
  readonly graphs?: Arbitrary<GraphText> | undefined
  /** Passes to run before it, which are not judged. */
  readonly after?: readonly Pass[] | undefined
  readonly target?: TargetInfo | undefined
}

/** A pass verification also says how the pass was judged. */
export interface PassVerification extends Verification {
  /** The numbers of graphs that ran whole, were judged by regions or by structure, or were not judged. */
  readonly judged: { readonly [How in 'whole' | 'regions' | 'structure' | 'not']: number }
}

/**
 * Verifies that the pass turns every graph into a well-formed one with the same meaning, as far as the pass promises. If it preserves only `mode`,
 * the meaning is not checked.
 *
 * @example
 * const { failures } = await verifyPass(simplify, { runs: 50 })
 */
export const verifyPass = async (pass: Pass, options: VerifyPassOptions = {}): Promise<PassVerification> => {
  const { runs = 100, failures: folder, target, after = [] } = options
  const { graphs = anyGraph({ mixedTypes: pass.preserves === 'bits' }) } = options
  const passes = [...after, pass]
  const name = `pass ${passText(pass)}`
  const tally = new Tally(options)
  const judged = { whole: 0, regions: 0, structure: 0, not: 0 }
  const isRight = (graph: Graph, seed: number): boolean => {
    tally.case()
    const judgement = judgeLastPass(passes, programOf(graph), { target, seed })
    for (const { how } of judgement?.checked.values() ?? []) judged[how]++
    return judgement?.fault == null
  }
  const fail = (graph: Graph, seed: number): void => {
    const found = passCounterexample(passes, graph, { target, seed })
    if (found === null) return
    tally.failures.push(failureOf(name, pass, found))
    keepFailure(folder, {
      name,
      graphs: [found.graph],
      rounds: [{ inputs: found.inputs, variables: found.variables }],
      more: { seed },
    })
  }
  for (const { graphs: kept, more } of await keptFailures(folder, name))
    for (const graph of kept) {
      const seed = typeof more['seed'] === 'number' ? more['seed'] : 1
      if (!isRight(graph, seed)) fail(graph, seed)
    }
  let last: { readonly graph: Graph; readonly seed: number } | null = null
  const check = fc.check(
    fc.property(graphs, fc.nat(2 ** 31), ({ graph }, seed) => {
      if (isRight(graph, seed)) return true
      last = { graph, seed }
      return false
    }),
    { seed: tally.seed, numRuns: runs, endOnFailure: true },
  )
  const failed = last as { readonly graph: Graph; readonly seed: number } | null // set inside the property
  if (check.failed && failed !== null) fail(failed.graph, failed.seed)
  return { ...tally.result, judged }
}

const failureOf = (
  name: string,
  pass: Pass,
  { graph, message, inputs, variables }: PassCounterexample,
): VerificationFailure => ({
  name,
  counterexample: { graph: print(graph), inputs: { ...inputs, ...variables } },
  error: message,
  tolerance: pass.preserves === 'bits' ? 0 : tolerance,
})
