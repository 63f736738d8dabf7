import { canShareMemory } from '#platform'
import type { BackendEntry } from '../catalog.ts'
import { defaultThreads, hasRelaxedSimd, wasmFault } from './runtime/probe.ts'

export const wasmEntry: BackendEntry = {
  name: 'wasm',
  summary: 'generated WebAssembly SIMD',
  probe: async () => {
    const fault = wasmFault()
    if (fault !== null) return { isAvailable: false, detail: fault, fix: null }
    const simd = (await hasRelaxedSimd()) ? 'relaxed SIMD' : 'SIMD'
    return { isAvailable: true, detail: `${simd}, ${threadsText()}`, fix: null }
  },
  open: async () => (await import('./backend-on.ts')).startBackend(),
}

const threadsText = (): string => {
  if (!canShareMemory()) return '1 thread, because the page is not cross-origin isolated'
  const threads = defaultThreads()
  return `${threads} thread${threads === 1 ? '' : 's'}`
}
