/**
 * Tensor ids of tfjs-wasm for one buffer in one shape.
 *
 * XNNPACK packs the right operand of a matrix product, and tfjs-wasm caches the packed operand by the tensor id only. If a buffer is read as
 * [K, N] first and as [N, K] later, the first packing is used again, with wrong numbers or reads outside of the memory. So each shape of a
 * buffer gets a separate id over the same memory. No other code uses this id; a tensor that the user feeds may be packed under its own id.
 * (Convolutions are cached by their whole geometry.)
 */
import { sameShape } from '../../ir/types.ts'
import type { DataId, TensorInfo } from './tfjs-types.ts'

/** The parts of tfjs's BackendWasm that it needs. */
export interface WasmTensors {
  readonly wasm: { readonly tfjs: { disposeData(id: number): void } }
  readonly dataIdMap: {
    get(dataId: DataId): { readonly id: number; readonly memoryOffset: number; shape: number[] }
    delete(dataId: DataId): boolean
  }
  /** With an address: a tensor over existing memory. */
  makeOutput(shape: number[], dtype: string, memoryOffset?: number): TensorInfo
}

export interface ShapedIds {
  /** The id for the float32 buffer read in this shape. `drop` ends it. */
  of(dataId: DataId, shape: readonly number[]): DataId
  /** Ends the buffer's ids, and XNNPACK's caches for them; the memory stays. Call it before the buffer is released. */
  drop(dataId: DataId): void
}

interface ShapedId {
  readonly shape: readonly number[]
  readonly dataId: DataId
}

export const makeShapedIds = (backend: WasmTensors): ShapedIds => {
  const known = new WeakMap<DataId, ShapedId[]>()
  return {
    of: (dataId, shape) => {
      const ids = known.get(dataId) ?? []
      const found = ids.find((entry) => sameShape(entry.shape, shape))
      if (found !== undefined) return found.dataId
      const made = backend.makeOutput([...shape], 'float32', backend.dataIdMap.get(dataId).memoryOffset).dataId
      ids.push({ shape, dataId: made })
      known.set(dataId, ids)
      return made
    },
    drop: (dataId) => {
      const ids = known.get(dataId)
      if (ids === undefined) return
      // Not disposeData, because it would also free the memory.
      for (const entry of ids) {
        backend.wasm.tfjs.disposeData(backend.dataIdMap.get(entry.dataId).id)
        backend.dataIdMap.delete(entry.dataId)
      }
      known.delete(dataId)
    },
  }
}
