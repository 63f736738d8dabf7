/**
 * TensorFlow node lists as port graphs, for the goldens of test/goldens/amp. A vertex is one type attribute of one node, as in TensorFlow's rewrite.
 * ops.json has TensorFlow's lists of ops, and the types with half kernels for GPUs.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { PaintGraph, PaintVertex } from '../../../src/passes/mixed-precision/painting.ts'
import type { Edge } from '../../../src/passes/mixed-precision/port-graph.ts'

export type Version = '2.15.1' | '2.21.0'
export const versions: readonly Version[] = ['2.15.1', '2.21.0']

/** Type attributes (a list of types for `T...`), and the number of ports of an argument. */
type Attrs = { readonly [name: string]: string | number | readonly string[] }
type NodeRow = readonly [name: string, op: string, operands: readonly string[], attrs: Attrs, device?: 'cpu']

/** The decisions of TensorFlow: type attributes that became half, as `node:T`; inserted casts, as `tensor -> type`. */
interface Decided {
  readonly half: readonly string[]
  readonly casts: readonly string[]
}
export interface TensorFlowGraph {
  readonly nodes: readonly NodeRow[]
  /** Fetched nodes, which do not change. */
  readonly preserved: readonly string[]
  readonly decided: { readonly [version in Version]: Decided }
}

/** Ports as `T`, `N*T`, `T...` or `=int32`; attributes that may be half, and those with a half kernel for GPUs. */
interface Signature {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly half: readonly string[]
  readonly kernels: readonly string[]
}
type ListName = 'allow' | 'deny' | 'infer' | 'clear'
interface Ops {
  readonly lists: { readonly [version in Version]: { readonly [list in ListName]: readonly string[] } }
  readonly ops: { readonly [op: string]: Signature }
}

const golden = (file: string): Buffer => readFileSync(new URL(`../../goldens/amp/${file}`, import.meta.url))

// scripts/goldens/make_amp.py writes the files in this form.
export const ops = JSON.parse(golden('ops.json').toString()) as Ops
export const graphsIn = (file: string): { readonly [name: string]: TensorFlowGraph } => {
  const text = file.endsWith('.gz') ? gunzipSync(golden(file)).toString() : golden(file).toString()
  return (JSON.parse(text) as { readonly graphs: { readonly [name: string]: TensorFlowGraph } }).graphs
}

/** The rewrite first replaces these by ops with a separate type for scale and statistics. */
const renamed: { readonly [op: string]: string } = {
  FusedBatchNorm: 'FusedBatchNormV2',
  FusedBatchNormGrad: 'FusedBatchNormGradV2',
}

/** A node in the rewrite: the type attribute of each port, in TensorFlow's notation `T`, `T[1]` or, fixed, `=int32`. */
interface Node {
  readonly name: string
  readonly op: string
  readonly operands: readonly string[]
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Type attributes by notation -> dtype, including those of no port. */
  readonly types: ReadonlyMap<string, string>
  /** On the GPU and not fetched: the rewrite may change it. */
  readonly isProcessed: boolean
}

const readNode = ([name, written, operands, attrs, device]: NodeRow, preserved: ReadonlySet<string>): Node => {
  const isProcessed = device === undefined && !preserved.has(name)
  const rename = isProcessed ? renamed[written] : undefined
  const op = rename ?? written
  const all: Attrs = rename === undefined ? attrs : { ...attrs, U: 'float32' }
  const { inputs, outputs } = signatureOf(op)
  const ports = (args: readonly string[]): readonly string[] => args.flatMap((arg) => portsOf(arg, all))
  const types = new Map<string, string>()
  for (const port of [...inputs, ...outputs].flatMap((arg) => portsOf(arg, all)))
    if (port.startsWith('=')) types.set(port, port.slice(1))
  for (const [attr, value] of Object.entries(all)) {
    if (typeof value === 'string') types.set(attr, value)
    else if (typeof value !== 'number') value.forEach((dtype, i) => types.set(`${attr}[${i}]`, dtype))
  }
  return { name, op, operands, inputs: ports(inputs), outputs: ports(outputs), types, isProcessed }
}

const signatureOf = (op: string): Signature => {
  const signature = ops.ops[op]
  if (signature === undefined)
    throw new Error(`ops.json has no op ${op}: make_amp.py writes those that the goldens use`)
  // TensorFlow colors loops and lists of tensors separately, after painting.
  if (op === 'NextIteration' || op.includes('TensorList')) throw new Error(`${op} is not read here`)
  return signature
}

