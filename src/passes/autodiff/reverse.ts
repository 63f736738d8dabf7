/**
 * Reverse-mode differentiation: a walk over the graph from a scalar back to the wanted values. The ops have the mathematics (their `vjp`);
 * this file only propagates and sums gradients, keyed by (id, port). Nodes that the wanted values do not reach are never visited.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { OpEmitter } from '../../ir/emitter.ts'
import { refKey } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import { opVjp } from '../../ir/ops/vjps.ts'
import { emitRegion } from '../../ir/region.ts'
import { isFloat, type Node, type Ref, showType, type Type } from '../../ir/types.ts'
import { makeValue, type Value } from '../../ir/value.ts'

/** The place where gradients are added: an edit of a graph, or a graph under construction. */
export interface GradientTarget {
  /** Nodes from which the scalar may depend, operands before users. */
  readonly nodes: readonly Node[]
  /** Emits at the path `grad(path of node)`, on behalf of the node. */
  emitterFor(node: Node): OpEmitter
}

/**
 * Gradients of a scalar with respect to values, in the order of `wanted`; zeros if it does not depend on a value.
 * @throws EffuseError EF101 (not a float scalar), EF303 (an op on the path cannot be differentiated).
 */
export const reverse = (target: GradientTarget, scalar: Ref, wanted: readonly Ref[]): readonly Value[] => {
  const nodes = new Map(target.nodes.map((n) => [n.id, n]))
  const root = nodes.get(scalar.id)
  const type = root?.types[scalar.port]
  if (root === undefined || type === undefined || type.shape.length > 0 || !isFloat(type.dtype)) {
    throw new EffuseError({
      code: 'EF101',
      path: root?.path,
      message: `gradients are taken of a float scalar, got ${type === undefined ? 'an unknown value' : showType(type)}`,
      hint: 'reduce it first: mean(loss)',
    })
  }
  return pulledBack(target, [{ ref: scalar, gradient: target.emitterFor(root).splat(1, type) }], wanted)
}

/** Gradients of the wanted values, from the known gradients of some results. */
const pulledBack = (
  target: GradientTarget,
  known: readonly { readonly ref: Ref; readonly gradient: Value }[],
  wanted: readonly Ref[],
): readonly Value[] => {
  const nodes = new Map(target.nodes.map((n) => [n.id, n]))
  const reaches = dependents(target.nodes, wanted)
  const gradients = new Gradients()
  for (const { ref, gradient } of known) gradients.add(ref, gradient)
  for (const node of target.nodes.toReversed()) {
    const outGrads = node.types.map((_, port) => gradients.at({ id: node.id, port }))
    if (outGrads.every((g) => g === null) || !node.inputs.some((input) => reaches.has(input.id))) continue
    backward(target, node, outGrads, nodes, reaches, gradients)
  }
  return wanted.map((ref) => {
    const of = nodes.get(ref.id)
    const found = gradients.at(ref)
    if (found !== null) return found
    const wantedType = of?.types[ref.port]
    if (of === undefined || wantedType === undefined)
      throw new EffuseError({
        code: 'EF110',
        message: 'cannot differentiate by a value that the graph does not have',
      })
    return target.emitterFor(of).splat(0, wantedType)
  })
}

/** Adds the gradients of one node's operands to their sums. */
const backward = (
  target: GradientTarget,
  node: Node,
  outGrads: readonly (Value | null)[],
  nodes: ReadonlyMap<number, Node>,
  reaches: ReadonlySet<number>,
  gradients: Gradients,
): void => {
  const b = target.emitterFor(node)
  const valueAt = (ref: Ref): Value => makeValue(b, ref, nodes.get(ref.id)?.types[ref.port] as Type) // operands come from the same graph
  const given = outGrads.map((g) => (g === null ? null : makeValue(b, g, g)))
  if (node.op === 'composite') {
    for (const { input, gradient } of throughBody(node, node.inputs.map(valueAt), given, reaches, b))
      gradients.add(input, gradient)
    return
  }
  const vjp = opVjp(node.op)
  if (vjp === 'zero') return
  if (vjp === 'none' || vjp === 'by its body') {
    throw new EffuseError({
      code: 'EF303',
      path: node.path,
      message: `${node.path === '' ? '' : `${node.path}: `}${node.op} cannot be differentiated`,
      hint: hintFor(node),
    })
  }
  const parts = vjp({
    outGrads: given,
    inputs: node.inputs.map(valueAt),
    outputs: node.types.map((type, port) => makeValue(b, { id: node.id, port }, type)),
    attrs: node.attrs,
    b,
  })
  node.inputs.forEach((input, k) => {
    const part = parts[k]
    if (part !== null && part !== undefined && reaches.has(input.id)) gradients.add(input, part)
  })
}

const hintFor = ({ op }: Node): string | undefined =>
  opDef(op).level === 'model'
    ? 'what it computes is decided by a training step, trainingStep(), or by the pass to-training before this one'
    : opDef(op).decompose === undefined
      ? undefined
      : 'decompose it first'

/** The name of the composite that is the gradient of the composite with this name. */
export const gradientName = (name: string): string => `grad(${name})`

/**
 * The gradient of a user's composite is a composite too, with the same class for mixed precision. Its body recomputes the original body and
 * differentiates it. So the author's settings apply to the gradient, and no intermediate value is kept for it.
 */
const throughBody = (
  node: Node<'composite'>,
  operands: readonly Value[],
  outGrads: readonly (Value | null)[],
  reaches: ReadonlySet<number>,
  b: OpEmitter,
): readonly { readonly input: Ref; readonly gradient: Value }[] => {
  const { name, body, amp, tolerance } = node.attrs
  const wanted = operands.flatMap((x, i) => (isFloat(x.dtype) && reaches.has(x.id) ? [i] : []))
  const given = outGrads.flatMap((gradient, port) => (gradient === null ? [] : [{ gradient, port }]))
  const inputs = [...operands, ...given.map(({ gradient }) => gradient)]
  const made = emitRegion(b, 'composite', inputs, { name: gradientName(name), amp, tolerance }, (values, inner) => {
    const results = inner.inline(body, values.slice(0, operands.length))
    return pulledBack(
      { nodes: inner.nodes, emitterFor: () => inner },
      given.map(({ port }, i) => ({ ref: results[port] as Value, gradient: values[operands.length + i] as Value })), // in the order of `inputs`
      wanted.map((i) => values[i] as Value),
    )
  })
  return wanted.map((i, at) => ({ input: operands[i] as Value, gradient: made[at] as Value })) // a result for each wanted operand
}

/** Sums the gradients of a value, in the order of arrival. */
class Gradients {
  readonly #sums = new Map<number, Value>()
  at(ref: Ref): Value | null {
    return this.#sums.get(refKey(ref)) ?? null
  }
  add(ref: Ref, part: Value): void {
    const sum = this.#sums.get(refKey(ref))
    this.#sums.set(refKey(ref), sum === undefined ? part : part.builder.add(sum, part))
  }
}

/** The wanted nodes and all nodes that depend on them. */
const dependents = (nodes: readonly Node[], wanted: readonly Ref[]): ReadonlySet<number> => {
  const found = new Set<number>(wanted.map((ref) => ref.id))
  for (const node of nodes) if (node.inputs.some((input) => found.has(input.id))) found.add(node.id)
  return found
}
