/**
 * Edits of a graph are planned against a frozen base and committed at once. All reads go to `base` and to the nodes that this edit added, never to a
 * draft. Only this file uses immer, as the project's owner chose: `produce` makes the frozen graph, which shares unchanged parts with its base.
 */
import { produce } from 'immer'
import { EffuseError, invariant } from './diagnostics.ts'
import { OpEmitter } from './emitter.ts'
import { findNode, sameRef, typeOf } from './graph.ts'
import { makeNode } from './make-node.ts'
import { Replacements, replacedUses } from './replaced-uses.ts'
import { derivedTables, setSideTables, sideTables, type Origin } from './side-tables.ts'
import type { OpAttrs, OpName } from './signatures.ts'
import {
  nodeId,
  sameType,
  showType,
  type Graph,
  type Node,
  type NodeId,
  type Output,
  type Ref,
  type Type,
  type Update,
} from './types.ts'
import { makeValue, type Value } from './value.ts'

export class Edit {
  readonly base: Graph
  readonly label: string
  readonly #added = new Map<NodeId, Node>()
  readonly #origins = new Map<NodeId, Origin>()
  readonly #replaced = new Replacements()
  readonly #removed = new Set<NodeId>()
  #inputs: readonly NodeId[] | null = null
  #outputs: readonly Output[] | null = null
  #updates: readonly Update[] | null = null
  #next: number

  /** `label` says what the edit does. Traces and the origins of new nodes contain it. */
  constructor(base: Graph, label: string) {
    this.base = base
    this.label = label
    this.#next = base.nodes.length
  }

  /** Adds a node on behalf of `from`. Its path is `path`, by default that of `from`. Returns one value per output. */
  addAll<K extends OpName>(
    op: K,
    inputs: readonly Ref[],
    attrs: OpAttrs<K>,
    from: From,
    path?: string,
    declared: readonly Type[] = [],
  ): readonly Value[] {
    const id = nodeId(this.#next++)
    const node = makeNode(
      { id, op, inputs, attrs, path: path ?? pathOf(from) },
      inputs.map((ref) => this.typeOf(ref)),
      declared,
    )
    this.#added.set(id, node)
    this.#origins.set(id, { from: sourcesOf(from).map((n) => n.id), label: this.label })
    const emitter = this.emitter(from, node.path)
    return node.types.map((type, port) => makeValue(emitter, { id, port }, type))
  }

  /** Adds a node with one output. */
  add<K extends OpName>(
    op: K,
    inputs: readonly Ref[],
    attrs: OpAttrs<K>,
    from: From,
    path?: string,
    declared?: readonly Type[],
  ): Value {
    const value = this.addAll(op, inputs, attrs, from, path, declared)[0]
    invariant(value !== undefined, () => `op ${op} gave no value`)
    return value
  }

  /** An emitter whose nodes have the origin `from` and the path `path`. Gradients and decompositions use it. */
  emitter(from: From, path?: string): OpEmitter {
    return new EditEmitter(this, from, path)
  }

  /** A value of the base or of this edit, as an operand for an emitter. */
  value(ref: Ref, emitter: OpEmitter): Value {
    return makeValue(emitter, ref, this.typeOf(ref))
  }

  /**
   * Replaces every use of `old` by `next`: as an operand, as an output and as the value of an update. Uses by nodes that `next` is computed from
   * stay, so `edit.replaceUses(v, edit.add('relu', [v], {}, node))` wraps `v`. The rule also holds for nodes that this edit adds later, and for
   * chains of replacements. A second replacement of the same value overrides the first; to wrap twice, wrap `resolve(v)`. replaced-uses.ts states
   * the exact rule.
   * @throws EffuseError EF303 if the types differ.
   */
  replaceUses(old: Ref, next: Ref): void {
    const from = this.typeOf(old)
    const to = this.typeOf(next)
    if (!sameType(from, to))
      throw passError(
        this.node(old.id),
        `${this.label}: a value ${showType(from)} cannot be replaced by one that is ${showType(to)}`,
        'cast or reshape the new value first',
      )
    if (!sameRef(old, next)) this.#replaced.set(old, next)
  }

  /** Removes a node that has no more uses. */
  remove(id: NodeId): void {
    this.#removed.add(id)
  }

  setInputs(inputs: readonly NodeId[]): void {
    this.#inputs = inputs
  }
  setOutputs(outputs: readonly Output[]): void {
    this.#outputs = outputs.map(({ name, value }) => ({ name, value: { id: value.id, port: value.port } }))
  }
  setUpdates(updates: readonly Update[]): void {
    this.#updates = updates.map(({ variable, value }) => ({ variable, value: { id: value.id, port: value.port } }))
  }

  node(id: NodeId): Node {
    return this.#added.get(id) ?? findNode(this.base, id) ?? this.#noNode(id)
  }

  #noNode(id: NodeId): never {
    invariant(false, () => `${this.label}: node ${id} is gone`)
  }

  typeOf(ref: Ref): Type {
    const added = this.#added.get(ref.id)
    if (added === undefined) return typeOf(this.base, ref)
    return added.types[ref.port] ?? this.#noOutput(ref)
  }

