/** The end of an epoch: evaluation, comparison with the best so far, and a checkpoint. */
import { type Run, saveCheckpoint } from './run.ts'
import type { TestResult } from './stage-runner.ts'
import type { EpochEnd } from './train-epoch.ts'

/** Ends the epoch: the state moves to the next one. 'aborted': the evaluation did not finish, so the epoch has not ended. */
export const evaluateEpoch = async (run: Run): Promise<EpochEnd> => {
  const { data, epochs, evaluateEvery = 1 } = run.options
  const { epoch } = run.state
  const isDue = data.test !== undefined && ((epoch + 1) % evaluateEvery === 0 || epoch + 1 === epochs)
  let isBest = false
  if (isDue) {
    const outcome = await evaluated(run)
    if (outcome === 'aborted') return 'aborted'
    isBest = outcome.isBest
  }
  run.state = { ...run.state, epoch: epoch + 1, batchInEpoch: 0 }
  await saveCheckpoint(run, isBest)
  return 'done'
}

const evaluated = async (run: Run): Promise<'aborted' | { readonly isBest: boolean }> => {
  const { signal, earlyStop } = run.options
  const { state } = run
  const results = await run.runner.evaluate(signal).catch((error: unknown) => {
    if (signal?.aborted === true && error === signal.reason) return null
    throw error
  })
  if (results === null) return 'aborted'
  const { raw, averaged } = results
  for (const { fault } of averaged === null ? [raw] : [raw, averaged])
    if (fault !== undefined)
      run.emit({ kind: 'notice', message: `epoch ${state.epoch}: ${fault}; it does not count as an accuracy` })
  const top1 = (averaged ?? raw).top1 // NaN never counts as better, even in the first evaluation
  const isBest = top1 > (state.best?.top1 ?? -1)
  const isGain = top1 > (state.lastGain === null ? -1 : state.lastGain.top1 + (earlyStop?.least ?? 0))
  run.state = {
    ...state,
    top1: shareOrNull(raw),
    emaTop1: shareOrNull(averaged),
    best: isBest ? { epoch: state.epoch, top1 } : state.best,
    lastGain: isGain ? { epoch: state.epoch, top1 } : state.lastGain,
  }
  run.emit({
    kind: 'evaluation',
    epoch: state.epoch,
    step: state.step,
    top1: raw.top1,
    top5: raw.top5,
    loss: raw.loss,
    emaTop1: averaged?.top1 ?? null,
    emaTop5: averaged?.top5 ?? null,
    emaLoss: averaged?.loss ?? null,
    metrics: raw.metrics,
    emaMetrics: averaged?.metrics ?? null,
    count: raw.count,
    isBest,
  })
  return { isBest }
}

const shareOrNull = (result: TestResult | null): number | null =>
  result === null || Number.isNaN(result.top1) ? null : result.top1
