/** Variables of the training step itself: their names, and functions that find or make them. */
import type { Edit } from '../../ir/edit.ts'
import type { OpEmitter } from '../../ir/emitter.ts'
import { globFilter } from '../../ir/glob.ts'
import { nodesOf } from '../../ir/graph.ts'
import type { Value } from '../../ir/value.ts'

/** Counts updates from 0; schedules and averages depend on it. */
export const stepName = 'step'

/** Is it the step's own state? A model may not use such names, and such variables are not averaged. */
export const isState = globFilter([stepName, 'optimizer/**', 'ema/**', 'lossScale/**', 'accumulate/**'])

/** The scalar with this name, added if the graph has none. Dead nodes count, because two variables never have the same name. */
export const scalarState = (
  edit: Edit,
  b: OpEmitter,
  name: string,
  dtype: 'float32' | 'int32' | 'bool',
  initial: number,
): Value => {
  const known = nodesOf(edit.base).find((node) => node.op === 'variable' && node.attrs.name === name)
  if (known !== undefined) return edit.value({ id: known.id, port: 0 }, b)
  const init = { kind: 'constant', value: initial } as const
  return b.emit1('variable', [], { name, trainable: false, init }, [{ dtype, shape: [] }])
}
