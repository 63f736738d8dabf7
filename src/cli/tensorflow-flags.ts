/** Flags that configure the backend tensorflow, under the names that NVIDIA's scripts have for them. */
import type { Command } from 'commander'
import type { CompileOptions } from '../executable/options.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { naturalOf } from './common.ts'

export interface TensorflowFlags {
  readonly memory_limit?: string
  readonly intraop_threads?: string
  readonly interop_threads?: string
}

export const withTensorflowFlags = (command: Command): Command =>
  command
    .option('--memory_limit <MiB>', 'for --backend tensorflow: memory of each GPU; default: it grows as needed')
    .option('--intraop_threads <n>', 'for --backend tensorflow: threads of one op; default: one for each core')
    .option('--interop_threads <n>', "for --backend tensorflow: ops at the same time; default: TensorFlow's own")

/**
 * The backend that the flags configure, or its name where there are none.
 *
 * @throws EffuseError EF601 where the backend is another one, or a number is wrong; EF404 where TensorFlow is missing
 */
export const configuredBackend = async (
  name: CompileOptions['backend'],
  flags: TensorflowFlags,
): Promise<CompileOptions['backend']> => {
  const numberOf = (flag: keyof TensorflowFlags): number | undefined =>
    flags[flag] === undefined ? undefined : naturalOf(`--${flag}`, flags[flag], 1)
  const options = {
    memoryLimit: numberOf('memory_limit'),
    intraOpThreads: numberOf('intraop_threads'),
    interOpThreads: numberOf('interop_threads'),
  }
  const given = (['memory_limit', 'intraop_threads', 'interop_threads'] as const).find(
    (flag) => flags[flag] !== undefined,
  )
  if (given === undefined) return name
  if (name !== 'tensorflow')
    throw new EffuseError({
      code: 'EF601',
      message: `--${given} configures the backend tensorflow, but --backend is ${String(name)}`,
      hint: `add --backend tensorflow, or leave --${given} out`,
    })
  const { createTensorflowBackend } = await import('../backends/tensorflow/index.ts')
  return createTensorflowBackend(options)
}
