import { resolve } from 'node:path'
import type { Command } from 'commander'
import { writeFileAtomic } from '#platform'
import { confusionPage } from '../../inspect/confusion.ts'
import { configuredBackend, type TensorflowFlags, withTensorflowFlags } from '../tensorflow-flags.ts'
import { type ExecutionFlags, withExecutionFlags, withExecutionOptions } from '../execution-flags.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Evaluation } from '../../train/evaluation-result.ts'
import { evaluate } from '../../train/evaluate.ts'
import { trainingKey } from '../../io/own-metadata.ts'
import { formats } from '../../models/import/conventions.ts'
import { choiceOf, compileOptionsOf, naturalOf, sizeFlag, shareOf, withCommon, type CommonOptions } from '../common.ts'
import { fixedCrops } from '../../pixels/box.ts'
import { confusionLines } from '../confusion.ts'
import { table, type Io } from '../io.ts'
import { openWeights, type WeightsByPath, type WeightsFlags, noVerifyFlag } from '../open-weights.ts'
import { digitsName } from '../../recipes/recipe.ts'
import { channelsOf, openTestData } from '../train/open-data.ts'
import { makeCount } from '../train/progress.ts'

interface Options extends CommonOptions, ExecutionFlags, TensorflowFlags, Omit<WeightsFlags, 'averages'> {
  readonly data?: string
  readonly holdout?: string
  readonly batch?: string
  readonly crop?: string
  readonly size?: string
  readonly best?: boolean
  readonly model?: string
  readonly confusion?: boolean
  readonly confusionHtml?: string
}

export const addEvaluate = (program: Command, io: Io): void => {
  const described = program
    .command('evaluate')
    .description('measure top-1, top-5, loss and speed of weights on held-out pictures')
  withTensorflowFlags(withExecutionFlags(withCommon(described)))
    .argument('<weights>', "a run's folder, or a file of weights")
    .option('--data <source>', 'digits, or a folder with val/<class>/* or <class>/*; default: the data of the run')
    .option('--holdout <share>', 'share of the pictures that train held out')
    .option('--batch <n>', 'batch size; default: that of the run, else 32')
    .option('--model <module>', "your own model, ./net.js#name, for weights outside of a run's folder")
    .option('--crop <how>', 'center, or none (whole pictures); default: as in the tests of the run, else center')
    .option('--size <pixels>', 'height and width; default: the size of the training')
    .option('--best', "use the run's best checkpoint instead of the latest")
    .option('--confusion', 'show the confusion matrix; for many classes, the pairs that are confused most')
    .option('--confusion-html <file>', 'write the confusion matrix as a page with a picture')
    .option('--format <name>', `origin of the weights, if the file does not name it: ${formats.join(', ')}`)
    .option(...noVerifyFlag)
    .action((path: string, options: Options) => evaluateCommand(path, options, io))
}

