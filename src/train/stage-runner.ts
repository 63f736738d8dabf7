/** The executables of one stage: the training step and the evaluations of raw and averaged weights, with shared variables. */
import { now } from '#platform'
import { compile } from '../compile.ts'
import type { Executable } from '../executable/executable.ts'
import type { CompileOptions, ExecutionOptions } from '../executable/options.ts'
import type { Variables } from '../executable/variables.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import { declareEvaluation } from '../passes/train/evaluation.ts'
import { anyLoss } from '../passes/train/losses.ts'
import { anyMetrics } from '../passes/train/metrics.ts'
import type { Optimizer } from '../passes/train/optimizers.ts'
import { trainingStep } from '../passes/train/step.ts'
import { classesOf, evaluateWith, sizeOf } from './evaluate.ts'
import type { Evaluation } from './evaluation-result.ts'
import type { FitOptions } from './fit-options.ts'

export interface StageRunner {
  readonly model: Model
  readonly step: Model
  readonly trainer: Executable
  readonly size: readonly [number, number] | undefined
  readonly compileMs: number
  readonly stepOptions: ExecutionOptions & Pick<CompileOptions, 'batch'>
  /** Of the raw weights, and of the averages if there are some. */
  evaluate(signal: AbortSignal | undefined): Promise<{ readonly raw: TestResult; readonly averaged: TestResult | null }>
  /** Disposes of the executables. The variables remain while other executables share them. */
  dispose(): void
}

/** The results of an evaluation. If it was not finite, they are NaN, with a description of the fault. */
export type TestResult = Pick<Evaluation, 'top1' | 'top5' | 'loss' | 'count' | 'metrics'> & {
  readonly fault?: string | undefined
}

/** Training may still succeed, for example with the averages, or at a lower loss scale. */
const faultOf =
  (metrics: FitOptions['metrics'] = {}) =>
  (error: unknown): TestResult => {
    if (!(error instanceof EffuseError) || error.code !== 'EF702') throw error
    const none = Object.fromEntries(Object.keys(metrics).map((name) => [name, Number.NaN]))
    return { top1: Number.NaN, top5: Number.NaN, loss: Number.NaN, count: 0, metrics: none, fault: error.message }
  }

export const openStage = async (
  model: Model,
  options: FitOptions,
  optimizer: Optimizer,
  seed: number,
  shared: Variables | undefined,
): Promise<StageRunner> => {
  const { data, loss, batch, accumulate, weightDecay, emaDecay, clipNorm, frozen, lossScale } = options
  classesOf(model, data.train)
  const step = trainingStep(model, {
    loss: anyLoss(loss),
    optimizer,
    accumulate,
    weightDecay,
    emaDecay,
    clipNorm,
    frozen,
    lossScale,
  })
  const declared = data.test === undefined ? null : evaluationModel(model, options)
  const { backend, amp, xla, precision, deterministic } = options
  const common: ExecutionOptions = { backend, amp, xla, precision, deterministic, seed }
  const start = now()
  const trainer = await compile(step, { ...common, batch, variables: shared, signal: options.signal })
  const size = sizeOf(model)
  const testers: { tester: Executable; isAveraged: boolean }[] = []
  // Rows of a batch beyond the data would only be padding.
  const evaluationBatch = Math.min(options.evaluationBatch ?? batch, Math.max(1, data.test?.length ?? 1))
  return {
    model,
    step,
    trainer,
    size,
    compileMs: now() - start,
    stepOptions: { ...common, batch },
    evaluate: async (signal) => {
      const { test } = data
      if (test === undefined || declared === null) throw new Error('fit() evaluates only where there is data.test')
      if (testers.length === 0) {
        const compiled = (variables: Variables): Promise<Executable> =>
          compile(declared, { ...common, batch: evaluationBatch, variables })
        testers.push({ tester: await compiled(trainer.variables), isAveraged: false })
        if (emaDecay !== undefined)
          testers.push({ tester: await compiled(trainer.variables.averages), isAveraged: true })
      }
      const on = { batch: evaluationBatch, size, distributions: loss.distributions }
      const results: TestResult[] = []
      for (const { tester } of testers)
        results.push(
          await evaluateWith(tester, declared, { ...on, data: test, signal }).catch(faultOf(options.metrics)),
        )
      const [raw, averaged = null] = results as [TestResult, TestResult?] // the raw one always exists
      return { raw, averaged }
    },
    dispose: () => {
      for (const { tester } of testers) tester.dispose()
      trainer.dispose()
    },
  }
}

const evaluationModel = (model: Model, { loss, data, metrics }: FitOptions): Model => {
  if (data.test !== undefined) classesOf(model, data.test)
  return declareEvaluation(model, { loss: anyLoss(loss), metrics: anyMetrics(metrics) })
}
