/**
 * The backends in a browser bundle. tfjs is not among them, so that bundlers need no peer package. A page imports its packages itself and passes the
 * backend: `compile(model, { backend: await createTfjsBackend() })` from `effuse/tfjs`. What only a thorough probe needs is loaded for it.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import type { BackendCatalog, BackendEntry } from './catalog.ts'
import type { MachineReport } from './machine.ts'
import { referenceEntry } from './reference/entry.ts'
import { wasmEntry } from './wasm/entry.ts'

const pageHint =
  "import { createTfjsBackend } from 'effuse/tfjs', then compile(model, { backend: await createTfjsBackend() }); see docs/bundlers.md"

const tfjsEntry: BackendEntry = {
  name: 'tfjs-wasm',
  summary: 'tfjs on WebAssembly SIMD',
  probe: async (isThorough = false) => {
    const detail = 'a page opens it by itself'
    if (!isThorough) return { isAvailable: false, detail, fix: pageHint }
    const { findWasm, serveHint } = await import('./tfjs/find-wasm.ts')
    const { folder, places } = await findWasm()
    return folder === null
      ? {
          isAvailable: false,
          detail: `${detail}; its .wasm files were not found`,
          fix: `${serveHint(places)}; ${pageHint}`,
        }
      : { isAvailable: false, detail: `${detail}; its .wasm files are at ${folder}`, fix: pageHint }
  },
  open: () =>
    Promise.reject(new EffuseError({ code: 'EF404', message: 'a page opens tfjs-wasm by itself', hint: pageHint })),
}

const webgpuEntry: BackendEntry = {
  name: 'tfjs-webgpu',
  summary: 'tfjs on WebGPU',
  probe: async (isThorough = false) => {
    if (!isThorough) return { isAvailable: false, detail: 'a page opens it by itself', fix: pageHint }
    const { probeWebgpu } = await import('./tfjs/webgpu/probe.ts')
    const { isAvailable, detail, fix } = await probeWebgpu()
    const hint = `import '@tensorflow/tfjs-backend-webgpu'; ${pageHint}`
    return { isAvailable: false, detail: `a page opens it by itself; ${detail}`, fix: isAvailable ? hint : fix }
  },
  open: () =>
    Promise.reject(new EffuseError({ code: 'EF404', message: 'a page opens tfjs-webgpu by itself', hint: pageHint })),
}

/** Fastest first. */
export const catalog: BackendCatalog = [webgpuEntry, wasmEntry, tfjsEntry, referenceEntry]

/** A page knows of no packages. */
export const machine = (): Promise<MachineReport> => Promise.resolve({ packages: [], tensorflow: null })
