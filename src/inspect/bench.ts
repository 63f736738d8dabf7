/** Times a model side by side with peers, in one process: rounds alternate, so that a noisy machine hits all alike. */
import { benchPeer } from '#backends'
import { compile } from '../compile.ts'
import type { CompileOptions } from '../executable/options.ts'
import type { Model } from '../ir/model.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { nodeAt } from '../ir/graph.ts'
import { elements, type Graph } from '../ir/types.ts'

export interface BenchRow {
  readonly name: string
  readonly backend: string
  readonly amp: boolean
  readonly xla: boolean
  readonly batch: number
  readonly size: readonly number[]
  readonly train: boolean
  /** Building, passes and backend; 0 for a peer that has no such step. */
  readonly compileMs: number
  /** The first run. */
  readonly warmupMs: number
  readonly medianMs: number
  readonly minMs: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly imagesPerSecond: number
  readonly peakBytes: number | null
}
export interface BenchReport {
  readonly machine: string
  readonly rows: readonly BenchRow[]
}

export interface BenchOptions extends Pick<CompileOptions, 'backend' | 'batch' | 'seed' | 'amp'> {
  /** 'tfjs-wasm', 'tfjs-cpu': the network written by hand in tfjs on that backend; or another backend of effuse. */
  readonly against?: readonly string[] | undefined
  /** Also op by op (`xla: false`). Default true. */
  readonly opByOp?: boolean | undefined
  /** Default 15. */
  readonly rounds?: number | undefined
  readonly onProgress?: ((line: string) => void) | undefined
  readonly machine?: string | undefined
}

interface Contender {
  readonly name: string
  readonly backend: string
  readonly amp: boolean
  readonly xla: boolean
  readonly compileMs: number
  readonly peakBytes: number | null
  run(): Promise<void>
  dispose(): void
}

/**
 * @throws EffuseError EF404 (a backend is missing), EF403 (options).
 */
export const bench = async (model: Model, options: BenchOptions = {}): Promise<BenchReport> => {
  const batch = options.batch ?? 1
  const rounds = options.rounds ?? 15
  if (!Number.isSafeInteger(rounds) || rounds < 1)
    throw new EffuseError({ code: 'EF403', message: `rounds must be a positive integer, got ${rounds}` })
  const declared = model.at({ batch })
  const feeds = benchFeeds(declared)
  const contenders: Contender[] = []
  try {
    const ours = await ourContender(model, options, batch, true, feeds)
    contenders.push(ours)
    if (options.opByOp !== false) contenders.push(await ourContender(model, options, batch, false, feeds))
    for (const peer of options.against ?? [])
      contenders.push(await peerContender(peer, declared, feeds, options.seed ?? 0))
    const times = await race(contenders, rounds, options.onProgress)
    const size = declared.inputs.flatMap((id) => nodeAt(declared, id).types[0]?.shape.slice(1, 3) ?? [])
    return {
      machine: options.machine ?? 'unknown',
      rows: contenders.map((c, i) => rowOf(c, times[i] ?? { warmup: Number.NaN, samples: [] }, batch, size)),
    }
  } finally {
    for (const contender of contenders) contender.dispose()
  }
}

const ourContender = async (
  model: Model,
  options: BenchOptions,
  batch: number,
  xla: boolean,
  feeds: Feeds,
): Promise<Contender> => {
  const start = performance.now()
  const net = await compile(model, { backend: options.backend, batch, seed: options.seed, amp: options.amp, xla })
  const compileMs = performance.now() - start
  return {
    name: `effuse${net.amp === null ? '' : `, ${net.amp.emulated ? 'emulated ' : ''}${net.amp.dtype}`}${xla ? '' : ', op by op'}`,
    amp: net.amp !== null,
    backend: net.backend,
    xla,
    compileMs,
    peakBytes: net.plan.peakBytes,
    run: async () => {
      const results = await net.run(feeds)
      for (const result of Object.values(results)) {
        await result.data()
        result.dispose()
      }
    },
    dispose: () => net.dispose(),
  }
}

const peerContender = async (name: string, declared: Graph, feeds: Feeds, seed: number): Promise<Contender> => {
  const peer = await benchPeer(name, declared, seed)
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
}

/** All contenders once per round, in turn, after a first run each. */
const race = async (
  contenders: readonly Contender[],
  rounds: number,
  onProgress: BenchOptions['onProgress'],
): Promise<readonly { readonly warmup: number; readonly samples: readonly number[] }[]> => {
  const timed = async (contender: Contender): Promise<number> => {
    const start = performance.now()
    await contender.run()
    return performance.now() - start
  }
  const results: { readonly warmup: number; readonly samples: number[] }[] = []
  for (const contender of contenders) {
    const warmup = await timed(contender)
    await timed(contender)
    onProgress?.(`${contender.name} on ${contender.backend}: first run ${warmup.toFixed(0)} ms`)
    results.push({ warmup, samples: [] })
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) results[i]?.samples.push(await timed(contender))
  }
  return results
}

const rowOf = (
  c: Contender,
  { warmup, samples }: { readonly warmup: number; readonly samples: readonly number[] },
  batch: number,
  size: readonly number[],
): BenchRow => {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
  return {
    name: c.name,
    backend: c.backend,
    amp: c.amp,
    xla: c.xla,
    batch,
    size,
    train: false,
    compileMs: c.compileMs,
    warmupMs: warmup,
    medianMs: at(0.5),
    minMs: at(0),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    imagesPerSecond: (1000 * batch) / at(0.5),
    peakBytes: c.peakBytes,
  }
}

type Feeds = { readonly [name: string]: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> }

/** Pixels between 0 and 255, the same in every run. */
const benchFeeds = (graph: Graph): Feeds =>
  Object.fromEntries(
    graph.inputs.map((id) => {
      const node = nodeAt(graph, id)
      const [type] = node.types
      const length = type === undefined ? 0 : elements(type.shape)
      const name = node.op === 'input' ? node.attrs.name : ''
      return [
        name,
        type?.dtype === 'int32' ? new Int32Array(length) : Float32Array.from({ length }, (_, i) => (i * 7919) % 256),
      ]
    }),
  )
