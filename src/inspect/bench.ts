/** Times a model, or its training step, together with peers in one process. */
import { benchPeer } from '#peers'
import { compile } from '../compile.ts'
import type { CompileOptions } from '../executable/options.ts'
import type { Model } from '../ir/model.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { nodeAt } from '../ir/graph.ts'
import { stepOptionsOf } from '../passes/train/step.ts'
import type { PeerRequest } from '../peers/peer.ts'
import { type BenchFeeds, benchFeeds } from './bench-feeds.ts'
import { type Contender, race, type Times } from './race.ts'

export interface BenchRow {
  readonly name: string
  readonly backend: string
  readonly amp: boolean
  readonly xla: boolean
  readonly batch: number
  /** Height and width. */
  readonly size: readonly number[]
  readonly train: boolean
  /** Building, passes and backend; 0 for a peer that has no such step. */
  readonly compileMs: number
  /** The first run. */
  readonly warmupMs: number
  /** The number of timed runs. */
  readonly rounds: number
  readonly medianMs: number
  readonly minMs: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly imagesPerSecond: number
  readonly peakBytes: number | null
}
export interface BenchReport {
  readonly machine: string
  /** effuse first, peers last. */
  readonly rows: readonly BenchRow[]
  /** Peers that cannot run the model, each with the reason. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
}

export interface BenchOptions extends Pick<CompileOptions, 'backend' | 'batch' | 'seed' | 'amp'> {
  /** Peers: 'tfjs-wasm', 'tfjs-cpu', 'tfjs-webgpu' is the network written by hand in tfjs on that backend. */
  readonly against?: readonly string[] | undefined
  /** Whether to time the program op by op too (`xla: false`). Default true. */
  readonly opByOp?: boolean | undefined
  /** Default 15. */
  readonly rounds?: number | undefined
  /** The milliseconds after which a contender is not timed again. Default 60,000. */
  readonly budgetMs?: number | undefined
  readonly onProgress?: ((line: string) => void) | undefined
  readonly machine?: string | undefined
}

/**
 * Times a model, or a training step if the model is one. Peers start from the same values and draw the same random numbers. If the losses of the
 * first step differ, there is no report but an error.
 *
 * @throws EffuseError EF403 (options), EF404 (a backend or a peer is missing), EF901 (losses differ).
 * @example
 * const { rows } = await bench(model, { batch: 1, rounds: 2, opByOp: false })
 * rows[0]?.medianMs // of 2 runs
 */
export const bench = async (model: Model, options: BenchOptions = {}): Promise<BenchReport> => {
  const { batch = 1, rounds = 15, budgetMs = 60_000, seed = 0 } = options
  checkPositive('rounds', rounds, Number.isSafeInteger(rounds))
  checkPositive('budgetMs', budgetMs, Number.isFinite(budgetMs))
  const declared = model.at({ batch })
  const training = stepOptionsOf(model)
  const feeds = benchFeeds(declared)
  const contenders: Contender[] = []
  const skipped: { readonly name: string; readonly reason: string }[] = []
  try {
    contenders.push(await ourContender(model, options, batch, true, feeds))
    if (options.opByOp !== false) contenders.push(await ourContender(model, options, batch, false, feeds))
    for (const name of options.against ?? []) {
      const found = await peerContender(name, { graph: declared, seed, training }, feeds)
      if ('run' in found) contenders.push(found)
      else {
        skipped.push({ name, reason: found.reason })
        options.onProgress?.(`${name} is left out: ${found.reason}`)
      }
    }
    const sensitivity = () => lossSensitivity(model, options, batch, feeds)
    const times = await race(contenders, { rounds, budgetMs, sensitivity, onProgress: options.onProgress })
    const size = declared.inputs.flatMap((id) => nodeAt(declared, id).types[0]?.shape.slice(1, 3) ?? [])
    const shared = { batch, size, train: training !== null }
    return {
      machine: options.machine ?? 'unknown',
      rows: contenders.map((c, i) => ({ ...namesOf(c), ...shared, ...figuresOf(c, batch, times[i]) })),
      skipped,
    }
  } finally {
    for (const contender of contenders) contender.dispose()
  }
}

