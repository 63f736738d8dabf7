import type { Command } from 'commander'
import { EffuseError } from '../../ir/diagnostics.ts'
import { formats as weightFormats } from '../../models/import/conventions.ts'
import { choiceOf, compileOptionsOf, naturalOf, withCommon, type CommonOptions } from '../common.ts'
import { exportFormatNames, exportFormats } from '../export/formats.ts'
import { type ExportedModelFlags, modelToExport } from '../export/model-to-export.ts'
import type { Io } from '../io.ts'
import { withWeightsFlags } from '../open-weights.ts'

interface Options extends CommonOptions, ExportedModelFlags {
  readonly format: string
  readonly batch: string
  readonly output: string
  readonly train?: boolean
  readonly trainBatch?: string
  readonly force?: boolean
}

const about = exportFormatNames.map((name) => `${name} (${exportFormats[name].about})`).join(', ')

export const addExport = (program: Command, io: Io): void => {
  withWeightsFlags(withCommon(program.command('export').description('write a model and its weights for other tools')))
    .requiredOption('--format <name>', about)
    .requiredOption('-o, --output <path>', 'the file or folder to write')
    .option('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name; default: the model of the weights')
    .option('--weights <file>', "a run's folder, or a file of weights; default: initial values")
    .option(
      '--weights-format <name>',
      `origin of the weights, if the file does not name it: ${weightFormats.join(', ')}`,
    )
    .option('--batch <n>', 'batch size, which is fixed', '1')
    .option('--size <pixels>', "height and width; default: the weights', else the variant's own")
    .option('--classes <n>', 'number of classes of a variant without weights; default: 1000')
    .option('--train', 'savedmodel: also the training step (cross-entropy, RMSprop, weight decay, averages)')
    .option('--train-batch <n>', 'savedmodel: batch size of the training step; default: --batch')
    .option('--force', 'savedmodel: replace a folder that is not empty')
    .action(async (options: Options) => {
      const name = choiceOf('--format', options.format, exportFormatNames)
      checkFlags(options, name)
      const batch = naturalOf('--batch', options.batch, 1)
      const trainBatch = options.trainBatch === undefined ? batch : naturalOf('--train-batch', options.trainBatch, 1)
      const { amp, xla, seed } = compileOptionsOf(options)
      const { report, text } = await exportFormats[name].write({
        ...(await modelToExport(options, io)),
        ...{ amp, xla, seed, batch, trainBatch, output: options.output },
        ...{ train: options.train ?? options.trainBatch !== undefined, force: options.force ?? false },
      })
      const { file, folder, ...rest } = report
      const place = file === undefined ? { folder } : { file }
      io.out(options.json === true ? JSON.stringify({ ...place, format: name, ...rest }, null, 2) : text)
    })
}

const flagNames = { train: '--train', trainBatch: '--train-batch', force: '--force' } as const

/** @throws EffuseError EF601 for a flag that only another format has */
const checkFlags = (options: Options, name: keyof typeof exportFormats): void => {
  for (const other of exportFormatNames)
    for (const flag of exportFormats[other].flags)
      if (options[flag] !== undefined && !exportFormats[name].flags.some((own) => own === flag))
        throw new EffuseError({
          code: 'EF601',
          message: `${flagNames[flag]} is for --format ${other}, but the format is ${name}`,
        })
}
