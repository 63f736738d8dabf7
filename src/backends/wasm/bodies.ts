/** The body of any node: the body of a region, or a new body around a single op. So there is one lowering for both. */
import { nodeAt, nodesOf, refKey, typeOf } from '../../ir/graph.ts'
import { freezeDeep } from '../../ir/make-node.ts'
import { opDef, opNames } from '../../ir/ops/index.ts'
import { findSideTables, setSideTables } from '../../ir/side-tables.ts'
import { genericTarget } from '../../ir/target.ts'
import { type Graph, type Node, type NodeId, nodeId, type Ref } from '../../ir/types.ts'
import { decomposeOps } from '../../passes/decompose.ts'

export interface NodeBody {
  readonly body: Graph
  /** For each input node of the body the value that it stands for. */
  readonly operands: ReadonlyMap<number, Ref>
}

export const bodyOf = (graph: Graph, node: Node): NodeBody =>
  node.op === 'fusion' ? regionBody(graph, node) : wrapped(graph, node)

/** A tensor that is filled with one number is part of the kernel, not an operand in memory. */
const splat = (graph: Graph, ref: Ref): Node<'constant'> | null => {
  const node = nodeAt(graph, ref.id)
  return node.op === 'constant' && typeof node.attrs.value === 'number' ? node : null
}

const regionBody = (graph: Graph, { attrs: { body }, inputs }: Node<'fusion'>): NodeBody => {
  const operands = new Map<number, Ref>()
  const constants = new Map<number, Node<'constant'>>()
  body.inputs.forEach((id, at) => {
    const ref = inputs[at] as Ref // a body has one input for each operand
    const constant = splat(graph, ref)
    if (constant === null) operands.set(id, ref)
    else constants.set(id, constant)
  })
  if (constants.size === 0) return { body, operands }
  const nodes = body.nodes.map((node) => {
    const constant = node === null ? undefined : constants.get(node.id)
    return constant === undefined || node === null ? node : { ...constant, id: node.id, path: '' }
  })
  const filled = { ...body, nodes, inputs: body.inputs.filter((id) => !constants.has(id)) }
  return { body: withTables(freezeDeep(filled), body), operands }
}

const wrapped = (graph: Graph, node: Node): NodeBody => {
  const nodes: Node[] = []
  const inputs: NodeId[] = []
  const operands = new Map<number, Ref>()
  const known = new Map<number, NodeId>()
  const operandOf = (ref: Ref): Ref => {
    const key = refKey(ref)
    const seen = known.get(key)
    if (seen !== undefined) return { id: seen, port: 0 }
    const id = nodeId(nodes.length)
    const constant = splat(graph, ref)
    if (constant !== null) nodes.push({ ...constant, id, path: '' })
    else {
      nodes.push({ id, op: 'input', inputs: [], attrs: { name: String(id) }, types: [typeOf(graph, ref)], path: '' })
      inputs.push(id)
      operands.set(id, ref)
    }
    known.set(key, id)
    return { id, port: 0 }
  }
  const moved = node.inputs.map(operandOf)
  const id = nodeId(nodes.length)
  nodes.push({ ...node, id, inputs: moved, path: '' } as Node) // same op and attributes
  const outputs = node.types.map((_, port) => ({ name: String(port), value: { id, port } }))
  const body = freezeDeep<Graph>({ name: 'body', nodes, inputs, outputs, updates: [] })
  return { body: withTables(body, graph), operands }
}

/** Bodies have no constants beside the graph, but the lowering requires the side tables. */
const withTables = (body: Graph, like: Graph): Graph => {
  const tables = findSideTables(like)
  return tables === null ? body : setSideTables(body, tables)
}

/** Ops that are not primitive. */
export const compositeOps = opNames.filter((op) => opDef(op).decompose !== undefined || op === 'composite')
const takeApart = decomposeOps(compositeOps)

/** The body with its composite ops decomposed: a program that was not legalized may contain some. Inputs keep their ids. */
export const inPrimitives = (body: Graph): Graph =>
  nodesOf(body).some(({ op }) => compositeOps.includes(op))
    ? takeApart.run(body, { target: genericTarget, report: () => {} })
    : body
