/**
 * Reverse-mode differentiation: a walk over the graph from a scalar back to the wanted values. The mathematics is in the ops (their `vjp`);
 * here gradients are only carried and summed, keyed by (id, port). Nodes that the wanted values do not reach are never visited.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { OpEmitter } from '../../ir/emitter.ts'
import { refKey } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import { isFloat, type Node, type Ref, showType, type Type } from '../../ir/types.ts'
import { makeValue, type Value } from '../../ir/value.ts'

/** Where gradients are written: an edit of a graph, or a graph being built. */
export interface GradientTarget {
  /** Nodes from which the scalar may depend, operands before users. */
  readonly nodes: readonly Node[]
  /** Emits at the path `grad(path of node)`, on behalf of the node. */
  emitterFor(node: Node): OpEmitter
}

/**
 * Gradients of a scalar by values, in the order of `wanted`; zeros where it does not depend on one.
 * @throws EffuseError EF101 (not a float scalar), EF303 (an op on the way cannot be differentiated).
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
  const reaches = dependents(target.nodes, wanted)
  const gradients = new Gradients()
  gradients.add(scalar, target.emitterFor(root).splat(1, type))
  for (const node of target.nodes.toReversed()) {
    const outGrads = node.types.map((_, port) => gradients.at({ id: node.id, port }))
    if (outGrads.every((g) => g === null) || !node.inputs.some((input) => reaches.has(input.id))) continue
    backward(target, node, outGrads, nodes, reaches, gradients)
  }
  return wanted.map((ref) => {
    const of = nodes.get(ref.id)
    const known = gradients.at(ref)
    if (known !== null) return known
    const wantedType = of?.types[ref.port]
    if (of === undefined || wantedType === undefined)
      throw new EffuseError({
        code: 'EF110',
        message: 'a gradient is asked for of a value that the graph does not have',
      })
    return target.emitterFor(of).splat(0, wantedType)
  })
}

/** The gradients of one node's operands, added to what they have. */
const backward = (
  target: GradientTarget,
  node: Node,
  outGrads: readonly (Value | null)[],
  nodes: ReadonlyMap<number, Node>,
  reaches: ReadonlySet<number>,
  gradients: Gradients,
): void => {
  const { vjp } = opDef(node.op)
  if (vjp === 'zero') return
  if (vjp === 'none') {
    throw new EffuseError({
      code: 'EF303',
      path: node.path,
      message: `${node.path === '' ? '' : `${node.path}: `}${node.op} cannot be differentiated`,
      hint: opDef(node.op).level === 'model' ? 'run to-training first' : 'decompose it first',
    })
  }
  const b = target.emitterFor(node)
  const valueAt = (ref: Ref): Value => makeValue(b, ref, nodes.get(ref.id)?.types[ref.port] as Type) // operands come from the same graph
  const parts = vjp({
    outGrads: outGrads.map((g) => (g === null ? null : makeValue(b, g, g))),
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

/** Sums what flows into a value, in the order in which it comes. */
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

/** The wanted nodes and all that depend on them. */
const dependents = (nodes: readonly Node[], wanted: readonly Ref[]): ReadonlySet<number> => {
  const found = new Set<number>(wanted.map((ref) => ref.id))
  for (const node of nodes) if (node.inputs.some((input) => found.has(input.id))) found.add(node.id)
  return found
}
