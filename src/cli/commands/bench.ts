import { cpus } from 'node:os'
import type { Command } from 'commander'
import { bench, type BenchOptions } from '../../inspect/bench.ts'
import { compileOptionsOf, modelByName, naturalOf, withCommon, type CommonOptions } from '../common.ts'
import { table, type Io } from '../io.ts'

interface Options extends CommonOptions {
  readonly model: string
  readonly batch: string
  readonly size?: string
  readonly rounds: string
  readonly against?: readonly string[]
}

export const addBench = (program: Command, io: Io): void => {
  withCommon(program.command('bench').description('times a model, side by side with peers'))
    .requiredOption('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name')
    .option('--batch <n>', 'size of the batch', '1')
    .option('--size <pixels>', "height and width; default: the variant's own")
    .option('--rounds <n>', 'timed runs of each', '15')
    .option('--against <peer...>', 'tfjs-wasm, tfjs-cpu: the network written by hand in tfjs')
    .action(async (options: Options) => {
      const size = options.size === undefined ? undefined : naturalOf('--size', options.size, 1)
      const model = await modelByName(options.model, { resolution: size })
      const { amp, backend, seed } = compileOptionsOf(options)
      const settings: BenchOptions = {
        amp,
        backend,
        seed,
        batch: naturalOf('--batch', options.batch, 1),
        rounds: naturalOf('--rounds', options.rounds, 1),
        against: options.against,
        machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}`,
        onProgress: (line) => io.err(line),
      }
      const report = await bench(model, settings)
      if (options.json === true) return io.out(JSON.stringify(report, null, 2))
      const peer = report.rows.at(-1)
      io.out(report.machine)
      io.out(
        table(
          ['name', 'backend', 'batch', 'compile ms', 'first ms', 'median ms', 'min ms', 'p90 ms', 'images/s', 'ratio'],
          report.rows.map((r) => [
            r.name,
            r.backend,
            r.batch,
            Math.round(r.compileMs),
            Math.round(r.warmupMs),
            r.medianMs.toFixed(1),
            r.minMs.toFixed(1),
            r.p90Ms.toFixed(1),
            r.imagesPerSecond.toFixed(1),
            peer === undefined ? '-' : (r.medianMs / peer.medianMs).toFixed(2),
          ]),
        ),
      )
      if (peer !== undefined) io.out(`\nratio: median against "${peer.name}"; below 1 is faster.`)
    })
}
