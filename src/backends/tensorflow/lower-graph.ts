/**
 * Lowers a graph to a function of TensorFlow. The function's operands are the graph's inputs, variables and constants; its results are outputs and
 * updates.
 */
import { nodeCost } from '../../ir/cost.ts'
import { liveOrder, namedUpdates, refKey, typeOf, variablesReadBy } from '../../ir/graph.ts'
import type { OpName } from '../../ir/signatures.ts'
import { sideTables } from '../../ir/side-tables.ts'
import { elements, type Graph, isFloat, type Node, type NodeId, type Ref, type Type } from '../../ir/types.ts'
import { type HostArray, hostArrayOf } from '../backend.ts'
import { notReplaced } from '../common/missing-pass.ts'
import { attr } from './attributes.ts'
import { emissionOrder } from './emission-order.ts'
import { FunctionBuilder } from './function-builder.ts'
import { type FunctionState, GraphScope, isBeside, isMadeOnDemand } from './graph-scope.ts'
import { guardedOps } from './lower/training.ts'
import type { HalfKernels } from './half-kernels.ts'
import { formsElsewhere, type KernelForms, type LowerFunction, plainForms } from './lowering.ts'
import { tensorflowLowering } from './lowering-table.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import type { TfValue } from './types.ts'

/** Where an operand of the function comes from. */
export type Operand =
  | { readonly kind: 'input' | 'variable'; readonly node: NodeId; readonly name: string; readonly type: Type }
  | { readonly kind: 'constant'; readonly node: NodeId; readonly type: Type; readonly data: HostArray }
  /** int32 [4]: seed, run index (low and high word), replica. */
  | { readonly kind: 'run'; readonly node: null }

export interface NamedType {
  readonly name: string
  readonly type: Type
}

/** A graph as a function, with the functions that it calls. */
export interface LoweredGraph {
  readonly graph: Graph
  readonly functions: readonly FunctionDef[]
  /** The name of the function to call, which is the last one of `functions`. */
  readonly name: string
  readonly operands: readonly Operand[]
  /** The function's results are the outputs, then the updates. */
  readonly outputs: readonly NamedType[]
  readonly updates: readonly NamedType[]
  /** The call takes tens of microseconds, less than the switch to another thread. */
  readonly isBrief: boolean
  readonly forms: KernelForms
}

/** The maximum of elements read, elements written and multiply-adds, all added, of a brief function. */
const briefMax = 20_000

const isBrief = (graph: Graph): boolean => {
  let work = 0
  for (const node of liveOrder(graph)) {
    if (node.op === 'variable' || node.op === 'input') continue
    work += nodeCost(graph, node).multiplyAdds + node.types.reduce((sum, { shape }) => sum + elements(shape), 0)
    for (const ref of node.inputs) work += elements(typeOf(graph, ref).shape)
    if (work > briefMax) return false
  }
  return true
}

export interface LowerOptions {
  readonly halfKernels: HalfKernels
  /** XLA compiles the function in its first call. */
  readonly isXla?: boolean | undefined
  /** Also in inference, TensorFlow must not fuse sums with activations, which would lose NaN. Default false. */
  readonly keepsNan?: boolean | undefined
  /** Default: plainForms. */
  readonly forms?: KernelForms | undefined
}

/** Other graphs must not lose NaN: a training step checks its numbers for NaN, and half types may overflow. */
const isFloat32Inference = (graph: Graph): boolean =>
  graph.updates.length === 0 &&
  liveOrder(graph).every(({ types }) => types.every(({ dtype }) => dtype === 'float32' || !isFloat(dtype)))

/** @param name The function's name. No other function of the context may have it. @throws EffuseError EF405 */
export const lowerGraph = (
  graph: Graph,
  name: string,
  { halfKernels, isXla = false, keepsNan = false, forms = plainForms }: LowerOptions,
): LoweredGraph => {
  const f = new FunctionBuilder(name)
  const operands: Operand[] = []
  const functions: FunctionDef[] = []
  let run: TfValue | null = null
  const isInference = isFloat32Inference(graph)
  const state: FunctionState = {
    f,
    contractions: new Set(),
    biased: new Set(),
    batchNorms: new Map(),
    halfKernels,
    mayLoseNan: !keepsNan && isInference,
    forms: isInference ? forms : formsElsewhere(forms),
    matrices: new Map(),
    runArgument: () => {
      if (run === null) {
        operands.push({ kind: 'run', node: null })
        run = f.argument({ dtype: 'int32', shape: [4] })
      }
      return run
    },
  }
  const scope = new GraphScope(graph, state)
  // A variable that is only written may have no value yet, so it is no operand.
  const read = new Set<Node>(variablesReadBy(graph))
  for (const node of liveOrder(graph)) {
    const operand = node.op === 'variable' && !read.has(node) ? null : operandOf(node, graph)
    if (operand === null) continue
    operands.push(operand)
    scope.define({ id: node.id, port: 0 }, f.argument(operand.type))
  }
  lowerNodes(scope, (branches) => functions.push(...branches))
  const result = ({ name: of, value }: { readonly name: string; readonly value: Ref }): NamedType => {
    const found = scope.value(value)
    f.result(found)
    return { name: of, type: found as Type } // operands and results of graphs have the IR's types
  }
  const outputs = graph.outputs.map(result)
  const updates = namedUpdates(graph).map(result)
  return {
    graph,
    functions: [...functions, f.finish(isXla ? { _XlaMustCompile: attr.bool(true) } : {})],
    name,
    operands,
    outputs,
    updates,
    isBrief: isBrief(graph),
    forms: state.forms,
  }
}

type OwnOperand = Exclude<Operand, { readonly kind: 'run' }>

