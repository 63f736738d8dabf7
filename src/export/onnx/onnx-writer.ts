/** Builds an ONNX graph: nodes with unique names, and tensors in the file. It uses the data types of the format, not the IR. */
import type { HostArray } from '../../backends/backend.ts'
import { type DType, elements, sameShape } from '../../ir/types.ts'

/** An integer, a list of integers, a string, or a float. ONNX distinguishes floats from integers. */
export type Attribute = number | readonly number[] | string | { readonly float: number }
export type Attributes = { readonly [name: string]: Attribute }

export interface OnnxNode {
  readonly op: string
  readonly name: string
  /** '' represents an omitted operand. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Attributes
}

/** int64 is ONNX's type for shapes and axes. */
export type ElementType = DType | 'int64'
export interface OnnxType {
  readonly dtype: ElementType
  readonly shape: readonly number[]
}
export interface OnnxTensor extends OnnxType {
  readonly name: string
  /** Half types are stored widened. */
  readonly data: HostArray | readonly number[]
}
export interface OnnxValue extends OnnxType {
  readonly name: string
}

export interface OnnxGraph {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly tensors: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** The types of intermediate values, as far as they are known. */
  readonly values: readonly OnnxValue[]
}

export interface NodeOptions {
  readonly attributes?: Attributes | undefined
  /** The main node of an IR node: its name is the path alone. The names of other nodes also contain their op. */
  readonly isMain?: boolean | undefined
}

export class OnnxWriter {
  readonly #nodes: OnnxNode[] = []
  readonly #tensors = new Map<string, OnnxTensor>()
  readonly #numbers = new Map<string, string>()
  readonly #inputs: OnnxValue[] = []
  readonly #types = new Map<string, OnnxType>()
  readonly #reshaped = new Map<string, string>()
  readonly #taken = new Set<string>()
  /** The path in the model for the next nodes. */
  path = ''

  /** Reserves names of results. */
  reserve(names: readonly string[]): void {
    for (const name of names) this.#taken.add(name)
  }

  input(name: string, type: OnnxType): string {
    this.#inputs.push({ name, ...type })
    this.#types.set(name, type)
    return name
  }

