/**
 * Prints the text form. It is canonical: equal programs have equal text. Inputs come in signature order, then the other nodes in post-order from
 * outputs and updates. Names are %0, %1 …; attributes are sorted and defaults omitted; each node has its types, and its path after @.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { isRecord, sameAttr } from './attrs.ts'
import { type CacheByParts, cachedByParts, liveOrder, typeOf } from './graph.ts'
import { opDef } from './ops/index.ts'
import { showType, type Graph, type Node, type Ref } from './types.ts'

export interface PrintOptions {
  /** Print `@ path` after each node (default true). Never part of the hash. */
  readonly paths?: boolean | undefined
}

/** The graph as text, independent of ids and dead nodes. */
export const print = (graph: Graph, options: PrintOptions = {}): string => printGraph(graph, options.paths ?? true)

/** SHA-256 of the text without paths. It is equal for equal programs, and serves as a cache key. */
export const hashGraph = (graph: Graph): string => hashText(print(graph, { paths: false }))

/** The body of a region as text, as in the region's line: `(%0: float32[3]) { … }`. Equal for equal bodies, and only for them. */
export const printBody = (body: Graph): string => bodyText(body, '')

/**
 * SHA-256 of the body's text, in which hashes stand for the bodies inside: a text repeats a body as often as it is used. It identifies what a region
 * computes, independent of its name and place, and is the key of its kernel.
 */
export const hashBody = (body: Graph): string =>
  cachedByParts(bodyHashes, body, (b) => hashText(printBody({ ...b, nodes: b.nodes.map(withHash) })))
const bodyHashes: CacheByParts<string> = new WeakMap()
const withHash = (node: Node | null): Node | null =>
  node !== null && 'body' in node.attrs
    ? ({ ...node, attrs: { ...node.attrs, body: hashBody(node.attrs.body) } } as never)
    : node

const hashText = (text: string): string => bytesToHex(sha256(utf8ToBytes(text)))

/** The text line of one node, for messages. */
export const printNode = (graph: Graph, node: Node): string => {
  const names = valueNames(graph)
  return nodeLine(node, names, true, '')
}

type Names = ReadonlyMap<number, { readonly name: string; readonly ports: number }>

const valueNames = (graph: Graph): Names =>
  new Map(liveOrder(graph).map((n, i) => [n.id, { name: `%${i}`, ports: n.types.length }]))

const printGraph = (graph: Graph, paths: boolean): string => {
  const names = valueNames(graph)
  const lines = liveOrder(graph).map((node) => `  ${nodeLine(node, names, paths, '  ')}`)
  const updates = graph.updates.map(
    (u) => `  update ${refName({ id: u.variable, port: 0 }, names)} = ${refName(u.value, names)}`,
  )
  return `${[`graph ${word(graph.name)} {`, ...lines, ...updates, `  ${returnLine(graph, names)}`, '}'].join('\n')}\n`
}

/** Inputs are in brackets; inputs and outputs have no names. A body has no updates. */
const bodyText = (body: Graph, indent: string): string => {
  const names = valueNames(body)
  const inner = `${indent}  `
  const operands = body.inputs.map((id) => {
    const ref = { id, port: 0 }
    return `${refName(ref, names)}: ${showType(typeOf(body, ref))}`
  })
  const lines = liveOrder(body).flatMap((node) =>
    node.op === 'input' ? [] : [inner + nodeLine(node, names, false, inner)],
  )
  return [`(${operands.join(', ')}) {`, ...lines, inner + returnLine(body, names), `${indent}}`].join('\n')
}

const returnLine = (graph: Graph, names: Names): string => {
  const results = graph.outputs.map(
    (o, i) => (o.name === String(i) ? '' : `${word(o.name)} = `) + refName(o.value, names),
  )
  return `return${results.length === 0 ? '' : ` ${results.join(', ')}`}`
}

const nodeLine = (node: Node, names: Names, paths: boolean, indent: string): string => {
  const own = names.get(node.id)?.name ?? `%?${node.id}`
  const ports = node.types.length === 1 ? '' : `:${node.types.length}`
  const operands = node.inputs.map((ref) => refName(ref, names)).join(', ')
  const path = paths && node.path !== '' ? ` @ ${pathWord(node.path)}` : ''
  return `${own}${ports} = ${node.op}(${operands})${attrsText(node, indent)} : ${node.types.map(showType).join(', ')}${path}`
}

const refName = (ref: Ref, names: Names): string => {
  const known = names.get(ref.id)
  if (known === undefined) return `%?${ref.id}.${ref.port}`
  return known.ports === 1 ? known.name : `${known.name}.${ref.port}`
}

const attrsText = (node: Node, indent: string): string => {
  const specs = opDef(node.op).attrs
  const parts = Object.entries(node.attrs)
    .filter(([name, value]) => specs[name]?.default === undefined || !sameAttr(value, specs[name].default))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${word(name)}=${valueText(value, indent)}`)
  return parts.length === 0 ? '' : ` {${parts.join(', ')}}`
}

const valueText = (value: unknown, indent: string): string => {
  if (typeof value === 'number') return numberText(value)
  if (Array.isArray(value)) return `[${value.map((v) => valueText(v, indent)).join(', ')}]`
  if (isGraph(value)) return bodyText(value, indent)
  if (isRecord(value)) {
    if (typeof value['sha256'] === 'string') return `#sha256:${value['sha256']}`
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${word(key)}=${valueText(value[key], indent)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value)
}

/** The shortest text that reads back as the same double, also for -0. */
export const numberText = (x: number): string =>
  Number.isNaN(x) ? 'nan' : x === Infinity ? 'inf' : x === -Infinity ? '-inf' : Object.is(x, -0) ? '-0' : String(x)

const isGraph = (value: unknown): value is Graph =>
  isRecord(value) && Array.isArray(value['nodes']) && Array.isArray(value['outputs'])
const word = (name: string): string => (/^[A-Za-z_][\w.]*$/.test(name) ? name : JSON.stringify(name))
const pathWord = (path: string): string => (/^[^\s"{}]+$/.test(path) ? path : JSON.stringify(path))
