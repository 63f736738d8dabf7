/** The backends that Node can open by name. Their large parts are imported on opening. */
import { EffuseError } from '../ir/diagnostics.ts'
import { mayHaveGpu } from '../platform/node-webgpu.ts'
import type { Backend } from './backend.ts'
import {
  type Availability,
  type BackendCatalog,
  type BackendEntry,
  type EntryName,
  plannedNames,
  type ThoroughProbes,
} from './catalog.ts'
import type { MachineReport } from './machine.ts'
import { referenceEntry } from './reference/entry.ts'
import { tensorflowEntry } from './tensorflow/entry.ts'
import { wasmEntry } from './wasm/entry.ts'

/** `look` checks other requirements, if the packages are installed. */
const tfjsEntry = (
  name: 'webgpu' | 'wasm' | 'cpu',
  summary: string,
  more: readonly string[] = [],
  look?: () => Promise<Availability>,
): BackendEntry => {
  const packages = ['@tensorflow/tfjs-core', `@tensorflow/tfjs-backend-${name}`, ...more]
  const fix = `npm install ${packages.join(' ')}`
  return {
    name: `tfjs-${name}`,
    summary,
    probe: async () => {
      const missing: string[] = []
      for (const id of packages) if (!isInstalled(id)) missing.push(id)
      if (missing.length > 0) return { isAvailable: false, detail: `missing: ${missing.join(', ')}`, fix }
      return look === undefined ? { isAvailable: true, detail: packages.join(' + '), fix: null } : look()
    },
    open: async (): Promise<Backend> => {
      const { openProbed } = await import('./tfjs/create.ts')
      return openProbed(name)
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
  summary: 'not available yet',
  probe: () => Promise.resolve({ isAvailable: false, detail: 'not part of this version of effuse', fix: null }),
  open: () =>
    Promise.reject(
      new EffuseError({
        code: 'EF404',
        message: `the backend "${name}" is not part of this version of effuse`,
        hint: "use 'auto', 'wasm', 'tfjs' or 'reference'",
      }),
    ),
})

const probeWebgpu = async (): Promise<Availability> => (await import('./tfjs/webgpu/probe.ts')).probeWebgpu()

const lookAtWebgpu = async (): Promise<Availability> =>
  mayHaveGpu()
    ? probeWebgpu()
    : { isAvailable: true, detail: 'this machine shows no GPU: only by name', fix: null, isByNameOnly: true }

const webgpuEntry = (look: () => Promise<Availability>): BackendEntry =>
  tfjsEntry('webgpu', 'tfjs on WebGPU', ['webgpu'], look)

export const catalog: BackendCatalog = [
  tensorflowEntry,
  webgpuEntry(lookAtWebgpu),
  wasmEntry,
  tfjsEntry('wasm', 'tfjs on WebAssembly SIMD'),
  tfjsEntry('cpu', 'tfjs in plain JavaScript'),
  referenceEntry,
  ...plannedNames.map(planned),
]

/** The device of WebGPU is also started on a machine that shows no GPU. */
export const thoroughProbes: ThoroughProbes = { 'tfjs-webgpu': () => webgpuEntry(probeWebgpu).probe() }

/** What doctor() says besides the backends. */
export const machine = async (): Promise<MachineReport> => (await import('./node-machine.ts')).machine()
