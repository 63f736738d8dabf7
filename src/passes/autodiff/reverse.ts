/**
 * Reverse-mode differentiation: a walk over the graph from a scalar back to the wanted values. The mathematics is in the ops (their `vjp`);
 * here gradients are only carried and summed, keyed by (id, port). Nodes that the wanted values do not reach are never visited.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { OpEmitter } from '../../ir/emitter.ts'
import { liveOrder, refKey } from '../../ir/graph.ts'
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
  const nodes = new Map<number, Node>(target.nodes.map((n) => [n.id, n]))
  const gradients = new Gradients()
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
  const walk: Walk = {
    target,
    nodes,
    reaches: dependents(target.nodes, new Set(wanted.map(({ id }) => id))),
    gradients,
  }
  gradients.add(scalar, target.emitterFor(root).splat(1, type))
  walkBack(walk, target.nodes)
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

interface Walk {
  readonly target: GradientTarget
  /** By id; the opened bodies of composites join. */
  readonly nodes: Map<number, Node>
  /** The wanted nodes and all that depend on them. */
  readonly reaches: Set<number>
  readonly gradients: Gradients
}

/** @param nodes Operands before users. */
const walkBack = (walk: Walk, nodes: readonly Node[]): void => {
  for (const node of nodes.toReversed()) {
    const outGrads = node.types.map((_, port) => walk.gradients.at({ id: node.id, port }))
    if (outGrads.every((g) => g === null) || !node.inputs.some((input) => walk.reaches.has(input.id))) continue
    if (node.op === 'composite') throughBody(walk, node, outGrads)
    else backward(walk, node, outGrads)
  }
}

/** The gradients of one node's operands, added to what they have. */
const backward = (
  { target, nodes, reaches, gradients }: Walk,
  node: Node,
  outGrads: readonly (Value | null)[],
): void => {
  const { vjp } = opDef(node.op)
  if (vjp === 'zero') return
  if (vjp === 'none') {
    throw new EffuseError({
      code: 'EF303',
      path: node.path,
      message: `${node.path === '' ? '' : `${node.path}: `}${node.op} cannot be differentiated`,
      hint: hintFor(node),
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

const hintFor = ({ op }: Node): string | undefined =>
  opDef(op).level === 'model'
    ? 'what it computes is decided by a training step, trainingStep(), or by the pass to-training before this one'
    : opDef(op).decompose === undefined
      ? undefined
      : 'decompose it first'

/** A user's op is differentiated by its body, which is computed once more for what its gradient needs. */
const throughBody = (walk: Walk, node: Node<'composite'>, outGrads: readonly (Value | null)[]): void => {
  const b = walk.target.emitterFor(node)
  const { body } = node.attrs
  const values = new Map<number, readonly Ref[]>(body.inputs.map((id, k) => [id, [node.inputs[k] as Ref]])) // C1: as many
  const valueAt = ({ id, port }: Ref): Ref => values.get(id)?.[port] as Ref // operands come before users
  const opened = liveOrder(body).flatMap((inner): readonly Node[] => {
    if (inner.op === 'input') return []
    const inputs = inner.inputs.map(valueAt)
    const results = b.emit(inner.op, inputs, inner.attrs, inner.types)
    values.set(inner.id, results)
    const [first] = results
    return first === undefined ? [] : [{ ...inner, id: first.id, inputs, path: node.path }]
  })
  for (const inner of opened) walk.nodes.set(inner.id, inner)
  for (const id of dependents(opened, walk.reaches)) walk.reaches.add(id)
  body.outputs.forEach(({ value }, port) => {
    const g = outGrads[port]
    if (g !== null && g !== undefined) walk.gradients.add(valueAt(value), g)
  })
  walkBack(walk, opened)
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

/** Some nodes and all that depend on them. */
const dependents = (nodes: readonly Node[], on: ReadonlySet<number>): Set<number> => {
  const found = new Set(on)
  for (const node of nodes) if (node.inputs.some((input) => found.has(input.id))) found.add(node.id)
  return found
}
