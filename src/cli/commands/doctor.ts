import type { Command } from 'commander'
import { doctor } from '../../inspect/doctor.ts'
import { withCommon, type CommonOptions } from '../common.ts'
import { table, type Io } from '../io.ts'

export const addDoctor = (program: Command, io: Io): void => {
  withCommon(
    program
      .command('doctor')
      .description('list what this machine offers, what is missing, and the command that installs it'),
  ).action(async (options: CommonOptions) => {
    const report = await doctor()
    if (options.json === true) return io.out(JSON.stringify(report, null, 2))
    io.out(
      table(
        ['backend', 'available', 'detail', 'to add it'],
        report.backends.map((b) => [b.name, b.available ? 'yes' : 'no', b.detail, b.fix ?? '']),
      ),
    )
    io.out(`\nauto takes ${report.auto}.  Node ${process.versions.node}, ${process.platform} ${process.arch}.`)
  })
}
