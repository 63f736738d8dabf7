/** Rewrite rules as data: a name that states the law, the op at the root, and a function that returns the replacement or null. */
import type { OpEmitter } from '../../ir/emitter.ts'
import type { OpName } from '../../ir/signatures.ts'
import type { Node, Ref, Type } from '../../ir/types.ts'
import type { Preserves } from '../pass.ts'

/** What a rule may read: the nodes that make the operands, after the rewrites so far. */
export interface Match {
  /** The node that makes a value. */
  def(ref: Ref): Node
  type(ref: Ref): Type
  /** Writes new nodes on behalf of the matched node. */
  readonly b: OpEmitter
}

export interface Rule {
  /** The law: 'x * 1 -> x'. */
  readonly name: string
  readonly op: OpName
  readonly preserves: Exclude<Preserves, 'mode'>
  /** The value that replaces the node's only result, or null if the rule does not apply. It never makes the program worse. */
  readonly rewrite: (node: Node, match: Match) => Ref | null
}

/** Declares a rule; `preserves` is 'bits' unless stated. */
export const rule = <K extends OpName>(
  name: string,
  op: K,
  rewrite: (node: Node<K>, match: Match) => Ref | null,
  preserves: Rule['preserves'] = 'bits',
): Rule => Object.freeze({ name, op, preserves, rewrite: rewrite as Rule['rewrite'] }) // the driver calls it on nodes of `op` only

/** The value of a constant that is the same everywhere, seen through broadcasts and reshapes; null for anything else. */
export const splatOf = (ref: Ref, match: Pick<Match, 'def'>): number | null => {
  let node = match.def(ref)
  for (
    let operand = node.inputs[0];
    (node.op === 'broadcast' || node.op === 'reshape') && operand !== undefined;
    operand = node.inputs[0]
  )
    node = match.def(operand)
  if (node.op !== 'constant') return null
  const { value } = node.attrs
  if (typeof value === 'number') return value
  if (!Array.isArray(value)) return null
  const [first] = value as readonly number[]
  return first !== undefined && value.every((x) => Object.is(x, first)) ? first : null
}
