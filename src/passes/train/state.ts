/** Variables of the step itself: which names are theirs, and finding or making them. */
import type { Edit } from '../../ir/edit.ts'
import type { OpEmitter } from '../../ir/emitter.ts'
import { globFilter } from '../../ir/glob.ts'
import { nodesOf } from '../../ir/graph.ts'
import type { Value } from '../../ir/value.ts'

/** Counts updates from 0; schedules and averages go by it. */
export const stepName = 'step'

/** Is it the step's own state? Such names are not a model's to take, and such variables are not averaged. */
export const isState = globFilter([stepName, 'optimizer/**', 'ema/**', 'lossScale/**', 'accumulate/**'])

/** The scalar of that name, added where the graph has none. Dead nodes count: two variables never have one name. */
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
