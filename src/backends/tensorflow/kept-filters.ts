/**
 * A second form of a function, whose convolutions keep their filters. oneDNN has layouts of its own for filters. TensorFlow reorders a filter in each run,
 * unless the filter is a constant of the graph or the kernel was told that it will not change. Only oneDNN's own ops can be told; TensorFlow's optimiser
 * makes them of plain ones, but not with that attribute. So this file does the same fusions.
 */
import { create } from '@bufbuild/protobuf'
import { attr } from './attributes.ts'
import type { LoweredGraph } from './lower-graph.ts'
import {
  AttrValueSchema,
  DataType,
  type FunctionDef,
  FunctionDefSchema,
  type NodeDef,
  NodeDefSchema,
  type OpDef,
  OpDefSchema,
} from './proto/tensorflow_pb.ts'

/**
 * The function under another name, in which each convolution with a bias and a filter among the arguments keeps the filter of its first call. Null if there
 * is none. The function must not be called with other filters later.
 *
 * @param filters The names of the arguments that keep their values.
 */
export const withKeptFilters = (
  definition: FunctionDef,
  name: string,
  filters: ReadonlySet<string>,
): FunctionDef | null => {
  const nodes = new Map(definition.nodeDef.map((node) => [node.name, node]))
  const consumers = consumersIn(definition)
  /** A node is in one fusion. The sum of two convolutions is computed with the first one. */
  const taken = new Set<NodeDef>()
  const fusions = definition.nodeDef.flatMap((node) => {
    const filter = node.input[1]
    if (node.op !== 'Conv2D' || filter === undefined || !filters.has(argumentOf(filter, nodes))) return []
    const found = node.attr['T']?.value.value === DataType.DT_FLOAT ? fusionOf(node, consumers, taken) : null
    for (const part of found?.nodes ?? []) taken.add(part)
    return found === null ? [] : [found]
  })
  if (fusions.length === 0) return null
  const removed = new Set(fusions.flatMap(({ nodes: of }) => of.map((node) => node.name)))
  /** Results of oneDNN's op have the name `output`. */
  const renamed = new Map(fusions.map(({ last }) => [last.name, `${last.name}:output:0`]))
  const moved = (ref: string): string => renamed.get(nodeOf(ref)) ?? ref
  const left = definition.nodeDef.filter((node) => !removed.has(node.name))
  return create(FunctionDefSchema, {
    ...renamedFunction(definition, name),
    nodeDef: [...left, ...fusions.map(keptConvolution)].map((node) =>
      create(NodeDefSchema, { ...node, input: node.input.map(moved) }),
    ),
    ret: Object.fromEntries(Object.entries(definition.ret).map(([result, ref]) => [result, moved(ref)])),
  })
}

/** The function under another name. Unchanged messages are shared: a copy of all of them takes tens of milliseconds. */
export const renamedFunction = (definition: FunctionDef, name: string): FunctionDef =>
  create(FunctionDefSchema, {
    ...definition,
    signature: create(OpDefSchema, { ...(definition.signature as OpDef), name }),
  })

/** The function of a graph under another name, in which convolutions keep filters that are variables. Null if there is none. */
export const keptForm = (lowered: LoweredGraph, name: string): FunctionDef | null => {
  const definition = calledFunction(lowered)
  const names = definition.signature?.inputArg.map((argument) => argument.name) ?? []
  const variables = names.filter((_, at) => lowered.operands[at]?.kind === 'variable')
  return withKeptFilters(definition, name, new Set(variables))
}

/** The function to call. */
export const calledFunction = ({ functions }: LoweredGraph): FunctionDef => functions.at(-1) as FunctionDef

/** A convolution and the nodes after it that become one node, which has the name of the last one. */
interface Fusion {
  readonly nodes: readonly NodeDef[]
  readonly last: NodeDef
  /** Names in the attribute `fused_ops`. */
  readonly ops: readonly string[]
  /** The operands after image and filter. */
  readonly operands: readonly string[]
}

const nodeOf = (ref: string): string => ref.split(':', 1)[0] as string // the first part of a text