const evaluateCommand = async (path: string, options: Options, io: Io): Promise<void> => {
  const size = sizeFlag(options.size)
  const holdout = options.holdout === undefined ? undefined : shareOf('--holdout', options.holdout)
  const crop = options.crop === undefined ? null : choiceOf('--crop', options.crop, fixedCrops)
  const wanted = options.batch === undefined ? undefined : naturalOf('--batch', options.batch, 1)
  const opened = await openWeights(path, {
    prefer: options.best === true ? 'best' : 'latest',
    format: options.format,
    verify: options.verify,
    model: options.model,
    size,
  })
  const { model, run, file } = opened
  const source = options.data ?? run?.settings.data
  if (source === undefined)
    throw new EffuseError({
      code: 'EF601',
      message: `${file} is not in a run's folder, so evaluate needs --data`,
      hint: 'use --data digits, or a folder with val/<class>/* or <class>/*',
    })
  // With another name it is still the run's data, and most of it was used for training.
  const isRunsData = options.data === undefined || resolve(options.data) === run?.settings.data
  const test = await openTestData({
    data: source,
    holdout: holdout ?? (isRunsData ? (run?.settings.holdout ?? null) : null),
    crop: crop ?? (source === digitsName ? null : opened.crop),
    channels: channelsOf(model),
    say: io.err,
  })
  checkLabels(opened, test.classes)
  // Rows of a batch beyond the data would only be padding.
  const batch = Math.min(test.length, wanted ?? run?.settings.evaluationBatch ?? run?.settings.batch ?? 32)
  const count = makeCount(io, `${file} on ${source}`)
  for (const note of opened.notes) io.err(`note: ${note}`)
  const hasBoth = opened.available.length > 1
  const metrics = await opened.metrics()
  const common = withExecutionOptions(compileOptionsOf(options), options)
  const backend = await configuredBackend(common.backend, options)
  const measured = async (kind: 'raw' | 'averages' | undefined): Promise<Evaluation> =>
    evaluate(model, {
      ...common,
      backend,
      data: test,
      variables: await opened.weights(kind),
      batch,
      onProgress: count.update,
      confusion: options.confusion === true || options.confusionHtml !== undefined,
      metrics,
    })
  try {
    const raw = await measured(hasBoth ? 'raw' : undefined)
    const ema = hasBoth ? await measured('averages') : null
    count.stop()
    const { confusion } = ema ?? raw
    const kind = ema === null ? '' : ' of the averages'
    if (confusion !== null && options.confusionHtml !== undefined)
      await writeFileAtomic(
        options.confusionHtml,
        new TextEncoder().encode(confusionPage(`${file} on ${source}${kind}`, confusion)),
      )
    if (options.json === true) {
      const both = { ...documentOf(raw), ema: ema === null ? null : documentOf(ema) }
      return io.out(JSON.stringify({ checkpoint: file, data: source, batch, ...both }, null, 2))
    }
    io.out(`${file} on ${raw.count} pictures of ${source}, ${batch} at a time\n`)
    io.out(tableOf(raw, ema))
    if (confusion !== null && options.confusion === true)
      io.out(`\nconfusion matrix${kind}\n\n${confusionLines(confusion)}`)
    if (options.confusionHtml !== undefined) io.out(`\nconfusion matrix: ${options.confusionHtml}`)
  } finally {
    count.stop()
  }
}

/** A run's labels are those of its data. Other files may name their classes differently, so only their number is checked. */
const checkLabels = ({ metadata, labels, file }: WeightsByPath, classes: readonly string[]): void => {
  if (!metadata.has(trainingKey) || labels.length !== classes.length) return // evaluate() compares the counts
  const at = labels.findIndex((label, i) => label !== classes[i])
  if (at >= 0)
    throw new EffuseError({
      code: 'EF701',
      message: `class ${at} is "${labels[at]}" in ${file} and "${classes[at]}" in the data`,
      hint: 'evaluate on data with the same classes in the same order',
    })
}

/** The JSON form. A matrix is a list of rows. */
const documentOf = ({ confusion, metrics, ...plain }: Evaluation): object => {
  const figures = Object.keys(metrics).length === 0 ? plain : { ...plain, metrics }
  if (confusion === null) return figures
  const { classes, counts } = confusion
  const rows = classes.map((_, i) => [...counts.subarray(i * classes.length, (i + 1) * classes.length)])
  return { ...figures, confusion: { classes, counts: rows } }
}

const tableOf = (raw: Evaluation, ema: Evaluation | null): string => {
  const row = (
    name: string,
    { top1, top5, loss, metrics, imagesPerSecond, latencyMs }: Evaluation,
  ): readonly (string | number)[] => [
    name,
    ...[top1, top5].map((share) => `${(share * 100).toFixed(2)} %`),
    ...[loss, ...Object.values(metrics)].map((x) => x.toFixed(4)),
    ...[imagesPerSecond, latencyMs.mean, latencyMs.p90, latencyMs.p95, latencyMs.p99].map((x) => x.toFixed(1)),
  ]
  return table(
    [
      ...['weights', 'top-1', 'top-5', 'loss', ...Object.keys(raw.metrics)],
      ...['images/s', 'ms a batch', '90 %', '95 %', '99 %'],
    ],
    [row('raw', raw), ...(ema === null ? [] : [row('averages', ema)])],
  )
}
