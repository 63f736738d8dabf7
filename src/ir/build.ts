/** The builder makes one graph, node by node. Models (model.ts) run it for each batch size. */
import { EffuseError } from './diagnostics.ts'
import { OpEmitter } from './emitter.ts'
import { makeConstantPool } from './constants.ts'
import { errorOf, freezeDeep, inferNode } from './make-node.ts'
import type { Initializer } from './initializers.ts'
import { joinPath, PlacedEmitter } from './places.ts'
import { rootTables, setSideTables, type Origin } from './side-tables.ts'
import type { OpAttrs, OpName } from './signatures.ts'
import {
  nodeId,
  sameType,
  showType,
  type DType,
  type Graph,
  type Node,
  type NodeId,
  type Output,
  type Ref,
  type Type,
  type Update,
} from './types.ts'
import { makeValue, type Value } from './value.ts'

export interface VariableOptions {
  readonly shape: readonly number[]
  readonly init?: Initializer | undefined
  readonly trainable?: boolean | undefined
  readonly dtype?: DType | undefined
}

/** Builds one graph. `graph()` makes a builder for each body; each value refers to its builder. */
export class Builder extends PlacedEmitter {
  readonly #name: string
  readonly #isDeclared: boolean
  readonly #nodes: Node[] = []
  readonly #inputs: NodeId[] = []
  readonly #updates = new Map<NodeId, Update>()
  readonly #variables = new Map<string, Value>()
  readonly #callSites = new Map<NodeId, Error>()
  readonly #origins = new Map<NodeId, Origin>()
  readonly #constants = makeConstantPool()
  readonly #streams = new Set<string>()

  /** `isDeclared`: a user's program builds the graph, so nodes get call sites. A body that a pass builds has none. */
  constructor(name: string, isDeclared = true) {
    super()
    this.#name = name
    this.#isDeclared = isDeclared
  }

  get isDeclared(): boolean {
    return this.#isDeclared
  }

  /** An input: a tensor that the caller feeds in each run. */
  input(name: string, type: Type): Value {
    const value = this.emit1('input', [], { name }, [type])
    this.#inputs.push(value.id)
    return value
  }

  /**
   * A variable: a tensor that keeps its value between runs. Its name is the scope and `name`. By default it is float32, trainable and starts at 0.
   * A second call with the same name and type returns the same variable; another type is an error (EF107).
   */
  variable(name: string, options: VariableOptions): Value {
    const full = joinPath(this.path, name)
    if (full === '' || full.startsWith('.')) {
      throw new EffuseError({
        code: 'EF111',
        path: this.path,
        message: `a variable's name must not be empty nor start with a dot, got ${JSON.stringify(full)}`,
        hint: 'names that start with a dot are reserved for effuse',
      })
    }
    const type: Type = { dtype: options.dtype ?? 'float32', shape: options.shape }
    const known = this.#variables.get(full)
    if (known !== undefined) {
      if (sameType(known, type)) return known
      throw new EffuseError({
        code: 'EF107',
        path: full,
        message: `the variable "${full}" has the type ${showType(known)} already, and is declared again as ${showType(type)}`,
        hint: 'give one of the layers another name',
      })
    }
    const value = this.emit1(
      'variable',
      [],
      { name: full, trainable: options.trainable ?? true, init: options.init ?? { kind: 'zeros' } },
      [type],
    )
    this.#variables.set(full, value)
    return value
  }

  /** A literal: a number (float32 scalar), or typed data with its shape. */
  constant(value: number | readonly number[] | Float32Array | Int32Array | Uint8Array, type?: Type): Value {
    if (typeof value === 'number') return this.splat(value, type ?? { dtype: 'float32', shape: [] })
    const of = type ?? {
      dtype: value instanceof Int32Array ? 'int32' : value instanceof Uint8Array ? 'bool' : 'float32',
      shape: [value.length],
    }
    return this.literal(
      of,
      Array.isArray(value) ? Float32Array.from(value as readonly number[]) : (value as Float32Array),
    )
  }

