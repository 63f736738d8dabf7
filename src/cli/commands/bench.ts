import { availableParallelism, cpus } from 'node:os'
import type { Command } from 'commander'
import { peerNames } from '../../peers/peer.ts'
import { writeFileAtomic } from '#platform'
import { compile } from '../../compile.ts'
import type { CompileOptions } from '../../executable/options.ts'
import { benchFeeds } from '../../inspect/bench-feeds.ts'
import { profileTrace } from '../../inspect/trace.ts'
import { bench, type BenchReport, leftOut } from '../../inspect/bench.ts'
import { configuredBackend, type TensorflowFlags, withTensorflowFlags } from '../tensorflow-flags.ts'
import { type ExecutionFlags, withExecutionFlags, withExecutionOptions } from '../execution-flags.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Model } from '../../ir/model.ts'
import {
  choiceOf,
  compileOptionsOf,
  isVariant,
  modelByName,
  naturalOf,
  sizeFlag,
  withCommon,
  type CommonOptions,
  trainingStepOf,
} from '../common.ts'
import { table, type Io } from '../io.ts'

interface Options extends CommonOptions, ExecutionFlags, TensorflowFlags {
  readonly model?: string
  readonly train?: boolean
  readonly batch?: string
  readonly size?: string
  readonly classes?: string
  readonly rounds: string
  readonly budget: string
  readonly against?: readonly string[]
  readonly threads?: string
  readonly trace?: string
}

export const addBench = (program: Command, io: Io): void => {
  const command = program.command('bench').description('time a model or its training step against peers')
  withTensorflowFlags(withExecutionFlags(withCommon(command)))
    .option('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name; default: b0')
    .option('--train', 'time the training step: cross-entropy, RMSprop, weight decay, averages')
    .option('--batch <n>', 'batch size; default: 1, with --train 4')
    .option('--size <pixels>', "height and width; default: the variant's own, with --train and no --model 96")
    .option('--classes <n>', 'number of classes; default: 1000')
    .option('--rounds <n>', 'timed runs of each contender', '15')
    .option('--budget <seconds>', 'stop timing a contender whose rounds have taken this long', '60')
    .option('--against <peer...>', `peers, separated by commas or spaces: ${peerNames.join(', ')}`)
    .option('--threads <n>', 'threads of the peers that use threads; default: one per core')
    .option('--trace <file>', 'write one profiled run, kernel by kernel, for ui.perfetto.dev')
    .action(async (given: Options) => {
      const options = completed(given)
      const how = withExecutionOptions(compileOptionsOf(options), options)
      const backend = await configuredBackend(how.backend, options)
      const against = options.against?.flatMap((names) => names.split(',')).filter((peer) => peer !== '')
      const peers = against?.map((peer) => choiceOf('--against', peer, peerNames))
      const threads =
        options.threads === undefined ? availableParallelism() : naturalOf('--threads', options.threads, 1)
      const model = await modelOf(options)
      const compiled = { ...how, backend, batch: naturalOf('--batch', options.batch, 1) }
      const report = await bench(model, {
        ...compiled,
        rounds: naturalOf('--rounds', options.rounds, 1),
        budgetMs: 1000 * naturalOf('--budget', options.budget, 1),
        against: peers,
        threads,
        machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}`,
        onProgress: (line) => io.err(line),
      })
      io.out(options.json === true ? JSON.stringify(report, null, 2) : told(report))
      if (options.trace !== undefined) await writeTrace(options.trace, model, compiled)
    })
}

/** The third run is the profiled one: engines have compiled most of the code by then. */
const writeTrace = async (file: string, model: Model, options: CompileOptions): Promise<void> => {
  using net = await compile(model, options)
  const feeds = benchFeeds(model.at({ batch: options.batch ?? 1 }))
  for (let i = 0; i < 2; i++) for (const result of Object.values(await net.run(feeds))) result.dispose()
  const trace = profileTrace(await net.profile(feeds), `${model.name} on ${net.backend}`)
  await writeFileAtomic(file, new TextEncoder().encode(trace))
}

/** By default a training step is timed on small pictures, because peers may take a minute even for these. */
const completed = ({ model, batch, size, ...options }: Options) => ({
  ...options,
  model: model ?? 'b0',
  batch: batch ?? (options.train === true ? '4' : '1'),
  size: size ?? (options.train === true && model === undefined ? '96' : undefined),
})

const modelOf = async (options: ReturnType<typeof completed>): Promise<Model> => {
  const resolution = sizeFlag(options.size)
  const classes = options.classes === undefined ? undefined : naturalOf('--classes', options.classes, 1)
  if (!isVariant(options.model) && (resolution !== undefined || classes !== undefined))
    throw new EffuseError({
      code: 'EF601',
      message: `--size and --classes are for variants of EfficientNet; ${options.model} declares its own`,
    })
  const model = await modelByName(options.model, { resolution, classes })
  return options.train === true ? trainingStepOf(model) : model
}

const told = ({ machine, threads, rows, skipped }: BenchReport): string => {
  const peer = rows.at(-1)
  const heads = ['name', 'backend', 'batch', 'compile ms', 'first ms', 'rounds', 'median ms', 'min ms', 'p90 ms']
  return [
    `${machine}, ${threads} ${threads === 1 ? 'thread' : 'threads'} for peers`,
    table(
      [...heads, 'images/s', 'ratio'],
      rows.map((r) => [
        r.name,
        r.backend,
        r.batch,
        Math.round(r.compileMs),
        Math.round(r.warmupMs),
        r.rounds,
        r.medianMs.toFixed(1),
        r.minMs.toFixed(1),
        r.p90Ms.toFixed(1),
        r.imagesPerSecond.toFixed(1),
        peer === undefined ? '-' : (r.medianMs / peer.medianMs).toFixed(r.medianMs < peer.medianMs / 100 ? 4 : 2),
      ]),
    ),
    ...(peer === undefined ? [] : [`\nratio: median against "${peer.name}"; below 1 is faster.`]),
    ...rows.flatMap(({ name, about }) => (about === null ? [] : [`${name}: ${about}`])),
    ...skipped.map((peer) => `left out: ${peer.name}: ${leftOut(peer)}`),
  ].join('\n')
}
