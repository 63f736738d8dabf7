/** Why a node is half or float32: its class, the casts that bound its region, and what the other type would cost. */
import type { Node } from '../../ir/types.ts'
import { nameInLists } from './classes.ts'
import { minimumCut } from './min-cut.ts'
import {
  castAt,
  isFreeCast,
  priceOf,
  settled,
  type Assignment,
  type Edge,
  type PortGraph,
  type Price,
  type Vertex,
} from './port-graph.ts'
import type { AmpDecision } from './report.ts'
import { layerPath } from './settled.ts'

export interface PrecisionNote {
  /** Path and op. */
  readonly name: string
  readonly op: string
  /** Null: its ports keep their types whatever happens. */
  readonly class: Vertex['class'] | null
  readonly dtype: string
  readonly reason: string
  /** The casts at which the region of this type around the node ends, nearest first; none where it is settled. */
  readonly casts: readonly string[]
  /** What would make it the other type, and at which price. */
  readonly change: string
}

/** For more nodes than this the price of the other type is not computed: each takes a cut of its own. */
const pricedMax = 24
const castsShown = 4

/** A note for each port class of the nodes that are asked for, in canonical order. */
export const explainPrecision = (decision: AmpDecision, isAsked: (node: Node) => boolean): readonly PrecisionNote[] => {
  const { problem, isHalf, settings } = decision
  const { ports, places } = problem
  const results = new Set([...problem.decided.values()].flat().flatMap(({ result }) => result ?? []))
  const asked = ports.vertices.flatMap((vertex) => {
    const node = places[vertex.id]?.node ?? null
    return node === null || results.has(vertex.id) || !isAsked(node) ? [] : [{ vertex, node }]
  })
  const priced = new Set(asked.filter(({ vertex }) => settled(vertex) === null).slice(0, pricedMax))
  const links = linksOf(ports)
  return asked.map((one): PrecisionNote => {
    const { vertex, node } = one
    const half = isHalf[vertex.id] === true
    const reason = places[vertex.id]?.reason ?? null
    const other = priced.has(one) ? otherPrice(ports, isHalf, vertex) : null
    const result = problem.decided.get(node.id)?.find((p) => p.vertex === vertex.id)?.result ?? null
    const isWide = half && result !== null && isHalf[result] !== true
    return {
      name: vertex.name,
      op: vertex.op,
      class: problem.decided.get(node.id)?.some((p) => p.vertex === vertex.id) === true ? vertex.class : null,
      dtype: half ? settings.dtype : 'float32',
      reason: `${reasonOf(vertex, reason, half, other)}${isWide ? '; its result is float32, without a cast' : ''}`,
      casts: reason === null ? boundary(ports, isHalf, vertex, links, settings.dtype) : [],
      change: changeOf(reason, half, other, node),
    }
  })
}

const reasonOf = (vertex: Vertex, reason: string | null, half: boolean, other: string | null): string => {
  if (reason !== null) return reason
  if (vertex.class === 'deny') return 'it is sensitive: ops of class deny are always float32'
  if (half && vertex.class === 'allow') return 'contractions are half, summed in float32'
  const price = other === null ? '' : `: ${half ? 'float32' : 'half'} would take ${other}`
  return half ? `what is around it is half${price}` : `half is not worth its casts here${price}`
}

const changeOf = (reason: string | null, half: boolean, other: string | null, node: Node): string => {
  if (reason?.startsWith('"keep"') === true) return 'leave it out of keep'
  if (reason !== null) return 'nothing: it is settled'
  const name = nameInLists(node)
  const price = other === null ? '' : `; this node alone takes ${other}`
  if (!half) return `allow: ['${name}'] makes every ${name} half${price}`
  const path = layerPath(node.path)
  return path === ''
    ? `deny: ['${name}'] makes every ${name} float32${price}`
    : `keep: ['${path}'] makes its layer float32${price}`
}

/** What the cheapest answer with this vertex on the other side costs more, in words. */
const otherPrice = (ports: PortGraph, isHalf: Assignment, vertex: Vertex): string => {
  const now = priceOf(ports, isHalf)
  const other = minimumCut(ports, new Map([[vertex.id, isHalf[vertex.id] !== true]])).lowerBound
  return differenceText(now, other)
}

const differenceText = (from: Price, to: Price): string => {
  const parts = [
    [to.contractions - from.contractions, 'contraction', ' in float32'],
    [to.casts - from.casts, 'cast', ''],
  ] as const
  const words = parts.flatMap(([count, noun, rest]) =>
    count === 0
      ? []
      : [`${Math.abs(count)} ${noun}${Math.abs(count) === 1 ? '' : 's'}${rest} ${count > 0 ? 'more' : 'less'}`],
  )
  if (words.length > 0) return words.join(' and ')
  return to.bytes === from.bytes ? 'as many casts' : `as many casts of ${to.bytes - from.bytes} bytes more`
}

/** Edges of each vertex. */
type Links = readonly (readonly Edge[])[]
const linksOf = ({ vertices, edges }: PortGraph): Links => {
  const links = vertices.map((): Edge[] => [])
  for (const edge of edges) for (const id of new Set([edge.from, ...edge.to])) links[id]?.push(edge)
  return links
}

/** The casts where the region of one type around a vertex ends: a walk outwards that stops at them. */
const boundary = (
  ports: PortGraph,
  isHalf: Assignment,
  vertex: Vertex,
  links: Links,
  dtype: string,
): readonly string[] => {
  const seen = new Set([vertex.id])
  const found = new Set<Edge>()
  const side = isHalf[vertex.id]
  // A Set's iteration goes on to what is added while it runs.
  for (const id of seen) {
    for (const edge of links[id] ?? []) {
      const kind = castAt(edge, isHalf)
      if (kind !== null && !isFreeCast(ports, edge, kind)) found.add(edge)
      for (const next of [edge.from, ...edge.to]) if (isHalf[next] === side) seen.add(next)
    }
  }
  const texts = [...found].map((edge) => castText(ports, isHalf, edge, dtype))
  return texts.length <= castsShown ? texts : [...texts.slice(0, castsShown), `and ${texts.length - castsShown} more`]
}

/** `input -> normalize sub: to float16, 301056 bytes`. */
export const castText = ({ vertices }: PortGraph, isHalf: Assignment, edge: Edge, dtype: string): string => {
  const kind = castAt(edge, isHalf)
  const users = edge.to.filter((user) => isHalf[user] === (kind === 'narrow')).map((user) => vertices[user]?.name ?? '')
  const shown = users.length <= 2 ? users.join(', ') : `${users.slice(0, 2).join(', ')} and ${users.length - 2} more`
  return `${vertices[edge.from]?.name ?? ''} -> ${shown}: to ${kind === 'narrow' ? dtype : 'float32'}, ${edge.bytes} bytes of half`
}
