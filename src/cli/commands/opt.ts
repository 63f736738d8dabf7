import { Option, type Command } from 'commander'
import { print } from '../../ir/print.ts'
import { stages, verifyOrThrow, type Stage } from '../../ir/verify.ts'
import { fuseTfjs } from '../../backends/tfjs/fuse-tfjs.ts'
import { graphSteps } from '../../passes/program.ts'
import { printProgram } from '../../passes/program-text.ts'
import { parsePipeline, passFactories, type PassFactory } from '../../passes/registry.ts'
import { runPipeline } from '../../passes/runner.ts'
import { debugOptions, saveReproducer } from '../../executable/debug.ts'
import { withCommon, type CommonOptions } from '../common.ts'
import { table, type Io } from '../io.ts'
import { readProgram } from '../read-program.ts'

interface Options extends CommonOptions {
  readonly passes?: string
  readonly stage?: Stage
}

export const addOpt = (program: Command, io: Io): void => {
  withCommon(program.command('opt').description('read a graph in text form, run passes, print the graph'))
    .argument('<file>', 'the graph, or - for stdin')
    .option('--passes <list>', '\'simplify,decompose{ops=["silu"]},cse\'; none: parse and print')
    .addOption(new Option('--stage <stage>', 'stage of the graph before the passes').choices(stages).default('model'))
    .action(async (file: string, options: Options) => {
      const start = await readProgram(file)
      for (const { graph } of graphSteps(start)) verifyOrThrow(graph, { stage: options.stage })
      const known = new Set([...passFactories, ...backendPasses].map(({ name }) => name))
      const { program: after, records } =
        options.passes === undefined
          ? { program: start, records: [] }
          : runPipeline(parsePipeline(options.passes, backendPasses), start, {
              verify: true,
              stage: options.stage,
              debug: debugOptions(known).debug,
              saveReproducer,
              replayable: known,
            })
      if (options.json === true) {
        const passes = records.map(({ name, plan, ms, changed, report }) => ({ name, plan, ms, changed, report }))
        return io.out(
          JSON.stringify(
            { graphs: graphSteps(after).map(({ graph }) => print(graph)), program: printProgram(after), passes },
            null,
            2,
          ),
        )
      }
      io.out(printProgram(after).trimEnd())
      if (records.length > 0)
        io.err(
          table(
            ['pass', 'plan', 'what'],
            records.map((r) => [
              r.name,
              r.plan,
              r.changed
                ? Object.entries(r.report)
                    .map(([what, count]) => `${what}: ${count}`)
                    .join(', ')
                : '(unchanged)',
            ]),
          ),
        )
    })
}

/** The fusion passes of backends, so that failures of a whole compilation can be replayed. */
const backendPasses: readonly PassFactory[] = [{ name: fuseTfjs.name, options: {}, make: () => fuseTfjs }]
