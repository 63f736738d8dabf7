import type { Command } from 'commander'
import { compile } from '../../compile.ts'
import { modelByName, naturalOf, paperOptionsOf, withCommon, type CommonOptions, trainingStepOf } from '../common.ts'
import { type ExecutionFlags, withExecutionFlags, withExecutionOptions } from '../execution-flags.ts'
import type { Io } from '../io.ts'

interface Options extends CommonOptions, ExecutionFlags {
  readonly model: string
  readonly batch: string
  readonly train?: boolean
}

export const addExplain = (program: Command, io: Io): void => {
  const command = program.command('explain').description('show what the passes did with a layer, and why')
  withExecutionFlags(withCommon(command))
    .argument('<path>', 'path of a layer, blocks.3/se/reduce; a glob; or %12, a value of the declared graph')
    .requiredOption('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name')
    .option('--batch <n>', 'batch size', '1')
    .option('--train', 'explain the training step: cross-entropy, RMSprop, weight decay, averages')
    .action(async (path: string, options: Options) => {
      const named = await modelByName(options.model)
      const executable = await compile(options.train === true ? trainingStepOf(named) : named, {
        ...withExecutionOptions(paperOptionsOf(options), options),
        batch: naturalOf('--batch', options.batch, 1),
      })
      try {
        const { text, ...explanation } = executable.explain(path)
        io.out(options.json === true ? JSON.stringify(explanation, null, 2) : text)
      } finally {
        executable.dispose()
      }
    })
}
