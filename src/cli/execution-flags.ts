/** Flags for the options of compile() that exchange precision or determinism for speed: XLA, TF32, deterministic kernels. */
import type { Command } from 'commander'
import { precisions, xlaChoices } from '../backends/backend.ts'
import type { CompileOptions } from '../executable/options.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { choiceOf } from './common.ts'

export interface ExecutionFlags {
  readonly xlaTensorflow?: string
  readonly precision?: string
  readonly deterministic?: boolean
}

export const withExecutionFlags = (command: Command): Command =>
  command
    .option(
      '--xla-tensorflow <when>',
      'for --backend tensorflow: when XLA compiles the graphs: always, never, or auto, which is only on GPUs (default: auto)',
    )
    .option('--precision <type>', 'float32, or tf32: GPUs may round operands of products to 10 bits (default: float32)')
    .option('--deterministic', 'equal runs give equal bits (default)')
    .option('--no-deterministic', 'let GPUs use faster kernels whose results may differ between equal runs')

/**
 * The options of compile() with those of the flags.
 *
 * @throws EffuseError EF601 for an invalid value, and for --xla-tensorflow where the graphs do not run on TensorFlow or --no-xla is given
 */
export const withExecutionOptions = (options: CompileOptions, flags: ExecutionFlags): CompileOptions => ({
  ...options,
  xla: xlaOf(options, flags),
  precision: flags.precision === undefined ? undefined : choiceOf('--precision', flags.precision, precisions),
  deterministic: flags.deterministic,
})

const xlaOf = ({ xla, backend }: CompileOptions, { xlaTensorflow }: ExecutionFlags): CompileOptions['xla'] => {
  if (xlaTensorflow === undefined) return xla
  const tensorflow = choiceOf('--xla-tensorflow', xlaTensorflow, xlaChoices)
  if (backend !== 'tensorflow' && backend !== 'auto')
    throw new EffuseError({
      code: 'EF601',
      message: `--xla-tensorflow is for the backend tensorflow, but --backend is ${String(backend)}`,
      hint: 'add --backend tensorflow, or leave --xla-tensorflow out',
    })
  if (xla === false)
    throw new EffuseError({
      code: 'EF601',
      message: '--xla-tensorflow and --no-xla exclude each other: --no-xla runs the graph op by op, without XLA',
      hint: 'leave one of them out',
    })
  return { tensorflow }
}
