/**
 * The reference interpreter defines what a graph means. It is written to be read, not to be fast.
 * The mode 'float64' computes everything in float64 and ignores float dtypes; 'declared' rounds each node's result once, correctly, to its dtype.
 */
import { EffuseError } from './diagnostics.ts'
import { liveOrder, namedUpdates, refKey, rootKeys, usesOf } from './graph.ts'
import type { EvalContext, RefTensor } from './op-def.ts'
import { opDef } from './ops/index.ts'
import { randomUniform } from './philox.ts'
import { roundArray, wrapInt32 } from './rounding.ts'
import { sideTables } from './side-tables.ts'
import { elements, isFloat, showType, type Graph, type Node, type Type } from './types.ts'

export type Mode = 'float64' | 'declared'
/** Numbers in row-major order; bool as 0 and 1. */
export type Numbers = ArrayLike<number>

export interface InterpretOptions {
  readonly inputs?: { readonly [name: string]: Numbers } | undefined
  readonly variables?: ReadonlyMap<string, Numbers> | undefined
  /** Default 'declared'. */
  readonly mode?: Mode | undefined
  /** Seed of the random streams. */
  readonly seed?: number | undefined
  readonly runIndex?: number | undefined
  readonly replica?: number | undefined
  /**
   * Called with each node's results, in canonical order, for bisecting and calibration. Nodes of a body have ids of their own; `regions` are the
   * regions around the node, outermost first.
   */
  readonly onNode?: ((node: Node, results: readonly RefTensor[], regions: readonly Node[]) => void) | undefined
}

export interface Interpretation {
  readonly outputs: { readonly [name: string]: RefTensor }
  /** New values of the variables that the graph updates. */
  readonly updates: ReadonlyMap<string, RefTensor>
}

/**
 * Runs a graph by the reference semantics of its ops.
 * @throws EffuseError EF401 (input missing), EF402 (wrong number of values), EF407, EF408 (variables), EF409 (a value of more than 2^28 elements).
 */
export const interpret = (graph: Graph, options: InterpretOptions = {}): Interpretation => {
  const mode = options.mode ?? 'declared'
  const values = run(graph, mode, options, (node) => {
    if (node.op === 'input')
      return fed(node, `input "${node.attrs.name}"`, own(options.inputs, node.attrs.name), 'EF401', 'EF402')
    if (node.op === 'variable')
      return fed(node, `variable "${node.attrs.name}"`, options.variables?.get(node.attrs.name), 'EF407', 'EF408')
    return null
  })
  const outputs = Object.fromEntries(graph.outputs.map((o) => [o.name, values(refKey(o.value))]))
  const updates = new Map(namedUpdates(graph).map(({ name, value }) => [name, values(refKey(value))]))
  return { outputs, updates }
}

/** An own property only: an input may be called `constructor`, which every object inherits. */
const own = (inputs: InterpretOptions['inputs'], name: string): Numbers | undefined =>
  inputs !== undefined && Object.hasOwn(inputs, name) ? inputs[name] : undefined

type Sources = (node: Node) => Float64Array | null

/** 2 GiB in one value. More elements count as a mistake, which is reported before memory runs out. */
const elementsMax = 2 ** 28

const checkSize = (node: Node): void => {
  for (const type of node.types)
    if (elements(type.shape) > elementsMax)
      throw new EffuseError({
        code: 'EF409',
        path: node.path,
        message: `${node.path === '' ? '' : `${node.path}: `}${node.op} gives ${showType(type)}, ${elements(type.shape)} elements; the reference interpreter holds at most ${elementsMax} in one value`,
        hint: 'use smaller shapes',
      })
}