const portsOf = (arg: string, attrs: Attrs): readonly string[] => {
  if (arg.endsWith('...')) {
    const name = arg.slice(0, -3)
    const list = attrs[name]
    if (!Array.isArray(list)) throw new Error(`expected a list of types as ${name}, got ${list}`)
    return list.map((_, i) => `${name}[${i}]`)
  }
  const [count, type] = arg.split('*')
  if (type === undefined) return [arg]
  const times = attrs[count ?? '']
  if (typeof times !== 'number') throw new Error(`expected a number as ${count}, got ${times}`)
  return Array.from({ length: times }, () => type)
}

const listOf = (op: string, version: Version): ListName | null => {
  const lists = ops.lists[version]
  const names: readonly ListName[] = ['allow', 'deny', 'infer', 'clear']
  return names.find((name) => lists[name].includes(op)) ?? null
}

const vertexOf = (node: Node, type: string, id: number, version: Version, readsVariable: boolean): PaintVertex => {
  const list = listOf(node.op, version)
  const attr = type.replace(/\[\d+\]$/, '')
  const { half, kernels } = signatureOf(node.op)
  const isCast = node.op === 'Cast' && type === 'DstT'
  const isFloat32 = node.types.get(type) === 'float32'
  // For allow ops TensorFlow checks only whether their definition has half. For casts it checks nothing, not even whether they are fetched.
  const isListed = list !== null && (list === 'allow' ? half : kernels).includes(attr)
  const mayBeHalf = isCast || (isListed && node.isProcessed && !readsVariable)
  return {
    id,
    name: `${node.name}:${type}`,
    op: node.op,
    class: list ?? 'clear',
    canBeHalf: isFloat32 && mayBeHalf,
    isHalf: node.types.get(type) === 'float16',
    isCast,
    isBarrier: list === null,
    startsPaint: isFloat32 && list === 'allow' && node.isProcessed,
  }
}

/** A port graph, the tensor name of each edge, and the names of vertices. */
export interface ReadGraph {
  readonly graph: PaintGraph
  /** `node` or `node:1`, by edge. */
  readonly tensors: readonly string[]
}

/** The vertices are in the order of the nodes. Shapes are not recorded, so all values have 0 bytes. */
export const readTensorFlow = (source: TensorFlowGraph, version: Version): ReadGraph => {
  const preserved = new Set(source.preserved)
  const nodes = new Map(source.nodes.map((row) => [row[0], readNode(row, preserved)]))
  const vertices: PaintVertex[] = []
  const ids = new Map<string, number>()
  for (const node of nodes.values()) {
    const first = nodes.get(node.operands[0] ?? '')?.op
    // An Identity reads an old-style variable. TensorFlow does not change it, for tools that search for it.
    const readsVariable = node.op === 'Identity' && (first === 'Variable' || first === 'VariableV2')
    for (const type of node.types.keys()) {
      ids.set(`${node.name}:${type}`, vertices.length)
      vertices.push(vertexOf(node, type, vertices.length, version, readsVariable))
    }
  }
  const idOf = (node: Node, type: string | undefined): number => {
    const id = ids.get(`${node.name}:${type}`)
    if (id === undefined) throw new Error(`node ${node.name} (${node.op}) has no type ${type}`)
    return id
  }
  const edges = new Map<string, { readonly from: number; readonly to: Set<number>; readonly isFree: boolean }>()
  for (const node of nodes.values()) {
    node.operands.forEach((tensor, i) => {
      const [name = '', port = '0'] = tensor.split(':')
      const maker = nodes.get(name)
      if (maker === undefined) throw new Error(`node ${node.name} uses ${tensor}, which no node makes`)
      const from = idOf(maker, maker.outputs[Number(port)])
      const isFree = ['Const', 'ReadVariableOp', 'VariableV2'].includes(maker.op)
      const key = port === '0' ? name : tensor
      const edge = edges.get(key) ?? { from, to: new Set<number>(), isFree }
      edges.set(key, edge)
      edge.to.add(idOf(node, node.inputs[i]))
    })
  }
  const values = [...edges.values()].map((edge): Edge => ({ ...edge, to: [...edge.to], bytes: 0 }))
  return { graph: { vertices, edges: values }, tensors: [...edges.keys()] }
}
