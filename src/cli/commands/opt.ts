import type { Command } from 'commander'
import { readFile } from '#platform'
import { EffuseError } from '../../ir/diagnostics.ts'
import { parse } from '../../ir/parse.ts'
import { print } from '../../ir/print.ts'
import { verifyOrThrow } from '../../ir/verify.ts'
import { planNames, type Plans } from '../../passes/pass.ts'
import { parsePipeline } from '../../passes/registry.ts'
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
      const graph = parse(new TextDecoder().decode(file === '-' ? await readStdin() : await readFile(file)))
      verifyOrThrow(graph)
      const start: Plans = { run: graph }
      const { plans, records } =
        options.passes === undefined
          ? { plans: start, records: [] }
          : runPipeline(parsePipeline(options.passes), start, { verify: true, debug: debugOptions().debug })
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

const readStdin = async (): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) {
    if (!(chunk instanceof Uint8Array))
      throw new EffuseError({ code: 'EF501', message: 'stdin gave text where bytes were expected' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
