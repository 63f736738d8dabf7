/** Backends that Node can open by name. Heavy parts are imported when they are opened. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { Backend } from './backend.ts'
import { type BackendCatalog, type BackendEntry, type EntryName, plannedNames } from './catalog.ts'
import { referenceEntry } from './reference/entry.ts'

const tfjsEntry = (name: 'wasm' | 'cpu', summary: string): BackendEntry => {
  const packages = ['@tensorflow/tfjs-core', `@tensorflow/tfjs-backend-${name}`]
  const fix = `npm install ${packages.join(' ')}`
  return {
    name: `tfjs-${name}`,
    summary,
    probe: async () => {
      const missing: string[] = []
      for (const id of packages) if (!isInstalled(id)) missing.push(id)
      return missing.length === 0
        ? { isAvailable: true, detail: packages.join(' + '), fix: null }
        : { isAvailable: false, detail: `missing: ${missing.join(', ')}`, fix }
    },
    open: async (): Promise<Backend> => {
      const { createTfjsBackend } = await import('./tfjs/index.ts')
      return createTfjsBackend({ backend: name })
    },
  }
}

const isInstalled = (id: string): boolean => {
  try {
    import.meta.resolve(id)
    return true
  } catch {
    return false
  }
}

const planned = (name: EntryName): BackendEntry => ({
  name,
  summary: 'not there yet',
  probe: () => Promise.resolve({ isAvailable: false, detail: 'not part of this version of effuse', fix: null }),
  open: () =>
    Promise.reject(
      new EffuseError({
        code: 'EF404',
        message: `the backend "${name}" is not part of this version of effuse`,
        hint: "use 'auto', 'tfjs' or 'reference'",
      }),
    ),
})

export const catalog: BackendCatalog = [
  tfjsEntry('wasm', 'tfjs on WebAssembly SIMD'),
  tfjsEntry('cpu', 'tfjs in plain JavaScript'),
  referenceEntry,
  ...plannedNames.map(planned),
]