/** The argument that the value is, perhaps in another shape; else the name of a node. */
const argumentOf = (ref: string, nodes: ReadonlyMap<string, NodeDef>): string => {
  const node = nodes.get(nodeOf(ref))
  const [operand] = node?.input ?? []
  return node?.op === 'Reshape' && operand !== undefined ? argumentOf(operand, nodes) : nodeOf(ref)
}

/** For each node the nodes that take its result, one for each operand; null stands for the result of the function. */
const consumersIn = ({ nodeDef, ret }: FunctionDef): ReadonlyMap<string, readonly (NodeDef | null)[]> => {
  const consumers = new Map<string, (NodeDef | null)[]>()
  const note = (ref: string, consumer: NodeDef | null): void => {
    const known = consumers.get(nodeOf(ref))
    if (known === undefined) consumers.set(nodeOf(ref), [consumer])
    else known.push(consumer)
  }
  for (const node of nodeDef) for (const ref of node.input) note(ref, node)
  for (const ref of Object.values(ret)) note(ref, null)
  return consumers
}

type Consumers = ReturnType<typeof consumersIn>

const only = (node: NodeDef, consumers: Consumers): NodeDef | null => {
  const of = consumers.get(node.name) ?? []
  return of.length === 1 ? (of[0] ?? null) : null
}

const activations: ReadonlySet<string> = new Set(['Relu', 'Relu6', 'Elu'])

/** Null if no bias follows. */
const fusionOf = (convolution: NodeDef, consumers: Consumers, taken: ReadonlySet<NodeDef>): Fusion | null => {
  const sum = only(convolution, consumers)
  const bias = sum?.input[1]
  if (sum?.op !== 'BiasAdd' || bias === undefined) return null
  const fused = (nodes: readonly NodeDef[], op: string, more: readonly string[] = []): Fusion => ({
    nodes: [convolution, sum, ...nodes],
    last: nodes.at(-1) as NodeDef, // callers give one
    ops: ['BiasAdd', op],
    operands: [bias, ...more],
  })
  const next = only(sum, consumers)
  if (next !== null && activations.has(next.op)) return fused([next], next.op)
  if (next?.op === 'AddN' && next.input.length === 2 && !taken.has(next))
    return fused(
      [next],
      'Add',
      next.input.filter((ref) => nodeOf(ref) !== sum.name),
    )
  const swish = swishAfter(sum, consumers)
  if (swish !== null) return fused(swish, '_MklSwish')
  return { nodes: [convolution, sum], last: sum, ops: ['BiasAdd'], operands: [bias] }
}

/** The sigmoid and the product of a swish; null if there is none. */
const swishAfter = (sum: NodeDef, consumers: Consumers): readonly [NodeDef, NodeDef] | null => {
  const of = consumers.get(sum.name) ?? []
  const sigmoid = of.find((node) => node?.op === 'Sigmoid') ?? null
  const product = sigmoid === null ? null : only(sigmoid, consumers)
  if (of.length !== 2 || sigmoid === null || product?.op !== 'Mul' || !of.includes(product)) return null
  return [sigmoid, product]
}

const copied = ['T', 'strides', 'dilations', 'padding', 'explicit_paddings', 'data_format'] as const

const keptConvolution = ({ nodes, last, ops, operands }: Fusion): NodeDef => {
  const [convolution] = nodes as readonly [NodeDef, ...NodeDef[]] // the first one
  const text = new TextEncoder()
  const attributes = copied.flatMap((name) => {
    const value = convolution.attr[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return create(NodeDefSchema, {
    name: last.name,
    op: '_MklNativeFusedConv2D',
    input: [...convolution.input.slice(0, 2), ...operands],
    attr: {
      ...Object.fromEntries(attributes),
      num_args: attr.int(operands.length),
      TArgs: attr.types(operands.map(() => 'float32')),
      fused_ops: create(AttrValueSchema, { value: { case: 'list', value: { s: ops.map((op) => text.encode(op)) } } }),
      is_filter_const: attr.bool(true),
      // TensorFlow registers oneDNN's kernels under this label.
      _kernel: attr.string('MklNameChangeOp'),
    },
  })
}
