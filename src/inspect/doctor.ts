/** Reports the backends of this machine, TensorFlow, the optional packages, what is missing, and the command that installs it. */
import { catalog, machine, thoroughProbes } from '#backends'
import { now } from '#platform'
import type { MachineReport } from '../backends/machine.ts'
import { selectBackend } from '../backends/select.ts'
import { compile } from '../compile.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { add, relu } from '../ir/functions.ts'
import { graph } from '../ir/model.ts'
import { float32 } from '../ir/value.ts'

/** A small graph, run on a backend. */
export interface GraphTrial {
  /** The backend's version and devices. */
  readonly device: string
  /** Milliseconds to load the backend, compile the graph and run it. */
  readonly ms: number
  /** What went wrong; null: the result is right. */
  readonly problem: string | null
  readonly fix: string | null
}

export interface DoctorReport extends MachineReport {
  readonly backends: readonly {
    readonly name: string
    readonly available: boolean
    readonly detail: string
    readonly fix: string | null
  }[]
  /** The backend that `backend: 'auto'` takes. */
  readonly auto: string
  /** A graph on the backend `tensorflow`; null where it is not available, or was not to be tried. */
  readonly trial: GraphTrial | null
}

/**
 * Checks every backend without opening it, and the optional packages: whether each is available, and otherwise the command that installs it.
 * With `trial` it also runs a small graph on TensorFlow, which then stays in memory (400 MB).
 *
 * @example
 * const { auto, backends } = await doctor()
 */
export const doctor = async ({ trial = false }: { readonly trial?: boolean } = {}): Promise<DoctorReport> => {
  const backends: DoctorReport['backends'][number][] = []
  let auto: string | null = null
  for (const entry of catalog) {
    const { isAvailable, detail, fix, isByNameOnly = false } = await (thoroughProbes[entry.name]?.() ?? entry.probe())
    backends.push({
      name: entry.name,
      available: isAvailable,
      detail: isAvailable ? `${entry.summary} (${detail})` : detail,
      fix,
    })
    if (isAvailable && !isByNameOnly) auto ??= entry.name
  }
  const isTried = trial && backends.some(({ name, available }) => name === 'tensorflow' && available)
  return { backends, auto: auto ?? 'none', ...(await machine()), trial: isTried ? await tryGraph() : null }
}

const tryGraph = async (): Promise<GraphTrial> => {
  const begin = now()
  let device = ''
  const ended = (problem: string | null, fix: string | null): GraphTrial => ({
    device,
    ms: Math.round(now() - begin),
    problem,
    fix,
  })
  try {
    const { backend } = await selectBackend('tensorflow')
    device = backend.fingerprint
    const model = graph('doctor', { x: float32(4) }, ({ x }) => ({ y: relu(add(x, x)) }))
    const net = await compile(model, { backend })
    const values = await net
      .run({ x: [-1, 0, 1, 2] })
      .then(({ y }) => y.data())
      .finally(() => net.dispose())
    if (values.join() !== '0,0,2,4') return ended(`relu(x + x) of -1, 0, 1, 2 gave ${values.join(', ')}`, null)
    return ended(null, null)
  } catch (error) {
    if (error instanceof EffuseError) return ended(error.message, error.hint ?? null)
    return ended(error instanceof Error ? error.message : String(error), null)
  }
}