const run = (
  graph: Graph,
  mode: Mode,
  options: InterpretOptions,
  sources: Sources,
  regions: readonly Node[] = [],
): ((key: number) => RefTensor) => {
  const known = new Map<number, RefTensor>()
  const valueAt = (key: number): RefTensor => {
    const tensor = known.get(key)
    if (tensor === undefined)
      throw new EffuseError({ code: 'EF901', message: `bug in the compiler: value ${key} was not computed` })
    return tensor
  }
  const contextOf = (of: Node): EvalContext => ({
    constant: (hash) => Float64Array.from(sideTables(graph).constants.get(hash).data),
    randomUniform: (stream, count) =>
      Float64Array.from(
        randomUniform({
          seed: options.seed ?? 0,
          stream,
          runIndex: options.runIndex ?? 0,
          replica: options.replica ?? 0,
          count,
        }),
      ),
    region: (body, operands) => {
      const operandOf = (node: Node): Float64Array | null =>
        node.op === 'input' ? (operands[body.inputs.indexOf(node.id)]?.data ?? null) : null
      const inner = run(body, mode, options, operandOf, [...regions, of])
      return body.outputs.map((o) => inner(refKey(o.value)))
    },
  })
  const isRead = (node: Node): boolean => {
    const key = refKey({ id: node.id, port: 0 })
    return usesOf(graph).has(key) || rootKeys(graph).has(key)
  }
  for (const node of liveOrder(graph)) {
    // A variable that is only written needs no value.
    if (node.op === 'variable' && !isRead(node)) continue
    checkSize(node)
    const source = sources(node)
    const results =
      source === null
        ? opDef(node.op).evalRef({
            inputs: node.inputs.map((input) => valueAt(refKey(input))),
            attrs: node.attrs,
            types: node.types,
            cx: contextOf(node),
          })
        : [source]
    const tensors = results.map((data, port) => rounded(node.types[port] as Type, data, mode)) // as many results as types: the op's signature
    tensors.forEach((tensor, port) => known.set(refKey({ id: node.id, port }), tensor))
    options.onNode?.(node, tensors, regions)
  }
  return valueAt
}

/** Evaluates one node on known operands, rounded to its dtype, outside of a run: for constant folding. Random ops and regions are not allowed. */
export const evaluateNode = (graph: Graph, node: Node, inputs: readonly RefTensor[]): readonly RefTensor[] => {
  const cx: EvalContext = {
    constant: (hash) => Float64Array.from(sideTables(graph).constants.get(hash).data),
    randomUniform: () => {
      throw new EffuseError({ code: 'EF901', message: 'bug in the compiler: a random op is not constant' })
    },
    region: () => {
      throw new EffuseError({ code: 'EF901', message: 'bug in the compiler: regions are not folded' })
    },
  }
  return opDef(node.op)
    .evalRef({ inputs, attrs: node.attrs, types: node.types, cx })
    .map((data, port) => rounded(node.types[port] as Type, data, 'declared')) // as many results as types
}

/** The result in the node's dtype. Integers wrap; the cast op defines how floats become integers. */
const rounded = (type: Type, data: Float64Array, mode: Mode): RefTensor => {
  if (data.length !== elements(type.shape))
    throw new EffuseError({
      code: 'EF901',
      message: `bug in the compiler: ${data.length} values for ${showType(type)}`,
    })
  if (type.dtype === 'int32') return { ...type, data: data.map(wrapInt32) }
  if (mode === 'declared' && isFloat(type.dtype))
    return { ...type, data: roundArray(type.dtype, Float64Array.from(data)) }
  return { ...type, data }
}

const fed = (
  node: Node,
  what: string,
  given: Numbers | undefined,
  missing: 'EF401' | 'EF407',
  wrong: 'EF402' | 'EF408',
): Float64Array => {
  const [type] = node.types
  if (type === undefined || given === undefined)
    throw new EffuseError({
      code: missing,
      path: node.path,
      message: `${what} has no value; it is ${type === undefined ? 'untyped' : showType(type)}`,
    })
  const wanted = elements(type.shape)
  if (given.length !== wanted)
    throw new EffuseError({
      code: wrong,
      path: node.path,
      message: `${what} is ${showType(type)} and needs ${wanted} numbers, got ${given.length}`,
    })
  return Float64Array.from(given)
}
