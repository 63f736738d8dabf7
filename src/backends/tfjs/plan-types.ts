/** The parts of a plan. */
import type { OpName } from '../../ir/signatures.ts'
import type { DType, Type } from '../../ir/types.ts'
import type { HostArray, RunContext } from '../backend.ts'
import type { DataId } from './tfjs-types.ts'
import type { Slot } from './view.ts'

/** Buffers of a run by slot; null before they are made and after they are freed. */
export type Buffers = (DataId | null)[]

export interface Step {
  readonly kernel: string
  readonly op: OpName
  readonly path: string
  readonly reads: readonly Slot[]
  /** Slots that the step fills. A step that fills none changes its first operand in place. */
  readonly writes: readonly Slot[]
  /** Slots whose buffer may be the step's only result. Such a step makes no new buffer. */
  readonly passesOn: readonly Slot[]
  readonly run: (buffers: Buffers, cx: RunContext) => void
}

/** An operand of a kernel: the buffer, and the shape in which the kernel reads it. */
export interface Operand {
  readonly slot: Slot
  readonly shape: readonly number[]
  readonly dtype: DType
}

export interface NamedSlot {
  readonly name: string
  readonly slot: Slot
  readonly type: Type
}

/** The resources that a plan holds until it is disposed of. */
export interface ConstantSlot {
  readonly slot: Slot
  readonly type: Type
  readonly dataId: DataId
}

/** A loop in JavaScript over memory. Arrays are in the order of operands and results. */
export type HostLoop = (inputs: readonly HostArray[], outputs: readonly HostArray[], cx: RunContext) => void

/** A loop in JavaScript that rewrites a buffer and may read other operands. */
export type ReviseLoop = (fresh: HostArray, inputs: readonly HostArray[]) => void
