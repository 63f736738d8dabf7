/** Times several programs: first each one's first run, then rounds in which each runs once, so that a noisy machine affects all equally. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { Contender } from './contender.ts'
import { checkOutputs } from './same-outputs.ts'

export interface Times {
  readonly warmup: number
  readonly samples: readonly number[]
}

export interface RaceOptions {
  readonly rounds: number
  /** The milliseconds after which a contender is not timed again. */
  readonly budgetMs: number
  /** How much rounding alone changes the first loss. Called if losses differ. */
  readonly sensitivity: () => Promise<number>
  readonly onProgress?: ((line: string) => void) | undefined
}

/** Times in the order of the contenders. @throws EffuseError EF901 if the first losses differ: the contenders would not compute the same */
export const race = async (contenders: readonly Contender[], options: RaceOptions): Promise<readonly Times[]> => {
  const warmups = await firstRuns(contenders, options)
  await checkOutputs(contenders) // after the first runs, which this would warm up
  const samples = await timedRounds(contenders, warmups, options)
  return contenders.map((_, i) => ({ warmup: warmups[i] ?? Number.NaN, samples: samples[i] ?? [] }))
}

/** Above this time per run, onProgress reports each round. */
const slowMs = 2000

const firstRuns = async (contenders: readonly Contender[], options: RaceOptions): Promise<readonly number[]> => {
  const { budgetMs, onProgress } = options
  const warmups: number[] = []
  let first: { readonly name: string; readonly loss: number } | null = null
  for (const contender of contenders) {
    const { ms, loss } = await timed(contender)
    const said = loss === null ? '' : `, loss ${loss.toPrecision(6)}`
    onProgress?.(`${contender.name} on ${contender.backend}: first run ${ms.toFixed(0)} ms${said}`)
    if (loss !== null && first !== null) await checkLoss(first, contender, loss, options)
    if (loss !== null) first ??= { name: contender.name, loss }
    warmups.push(ms)
    // Another run that is not timed, because engines compile code that ran often. Slow contenders ran long enough.
    if (ms < budgetMs / 10) await contender.run()
  }
  return warmups
}

const timedRounds = async (
  contenders: readonly Contender[],
  warmups: readonly number[],
  { rounds, budgetMs, onProgress }: RaceOptions,
): Promise<readonly (readonly number[])[]> => {
  const samples: number[][] = contenders.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const own = samples[i] ?? []
      if (own.length > 0 && own.reduce((sum, ms) => sum + ms, 0) >= budgetMs) continue
      if (contenders.length > 1) await settle(contender, own.at(-1) ?? warmups[i] ?? 0)
      const { ms } = await timed(contender)
      own.push(ms)
      if (ms > slowMs) onProgress?.(`${contender.name}: round ${own.length} of at most ${rounds}, ${ms.toFixed(0)} ms`)
    }
  }
  return samples
}

/** Above this time per run, what the contender before it left behind does not matter. */
const shortMs = 500
const settleMs = 100

/**
 * Waits until the threads of the contender before sleep: thread pools wait for work by looking for it over and over, and take a core from others
 * meanwhile. Then wakes the contender's own threads by a run that is not timed.
 */
const settle = async (contender: Contender, lastMs: number): Promise<void> => {
  if (lastMs > shortMs) return
  await new Promise((resolve) => {
    setTimeout(resolve, settleMs)
  })
  await contender.run()
}

const timed = async (contender: Contender): Promise<{ readonly ms: number; readonly loss: number | null }> => {
  const start = performance.now()
  const { loss, ms } = await contender.run()
  return { ms: ms ?? performance.now() - start, loss }
}

/** The allowed relative difference of first losses: a hundred times that of float32 on B0, and more for half types. */
const [lossTolerance, halfTolerance] = [1e-4, 2e-2]
/** A few samples underestimate how much rounding can change a loss, by up to this factor. */
const roundingFactor = 4

/**
 * Checks the losses. With few rows for a batch norm, or with half types, the network itself magnifies rounding errors, so the tolerance grows.
 */
const checkLoss = async (
  first: { readonly name: string; readonly loss: number },
  { name, amp }: Contender,
  loss: number,
  { sensitivity, onProgress }: RaceOptions,
): Promise<void> => {
  const apart = Math.abs(loss - first.loss)
  if (apart <= (amp ? halfTolerance : lossTolerance) * Math.max(1, Math.abs(first.loss))) return
  const rounding = await sensitivity()
  if (apart <= roundingFactor * rounding) {
    onProgress?.(`${name}: losses differ, but at this size roundings alone move them by ${rounding.toPrecision(2)}`)
    return
  }
  throw new EffuseError({
    code: 'EF901',
    message: `the loss of the first step is ${loss} for ${name} and ${first.loss} for ${first.name}: their times cannot be compared`,
    hint: 'unless the loss is not finite, please report it',
  })
}
