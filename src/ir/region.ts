/** Makes regions: nodes with a graph as body. */
import { toBody } from './body.ts'
import { Builder, isDeclaring } from './build.ts'
import type { OpEmitter } from './emitter.ts'
import { sideTables } from './side-tables.ts'
import type { OpAttrs, RegionOps } from './signatures.ts'
import type { Graph, Type } from './types.ts'
import type { Value } from './value.ts'

/** Builds a body: returns its output values from the values of its operands. It must not use values of other graphs. */
export type BodyFunction = (operands: readonly Value[], b: Builder) => readonly Value[]

/** Attributes of a region without its body. */
type OwnAttrs<K extends keyof RegionOps> = Omit<OpAttrs<K>, 'body'>

/**
 * Adds a region on `operands`. Large literals of the body become operands after these, so that equal programs have equal bodies.
 *
 * @throws EffuseError EF101 (C2: the body has variables), EF110 (the body uses a value of another graph).
 * @example
 * const graph = parse('graph g { %x = input() {name="x"} : float32[3] %y = neg(%x) : float32[3] return y = %y }')
 * const [, node] = liveOrder(graph)
 * const edit = new Edit(graph, 'fuse')
 * const b = edit.emitter(node!)
 * const operands = node!.inputs.map((ref) => edit.value(ref, b))
 * const [fused] = emitRegion(b, 'fusion', operands, { kind: 'loop' }, ([x], inner) => [inner.neg(x!)])
 * edit.replaceUses({ id: node!.id, port: 0 }, fused!)
 * edit.commit() // %1 = fusion(%0) {body=(%0: float32[3]) { … }, kind="loop"}
 */
export const emitRegion = <K extends keyof RegionOps>(
  b: OpEmitter,
  op: K,
  operands: readonly Value[],
  attrs: OwnAttrs<K>,
  body: BodyFunction,
): readonly Value[] => {
  const { name, kind } = attrs as { readonly name?: string; readonly kind?: string } // a composite has a name, a fusion a kind
  const graph = regionGraph(name ?? kind ?? op, operands, body, b.path, isDeclaring(b))
  const made = toBody(graph)
  const { constants } = sideTables(graph)
  const literals = made.literals.map(({ type, value }) =>
    typeof value === 'object' && 'sha256' in value
      ? b.literal(type, constants.get(value.sha256).data)
      : b.emit1('constant', [], { value }, [type]),
  )
  return b.emit(op, [...operands, ...literals], { ...attrs, body: made.body } as OpAttrs<K>) // a region has OwnAttrs and a body
}

/** Builds the graph of a body function, not yet in normal form, with its nodes at `path`. `name` is for messages. */
export const regionGraph = (
  name: string,
  operands: readonly Type[],
  body: BodyFunction,
  path = '',
  isDeclared = false,
): Graph => {
  const b = new Builder(name, isDeclared)
  const inputs = operands.map((type, i) => b.input(String(i), type))
  const results = b.scopeAt(path, () => body(inputs, b))
  return b.finish(Object.fromEntries(results.map((value, i) => [String(i), value])))
}