  #noOutput({ id, port }: Ref): never {
    invariant(false, () => `${this.label}: node ${id} has no output ${port}`)
  }

  /** The value that replaces `ref`, by the replacements planned so far, in a node that no replacement is computed from. */
  resolve(ref: Ref): Ref {
    return this.#replaced.end(ref)
  }

  get isEmpty(): boolean {
    return (
      this.#added.size + this.#replaced.size + this.#removed.size === 0 &&
      this.#inputs === null &&
      this.#outputs === null &&
      this.#updates === null
    )
  }

  /** The edited graph, frozen; `base` itself if nothing was planned. */
  commit(): Graph {
    if (this.isEmpty) return this.base
    const { base } = this
    const nodes: (Node | null)[] = [...base.nodes]
    while (nodes.length < this.#next) nodes.push(null)
    for (const [id, node] of this.#added) nodes[id] = node
    for (const id of this.#removed) nodes[id] = null
    if (this.#replaced.size > 0) {
      const useOf = replacedUses({ base, nodes, added: this.#added }, this.#replaced)
      const isReplaced = (input: Ref): boolean => this.#replaced.has(input)
      for (let at = 0; at < nodes.length; at++) {
        const node = nodes[at] ?? null
        if (node?.inputs.some(isReplaced) === true) nodes[at] = withUses(node, useOf)
      }
    }
    const outputs = (this.#outputs ?? base.outputs).map((o) => ({ name: o.name, value: plain(this.resolve(o.value)) }))
    const updates = (this.#updates ?? base.updates).map((u) => ({
      variable: u.variable,
      value: plain(this.resolve(u.value)),
    }))
    const inputs = this.#inputs ?? base.inputs
    const next = produce(base, (draft) => {
      Object.assign(draft, { nodes: Object.freeze(nodes) }, this.#changedRoots(inputs, outputs, updates))
    })
    return next === base ? base : setSideTables(next, derivedTables(sideTables(base), this.#origins))
  }

  /** Unchanged roots keep their identity, so that comparing references shows whether they changed. */
  #changedRoots(inputs: readonly NodeId[], outputs: readonly Output[], updates: readonly Update[]): Partial<Graph> {
    const { base } = this
    const sameOutputs =
      outputs.length === base.outputs.length &&
      outputs.every((o, i) => o.name === base.outputs[i]?.name && sameRef(o.value, base.outputs[i].value))
    const sameUpdates =
      updates.length === base.updates.length &&
      updates.every((u, i) => u.variable === base.updates[i]?.variable && sameRef(u.value, base.updates[i].value))
    return {
      ...(inputs === base.inputs ? {} : { inputs: Object.freeze([...inputs]) }),
      ...(sameOutputs ? {} : { outputs: freezeEntries(outputs) }),
      ...(sameUpdates ? {} : { updates: freezeEntries(updates) }),
    }
  }
}

const withUses = (node: Node, useOf: (node: Node, ref: Ref) => Ref): Node => {
  const inputs = Object.freeze(node.inputs.map((input) => Object.freeze(plain(useOf(node, input)))))
  return Object.freeze({ ...node, inputs }) as Node // same op and attributes, other operands of the same types
}

/** The node or nodes on whose behalf a node is added. */
export type From = Node | readonly Node[]
const sourcesOf = (from: From): readonly Node[] => (Array.isArray(from) ? from : [from]) as readonly Node[] // Array.isArray does not narrow readonly arrays
const pathOf = (from: From): string => sourcesOf(from)[0]?.path ?? ''

const plain = ({ id, port }: Ref): Ref => ({ id, port })
const freezeEntries = <T extends { readonly value: Ref }>(entries: readonly T[]): readonly T[] =>
  Object.freeze(entries.map((entry) => Object.freeze({ ...entry, value: Object.freeze(entry.value) })))

class EditEmitter extends OpEmitter {
  readonly #edit: Edit
  readonly #from: From
  readonly #path: string | undefined
  constructor(edit: Edit, from: From, path: string | undefined) {
    super()
    this.#edit = edit
    this.#from = from
    this.#path = path
  }
  get path(): string {
    return this.#path ?? pathOf(this.#from)
  }
  emitterAt(path: string): OpEmitter {
    return new EditEmitter(this.#edit, this.#from, path)
  }
  emit<K extends OpName>(
    op: K,
    inputs: readonly Ref[],
    attrs: OpAttrs<K>,
    declared: readonly Type[] = [],
  ): readonly Value[] {
    return this.#edit.addAll(op, inputs, attrs, this.#from, this.#path, declared).map((v) => makeValue(this, v, v))
  }
  protected addConstant(type: Type, data: Float32Array | Int32Array | Uint8Array): string {
    return sideTables(this.#edit.base).constants.add(type, data)
  }
}

/** The error of a pass that cannot handle a node. */
export const passError = (node: Node, message: string, hint?: string): EffuseError =>
  new EffuseError({
    code: 'EF303',
    path: node.path,
    message: node.path === '' ? message : `${node.path}: ${message}`,
    hint,
  })
