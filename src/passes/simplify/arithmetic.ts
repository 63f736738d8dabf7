/** Laws of numbers. Not here: x * 0 -> 0 and x - x -> 0, which are wrong for NaN and infinities. */
import { rule, splatOf, type Match, type Rule } from '../rewrite/rules.ts'
import { sameRef } from '../../ir/graph.ts'
import type { Node, Ref } from '../../ir/types.ts'

const pairOf = (node: Node): readonly [Ref, Ref] | null => {
  const [a, b] = node.inputs
  return a === undefined || b === undefined ? null : [a, b]
}

/** The other operand if one operand is `unit` in all elements. `sides` tells on which side that operand may be. */
const withoutUnit = (node: Node, match: Match, unit: number, sides: 'right' | 'both'): Ref | null => {
  const pair = pairOf(node)
  if (pair === null) return null
  const [a, b] = pair
  if (Object.is(splatOf(b, match), unit)) return a
  return sides === 'both' && Object.is(splatOf(a, match), unit) ? b : null
}

const sameOperands = (node: Node): Ref | null => {
  const pair = pairOf(node)
  return pair !== null && sameRef(pair[0], pair[1]) ? pair[0] : null
}

/** The operand's operand, if node and operand have the same op. */
const throughTwice = (node: Node, match: Match): Ref | null => {
  const [x] = node.inputs
  const inner = x === undefined ? undefined : match.def(x)
  return inner?.op === node.op ? (inner.inputs[0] ?? null) : null
}

/** The operand, if it has the node's op. */
const onceIsEnough = (node: Node, match: Match): Ref | null => {
  const [x] = node.inputs
  return x !== undefined && match.def(x).op === node.op ? x : null
}

const isPowerOfTwo = (x: number): boolean =>
  x !== 0 && Number.isFinite(x) && Number.isInteger(Math.log2(Math.abs(x))) && Math.abs(Math.log2(Math.abs(x))) <= 100

/** A division takes as long as several multiplications. Not where a reciprocal leaves the normal numbers. */
const timesReciprocals = (node: Node, match: Match): Ref | null => {
  const [x, divisor] = node.inputs
  const [type] = node.types
  if (x === undefined || divisor === undefined || type?.dtype !== 'float32') return null
  const made = match.def(divisor)
  const [list] = made.op === 'broadcast' ? made.inputs : [divisor]
  const literal = list === undefined ? null : match.def(list)
  if (literal?.op !== 'constant') return null
  const { value } = literal.attrs
  if (typeof value === 'object' && 'sha256' in value) return null
  const values = typeof value === 'number' ? [value] : value
  if (!values.every(hasNormalReciprocal)) return null
  const reciprocals = typeof value === 'number' ? 1 / value : values.map((c) => 1 / c)
  const factor = match.b.emit1('constant', [], { value: reciprocals }, literal.types)
  return match.b.emit1(
    'mul',
    [x, made.op === 'broadcast' ? match.b.emit1('broadcast', [factor], made.attrs) : factor],
    {},
  )
}

/** Are the number and its reciprocal normal float32 numbers? */
const hasNormalReciprocal = (x: number): boolean => Math.abs(x) >= 2 ** -126 && Math.abs(x) <= 2 ** 126

export const arithmeticRules: readonly Rule[] = [
  rule('x + -0 -> x', 'add', (n, m) => withoutUnit(n, m, -0, 'both')),
  // -0 + 0 is 0: the sign of a zero may change.
  rule('x + 0 -> x', 'add', (n, m) => withoutUnit(n, m, 0, 'both'), 'rounding'),
  rule('x - 0 -> x', 'sub', (n, m) => withoutUnit(n, m, 0, 'right')),
  rule('x * 1 -> x', 'mul', (n, m) => withoutUnit(n, m, 1, 'both')),
  rule('x / 1 -> x', 'div', (n, m) => withoutUnit(n, m, 1, 'right')),
  rule('pow(x, 1) -> x', 'pow', (n, m) => withoutUnit(n, m, 1, 'right')),
  rule(
    'pow(x, 2) -> x * x',
    'pow',
    (n, m) => {
      const [x, exponent] = n.inputs
      return x !== undefined && exponent !== undefined && splatOf(exponent, m) === 2
        ? m.b.emit1('mul', [x, x], {})
        : null
    },
    'rounding',
  ),
  // Exact: both sides round the same real number, because 1 / 2^k is a float.
  rule('x / 2^k -> x * 2^-k', 'div', (n, m) => {
    const [x, divisor] = n.inputs
    const c = divisor === undefined ? null : splatOf(divisor, m)
    const [type] = n.types
    if (x === undefined || type?.dtype !== 'float32' || c === null || !isPowerOfTwo(c)) return null
    return m.b.emit1('mul', [x, m.b.splat(1 / c, type)], {})
  }),
  rule('x / literal -> x * (1 / literal)', 'div', timesReciprocals, 'rounding'),
  rule('neg(neg(x)) -> x', 'neg', throughTwice),
  rule('not(not(x)) -> x', 'not', throughTwice),
  rule('a + neg(b) -> a - b', 'add', (n, m) => {
    const pair = pairOf(n)
    const negated = pair === null ? undefined : m.def(pair[1])
    const [inner] = negated?.op === 'neg' ? negated.inputs : []
    return pair === null || inner === undefined ? null : m.b.emit1('sub', [pair[0], inner], {})
  }),
  rule('a - neg(b) -> a + b', 'sub', (n, m) => {
    const pair = pairOf(n)
    const negated = pair === null ? undefined : m.def(pair[1])
    const [inner] = negated?.op === 'neg' ? negated.inputs : []
    return pair === null || inner === undefined ? null : m.b.emit1('add', [pair[0], inner], {})
  }),
  rule('abs(abs(x)) -> abs(x)', 'abs', onceIsEnough),
  rule('relu(relu(x)) -> relu(x)', 'relu', onceIsEnough),
  rule('relu6(relu6(x)) -> relu6(x)', 'relu6', onceIsEnough),
  rule('maximum(x, x) -> x', 'maximum', sameOperands),
  rule('minimum(x, x) -> x', 'minimum', sameOperands),
  rule('and(x, x) -> x', 'and', sameOperands),
  rule('or(x, x) -> x', 'or', sameOperands),
  rule(
    'reciprocal(sqrt(x)) -> rsqrt(x)',
    'reciprocal',
    (n, m) => {
      const [x] = n.inputs
      const inner = x === undefined ? undefined : m.def(x)
      const [operand] = inner?.op === 'sqrt' ? inner.inputs : []
      return operand === undefined ? null : m.b.emit1('rsqrt', [operand], {})
    },
    'rounding',
  ),
  rule('select(c, x, x) -> x', 'select', (n) => {
    const [, a, b] = n.inputs
    return a !== undefined && b !== undefined && sameRef(a, b) ? a : null
  }),
  rule('select(literal, a, b) -> a or b', 'select', (n, m) => {
    const [condition, a, b] = n.inputs
    const known = condition === undefined ? null : splatOf(condition, m)
    return known === null ? null : ((known === 1 ? a : b) ?? null)
  }),
]
