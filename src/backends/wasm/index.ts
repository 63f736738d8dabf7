/** The backend `wasm`: generates WebAssembly SIMD and runs it on threads. This is the entry `effuse/wasm`. */
import { type Check, checkRecord } from '../../ir/check-record.ts'
import type { Backend } from '../backend.ts'
import { backendOn } from './backend-on.ts'
import { threadsMax } from './runtime/control.ts'
import { openDevice } from './runtime/device.ts'

export interface WasmOptions {
  /** The number of threads that compute. Default: one for each core, at most 8. In a page that is not cross-origin isolated it is 1. */
  readonly threads?: number | undefined
  /** The URL of the worker program (`workerSource`), for pages whose content policy forbids workers from Blobs. */
  readonly workerUrl?: string | undefined
  /**
   * 'auto' (default): where the engine has relaxed SIMD, a product is added to a sum by one instruction, which most machines round once.
   * false: the product and the sum are rounded separately, as on engines without relaxed SIMD.
   */
  readonly relaxedSimd?: 'auto' | false | undefined
}

/**
 * Creates a backend on generated WebAssembly, in Node and in pages.
 *
 * @throws EffuseError EF404 without WebAssembly or SIMD, EF409 where the system refuses the memory, EF403 (options).
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
  relaxedSimd: ["'auto' or false", (v) => v === 'auto' || v === false],
}
