/** Facts about single ops for fusion. */
import { typeOf } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import type { OpName } from '../../ir/signatures.ts'
import type { Read } from './facts.ts'
import { elements, type Graph, isFloat, type Node, type Ref, sameShape, sizeBytes } from '../../ir/types.ts'

/** Elementwise ops that take much longer than an addition, in addition to those of the tolerance class `transcendental`. */
const divisions: ReadonlySet<OpName> = new Set(['div', 'reciprocal', 'sqrt', 'remainder'])

export const isSlow = ({ op }: Node): boolean => {
  const { fusion, tolerance } = opDef(op)
  return fusion === 'random' || (fusion === 'elementwise' && (tolerance === 'transcendental' || divisions.has(op)))
}

/** Do all readers recompute the op, because that is cheaper than reading its result? */
export const isFreeOp = (graph: Graph, node: Node): boolean =>
  node.op === 'broadcast' || node.op === 'iota' || isUnitReshape(graph, node) || isWidening(graph, node)

/** Adds or removes only dimensions of size 1. */
const isUnitReshape = (graph: Graph, node: Node): boolean => {
  const [x] = node.inputs
  if (node.op !== 'reshape' || x === undefined) return false
  const long = (shape: readonly number[]): readonly number[] => shape.filter((size) => size !== 1)
  return sameShape(long(typeOf(graph, x).shape), long(node.attrs.shape))
}

const isWidening = (graph: Graph, node: Node): boolean => {
  const [x] = node.inputs
  if (node.op !== 'cast' || x === undefined || node.attrs.to !== 'float32') return false
  const { dtype } = typeOf(graph, x)
  return isFloat(dtype) && dtype !== 'float32'
}

/** How a node reads its operand, if it only moves elements, or is elementwise with an operand of another shape. */
export const spreadOf = (graph: Graph, node: Node, operand: Ref): Omit<Read, 'from' | 'operand'> => {
  const { shape } = typeOf(graph, operand)
  const [type] = node.types
  if (type === undefined) return { isPoint: false, times: 1, panelFlops: 0, rowBytes: Infinity }
  const times = elements(type.shape) / elements(shape)
  if (node.op === 'reshape' || node.op === 'cast') return { isPoint: true, times, panelFlops: 0, rowBytes: 0 }
  if (node.op === 'broadcast' && times === 1) return { isPoint: true, times, panelFlops: 0, rowBytes: 0 }
  const isRow = node.op === 'broadcast' && isAlongRows(shape, type.shape, node.attrs.axes)
  return {
    isPoint: false,
    times,
    panelFlops: 0,
    rowBytes: isRow ? (sizeBytes(type) / elements(type.shape)) * times : Infinity,
  }
}

/** Are elements repeated only along the last axes? */
const isAlongRows = (from: readonly number[], to: readonly number[], axes: readonly number[]): boolean => {
  const kept = axes.filter((axis, i) => from[i] === to[axis] && to[axis] !== 1)
  const repeated = to.flatMap((size, axis) => (size === 1 || kept.includes(axis) ? [] : [axis]))
  return Math.max(-1, ...kept) < Math.min(Infinity, ...repeated)
}