const checkPositive = (option: string, value: number, isNumber: boolean): void => {
  if (!isNumber || !(value > 0))
    throw new EffuseError({ code: 'EF403', message: `${option} must be a positive number, got ${value}` })
}

const ourContender = async (
  model: Model,
  options: BenchOptions,
  batch: number,
  xla: boolean,
  feeds: BenchFeeds,
): Promise<Contender> => {
  const start = performance.now()
  const net = await compile(model, { backend: options.backend, batch, seed: options.seed, amp: options.amp, xla })
  const compileMs = performance.now() - start
  const lossName = stepOptionsOf(model) === null ? null : 'loss'
  return {
    name: `effuse${net.amp === null ? '' : `, ${net.amp.emulated ? 'emulated ' : ''}${net.amp.dtype}`}${xla ? '' : ', op by op'}`,
    amp: net.amp !== null,
    backend: net.backend,
    xla,
    compileMs,
    peakBytes: net.plan.peakBytes,
    run: async () => {
      let loss: number | null = null
      for (const [name, result] of Object.entries(await net.run(feeds))) {
        const [value = Number.NaN] = await result.data()
        if (name === lossName) loss = value
        result.dispose()
      }
      return loss
    },
    dispose: () => net.dispose(),
  }
}

/** Changes of pixels that are as small as a layer's rounding errors. */
const nudges = [1e-6, -1e-6, 2e-6]

/** How much the first loss changes if the pixels change by about a rounding error. */
const lossSensitivity = async (
  model: Model,
  options: BenchOptions,
  batch: number,
  feeds: BenchFeeds,
): Promise<number> => {
  const lossAt = async (nudge: number): Promise<number> => {
    const nudged = Object.entries(feeds).map(
      ([name, data]) => [name, data instanceof Float32Array ? data.map((x) => x * (1 + nudge)) : data] as const,
    )
    const contender = await ourContender(model, options, batch, true, Object.fromEntries(nudged))
    const loss = await contender.run()
    contender.dispose()
    return loss ?? 0
  }
  const still = await lossAt(0)
  const moved: number[] = []
  for (const nudge of nudges) moved.push(Math.abs((await lossAt(nudge)) - still))
  return Math.max(...moved)
}

/** A peer, or the reason why it cannot run the model. That is not a mistake of the caller. */
const peerContender = async (
  name: string,
  request: PeerRequest,
  feeds: BenchFeeds,
): Promise<Contender | { readonly reason: string }> => {
  try {
    const peer = await benchPeer(name, request)
    return {
      name: `${name}, by hand`,
      backend: name,
      amp: false,
      xla: false,
      compileMs: 0,
      peakBytes: null,
      run: () => peer.run(feeds),
      dispose: () => peer.dispose(),
    }
  } catch (error) {
    if (error instanceof EffuseError && error.code === 'EF405') return { reason: error.message }
    throw error
  }
}

const namesOf = ({ name, backend, amp, xla }: Contender) => ({ name, backend, amp, xla })

const figuresOf = ({ compileMs, peakBytes }: Contender, batch: number, times: Times | undefined) => {
  const sorted = [...(times?.samples ?? [])].sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
  const [below = Number.NaN, above = Number.NaN] = [
    sorted[Math.ceil(sorted.length / 2) - 1],
    sorted[Math.floor(sorted.length / 2)],
  ]
  const medianMs = (below + above) / 2
  return {
    compileMs,
    warmupMs: times?.warmup ?? Number.NaN,
    rounds: sorted.length,
    medianMs,
    minMs: at(0),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    imagesPerSecond: (1000 * batch) / medianMs,
    peakBytes,
  }
}
