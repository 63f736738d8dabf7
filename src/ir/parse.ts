/** Reads the text form (print.ts) by the op table; no op has its own syntax. Errors have line:column and a caret. */
import { normalForm } from './body.ts'
import { makeConstantPool, type ConstantPool } from './constants.ts'
import type { ErrorCode } from './diagnostics.ts'
import { syntaxError, textError, type Token } from './lex.ts'
import { freezeDeep, inferNode, makeNode } from './make-node.ts'
import { isOpName, opNames } from './ops/index.ts'
import { bodyName } from './ops/region/shared.ts'
import { ValueReader } from './read-values.ts'
import { rootTables, setSideTables } from './side-tables.ts'
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
import { didYouMean } from './words.ts'

export interface ParseOptions {
  /** The constants that the text refers to by hash. */
  readonly constants?: ConstantPool | undefined
}

/**
 * Reads a graph from its text. Values may have any name (`%x`); ids follow the order of the text.
 * @throws EffuseError EF201 (syntax), EF202 (unknown op), EF104 (undefined value), EF101-EF106 (ill-typed), with line:column and a caret.
 */
export const parse = (source: string, options: ParseOptions = {}): Graph => {
  const reader = new Reader(source, options.constants ?? makeConstantPool())
  const graph = reader.graph()
  reader.expect('end')
  return graph
}

/** Reads all graphs of one text, in order. Golden files have two. */
export const parseAll = (source: string, options: ParseOptions = {}): readonly Graph[] => {
  const reader = new Reader(source, options.constants ?? makeConstantPool())
  const graphs: Graph[] = []
  while (reader.peek().kind !== 'end') graphs.push(reader.graph())
  return graphs
}

class Reader extends ValueReader {
  readonly #constants: ConstantPool

  constructor(source: string, constants: ConstantPool) {
    super(source)
    this.#constants = constants
  }

  graph(): Graph {
    if (this.depth++ > 64) throw syntaxError(this.source, this.peek().at, 'regions nested more than 64 deep')
    this.expect('word', 'graph')
    const name = this.word()
    this.expect('mark', '{')
    const graph = this.#rest(name, new Map(), false)
    this.depth--
    return graph
  }

