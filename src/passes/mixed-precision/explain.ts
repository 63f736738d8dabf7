/** Why a node is half or float32: its class, the casts that bound its region, and what the other type would cost. */
import { shortList } from '../../ir/listed.ts'
import type { Node } from '../../ir/types.ts'
import { isSensitive, nameInLists } from './classes.ts'
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
import type { AmpSettings } from './options.ts'
import type { AmpDecision } from './report.ts'
import { intoVariable, layerPath } from './settled.ts'

export interface PrecisionNote {
  /** Path and op. */
  readonly name: string
  readonly op: string
  /** Null: its ports always keep their types. */
  readonly class: Vertex['class'] | null
  readonly dtype: string
  readonly reason: string
  /** The nearest casts at the border of the region of this type around the node, nearest first; none if it is settled. */
  readonly casts: readonly string[]
  /** Number of further casts at the border. */
  readonly moreCasts: number
  /** The options that would give it the other type, and the cost. */
  readonly change: string
  /** The same as entries of options; empty if no option helps. */
  readonly edits: readonly ListEdit[]
}

/** An entry to add to an option, or to remove from it. */
export interface ListEdit {
  readonly what: 'add' | 'remove'
  readonly option: 'allow' | 'deny' | 'keep'
  readonly entry: string
}

/** For more nodes the cost of the other type is not computed, because each node needs a separate minimum cut. */
const pricedMax = 24
const castsShown = 4

/** A note for each port class of the requested nodes, in canonical order. */
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
    const settledBy = places[vertex.id]?.reason ?? null
    const result = problem.decided.get(node.id)?.find((p) => p.vertex === vertex.id)?.result ?? null
    const isDecided = problem.decided.get(node.id)?.some((p) => p.vertex === vertex.id) === true
    const half = isHalf[vertex.id] === true
    const price = priced.has(one) ? otherPrice(decision, vertex) : null
    const isWide = half && result !== null && isHalf[result] !== true
    const subject: Subject = { vertex, node, settledBy, half, price, settings }
    const ends = settledBy === null ? boundary(ports, isHalf, vertex, links) : []
    const edits = editsFor(subject)
    return {
      name: vertex.name,
      op: vertex.op,
      class: isDecided ? vertex.class : null,
      dtype: half ? settings.dtype : 'float32',
      reason: `${reasonOf(subject)}${isWide ? '; its result is float32, without a cast' : ''}`,
      casts: ends.slice(0, castsShown).map((edge) => castText(ports, isHalf, edge, settings.dtype)),
      moreCasts: Math.max(0, ends.length - castsShown),
      change: changeText(subject, edits),
      edits,
    }
  })
}

interface Subject {
  readonly vertex: Vertex
  readonly node: Node
  /** The reason why no strategy decides on it. */
  readonly settledBy: string | null
  readonly half: boolean
  /** The cost of the other type; null if it was not computed. */
  readonly price: string | null
  readonly settings: AmpSettings
}

const reasonOf = ({ vertex, node, settledBy, half, price, settings }: Subject): string => {
  if (settledBy !== null) return settledBy
  const name = nameInLists(node)
  if (settings.deny.includes(name)) return `"deny" names ${name}`
  if (settings.allow.includes(name)) return `"allow" names ${name}`
  if (vertex.class === 'deny') return 'it is sensitive: ops of class deny are always float32'
  if (half && vertex.class === 'allow') return 'contractions are half, summed in float32'
  const would = price === null ? '' : `: ${half ? 'float32' : 'half'} would take ${price}`
  if (settings.strategy === 'tensorflow')
    return half ? `TensorFlow's painting reaches it${would}` : `TensorFlow's painting does not reach it${would}`
  return half ? `what is around it is half${would}` : `half is not worth its casts here${would}`
}

/** The entries that the options need, without contradicting other entries. */
const editsFor = ({ node, settledBy, half, settings }: Subject): readonly ListEdit[] => {
  const name = nameInLists(node)
  const path = layerPath(node.path)
  // Users can change only two settled cases: those from their options, and arithmetic on the way into a variable.
  if (settledBy !== null && settledBy !== intoVariable) return []
  if (!half) {
    const denied = settings.deny.includes(name) ? [{ what: 'remove', option: 'deny', entry: name } as const] : []
    if (denied.length > 0 && !isSensitive(node)) return denied
    const taken = settings.allow.includes(`!${name}`)
    return [
      ...denied,
      ...(taken ? [{ what: 'remove', option: 'allow', entry: `!${name}` } as const] : []),
      { what: 'add', option: 'allow', entry: name },
    ]
  }
  if (path !== '') return [{ what: 'add', option: 'keep', entry: path }]
  return [
    ...(settings.allow.includes(name) ? [{ what: 'remove', option: 'allow', entry: name } as const] : []),
    ...(settings.deny.includes(`!${name}`) ? [{ what: 'remove', option: 'deny', entry: `!${name}` } as const] : []),
    { what: 'add', option: 'deny', entry: name },
  ]
}

