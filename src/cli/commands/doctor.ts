import type { Command } from 'commander'
import type { OptionalPackage, TensorflowReport } from '../../backends/machine.ts'
import { doctor, type GraphTrial } from '../../inspect/doctor.ts'
import { withCommon, type CommonOptions } from '../common.ts'
import { table, type Io } from '../io.ts'

export const addDoctor = (program: Command, io: Io): void => {
  withCommon(
    program
      .command('doctor')
      .description('list what this machine offers, what is missing, and the command that installs it'),
  ).action(async (options: CommonOptions) => {
    const report = await doctor({ trial: true })
    if (options.json === true) return io.out(JSON.stringify(report, null, 2))
    io.out(
      table(
        ['backend', 'available', 'detail', 'to add it'],
        report.backends.map((b) => [b.name, b.available ? 'yes' : 'no', b.detail, b.fix ?? '']),
      ),
    )
    io.out(`\nauto selects ${report.auto}.  Node ${process.versions.node}, ${process.platform} ${process.arch}.`)
    if (report.tensorflow !== null) io.out(`\n${tensorflowLines(report.tensorflow, report.trial).join('\n')}`)
    io.out(`\n${packagesTable(report.packages)}`)
  })
}

const tensorflowLines = (report: TensorflowReport, trial: GraphTrial | null): readonly string[] => {
  const { library, missing, tfjsNode, hasNvidia } = report
  const lines: string[] = []
  if (library !== null)
    lines.push(
      `TensorFlow ${library.version} for ${library.kind === 'gpu' ? 'NVIDIA GPUs' : 'CPUs'}, from ${library.source}: ${library.path}`,
    )
  if (trial !== null)
    lines.push(
      trial.problem === null
        ? `a graph ran on it: ${trial.device}, ${trial.ms} ms including loading`
        : `a graph failed on it: ${trial.problem}${trial.fix === null ? '' : ` (${trial.fix})`}`,
    )
  const isGpu = library?.kind === 'gpu' && trial?.problem === null
  if (isGpu && !/\d GPU$/.test(trial.device))
    lines.push(
      hasNvidia
        ? 'it found no GPU: TF_CPP_MIN_LOG_LEVEL=0 npx effuse doctor shows the messages of TensorFlow'
        : 'it found no GPU, because the NVIDIA driver is missing: install it, and check that nvidia-smi works',
    )
  for (const { name, version, tensorflow, problem } of tfjsNode)
    if (problem === null) lines.push(`${name} ${version}: its binding loads (TensorFlow ${tensorflow})`)
  for (const { what, fix } of missing) lines.push(`missing: ${what} (${fix})`)
  return lines
}

const packagesTable = (packages: readonly OptionalPackage[]): string =>
  table(
    ['package', 'version', 'for', 'to add it'],
    packages.map(({ name, version, use, range, isProject }) => [
      name,
      version === null ? 'no' : `${version}${isProject ? '' : ' (cache)'}`,
      use,
      version === null ? `npm install "${name}@${range}"` : '',
    ]),
  )
