/** Times a model, or its training step, together with peers in one process. */
import { benchPeer } from '#peers'
import { compile } from '../compile.ts'
import type { CompileOptions, ExecutionOptions } from '../executable/options.ts'
import type { Model } from '../ir/model.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { nodeAt } from '../ir/graph.ts'
import { stepOptionsOf } from '../passes/train/declaration.ts'
import { peerNames, type PeerRequest } from '../peers/peer.ts'
import { type BenchFeeds, benchFeeds } from './bench-feeds.ts'
import type { Contender, Outcome } from './contender.ts'
import { race, type Times } from './race.ts'

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
  /** What runs the network: the peer's packages with their versions; null for effuse. */
  readonly about: string | null
}
export interface BenchReport {
  readonly machine: string
  /** Of the peers that have threads. */
  readonly threads: number
  /** effuse first, peers last. */
  readonly rows: readonly BenchRow[]
  /** Peers that cannot run the model or are not installed, each with the reason, and the command that adds it. */
  readonly skipped: readonly SkippedPeer[]
}

interface SkippedPeer {
  readonly name: string
  readonly reason: string
  readonly fix: string | null
}

export interface BenchOptions extends ExecutionOptions, Pick<CompileOptions, 'batch'> {
  /**
   * Peers: 'tfjs-wasm', 'tfjs-cpu', 'tfjs-webgpu' and 'tfjs-node' are the network written by hand in tfjs on that backend; 'onnxruntime' runs the
   * file that effuse exports; 'pytorch' (timm) and 'tensorflow-python' (Keras) are processes of Python with an EfficientNet.
   */
  readonly against?: readonly string[] | undefined
  /** Threads of the peers that have some; default: as many as the machine has cores. */
  readonly threads?: number | undefined
  /** Whether to time the program op by op too. Default true. With `xla: false` nothing else of effuse is timed. */
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
 * first step differ, or the first results of inference, there is no report but an error.
 *
 * @throws EffuseError EF403 (options), EF404 (no such backend or peer), EF901 (losses or results differ).
 * @example
 * const { rows } = await bench(model, { batch: 1, rounds: 2, opByOp: false })
 * rows[0]?.medianMs // of 2 runs
 */
export const bench = async (model: Model, options: BenchOptions = {}): Promise<BenchReport> => {
  const { batch = 1, rounds = 15, budgetMs = 60_000, seed = 0 } = options
  checkPositive('rounds', rounds, Number.isSafeInteger(rounds))
  checkPositive('budgetMs', budgetMs, Number.isFinite(budgetMs))
  const threads = options.threads ?? globalThis.navigator?.hardwareConcurrency ?? 1
  checkPositive('threads', threads, Number.isSafeInteger(threads))
  const declared = model.at({ batch })
  const training = stepOptionsOf(model)
  const feeds = benchFeeds(declared)
  const contenders: (Contender | PeerContender)[] = []
  const skipped: SkippedPeer[] = []
  try {
    for (const xla of programsOf(options)) contenders.push(await ourContender(model, options, batch, xla, feeds))
    for (const name of options.against ?? []) {
      const found = await peerContender(name, { model, graph: declared, batch, seed, training, feeds, threads })
      if ('run' in found) contenders.push(found)
      else {
        skipped.push({ name, ...found })
        options.onProgress?.(`${name} is left out: ${leftOut(found)}`)
      }
    }
    const sensitivity = () => lossSensitivity(model, options, batch, feeds)
    const times = await race(contenders, { rounds, budgetMs, sensitivity, onProgress: options.onProgress })
    const size = declared.inputs.flatMap((id) => nodeAt(declared, id).types[0]?.shape.slice(1, 3) ?? [])
    const shared = { batch, size, train: training !== null }
    return {
      machine: options.machine ?? 'unknown',
      threads,
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

/** The option `xla` of each program of effuse to time. */
const programsOf = ({ xla = true, opByOp = true }: BenchOptions): readonly NonNullable<BenchOptions['xla']>[] =>
  xla === false || !opByOp ? [xla] : [xla, false]

const ourContender = async (
  model: Model,
  options: BenchOptions,
  batch: number,
  xla: NonNullable<BenchOptions['xla']>,
  feeds: BenchFeeds,
): Promise<Contender> => {
  const { backend, amp, precision, deterministic, seed } = options
  const start = performance.now()
  const net = await compile(model, { backend, amp, precision, deterministic, seed, xla, batch })
  const compileMs = performance.now() - start
  const lossName = stepOptionsOf(model) === null ? null : 'loss'
  return {
    name: `effuse${net.amp === null ? '' : `, ${net.amp.emulated ? 'emulated ' : ''}${net.amp.dtype}`}${xla === false ? ', op by op' : ''}`,
    amp: net.amp !== null,
    backend: net.backend,
    xla: xla !== false,
    compileMs,
    peakBytes: net.plan.peakBytes,
    run: async (): Promise<Outcome> => {
      let loss: number | null = null
      for (const [name, result] of Object.entries(await net.run(feeds))) {
        const [value = Number.NaN] = await result.data()
        if (name === lossName) loss = value
        result.dispose()
      }
      return { loss }
    },
    outputs: async () => {
      if (lossName !== null) return null
      const results = Object.values(await net.run(feeds))
      const first = (await results[0]?.data()) ?? null
      for (const result of results) result.dispose()
      return first
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
    const contender = await ourContender(model, options, batch, options.xla ?? true, Object.fromEntries(nudged))
    const { loss } = await contender.run()
    contender.dispose()
    return loss ?? 0
  }
  const still = await lossAt(0)
  const moved: number[] = []
  for (const nudge of nudges) moved.push(Math.abs((await lossAt(nudge)) - still))
  return Math.max(...moved)
}

interface PeerContender extends Contender {
  readonly about: string
}

/** Why a peer is left out, and how to add it, as one line. */
export const leftOut = ({ reason, fix }: Omit<SkippedPeer, 'name'>): string =>
  fix === null ? reason : `${reason}; ${fix}`

/** A peer, or the reason why it cannot run the model. That is not a mistake of the caller. */
const peerContender = async (
  name: string,
  request: PeerRequest,
): Promise<PeerContender | Omit<SkippedPeer, 'name'>> => {
  try {
    const peer = await benchPeer(name, request)
    return {
      name,
      backend: name,
      amp: false,
      xla: false,
      compileMs: peer.compileMs,
      peakBytes: null,
      about: peer.about,
      run: () => peer.run(),
      outputs: () => peer.outputs(),
      dispose: () => peer.dispose(),
    }
  } catch (error) {
    const isKnown = peerNames.some((known) => known === name)
    if (!isKnown || !(error instanceof EffuseError) || !['EF404', 'EF405'].includes(error.code)) throw error
    return { reason: error.message, fix: error.hint ?? null }
  }
}

const namesOf = (contender: Contender | PeerContender) => {
  const { name, backend, amp, xla } = contender
  return { name, backend, amp, xla, about: 'about' in contender ? contender.about : null }
}

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
