/** Timing several programs side by side: first runs one after another, then rounds in which each has its turn, so that a noisy machine hits all alike. */
import { EffuseError } from '../ir/diagnostics.ts'

/** What is timed. */
export interface Contender {
  readonly name: string
  readonly backend: string
  readonly amp: boolean
  readonly xla: boolean
  readonly compileMs: number
  readonly peakBytes: number | null
  /** One run, its results read; of a training step the loss, else null. */
  run(): Promise<number | null>
  dispose(): void
}

export interface Times {
  readonly warmup: number
  readonly samples: readonly number[]
}

export interface RaceOptions {
  readonly rounds: number
  /** A contender whose rounds have taken that long is not timed again. */
  readonly budgetMs: number
  /** How far roundings alone move the first loss; asked where losses differ. */
  readonly sensitivity: () => Promise<number>
  readonly onProgress?: ((line: string) => void) | undefined
}

/** Times in the order of the contenders. @throws EffuseError EF901 where the first losses differ: they would not compute the same. */
export const race = async (contenders: readonly Contender[], options: RaceOptions): Promise<readonly Times[]> => {
  const warmups = await firstRuns(contenders, options)
  const samples = await timedRounds(contenders, options)
  return contenders.map((_, i) => ({ warmup: warmups[i] ?? Number.NaN, samples: samples[i] ?? [] }))
}

/** Above this time per run, each round is reported. */
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
    // Once more before it counts: engines compile what ran often. The slow ones have had their fill.
    if (ms < budgetMs / 10) await contender.run()
  }
  return warmups
}

const timedRounds = async (
  contenders: readonly Contender[],
  { rounds, budgetMs, onProgress }: RaceOptions,
): Promise<readonly (readonly number[])[]> => {
  const samples: number[][] = contenders.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const own = samples[i] ?? []
      if (own.length > 0 && own.reduce((sum, ms) => sum + ms, 0) >= budgetMs) continue
      const { ms } = await timed(contender)
      own.push(ms)
      if (ms > slowMs) onProgress?.(`${contender.name}: round ${own.length} of at most ${rounds}, ${ms.toFixed(0)} ms`)
    }
  }
  return samples
}

const timed = async (contender: Contender): Promise<{ readonly ms: number; readonly loss: number | null }> => {
  const start = performance.now()
  const loss = await contender.run()
  return { ms: performance.now() - start, loss }
}

/** How far first losses may be apart, of the loss: a hundred times what float32 shows on B0, and what half types need. */
const [lossTolerance, halfTolerance] = [1e-4, 2e-2]
/** What a few samples say of how far roundings may move a loss. */
const roundingFactor = 4

/**
 * Where there are few rows to a batch norm, or half types, the network itself magnifies roundings, so no contender can be more exact.
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
    message: `the loss of the first step is ${loss} for ${name} and ${first.loss} for ${first.name}: their times would not compare`,
    hint: 'unless the loss is not finite, please report it',
  })
}
