import type { Command } from 'commander'
import { cpuFingerprint, type HalfTimes, halfTimes } from '../../backends/tensorflow/half-speed.ts'
import { showsNvidia } from '../../backends/tensorflow/report.ts'
import { measureHalf } from '../../inspect/measure-half.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { BindingDone } from '../../setup/binding.ts'
import { thisSystem } from '../../setup/system.ts'
import { removeTensorflow, setupTensorflow, type SetupReport } from '../../setup/tensorflow.ts'
import { realTools } from '../../setup/tools.ts'
import { defaultVersion } from '../../setup/wheels.ts'
import { abandonWork, type Progress } from '../../setup/workplace.ts'
import { makeBar } from '../bar.ts'
import { choiceOf } from '../common.ts'
import type { Io } from '../io.ts'
import { endOnInterrupt } from '../train/interrupt.ts'

interface SetupFlags {
  readonly gpu?: boolean
  readonly version?: string
  readonly remove?: boolean
  readonly json?: boolean
}

export const addSetup = (program: Command, io: Io): void => {
  program
    .command('setup')
    .description('install into the cache what a backend needs and npm does not provide')
    .argument('<what>', 'tensorflow')
    .option('--gpu', 'TensorFlow for NVIDIA GPUs, with CUDA (downloads 3.4 GB; the version for CPUs 270 MB)')
    .option('--version <version>', `TensorFlow's version (default: ${defaultVersion})`)
    .option('--remove', 'remove everything that setup has installed')
    .option('--json', 'print exactly one JSON document on stdout')
    .action(async (what: string, flags: SetupFlags) => {
      choiceOf('<what>', what, ['tensorflow'])
      if (flags.remove === true && (flags.gpu === true || flags.version !== undefined))
        throw new EffuseError({
          code: 'EF601',
          message: `--remove removes everything, so it cannot be combined with ${flags.gpu === true ? '--gpu' : '--version'}`,
          hint: 'effuse setup tensorflow --remove',
        })
      await setup(flags, io)
    })
}

const setup = async (flags: SetupFlags, io: Io): Promise<void> => {
  const bar = makeBar(io)
  const progress: Progress = { say: io.err, at: bar.at, stop: bar.stop }
  const tools = realTools()
  using _ = endOnInterrupt(() => {
    bar.stop()
    tools.end()
    abandonWork()
  })
  const begin = performance.now()
  if (flags.remove === true) {
    const removed = await removeTensorflow({ progress })
    if (flags.json === true) return io.out(JSON.stringify({ removed }))
    return io.out(removed.length === 0 ? 'nothing was installed' : `removed ${removed.join('\n        ')}`)
  }
  const { version = defaultVersion, gpu } = flags
  const report = await setupTensorflow({
    version,
    kind: gpu === true ? 'gpu' : 'cpu',
    system: thisSystem(),
    tools,
    progress,
  })
  const half = await halfOf(report, progress)
  const seconds = Math.round((performance.now() - begin) / 100) / 10
  if (flags.json === true) return io.out(JSON.stringify({ ...report, half, seconds }, null, 2))
  for (const line of linesOf(report, half, seconds)) io.out(line)
}

/** The times by which `amp: true` chooses a type, measured if they are unknown. Null: they do not matter on this machine, or could not be measured; the library works without them. */
const halfOf = async ({ version, kind }: SetupReport, { say }: Progress): Promise<HalfTimes | null> => {
  if (kind === 'gpu') return null
  const known = halfTimes(cpuFingerprint(version))
  if (known !== null) return known
  say('measuring float32 and bfloat16 on this processor')
  try {
    const { createTensorflowBackend } = await import('../../backends/tensorflow/index.ts')
    const backend = await createTensorflowBackend()
    // Another library comes before the installed one, or the machine has a GPU.
    return backend.fingerprint === cpuFingerprint(version) ? await measureHalf(backend) : null
  } catch (error) {
    say(`not measured, so amp: true will compute in float32: ${error instanceof Error ? error.message : String(error)}`)
    return null
  }
}

const linesOf = (report: SetupReport, half: HalfTimes | null, seconds: number): readonly string[] => {
  const { version, kind, folder, wasThere, koffi, bindings } = report
  return [
    `TensorFlow ${version} (${kind === 'gpu' ? 'NVIDIA GPUs' : 'CPU'}) ${wasThere ? 'was already installed' : 'is installed'}: ${folder}`,
    `koffi ${koffi} calls it`,
    ...bindings.map((binding) => bindingLine(binding)),
    ...(kind === 'gpu' && !showsNvidia() ? [noDriver] : []),
    ...((process.env['EFFUSE_TENSORFLOW'] ?? '') === '' ? [] : [otherLibrary]),
    ...(half === null
      ? []
      : [
          `a step of training takes ${half.float32.toFixed(0)} ms in float32 and ${half.bfloat16.toFixed(0)} ms in bfloat16`,
        ]),
    `done in ${seconds} s; effuse doctor shows it, --backend tensorflow uses it`,
  ]
}

const otherLibrary = 'EFFUSE_TENSORFLOW is set, so the library in that folder is used, not this one'
const noDriver =
  'setup found no NVIDIA driver, so TensorFlow computes on the CPU: install the driver, and check that nvidia-smi works'

const bindingLine = ({ package: name, state, version, hasGpu, problem, fix }: BindingDone): string => {
  if (state === 'failed')
    return `${name}: no binding, so tf.Tensor of tfjs-node and TensorBoard are missing; effuse runs without it (${problem ?? ''}; ${fix ?? ''})`
  const words = {
    there: 'has its binding',
    linked: 'has its binding again',
    built: 'has a new binding',
    own: 'works as it is',
  }
  const device = name.endsWith('-gpu') && !hasGpu ? '; it found no GPU, so it computes on the CPU' : ''
  return `${name} ${words[state]} (TensorFlow ${version ?? ''})${device}`
}
