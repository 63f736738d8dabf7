/** Selects the backend for the option `backend`, with the reason. */
import { catalog } from '#backends'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Backend } from './backend.ts'
import type { Availability, BackendEntry } from './catalog.ts'
import { referenceEntry } from './reference/entry.ts'

export interface Selection {
  readonly backend: Backend
  readonly reason: string
}

interface Running {
  readonly backend: Promise<Backend>
  readonly availability: Availability
}

/** One backend per name and process, so that executables can share it and their variables. */
const running = new Map<string, Running>()

/**
 * The backend with a name; an instance unchanged; or for 'auto' the first of the platform's list that is available and starts.
 * @throws EffuseError EF404 with what is missing and the command that installs it
 */
export const selectBackend = async (wanted: string | Backend): Promise<Selection> => {
  if (typeof wanted !== 'string') return { backend: wanted, reason: 'given' }
  const candidates = catalog.filter(
    (entry) => wanted === 'auto' || entry.name === wanted || (wanted === 'tfjs' && entry.name.startsWith('tfjs-')),
  )
  const missing: string[] = []
  const passed: string[] = []
  const pass = ({ name }: BackendEntry, detail: string, fix: string | null = null): void => {
    passed.push(name)
    missing.push(`${name}: ${detail}${fix === null ? '' : ` (${fix})`}`)
  }
  for (const entry of candidates) {
    const availability = running.get(entry.name)?.availability ?? (await entry.probe())
    const { isAvailable, detail, fix, isByNameOnly = false } = availability
    if (!isAvailable || (isByNameOnly && wanted !== entry.name)) {
      pass(entry, detail, fix)
      continue
    }
    if (entry === referenceEntry && wanted === 'auto') warnOfInterpreter(missing)
    try {
      return { backend: await openOnce(entry, availability, running), reason: reasonFor(wanted, entry, passed) }
    } catch (error) {
      if (wanted === entry.name || !(error instanceof EffuseError) || error.code !== 'EF404') throw error
      pass(entry, error.message, error.hint)
    }
  }
  throw new EffuseError({
    code: 'EF404',
    message: `the backend "${wanted}" is not available here: ${missing.join('; ') || 'unknown on this platform'}`,
    hint: 'effuse doctor shows which backends are available and how to add others',
  })
}

let isWarned = false

/** Warns once if 'auto' falls back to the interpreter, which is meant for checks. */
const warnOfInterpreter = (missing: readonly string[]): void => {
  if (isWarned) return
  isWarned = true
  console.warn(
    `effuse: runs on the reference interpreter, many times slower than WebAssembly, because nothing else is available: ${missing.join('; ')}. To use it without this warning, set backend: 'reference'.`,
  )
}

/** The open backend with the entry's name; a new one if there is none, or if its device is lost. */
export const openOnce = (
  entry: { readonly name: string } & Pick<BackendEntry, 'open'>,
  availability: Availability,
  known: Map<string, Running>,
): Promise<Backend> => {
  const last = known.get(entry.name)
  if (last !== undefined) return last.backend
  const backend = entry.open()
  const fresh: Running = { backend, availability }
  const forget = (): void => {
    if (known.get(entry.name) === fresh) known.delete(entry.name)
  }
  known.set(entry.name, fresh)
  backend.then(({ lost }) => lost).then(forget, forget)
  return backend
}

/** Only names, because the reasons are long and `effuse doctor` shows them. */
const reasonFor = (wanted: string, entry: BackendEntry, passed: readonly string[]): string =>
  wanted === entry.name
    ? 'asked for'
    : `${entry.summary}; the fastest available${passed.length === 0 ? '' : `, without ${passed.join(', ')}: see effuse doctor`}`