  /** `(%x: float32[3]) { … }`: inputs and outputs by position. */
  protected body(): Graph {
    if (this.depth++ > 64) throw syntaxError(this.source, this.peek().at, 'regions nested more than 64 deep')
    const names = new Map<string, Node>()
    this.list('(', ')', () => this.#bodyInput(names))
    this.expect('mark', '{')
    const body = normalForm(this.#rest(bodyName, names, true))
    this.depth--
    return body
  }

  #bodyInput(names: Map<string, Node>): void {
    const name = this.#newName(names)
    this.expect('mark', ':')
    const [id, types] = [nodeId(names.size), [this.type()]]
    const attrs = { name: String(id) }
    names.set(name.text, makeNode({ id, op: 'input', inputs: [], attrs, path: '' }, [], types))
  }

  /** Reads the rest of a graph or a body after its opening brace. `names` has the nodes read so far. */
  #rest(name: string, names: Map<string, Node>, isBody: boolean): Graph {
    const updates = new Map<NodeId, Update>()
    while (this.peek().kind === 'value') this.#node(names, isBody)
    while (!isBody && this.accept('update')) this.#update(names, updates)
    this.expect('word', 'return')
    const outputs = this.#outputs(names, isBody)
    this.expect('mark', '}')
    const nodes = [...names.values()]
    const inputs = nodes.filter(({ op }) => op === 'input').map((n) => n.id)
    const graph = freezeDeep<Graph>({ name, nodes, inputs, outputs, updates: [...updates.values()] })
    return setSideTables(graph, rootTables(this.#constants))
  }

  #newName(names: ReadonlyMap<string, Node>): Token {
    const name = this.expect('value')
    if (name.text.includes('.')) throw syntaxError(this.source, name.at, `a definition names no port: ${name.text}`)
    if (names.has(name.text)) throw textError('EF107', this.source, name.at, `value ${name.text} is defined twice`)
    return name
  }

  #node(names: Map<string, Node>, isBody: boolean): void {
    const name = this.#newName(names)
    const ports = this.accept(':') ? Number(this.expect('number').text) : 1
    this.expect('mark', '=')
    const op = this.expect('word')
    if (!isOpName(op.text))
      throw textError('EF202', this.source, op.at, `there is no op "${op.text}"`, didYouMean(op.text, opNames, ''))
    if (isBody && op.text === 'input')
      throw syntaxError(this.source, op.at, 'a body declares its inputs in brackets: (%x: float32[3]) { … }')
    const refs = this.list('(', ')', () => this.#ref(names))
    const attrsAt = this.peek().at
    const attrs = this.peek().text === '{' && this.peek().kind === 'mark' ? this.record() : {}
    this.expect('mark', ':')
    const types = [this.type()]
    while (types.length < ports && this.accept(',')) types.push(this.type())
    if (isBody && this.peek().kind === 'path')
      throw syntaxError(this.source, this.peek().at, 'a node of a body has no path')
    const path = this.peek().kind === 'path' ? this.expect('path').text : ''
    const id = nodeId(names.size)
    const parts = { id, op: op.text, inputs: refs.map((r) => r.ref), attrs: attrs as Node['attrs'], path } // inferNode checks them
    const node = inferNode(
      parts,
      refs.map((r) => r.type),
      types,
    )
    if ('severity' in node)
      throw this.#located(node.code, node.code === 'EF102' ? attrsAt : op.at, node.message, node.hint)
    if (
      node.types.length !== types.length ||
      !node.types.every((type, i) => sameType(type, types[i] ?? { dtype: 'bool', shape: [-1] }))
    ) {
      throw textError(
        'EF106',
        this.source,
        op.at,
        `${op.text} gives ${node.types.map(showType).join(', ')}, but ${types.map(showType).join(', ')} is declared`,
      )
    }
    if (node.types.length !== ports)
      throw textError(
        'EF103',
        this.source,
        name.at,
        `${op.text} has ${node.types.length} results, the text says ${ports}`,
      )
    names.set(name.text, node)
  }

  #ref(names: ReadonlyMap<string, Node>): { readonly ref: Ref; readonly type: Type; readonly node: Node } {
    const token = this.expect('value')
    const [name = '', port] = token.text.split('.')
    const node = names.get(name)
    if (node === undefined)
      throw textError('EF104', this.source, token.at, `value ${name} is used before it is defined`)
    const type = node.types[Number(port ?? 0)]
    if (type === undefined)
      throw textError(
        'EF104',
        this.source,
        token.at,
        `${name} has ${node.types.length} results, there is no ${token.text}`,
      )
    if (port === undefined && node.types.length > 1)
      throw textError('EF104', this.source, token.at, `${name} has ${node.types.length} results: say which, ${name}.0`)
    return { ref: { id: node.id, port: Number(port ?? 0) }, type, node }
  }

  #update(names: ReadonlyMap<string, Node>, updates: Map<NodeId, Update>): void {
    const at = this.peek().at
    const variable = this.#ref(names)
    const { node } = variable
    if (node.op !== 'variable')
      throw textError('EF108', this.source, at, `only a variable can be updated, got ${node.op}`)
    if (updates.has(node.id))
      throw textError('EF108', this.source, at, `the variable "${node.attrs.name}" is updated twice`)
    this.expect('mark', '=')
    const value = this.#ref(names)
    if (!sameType(variable.type, value.type))
      throw textError(
        'EF108',
        this.source,
        at,
        `the variable is ${showType(variable.type)}, its new value ${showType(value.type)}`,
      )
    updates.set(node.id, { variable: node.id, value: value.ref })
  }

  #outputs(names: ReadonlyMap<string, Node>, isBody: boolean): readonly Output[] {
    const outputs = new Map<string, Output>()
    if (this.peek().text === '}' && this.peek().kind === 'mark') return []
    do {
      const at = this.peek().at
      const isNamed = this.peek().kind !== 'value'
      if (isNamed && isBody) throw syntaxError(this.source, at, 'the results of a body have no names')
      const name = isNamed ? this.word() : String(outputs.size)
      if (isNamed) this.expect('mark', '=')
      if (outputs.has(name)) throw textError('EF107', this.source, at, `two outputs are named "${name}"`)
      outputs.set(name, { name, value: this.#ref(names).ref })
    } while (this.accept(','))
    return [...outputs.values()]
  }

  #located(code: ErrorCode, at: number, message: string, hint: string | undefined): Error {
    const known = code === 'EF101' || code === 'EF102' || code === 'EF103' ? code : 'EF101'
    return textError(known, this.source, at, message, hint)
  }
}