  /** Adds a node and returns the names of its results. */
  node(
    op: string,
    inputs: readonly string[],
    types: readonly OnnxType[],
    { attributes = {}, isMain = false }: NodeOptions = {},
  ): readonly string[] {
    const name = this.#free(this.#nameOf(op, isMain))
    const outputs = types.map((_, port) => (port === 0 ? name : this.#free(`${name}.${port}`)))
    this.#nodes.push({ op, name, inputs, outputs, attributes })
    outputs.forEach((output, port) => {
      const type = types[port]
      if (type !== undefined) this.#types.set(output, type)
    })
    return outputs
  }

  /** Adds a node with one result. */
  node1(op: string, inputs: readonly string[], type: OnnxType, options: NodeOptions = {}): string {
    return this.node(op, inputs, [type], options)[0] ?? ''
  }

  /** Stores a tensor in the file. */
  tensor(name: string, { dtype, shape }: OnnxType, data: OnnxTensor['data']): string {
    const free = this.#free(name)
    this.#tensors.set(free, { name: free, dtype, shape, data })
    this.#types.set(free, { dtype, shape })
    return free
  }

  /** Small constant operands of nodes. Equal ones are stored once. */
  numbers(dtype: ElementType, shape: readonly number[], values: readonly number[]): string {
    const key = `${dtype}[${shape.join(',')}] ${values.map((x) => (Object.is(x, -0) ? '-0' : x)).join(',')}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const short =
      values.length > 6 ? `${values.length} numbers` : values.map((x) => (Object.is(x, -0) ? '-0' : x)).join(',')
    const name = this.tensor(`const/${dtype}/${short}`, { dtype, shape }, values)
    this.#numbers.set(key, name)
    return name
  }

  int64s(values: readonly number[]): string {
    return this.numbers('int64', [values.length], values)
  }

  /** The same elements in another shape. A chain of reshapes becomes one reshape, or none. */
  reshape(value: string, shape: readonly number[], isMain = false): string {
    const source = this.#reshaped.get(value) ?? value
    const type = this.typeOf(source)
    if (sameShape(type.shape, shape)) return source
    const made = this.node1('Reshape', [source, this.int64s(shape)], { dtype: type.dtype, shape }, { isMain })
    this.#reshaped.set(made, source)
    return made
  }

  typeOf(value: string): OnnxType {
    return this.#types.get(value) ?? { dtype: 'float32', shape: [] }
  }

  /** The graph with these results. Nodes that no result needs are removed. */
  finish(name: string, results: readonly { readonly name: string; readonly value: string }[]): OnnxGraph {
    const outputs = results.map(({ name: wanted, value }) => {
      // A name in a file denotes one value. If an input has the name, the input keeps it.
      const name = this.#inputs.some((input) => input.name === wanted) ? this.#free(`${wanted}.output`) : wanted
      // Copies the value first, since it may be an input, a tensor, or the value of another result.
      this.#nodes.push({ op: 'Identity', name: `${name}/Identity`, inputs: [value], outputs: [name], attributes: {} })
      return { name, ...this.typeOf(value) }
    })
    const nodes = needed(withResultNames(this.#nodes, new Set(outputs.map((output) => output.name))), outputs)
    const used = new Set(nodes.flatMap(({ inputs }) => inputs))
    const ends = new Set(outputs.map((output) => output.name))
    return {
      name,
      nodes,
      tensors: [...this.#tensors.values()].filter((tensor) => used.has(tensor.name)),
      inputs: this.#inputs,
      outputs,
      values: nodes.flatMap((node) =>
        node.outputs.flatMap((value) => {
          const type = this.#types.get(value)
          return type === undefined || ends.has(value) ? [] : [{ name: value, ...type }]
        }),
      ),
    }
  }

  /** The path, if the node is the main node and the first with this path; otherwise the path with the op. */
  #nameOf(op: string, isMain: boolean): string {
    if (isMain && this.path !== '' && !this.#taken.has(this.path)) return this.path
    return this.path === '' ? op : `${this.path}/${op}`
  }

  #free(wanted: string): string {
    let name = wanted
    for (let n = 2; this.#taken.has(name); n++) name = `${wanted}_${n}`
    this.#taken.add(name)
    return name
  }
}

/** If a node makes a result, and its value is not also another result, the value takes the result's name and the Identity is removed. */
const withResultNames = (nodes: readonly OnnxNode[], results: ReadonlySet<string>): readonly OnnxNode[] => {
  const made = new Set(nodes.flatMap(({ op, outputs }) => (op === 'Identity' ? [] : outputs)))
  const renamed = new Map<string, string>()
  const isSpared = new Set<OnnxNode>()
  for (const node of nodes) {
    const [value = ''] = node.inputs
    const [result = ''] = node.outputs
    if (node.op !== 'Identity' || !results.has(result) || !made.has(value) || renamed.has(value)) continue
    renamed.set(value, result)
    isSpared.add(node)
  }
  const nameOf = (value: string): string => renamed.get(value) ?? value
  return nodes
    .filter((node) => !isSpared.has(node))
    .map((node) => ({ ...node, inputs: node.inputs.map(nameOf), outputs: node.outputs.map(nameOf) }))
}

const needed = (nodes: readonly OnnxNode[], outputs: readonly OnnxValue[]): readonly OnnxNode[] => {
  const wanted = new Set(outputs.map(({ name }) => name))
  return nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => wanted.has(output))) return false
      for (const input of node.inputs) wanted.add(input)
      return true
    })
    .reverse()
}

/** The size of a tensor in the file. */
export const bytesOf = ({ dtype, shape }: OnnxType): number =>
  elements(shape) * { float32: 4, float16: 2, bfloat16: 2, int32: 4, int64: 8, bool: 1 }[dtype]
