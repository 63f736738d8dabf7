/** The backend `wasm`: generates WebAssembly with vectors, and runs it on threads. `effuse/wasm`. */
import { type Check, checkRecord } from '../../ir/check-record.ts'
import type { Backend } from '../backend.ts'
import { backendOn } from './backend-on.ts'
import { threadsMax } from './runtime/control.ts'
import { openDevice } from './runtime/device.ts'

export interface WasmOptions {
  /** How many threads compute; default: one for each core, at most 8. One where the page is not cross-origin isolated. */
  readonly threads?: number | undefined
  /** Where a page serves the threads' program (`workerSource`), if its content policy forbids workers from Blobs. */
  readonly workerUrl?: string | undefined
}

/**
 * A backend on generated WebAssembly, in Node and in pages.
 *
 * @throws EffuseError EF404 without WebAssembly or its vectors, EF409 where the system refuses the memory, EF403 (options).
 * @example
 * const net = await compile(model, { backend: await createWasmBackend({ threads: 2 }) })
 */
export const createWasmBackend = async (options: WasmOptions = {}): Promise<Backend> => {
  checkRecord('createWasmBackend()', '', options, checks)
  return backendOn(await openDevice(options)) as Backend
}

export { workerSource } from './runtime/worker-source.ts'

const checks: { readonly [K in keyof Required<WasmOptions>]: Check } = {
  threads: [
    `a number of threads from 1 to ${threadsMax}`,
    (v) => Number.isInteger(v) && (v as number) >= 1 && (v as number) <= threadsMax,
  ],
  workerUrl: ['a URL', (v) => typeof v === 'string'],
}