const operandOf = (node: Node, graph: Graph): OwnOperand | null => {
  const [type] = node.types
  if (type === undefined) return null
  if (node.op === 'input' || node.op === 'variable')
    return { kind: node.op, node: node.id, name: node.attrs.name, type }
  if (node.op !== 'constant' || !isBeside(node)) return null
  const { sha256 } = node.attrs.value as { readonly sha256: string } // isBeside
  return {
    kind: 'constant',
    node: node.id,
    type,
    data: hostArrayOf(type.dtype, sideTables(graph).constants.get(sha256).data),
  }
}

type AddFunctions = (functions: readonly FunctionDef[]) => void

const lowerNodes = (scope: GraphScope, addFunctions: AddFunctions): void => {
  for (const emission of emissionOrder(scope.graph)) {
    if (emission.kind === 'node') lowerNode(emission.node, scope, addFunctions)
    else lowerGuarded(emission.nodes, emission.guard, scope, addFunctions)
  }
}

const lowerNode = (node: Node, scope: GraphScope, addFunctions: AddFunctions): void => {
  if (node.op === 'input' || node.op === 'variable' || node.op === 'constant' || isMadeOnDemand(node)) return
  if (node.op === 'fusion') {
    lowerRegion(node, scope, addFunctions)
    return
  }
  const { f } = scope.state
  // The entry belongs to the op of this node, which TypeScript cannot see.
  const lower = (tensorflowLowering as { readonly [K in OpName]?: unknown })[node.op] as
    | LowerFunction<'add'>
    | undefined
  if (lower === undefined) throw notReplaced(node, 'tensorflow')
  const { attrs, types } = node
  const results = f.named(scope.nameOf(node), () =>
    lower({
      node,
      attrs,
      types,
      f,
      scope: scope.around(node),
      // A getter: if the lowering does not read it, broadcasts among the operands are not made.
      get inputs() {
        return node.inputs.map((ref) => scope.value(ref)) as readonly TfValue[] as Parameters<typeof lower>[0]['inputs']
      },
    } as Parameters<typeof lower>[0]),
  ) as readonly TfValue[]
  results.forEach((value, port) => scope.define({ id: node.id, port }, value))
}

/** Lowers the nodes of a region into the function of the graph around it. */
const lowerRegion = (node: Node<'fusion'>, scope: GraphScope, addFunctions: AddFunctions): void => {
  const { body } = node.attrs
  const inner = new GraphScope(body, scope.state, { prefix: `${scope.nameOf(node)}/` })
  body.inputs.forEach((id, i) => inner.define({ id, port: 0 }, scope.value(node.inputs[i] as Ref)))
  lowerNodes(inner, addFunctions)
  body.outputs.forEach(({ value }, port) => scope.define({ id: node.id, port }, inner.value(value)))
}

/** Lowers updates with the same guard to one conditional, which computes them or returns the old values. */
const lowerGuarded = (nodes: readonly Node[], guard: Ref, scope: GraphScope, addFunctions: AddFunctions): void => {
  const { f } = scope.state
  const name = `${f.name}_guarded${nodes[0]?.id ?? 0}`
  const [yes, no] = [new FunctionBuilder(`${name}_then`), new FunctionBuilder(`${name}_else`)]
  const captured = new Map<number, Captured>()
  /** Adds an operand to both branches. */
  const capture = (ref: Ref): Captured => {
    const key = refKey(ref)
    const known = captured.get(key)
    if (known !== undefined) return known
    const outer = scope.value(ref)
    const made = { outer, inYes: yes.argument(outer), inNo: no.argument(outer) }
    captured.set(key, made)
    return made
  }
  const state: FunctionState = {
    f: yes,
    contractions: new Set(),
    biased: new Set(),
    batchNorms: new Map(),
    halfKernels: scope.state.halfKernels,
    mayLoseNan: scope.state.mayLoseNan,
    forms: formsElsewhere(scope.state.forms),
    matrices: new Map(),
    runArgument: () => scope.state.runArgument(),
  }
  const branch = new GraphScope(scope.graph, state, { capture: (ref) => capture(ref).inYes })
  for (const node of nodes) lowerNode(node, branch, addFunctions)
  const types = nodes.flatMap((node) => node.types)
  const old = (ref: Ref): TfValue => {
    // If the operand is itself an update of this conditional, its old value is that of its own operand.
    const inner = nodes.find(({ id }) => id === ref.id)
    return inner === undefined ? capture(ref).inNo : old(oldOf(inner, ref.port))
  }
  for (const node of nodes)
    node.types.forEach((_, port) => {
      yes.result(branch.value({ id: node.id, port }))
      no.result(old(oldOf(node, port)))
    })
  addFunctions([yes.finish(), no.finish()])
  const outer = [...captured.values()].map((value) => value.outer)
  const results = f.named(scope.nameOf(nodes[0] as Node), () =>
    f.ops(
      'StatelessIf',
      [scope.value(guard), ...outer],
      {
        Tin: attr.types(outer.map(({ dtype }) => dtype)),
        Tout: attr.types(types.map(({ dtype }) => dtype)),
        then_branch: attr.func(yes.name),
        else_branch: attr.func(no.name),
        output_shapes: attr.shapes(types.map(({ shape }) => shape)),
      },
      types,
    ),
  )
  let at = 0
  for (const node of nodes)
    node.types.forEach((_, port) => scope.define({ id: node.id, port }, results[at++] as TfValue))
}

const oldOf = (node: Node, port: number): Ref => node.inputs[guardedOps[node.op]?.old[port] as number] as Ref // the table has an entry for each result

/** A value of the function around a conditional, and its operands in both branches. */
interface Captured {
  readonly outer: TfValue
  readonly inYes: TfValue
  readonly inNo: TfValue
}
