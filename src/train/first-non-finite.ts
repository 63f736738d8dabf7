/** Finds the first tensor that is not finite: runs the step again, with a flag for each value instead of updates. */
import { compile } from '../compile.ts'
import type { CompileOptions, ExecutionOptions } from '../executable/options.ts'
import type { Variables } from '../executable/variables.ts'
import type { Model } from '../ir/model.ts'
import { finiteFlagOf, finiteFlagPasses } from '../passes/train/finite-flags.ts'
import { pipeline } from '../passes/pipeline.ts'
import type { Column } from './source.ts'

export interface FailedStep {
  readonly step: Model
  readonly options: ExecutionOptions & Pick<CompileOptions, 'batch'>
  /** Unchanged: a step that is not finite changes no variable. */
  readonly variables: Variables
  readonly feeds: { readonly [input: string]: Column }
  /** Of the failed run, so that dropout draws the same numbers. */
  readonly runIndex: number
}

/** Its description, `conv2d at blocks.3/expand/conv`; null if everything is finite in the second run. */
export const firstNonFinite = async ({
  step,
  options,
  variables,
  feeds,
  runIndex,
}: FailedStep): Promise<string | null> => {
  using probe = await compile(step, {
    ...options,
    variables,
    passes: (standard) => pipeline(finiteFlagPasses(standard.passes)),
  })
  probe.runIndex = runIndex
  const results = await probe.run(feeds as never) // the feeds are those of the step
  let first: ReturnType<typeof finiteFlagOf> | null = null
  for (const [name, result] of Object.entries(results)) {
    const flag = finiteFlagOf(name)
    if ((first === null || flag.order < first.order) && (await result.item()) === false) first = flag
    result.dispose()
  }
  return first === null ? null : `${first.op}${first.path === '' ? '' : ` at ${first.path}`}`
}
