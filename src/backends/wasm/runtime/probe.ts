/** Detects what the machine or page supports for generated WebAssembly. It is small, because the list of backends imports it. */
import { allowRelaxedSimd, compileWasm, coreCount } from '#platform'

/** A module with one vector instruction: (func (result v128) i32.const 0 i8x16.splat). */
const vectorProbe = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
)

/** Why generated WebAssembly cannot run here; null if it can. */
export const wasmFault = (): string | null => {
  if (typeof WebAssembly === 'undefined') return 'there is no WebAssembly here'
  return WebAssembly.validate(vectorProbe) ? null : 'its WebAssembly has no SIMD'
}

/** A module with the function m(a, b, c): float32, which returns the first lane of relaxed_madd of three splats. */
const relaxedProbe = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 125, 125, 125, 1, 125, 3, 2, 1, 0, 7, 5, 1, 1, 109, 0, 0],
  ...[10, 22, 1, 20, 0, 32, 0, 253, 19, 32, 1, 253, 19, 32, 2, 253, 19, 253, 133, 2, 253, 31, 0, 11],
)

let relaxedSimd: Promise<boolean> | null = null

/** Does the engine have relaxed SIMD? It is tested once. */
export const hasRelaxedSimd = (): Promise<boolean> => {
  allowRelaxedSimd()
  relaxedSimd ??= testRelaxedSimd()
  return relaxedSimd
}

/** Early versions of the proposal had another order of operands, so the function is called: the standard's result is 2 * 3 + 10. */
const testRelaxedSimd = async (): Promise<boolean> => {
  try {
    const { exports } = new WebAssembly.Instance(await compileWasm(relaxedProbe))
    return (exports['m'] as (a: number, b: number, c: number) => number)(2, 3, 10) === 16
  } catch {
    return false
  }
}

/** More threads than this gain little, because each dispatch ends with a barrier. */
const threadsByDefault = 8

export const defaultThreads = (): number => Math.min(coreCount(), threadsByDefault)
