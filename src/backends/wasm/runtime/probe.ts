/** Detects what the machine or page supports for generated WebAssembly. It is small, because the list of backends imports it. */
import { coreCount } from '#platform'

/** A module with one vector instruction: (func (result v128) i32.const 0 i8x16.splat). */
const vectorProbe = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
)

/** Why generated WebAssembly cannot run here; null if it can. */
export const wasmFault = (): string | null => {
  if (typeof WebAssembly === 'undefined') return 'there is no WebAssembly here'
  return WebAssembly.validate(vectorProbe) ? null : 'its WebAssembly has no SIMD'
}

/** More threads than this gain little, because each dispatch ends with a barrier. */
const threadsByDefault = 8

export const defaultThreads = (): number => Math.min(coreCount(), threadsByDefault)
