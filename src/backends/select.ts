/** Selects the backend for the option `backend`, with the reason. */
import { catalog } from '#backends'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Backend } from './backend.ts'
import type { BackendEntry } from './catalog.ts'
import { referenceEntry } from './reference/entry.ts'

export interface Selection {
  readonly backend: Backend
  readonly reason: string
}

/** One backend per name and process, so that executables can share it and their variables. */
const opened = new Map<string, Promise<Backend>>()

/**
 * The backend with a name; an instance unchanged; or for 'auto' the first available one of the platform's list.
 * @throws EffuseError EF404 with what is missing and the command that installs it
 */
export const selectBackend = async (wanted: string | Backend): Promise<Selection> => {
  if (typeof wanted !== 'string') return { backend: wanted, reason: 'given' }
  const candidates = catalog.filter(
    (entry) => wanted === 'auto' || entry.name === wanted || (wanted === 'tfjs' && entry.name.startsWith('tfjs-')),
  )
  const missing: string[] = []
  const passed: string[] = []
  for (const entry of candidates) {
    const { isAvailable, detail, fix, isByNameOnly = false } = await entry.probe()
    if (!isAvailable || (isByNameOnly && wanted !== entry.name)) {
      passed.push(entry.name)
      missing.push(`${entry.name}: ${detail}${fix === null ? '' : ` (${fix})`}`)
      continue
    }
    if (entry === referenceEntry && wanted === 'auto') warnOfInterpreter(missing)
    return { backend: await open(entry), reason: reasonFor(wanted, entry, passed) }
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

const open = (entry: BackendEntry): Promise<Backend> => openOnce(entry, opened)

/** The open backend with the entry's name; a new one if there is none, or if its device is lost. */
export const openOnce = (
  entry: { readonly name: string } & Pick<BackendEntry, 'open'>,
  known: Map<string, Promise<Backend>>,
): Promise<Backend> => {
  const last = known.get(entry.name)
  if (last !== undefined) return last
  const fresh = entry.open()
  const forget = (): void => {
    if (known.get(entry.name) === fresh) known.delete(entry.name)
  }
  known.set(entry.name, fresh)
  fresh.then(({ lost }) => lost).then(forget, forget)
  return fresh
}

/** Only names, because the reasons are long and `effuse doctor` shows them. */
const reasonFor = (wanted: string, entry: BackendEntry, passed: readonly string[]): string =>
  wanted === entry.name
    ? 'asked for'
    : `${entry.summary}; the fastest available${passed.length === 0 ? '' : `, without ${passed.join(', ')}: see effuse doctor`}`
