/** The values of a SavedModel's variables, on TensorFlow's device. */
import type { StoreTurn } from '../../backends/backend.ts'
import type { Pointer } from '../../backends/tensorflow/c-api.ts'
import type { TensorflowContext } from '../../backends/tensorflow/context.ts'
import type { TfTensor } from '../../backends/tensorflow/memory.ts'
import { invariant } from '../../ir/diagnostics.ts'
import type { Deriving, PlannedValue } from './plan-signatures.ts'
import type { SavedValue } from './save-variables.ts'

/** Calls `use` with all values, and frees afterwards what was allocated for it. @throws TensorflowFailure */
export const withValues = async <T>(
  context: TensorflowContext,
  turn: StoreTurn<TfTensor>,
  planned: readonly PlannedValue[],
  use: (values: readonly SavedValue[]) => Promise<T>,
): Promise<T> => {
  const own: Pointer[] = []
  const derived = new Map<Deriving, readonly Pointer[]>()
  try {
    for (const { source } of planned) {
      if (source.kind !== 'derived' || derived.has(source.by)) continue
      const made = await derive(context, turn, source.by)
      own.push(...made)
      derived.set(source.by, made)
    }
    const values = planned.map(({ name, type, source }): SavedValue => {
      if (source.kind === 'number') return { name, type, value: source.value }
      if (source.kind === 'store') return { name, type, value: turn.valueOf(source.name).handle }
      if (source.kind === 'derived') return { name, type, value: derived.get(source.by)?.[source.update] as Pointer } // computed above
      const value = context.upload(source.data, source.type)
      own.push(value)
      return { name, type, value }
    })
    return await use(values)
  } finally {
    for (const handle of own) context.free(handle)
  }
}

/** The updates of a step that depends only on variables and constants. */
const derive = async (
  context: TensorflowContext,
  turn: StoreTurn<TfTensor>,
  { lowered, nameOf }: Deriving,
): Promise<readonly Pointer[]> => {
  const own: Pointer[] = []
  const added: string[] = []
  try {
    for (const definition of lowered.functions) {
      context.addFunction(definition)
      added.push(definition.signature?.name ?? '')
    }
    const operands = lowered.operands.map((operand) => {
      if (operand.kind === 'variable') return turn.valueOf(nameOf(operand.name)).handle
      invariant(operand.kind === 'constant', () => `a derived value depends on an operand "${operand.kind}"`)
      const handle = context.upload(operand.data, operand.type)
      own.push(handle)
      return handle
    })
    return await context.call(lowered.name, operands, lowered.updates.length)
  } finally {
    for (const name of added.reverse()) context.removeFunction(name)
    for (const handle of own) context.free(handle)
  }
}
