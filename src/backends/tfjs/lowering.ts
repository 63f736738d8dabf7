/** A lowering defines how tfjs runs one op. lowering-table.ts has the table of all ops. */
import type { OpAttrs, OpIn, OpName, OpOut, Tuple, WithOptionalComposites } from '../../ir/signatures.ts'
import type { NodeOf, Type } from '../../ir/types.ts'
import type { Planner } from './planner.ts'
import type { View } from './view.ts'

export interface LowerArgs<K extends OpName> {
  readonly node: NodeOf<K>
  readonly attrs: OpAttrs<K>
  readonly inputs: Tuple<View, OpIn<K>>
  readonly types: Tuple<Type, OpOut<K>>
  readonly planner: Planner
}

/** Adds steps to the plan and returns the places of the results, one per output. */
export type LowerFunction<K extends OpName> = (args: LowerArgs<K>) => Tuple<View, OpOut<K>>

export interface Unsupported {
  readonly unsupported: string
  /** What to do. Default: another backend may run it. */
  readonly hint?: string | undefined
}
export const unsupported = (reason: string, hint?: string): Unsupported => ({ unsupported: reason, hint })

/** A loop over memory if JavaScript can access the device's memory, else the op's own decomposition. */
export interface InMemory<K extends OpName> {
  readonly inMemory: LowerFunction<K>
}
export const inMemory = <K extends OpName>(lower: LowerFunction<K>): InMemory<K> => ({ inMemory: lower })

/**
 * A function: kernels of tfjs, or loops over memory.
 * 'host': the op's reference semantics over the backend's memory; wasm and cpu only. Correct but slow, for rare ops.
 */
export type Lowering<K extends OpName> = LowerFunction<K> | InMemory<K> | 'host' | Unsupported
/** The backend's legalize passes decompose the composites that have no entry. */
export type LoweringTable = WithOptionalComposites<{ readonly [K in OpName]: Lowering<K> }>
