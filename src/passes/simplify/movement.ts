/** Laws of data movement and of casts. All exact. */
import type { DType, Node, Ref } from '../../ir/types.ts'
import { sameShape } from '../../ir/types.ts'
import { rule, splatOf, type Match, type Rule } from '../rewrite/rules.ts'

const operandOf = (node: Node): Ref | null => node.inputs[0] ?? null

/** The operand, if the node does not change its type. */
const sameTypeOperand = (node: Node, match: Match): Ref | null => {
  const x = operandOf(node)
  const [type] = node.types
  return x !== null && type !== undefined && sameShape(match.type(x).shape, type.shape) ? x : null
}

const isAscending = (list: readonly number[]): boolean => list.every((x, i) => x === i)
const allZero = (list: readonly number[]): boolean => list.every((x) => x === 0)

/** A literal with one number in all elements has that number after any movement. */
const movedSplat = (node: Node, match: Match): Ref | null => {
  const x = operandOf(node)
  const [type] = node.types
  if (x === null || type === undefined || match.def(x).op !== 'constant') return null
  const value = splatOf(x, match)
  return value === null ? null : match.b.splat(value, type)
}

/** Types that represent every value of another type exactly. */
const widerThan: { readonly [D in DType]: readonly DType[] } = {
  float32: [],
  float16: ['float32'],
  bfloat16: ['float32'],
  int32: [],
  bool: ['int32', 'float32', 'float16', 'bfloat16'],
}

export const movementRules: readonly Rule[] = [
  rule('cast(x, dtype(x)) -> x', 'cast', (n, m) => {
    const x = operandOf(n)
    return x !== null && m.type(x).dtype === n.attrs.to ? x : null
  }),
  rule('narrow(widen(x)) -> x', 'cast', (n, m) => {
    const x = operandOf(n)
    const inner = x === null ? null : m.def(x)
    const source = inner?.op === 'cast' ? operandOf(inner) : null
    if (x === null || source === null) return null
    const from = m.type(source).dtype
    return from === n.attrs.to && widerThan[from].includes(m.type(x).dtype) ? source : null
  }),
  rule('reshape(x, shape(x)) -> x', 'reshape', sameTypeOperand),
  rule('reshape(reshape(x)) -> reshape(x)', 'reshape', (n, m) => {
    const x = operandOf(n)
    const inner = x === null ? null : m.def(x)
    const source = inner?.op === 'reshape' ? operandOf(inner) : null
    return source === null ? null : m.b.emit1('reshape', [source], n.attrs)
  }),
  rule('transpose(x, identity) -> x', 'transpose', (n) => (isAscending(n.attrs.permutation) ? operandOf(n) : null)),
  rule('transpose(transpose(x)) -> transpose(x)', 'transpose', (n, m) => {
    const x = operandOf(n)
    const inner = x === null ? null : m.def(x)
    const source = inner?.op === 'transpose' ? operandOf(inner) : null
    if (inner?.op !== 'transpose' || source === null) return null
    return m.b.emit1('transpose', [source], {
      permutation: n.attrs.permutation.map((axis) => inner.attrs.permutation[axis] ?? axis),
    })
  }),
  rule('reverse(reverse(x)) -> x', 'reverse', (n, m) => {
    const x = operandOf(n)
    const inner = x === null ? null : m.def(x)
    return inner?.op === 'reverse' && sameShape(inner.attrs.axes, n.attrs.axes) ? operandOf(inner) : null
  }),
  rule('reverse(x, no axes) -> x', 'reverse', (n) => (n.attrs.axes.length === 0 ? operandOf(n) : null)),
  rule('broadcast(x, shape(x)) -> x', 'broadcast', (n, m) =>
    isAscending(n.attrs.axes) ? sameTypeOperand(n, m) : null,
  ),
  rule('broadcast(broadcast(x)) -> broadcast(x)', 'broadcast', (n, m) => {
    const x = operandOf(n)
    const inner = x === null ? null : m.def(x)
    const source = inner?.op === 'broadcast' ? operandOf(inner) : null
    if (inner?.op !== 'broadcast' || source === null) return null
    return m.b.emit1('broadcast', [source], {
      shape: n.attrs.shape,
      axes: inner.attrs.axes.map((axis) => n.attrs.axes[axis] ?? axis),
    })
  }),
  rule('broadcast(literal) -> literal', 'broadcast', movedSplat),
  rule('reshape(literal) -> literal', 'reshape', movedSplat),
  rule('transpose(literal) -> literal', 'transpose', movedSplat),
  rule('slice(literal) -> literal', 'slice', movedSplat),
  rule('slice(x, everything) -> x', 'slice', sameTypeOperand),
  rule('pad(x, nothing) -> x', 'pad', (n) =>
    allZero(n.attrs.low) && allZero(n.attrs.high) && allZero(n.attrs.interior) ? operandOf(n) : null,
  ),
  rule('concatenate(x) -> x', 'concatenate', (n) => (n.inputs.length === 1 ? operandOf(n) : null)),
  rule('reduceSum(x, no axes) -> x', 'reduceSum', (n, m) =>
    n.attrs.axes.length === 0 && n.attrs.resultDtype === null ? sameTypeOperand(n, m) : null,
  ),
  rule('reduceMax(x, no axes) -> x', 'reduceMax', (n, m) => (n.attrs.axes.length === 0 ? sameTypeOperand(n, m) : null)),
  rule('reduceMin(x, no axes) -> x', 'reduceMin', (n, m) => (n.attrs.axes.length === 0 ? sameTypeOperand(n, m) : null)),
]
