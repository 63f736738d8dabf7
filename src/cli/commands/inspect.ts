import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { writeFileAtomic } from '#platform'
import { compile } from '../../compile.ts'
import { htmlReport } from '../../inspect/html.ts'
import { inspectReport, type InspectReport } from '../../inspect/inspect.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Model } from '../../ir/model.ts'
import { print } from '../../ir/print.ts'
import {
  isVariant,
  modelByName,
  naturalOf,
  paperOptionsOf,
  withCommon,
  type CommonOptions,
  trainingStepOf,
} from '../common.ts'
import { noVerifyFlag, openWeights, type WeightsFlags } from '../open-weights.ts'
import { folded, table, thousands, type Io } from '../io.ts'

interface Options extends CommonOptions, Pick<WeightsFlags, 'verify'> {
  readonly model?: string
  readonly batch: string
  readonly after?: string
  readonly html?: string
  readonly train?: boolean
}

export const addInspect = (program: Command, io: Io): void => {
  withCommon(program.command('inspect').description('show what each pass did to a model'))
    .argument('[weights]', "a run's folder or a file of weights; with --model for weights of your own model")
    .option('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name')
    .option('--batch <n>', 'batch size', '1')
    .option('--train', 'inspect the training step: cross-entropy, RMSprop, weight decay, averages')
    .option('--after <pass>', 'print the graph after this pass')
    .option(...noVerifyFlag)
    .option('--html <file>', 'write the report as a page: passes and their changes, layers, programs')
    .action(async (weights: string | undefined, options: Options) => {
      const batch = naturalOf('--batch', options.batch, 1)
      const named = await modelOf(weights, options)
      const model = options.train === true ? trainingStepOf(named) : named
      const executable = await compile(model, { ...paperOptionsOf(options), batch })
      try {
        const after = options.after === undefined ? null : graphAfter(options.after, executable.passes)
        if (options.html !== undefined)
          await writeFileAtomic(options.html, new TextEncoder().encode(htmlReport(model, executable, batch)))
        if (after !== null)
          return io.out(options.json === true ? JSON.stringify(after, null, 2) : after.graph.trimEnd())
        const report = inspectReport(model, executable, batch)
        if (options.json === true) return io.out(JSON.stringify(report, null, 2))
        io.out(`${report.model} on ${report.backend} (${executable.backendReason})\n`)
        io.out(
          table(
            ['pass', 'plan', 'nodes before', 'after', 'ms', 'what'],
            report.passes.map((p) => [
              p.name,
              p.plan,
              p.nodesBefore,
              p.nodesAfter,
              p.ms,
              p.changed
                ? Object.entries(p.report)
                    .map(([what, count]) => `${what}: ${count}`)
                    .join(', ')
                : '(unchanged)',
            ]),
          ),
        )
        io.out(
          `\n${thousands(report.parameters)} parameters, ${thousands(report.variables)} with moving statistics; ${(report.multiplyAdds / 1e9).toFixed(3)} G multiply-adds a run`,
        )
        io.out(
          `${report.kernels} kernels${report.peakBytes === null ? '' : `, peak ${thousands(report.peakBytes)} bytes`}; compiled in ${report.passes.reduce((sum, p) => sum + p.ms, 0).toFixed(0)} ms of passes`,
        )
        if (report.amp !== null) printPrecision(report.amp, report.backend, io)
        if (options.html !== undefined) io.out(`report: ${options.html}`)
      } finally {
        executable.dispose()
      }
    })
}

/** The named model, or the model of the weights. @throws EffuseError EF601 if neither is named, or if `weights` names a variant */
const modelOf = async (weights: string | undefined, { model: name, verify }: Options): Promise<Model> => {
  if (weights !== undefined && isVariant(weights) && !existsSync(weights))
    throw new EffuseError({
      code: 'EF601',
      message: `there is no file or folder ${weights}, which is a variant of EfficientNet`,
      hint: `did you mean --model ${weights}?`,
    })
  if (weights !== undefined) return (await openWeights(weights, { prefer: 'best', model: name, verify })).model
  if (name !== undefined) return modelByName(name)
  throw new EffuseError({
    code: 'EF601',
    message: "inspect needs --model, or a run's folder or file of weights",
    hint: 'effuse inspect --model b0, or effuse inspect runs/b0-flowers',
  })
}

const printPrecision = (amp: NonNullable<InspectReport['amp']>, backend: string, io: Io): void => {
  if (amp.note !== null) {
    io.out(folded(`\nmixed precision: ${amp.dtype}: ${amp.note}`))
    return
  }
  io.out(`\nmixed precision: ${amp.dtype}, ${amp.strategy}\n`)
  const reasons = [...new Set(amp.layers.flatMap((l) => l.because))]
  io.out(
    table(
      ['layer', 'half', 'float32', 'casts', 'absorbed', 'weights', 'why float32'],
      amp.layers.map((l) => [
        l.layer,
        ...[l.half, l.float32, l.casts, l.absorbed, l.weightCasts].map((count) => (count === 0 ? '-' : count)),
        l.because.map((reason) => letterOf(reasons.indexOf(reason))).join(' '),
      ]),
    ),
  )
  io.out('')
  for (const [i, reason] of reasons.entries()) io.out(folded(`${letterOf(i)}: ${reason}`, '   '))
  const proof = amp.casts === amp.lowerBound ? 'minimal' : 'not minimal'
  io.out(
    folded(
      `\n${amp.casts} cast${amp.casts === 1 ? '' : 's'}, lower bound ${amp.lowerBound}: ${proof}; ${amp.absorbed} absorbed by wide results, ${amp.weightCasts} of weights`,
    ),
  )
  for (const cast of amp.castsAt) io.out(folded(`  ${cast}`, '    '))
  for (const warning of amp.warnings) io.out(folded(`warning: ${warning}`, '  '))
  if (amp.emulated)
    io.out(
      folded(`${backend} has no half arithmetic: this is the program that --emulate-half runs, rounding after each op`),
    )
}

/** a, b … z, aa, ab … */
const letterOf = (i: number): string =>
  `${i < 26 ? '' : letterOf(Math.floor(i / 26) - 1)}${String.fromCharCode(97 + (i % 26))}`

/** The text of the graph after the last run of a pass. @throws EffuseError EF301 */
const graphAfter = (
  name: string,
  records: Awaited<ReturnType<typeof compile>>['passes'],
): { readonly pass: string; readonly plan: string; readonly graph: string } => {
  const found = records.filter((r) => r.name === name)
  const last = found.at(-1)
  if (last === undefined)
    throw new EffuseError({
      code: 'EF301',
      message: `the pass "${name}" did not run; these passes ran: ${[...new Set(records.map((r) => r.name))].join(', ')}`,
    })
  return { pass: name, plan: last.plan, graph: print(last.after) }
}
