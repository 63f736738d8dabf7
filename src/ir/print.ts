/**
 * The text form. Canonical: equal text is an equal program. Inputs in signature order, then post-order from outputs and updates;
 * names %0, %1 …; attributes sorted, defaults left out; types always there; the path after @.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { isRecord, sameAttr } from './attrs.ts'
import { liveOrder } from './graph.ts'
import { opDef } from './ops/index.ts'
import { showType, type Graph, type Node, type Ref } from './types.ts'

export interface PrintOptions {
  /** Print `@ path` after each node (default true). Never part of the hash. */
  readonly paths?: boolean | undefined
}

/** The graph as text. Ids and dead nodes leave no trace. */
export const print = (graph: Graph, options: PrintOptions = {}): string => printGraph(graph, options.paths ?? true, '')

/** SHA-256 of the text without paths: equal for equal programs; a cache key. */
export const hashGraph = (graph: Graph): string => bytesToHex(sha256(utf8ToBytes(print(graph, { paths: false }))))

/** The line of one node, for messages. */
export const printNode = (graph: Graph, node: Node): string => {
  const names = valueNames(graph)
  return nodeLine(node, names, true, '')
}

/** The name that the printer gives to a value, `%4` or `%4.1`. */
export const printRef = (graph: Graph, ref: Ref): string => refName(ref, valueNames(graph))

type Names = ReadonlyMap<number, { readonly name: string; readonly ports: number }>

const valueNames = (graph: Graph): Names =>
  new Map(liveOrder(graph).map((n, i) => [n.id, { name: `%${i}`, ports: n.types.length }]))

const printGraph = (graph: Graph, paths: boolean, indent: string): string => {
  const names = valueNames(graph)
  const inner = `${indent}  `
  const lines = liveOrder(graph).map((node) => inner + nodeLine(node, names, paths, inner))
  const updates = graph.updates.map(
    (u) => `${inner}update ${refName({ id: u.variable, port: 0 }, names)} = ${refName(u.value, names)}`,
  )
  const results = graph.outputs.map(
    (o, i) => (o.name === String(i) ? '' : `${word(o.name)} = `) + refName(o.value, names),
  )
  const end = `${inner}return${results.length === 0 ? '' : ` ${results.join(', ')}`}`
  return (
    [`graph ${word(graph.name)} {`, ...lines, ...updates, end, `${indent}}`].join('\n') + (indent === '' ? '\n' : '')
  )
}

const nodeLine = (node: Node, names: Names, paths: boolean, indent: string): string => {
  const own = names.get(node.id)?.name ?? `%?${node.id}`
  const ports = node.types.length === 1 ? '' : `:${node.types.length}`
  const operands = node.inputs.map((ref) => refName(ref, names)).join(', ')
  const path = paths && node.path !== '' ? ` @ ${pathWord(node.path)}` : ''
  return `${own}${ports} = ${node.op}(${operands})${attrsText(node, paths, indent)} : ${node.types.map(showType).join(', ')}${path}`
}

const refName = (ref: Ref, names: Names): string => {
  const known = names.get(ref.id)
  if (known === undefined) return `%?${ref.id}.${ref.port}`
  return known.ports === 1 ? known.name : `${known.name}.${ref.port}`
}

const attrsText = (node: Node, paths: boolean, indent: string): string => {
  const specs = opDef(node.op).attrs
  const parts = Object.entries(node.attrs)
    .filter(([name, value]) => specs[name]?.default === undefined || !sameAttr(value, specs[name].default))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${word(name)}=${valueText(value, paths, indent)}`)
  return parts.length === 0 ? '' : ` {${parts.join(', ')}}`
}

const valueText = (value: unknown, paths: boolean, indent: string): string => {
  if (typeof value === 'number') return numberText(value)
  if (Array.isArray(value)) return `[${value.map((v) => valueText(v, paths, indent)).join(', ')}]`
  if (isGraph(value)) return printGraph(value, paths, indent)
  if (isRecord(value)) {
    if (typeof value['sha256'] === 'string') return `#sha256:${value['sha256']}`
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${word(key)}=${valueText(value[key], paths, indent)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value)
}

/** Shortest text that reads back to the same double, -0 included. */
export const numberText = (x: number): string =>
  Number.isNaN(x) ? 'nan' : x === Infinity ? 'inf' : x === -Infinity ? '-inf' : Object.is(x, -0) ? '-0' : String(x)

const isGraph = (value: unknown): value is Graph =>
  isRecord(value) && Array.isArray(value['nodes']) && Array.isArray(value['outputs'])
const word = (name: string): string => (/^[A-Za-z_][\w.]*$/.test(name) ? name : JSON.stringify(name))
const pathWord = (path: string): string => (/^[^\s"{}]+$/.test(path) ? path : JSON.stringify(path))