  /** `variable` takes `value` when the run ends. At most one update per variable (EF108). */
  update(variable: Value, value: Value): void {
    const node = this.#nodes[variable.id]
    if (node?.op !== 'variable')
      throw new EffuseError({
        code: 'EF108',
        path: node?.path,
        message: `only a variable can be updated, got the result of ${node?.op ?? 'another graph'}`,
      })
    if (!sameType(variable, value))
      throw new EffuseError({
        code: 'EF108',
        path: node.path,
        message: `the variable "${node.attrs.name}" is ${showType(variable)}, its new value ${showType(value)}`,
      })
    if (this.#updates.has(variable.id))
      throw new EffuseError({
        code: 'EF108',
        path: node.path,
        message: `the variable "${node.attrs.name}" is updated twice in one run`,
      })
    this.#updates.set(variable.id, { variable: variable.id, value: { id: value.id, port: value.port } })
  }

  /** float32 numbers in [0, 1), other ones in each run. The path that declares it names the random stream. */
  randomUniform(shape: readonly number[]): Value {
    return this.randomUniformOf(shape, this.stream())
  }

  /** A name for a random stream, unique in the graph: the path, and a number if the path has a stream already. */
  stream(): string {
    const base = this.path === '' ? 'random' : this.path
    let name = base
    for (let n = 1; this.#streams.has(name); n++) name = `${base}#${n}`
    this.#streams.add(name)
    return name
  }

  emit<K extends OpName>(
    op: K,
    inputs: readonly Ref[],
    attrs: OpAttrs<K>,
    declared: readonly Type[] = [],
  ): readonly Value[] {
    const site = this.#isDeclared ? this.callSite() : null
    const id = nodeId(this.#nodes.length)
    const node = inferNode(
      { id, op, inputs, attrs, path: this.path },
      inputs.map((ref) => this.#typeOf(ref)),
      declared,
    )
    if (site !== null) this.#callSites.set(id, site)
    if (this.from.length > 0) this.#origins.set(id, { from: this.from, label: this.#name })
    if ('severity' in node) {
      const tables = rootTables(this.#constants, { callSites: this.#callSites })
      throw errorOf(node, tables.callSite(id))
    }
    this.#nodes.push(node)
    return node.types.map((type, port) => makeValue(this, { id, port }, type))
  }

  /** The nodes built so far, operands before users. */
  get nodes(): readonly Node[] {
    return [...this.#nodes]
  }

  /** Emits into this graph at the given path, independent of the open scope. Gradients use it for `grad(path)`. */
  emitterAt(path: string): OpEmitter {
    return new EmitterAt(this, path)
  }

  /** The finished graph, frozen. */
  finish(outputs: { readonly [name: string]: Value }): Graph {
    const list: Output[] = Object.entries(outputs).map(([name, value]) => {
      if (!isValue(value))
        throw new EffuseError({
          code: 'EF111',
          message: `the output "${name}" of ${this.#name} must be a tensor of the graph, got ${typeof value}`,
        })
      this.#typeOf(value)
      return { name, value: { id: value.id, port: value.port } }
    })
    const graph = freezeDeep<Graph>({
      name: this.#name,
      nodes: this.#nodes,
      inputs: this.#inputs,
      outputs: list,
      updates: [...this.#updates.values()],
    })
    return setSideTables(graph, rootTables(this.#constants, { callSites: this.#callSites, origins: this.#origins }))
  }

  /** Stores the bytes of a large literal beside the graph and returns their hash. */
  keepConstant(type: Type, data: Float32Array | Int32Array | Uint8Array): string {
    return this.#constants.add(type, data)
  }

  protected addConstant(type: Type, data: Float32Array | Int32Array | Uint8Array): string {
    return this.keepConstant(type, data)
  }

  #typeOf(ref: Ref): Type {
    if ('builder' in ref && ownerOf(ref.builder) !== this) {
      throw new EffuseError({
        code: 'EF110',
        path: this.path,
        message: `a value of another graph is used in ${this.#name}`,
        hint: 'a value can be used only in the body that made it; return it, or pass it as an input',
      })
    }
    const type = this.#nodes[ref.id]?.types[ref.port]
    if (type === undefined)
      throw new EffuseError({
        code: 'EF110',
        path: this.path,
        message: `${this.#name} has no value ${ref.id}.${ref.port}`,
      })
    return type
  }
}

class EmitterAt extends OpEmitter {
  readonly owner: Builder
  readonly path: string
  constructor(owner: Builder, path: string) {
    super()
    this.owner = owner
    this.path = path
  }
  emitterAt(path: string): OpEmitter {
    return this.owner.emitterAt(path)
  }
  emit<K extends OpName>(
    op: K,
    inputs: readonly Ref[],
    attrs: OpAttrs<K>,
    declared: readonly Type[] = [],
  ): readonly Value[] {
    // Values refer to the graph's builder, because users pass them to further ops.
    return this.owner.scopeAt(this.path, () =>
      this.owner.emit(
        op,
        inputs.map(({ id, port }) => ({ id, port })),
        attrs,
        declared,
      ),
    )
  }
  protected addConstant(type: Type, data: Float32Array | Int32Array | Uint8Array): string {
    return this.owner.keepConstant(type, data)
  }
}

const ownerOf = (emitter: unknown): unknown => (emitter instanceof EmitterAt ? emitter.owner : emitter)

/** Is it a value that ops take and return? */
export const isValue = (x: unknown): x is Value =>
  typeof x === 'object' && x !== null && 'builder' in x && x.builder instanceof OpEmitter

/** The builder of a value in a user's function. Values inside passes have an emitter instead. @throws EffuseError EF110 for those */
export const builderOf = (value: Value): Builder => {
  const owner = ownerOf(value.builder)
  if (owner instanceof Builder) return owner
  throw new EffuseError({
    code: 'EF110',
    message: 'layers with variables are built in graph(), not in gradients or decompositions',
  })
}

/** Does a user's program build the graph of this emitter? */
export const isDeclaring = (emitter: OpEmitter): boolean => {
  const owner = ownerOf(emitter)
  return owner instanceof Builder && owner.isDeclared
}
