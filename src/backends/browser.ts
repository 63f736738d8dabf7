/**
 * The backends in a browser bundle. tfjs is not among them, so that bundlers need no peer package. A page imports its packages itself and passes the
 * backend: `compile(model, { backend: await createTfjsBackend() })` from `effuse/tfjs`. Only doctor() imports the thorough probes.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import type { BackendCatalog, BackendEntry, ThoroughProbes } from './catalog.ts'
import type { MachineReport } from './machine.ts'
import { referenceEntry } from './reference/entry.ts'
import { wasmEntry } from './wasm/entry.ts'

const pageHint =
  "import { createTfjsBackend } from 'effuse/tfjs', then compile(model, { backend: await createTfjsBackend() }); see docs/bundlers.md"

/** A page opens the backends of tfjs by itself. */
const openedByPage = (name: 'tfjs-wasm' | 'tfjs-webgpu', summary: string): BackendEntry => ({
  name,
  summary,
  probe: () => Promise.resolve({ isAvailable: false, detail: 'a page opens it by itself', fix: pageHint }),
  open: () =>
    Promise.reject(new EffuseError({ code: 'EF404', message: `a page opens ${name} by itself`, hint: pageHint })),
})

/** Fastest first. */
export const catalog: BackendCatalog = [
  openedByPage('tfjs-webgpu', 'tfjs on WebGPU'),
  wasmEntry,
  openedByPage('tfjs-wasm', 'tfjs on WebAssembly SIMD'),
  referenceEntry,
]

export const thoroughProbes: ThoroughProbes = {
  'tfjs-wasm': async () => {
    const { findWasm, serveHint } = await import('./tfjs/find-wasm.ts')
    const { folder, places } = await findWasm()
    const detail = 'a page opens it by itself'
    return folder === null
      ? {
          isAvailable: false,
          detail: `${detail}; its .wasm files were not found`,
          fix: `${serveHint(places)}; ${pageHint}`,
        }
      : { isAvailable: false, detail: `${detail}; its .wasm files are at ${folder}`, fix: pageHint }
  },
  'tfjs-webgpu': async () => {
    const { probeWebgpu } = await import('./tfjs/webgpu/probe.ts')
    const { isAvailable, detail, fix } = await probeWebgpu()
    const hint = `import '@tensorflow/tfjs-backend-webgpu'; ${pageHint}`
    return { isAvailable: false, detail: `a page opens it by itself; ${detail}`, fix: isAvailable ? hint : fix }
  },
}

/** A page knows of no packages. */
export const machine = (): Promise<MachineReport> => Promise.resolve({ packages: [], tensorflow: null })
