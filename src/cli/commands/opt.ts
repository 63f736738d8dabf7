import type { Command } from 'commander'
import { readFile } from '#platform'
import { EffuseError } from '../../ir/diagnostics.ts'
import { parse, parseAll } from '../../ir/parse.ts'
import { print } from '../../ir/print.ts'
import { verifyOrThrow } from '../../ir/verify.ts'
import type { Graph } from '../../ir/types.ts'
import { fuseTfjs } from '../../backends/tfjs/fuse-tfjs.ts'
import { planNames, type PlanName, type Plans } from '../../passes/pass.ts'
import { parsePipeline, type PassFactory } from '../../passes/registry.ts'
import { runPipeline } from '../../passes/runner.ts'
import { debugOptions } from '../../executable/debug.ts'
import { withCommon, type CommonOptions } from '../common.ts'
import { table, type Io } from '../io.ts'

interface Options extends CommonOptions {
  readonly passes?: string
}

export const addOpt = (program: Command, io: Io): void => {
  withCommon(program.command('opt').description('read a graph in text, run passes, print the graph'))
    .argument('<file>', 'the graph, or - for stdin')
    .option('--passes <list>', '\'simplify,decompose{ops=["silu"]},cse\'; none: parse and print')
    .action(async (file: string, options: Options) => {
      const text = new TextDecoder().decode(file === '-' ? await readStdin() : await readFile(file))
      const start = plansOf(text)
      for (const plan of planNames) if (start[plan] !== undefined) verifyOrThrow(start[plan])
      const { plans, records } =
        options.passes === undefined
          ? { plans: start, records: [] }
          : runPipeline(parsePipeline(options.passes, backendPasses), start, {
              verify: true,
              debug: debugOptions().debug,
            })
      const graphs = planNames.flatMap((plan) => plans[plan] ?? [])
      if (options.json === true) {
        const passes = records.map(({ name, plan, ms, changed, report }) => ({ name, plan, ms, changed, report }))
        return io.out(JSON.stringify({ graphs: graphs.map((g) => print(g)), passes }, null, 2))
      }
      for (const g of graphs) io.out(print(g).trimEnd())
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

/** The fusions of backends, so that failures of a whole compilation can be replayed. */
const backendPasses: readonly PassFactory[] = [{ name: fuseTfjs.name, options: {}, make: () => fuseTfjs }]

/** One graph is the plan `run`; of several, as this command prints them, `main.prepare` is the plan `prepare` of `main`. */
const plansOf = (text: string): Plans => {
  const graphs = parseAll(text)
  const plans: { [P in PlanName]?: Graph } = {}
  for (const graph of graphs.length === 0 ? [parse(text)] : graphs) {
    const plan = graphs.length < 2 ? 'run' : (planNames.find((name) => graph.name.endsWith(`.${name}`)) ?? 'run')
    if (plans[plan] !== undefined)
      throw new EffuseError({
        code: 'EF201',
        message: `${plans[plan].name} and ${graph.name} would both be the plan "${plan}"`,
        hint: 'a file holds one graph, or the plans of one program: main, main.prepare',
      })
    plans[plan] = graph
  }
  return plans
}

const readStdin = async (): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) {
    if (!(chunk instanceof Uint8Array))
      throw new EffuseError({ code: 'EF501', message: 'stdin gave text where bytes were expected' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
