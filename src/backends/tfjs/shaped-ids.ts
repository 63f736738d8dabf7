/**
 * Tensor ids of tfjs-wasm for one buffer in one shape.
 *
 * XNNPACK packs the right operand of a matrix product, and tfjs-wasm keeps what was packed by the operand's tensor id alone: a buffer that is
 * read as [K, N] once and as [N, K] later meets the first packing, with wrong numbers or reads outside of the memory. So each shape of a buffer
 * gets an id of its own over the same memory. Nobody else knows this id: a tensor that the user feeds may have been packed under its own.
 * (Convolutions are kept by all of their geometry.)
 */
import { sameShape } from '../../ir/types.ts'
import type { DataId, TensorInfo } from './tfjs-types.ts'

/** What it needs of tfjs's BackendWasm. */
export interface WasmTensors {
  readonly wasm: { readonly tfjs: { disposeData(id: number): void } }
  readonly dataIdMap: {
    get(dataId: DataId): { readonly id: number; readonly memoryOffset: number; shape: number[] }
    delete(dataId: DataId): boolean
  }
  /** With an address: a tensor over memory that stands already. */
  makeOutput(shape: number[], dtype: string, memoryOffset?: number): TensorInfo
}

export interface ShapedIds {
  /** The id for the float32 buffer read in this shape. It ends with `drop`. */
  of(dataId: DataId, shape: readonly number[]): DataId
  /** Ends the buffer's ids, and what XNNPACK keeps by them; the memory stays. Before the buffer is given back. */
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
      // Not disposeData, which would free the memory as well.
      for (const entry of ids) {
        backend.wasm.tfjs.disposeData(backend.dataIdMap.get(entry.dataId).id)
        backend.dataIdMap.delete(entry.dataId)
      }
      known.delete(dataId)
    },
  }
}
