/** Reports the backends of this machine, what is missing, and the command that installs it. */
import { catalog } from '#backends'

export interface DoctorReport {
  readonly backends: readonly {
    readonly name: string
    readonly available: boolean
    readonly detail: string
    readonly fix: string | null
  }[]
  /** The backend that `backend: 'auto'` takes. */
  readonly auto: string
}

/**
 * Checks every backend without opening it: whether it is available, and otherwise the command that installs it.
 *
 * @example
 * const { auto, backends } = await doctor()
 */
export const doctor = async (): Promise<DoctorReport> => {
  const backends: DoctorReport['backends'][number][] = []
  let auto: string | null = null
  for (const entry of catalog) {
    const { isAvailable, detail, fix, isByNameOnly = false } = await entry.probe(true)
    backends.push({
      name: entry.name,
      available: isAvailable,
      detail: isAvailable ? `${entry.summary} (${detail})` : detail,
      fix,
    })
    if (isAvailable && !isByNameOnly) auto ??= entry.name
  }
  return { backends, auto: auto ?? 'none' }
}