const changeText = ({ node, settledBy, half, price }: Subject, edits: readonly ListEdit[]): string => {
  if (settledBy?.startsWith('"keep"') === true) return 'leave it out of keep'
  if (edits.length === 0) return 'nothing: it is settled'
  const name = nameInLists(node)
  const words = edits.map(({ what, option, entry }) => {
    if (what === 'remove') return `leave '${entry}' out of ${option}`
    const effect = option === 'keep' ? 'its layer float32' : `every ${name} ${half ? 'float32' : 'half'}`
    return `${option}: ['${entry}'] makes ${effect}`
  })
  return `${words.join(', and ')}${price === null ? '' : `; this node alone takes ${price}`}`
}

/**
 * Describes the additional cost of this vertex on the other side. For the minimum cut: the cheapest assignment with it there. For painting: the
 * same assignment with only this vertex changed.
 */
const otherPrice = ({ problem: { ports }, isHalf, settings }: AmpDecision, vertex: Vertex): string => {
  const other = isHalf[vertex.id] !== true
  const to =
    settings.strategy === 'minCut'
      ? minimumCut(ports, new Map([[vertex.id, other]])).lowerBound
      : priceOf(
          ports,
          isHalf.map((half, id) => (id === vertex.id ? other : half)),
        )
  const isOfUsers = settings.allow.some((name) => !name.startsWith('!'))
  return differenceText(priceOf(ports, isHalf), to, isOfUsers ? 'allowed op' : 'contraction')
}

const differenceText = (from: Price, to: Price, allowed: string): string => {
  const parts = [
    [to.contractions - from.contractions, allowed, ' in float32'],
    [to.casts - from.casts, 'cast', ''],
  ] as const
  const words = parts.flatMap(([count, noun, rest]) =>
    count === 0
      ? []
      : [`${Math.abs(count)} ${noun}${Math.abs(count) === 1 ? '' : 's'}${rest} ${count > 0 ? 'more' : 'less'}`],
  )
  if (words.length > 0) return words.join(' and ')
  const bytes = to.bytes - from.bytes
  return bytes === 0 ? 'as many casts' : `as many casts of ${Math.abs(bytes)} bytes ${bytes > 0 ? 'more' : 'less'}`
}

/** Edges of each vertex. */
type Links = readonly (readonly Edge[])[]
const linksOf = ({ vertices, edges }: PortGraph): Links => {
  const links = vertices.map((): Edge[] => [])
  for (const edge of edges) for (const id of new Set([edge.from, ...edge.to])) links[id]?.push(edge)
  return links
}

/** The casts at the border of the region of one type around a vertex, found by a walk that stops at them. */
const boundary = (ports: PortGraph, isHalf: Assignment, vertex: Vertex, links: Links): readonly Edge[] => {
  const seen = new Set([vertex.id])
  const found = new Set<Edge>()
  const side = isHalf[vertex.id]
  // Iteration over a Set also visits elements that are added during it.
  for (const id of seen) {
    for (const edge of links[id] ?? []) {
      const kind = castAt(edge, isHalf)
      if (kind !== null && !isFreeCast(ports, edge, kind)) found.add(edge)
      for (const next of [edge.from, ...edge.to]) if (isHalf[next] === side) seen.add(next)
    }
  }
  return [...found]
}

/** `input -> normalize sub: to float16, 301056 bytes`. */
export const castText = ({ vertices }: PortGraph, isHalf: Assignment, edge: Edge, dtype: string): string => {
  const kind = castAt(edge, isHalf)
  const users = edge.to.filter((user) => isHalf[user] === (kind === 'narrow')).map((user) => vertices[user]?.name ?? '')
  return `${vertices[edge.from]?.name ?? ''} -> ${shortList(users, 2)}: to ${kind === 'narrow' ? dtype : 'float32'}, ${edge.bytes} bytes of half`
}
