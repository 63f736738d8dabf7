/** Reports mixed precision by layer: what is half, where the casts are, and the certificate. */
import type { Executable } from '../executable/executable.ts'
import { nameInLists } from '../passes/mixed-precision/classes.ts'
import { castText } from '../passes/mixed-precision/explain.ts'
import { castAt, isFreeCast } from '../passes/mixed-precision/port-graph.ts'
import { type AmpDecision, decisionOf } from '../passes/mixed-precision/report.ts'
import { layerPath } from '../passes/mixed-precision/settled.ts'

export interface LayerPrecision {
  /** The first two parts of the path, `blocks.3/se`; gradients count with their layer. */
  readonly layer: string
  /** Nodes that compute in half, and those that could but do not. */
  readonly half: number
  readonly float32: number
  /** Casts of values of this layer. */
  readonly casts: number
  /** Float32 results of half contractions and reductions. */
  readonly absorbed: number
  /** Half copies of its variables. */
  readonly weightCasts: number
  /** Why some nodes are float32, each reason once. */
  readonly because: readonly string[]
}

export interface PrecisionReport {
  readonly layers: readonly LayerPrecision[]
  /** Each cast that is a node of its own. */
  readonly castsAt: readonly string[]
}

/**
 * Reports which layers compute in half, and where the casts are; null without mixed precision.
 *
 * @example
 * const half = await compile(model, { amp: true, backend: 'reference' })
 * const castsAt = precisionReport(half)?.castsAt
 */
export const precisionReport = (executable: Executable): PrecisionReport | null => {
  const last = new Map(executable.passes.filter((r) => r.name === 'amp').map((r) => [r.plan, r.after]))
  const decisions = [...last.values()].flatMap((after) => decisionOf(after) ?? [])
  if (decisions.length === 0) return null
  const layers = new Map<string, Counting>()
  for (const decision of decisions) countLayers(decision, layers)
  return {
    layers: [...layers].map(([layer, { because, ...counts }]) => ({ layer, ...counts, because: [...because] })),
    castsAt: decisions.flatMap(({ problem: { ports }, isHalf, settings }) =>
      ports.edges.flatMap((edge) => {
        const kind = castAt(edge, isHalf)
        return kind === null || isFreeCast(ports, edge, kind) ? [] : [castText(ports, isHalf, edge, settings.dtype)]
      }),
    ),
  }
}

interface Counting {
  half: number
  float32: number
  casts: number
  absorbed: number
  weightCasts: number
  readonly because: Set<string>
}

const countLayers = (decision: AmpDecision, layers: Map<string, Counting>): void => {
  const { problem, isHalf } = decision
  const { ports, places, decided } = problem
  const at = (vertex: number): Counting => {
    const layer = layerOf(places[vertex]?.node?.path ?? '')
    const known = layers.get(layer)
    if (known !== undefined) return known
    const fresh = { half: 0, float32: 0, casts: 0, absorbed: 0, weightCasts: 0, because: new Set<string>() }
    layers.set(layer, fresh)
    return fresh
  }
  for (const { vertex, result } of [...decided.values()].flat()) {
    const counting = at(vertex)
    if (isHalf[vertex] === true) counting.half++
    else {
      counting.float32++
      counting.because.add(floatReason(decision, vertex))
    }
    if (result !== null && isHalf[vertex] === true && isHalf[result] !== true) counting.absorbed++
  }
  for (const edge of ports.edges) {
    const kind = castAt(edge, isHalf)
    if (kind === null) continue
    const isFree = isFreeCast(ports, edge, kind)
    if (!isFree) at(edge.from).casts++
    else if (kind === 'narrow' && ports.vertices[edge.from]?.canBeHalf === false) at(edge.from).weightCasts++
  }
}

/** Why a vertex is float32. The reason holds for all nodes of its op in a layer. */
const floatReason = ({ problem: { ports, places }, settings }: AmpDecision, vertex: number): string => {
  const { node, reason } = places[vertex] ?? { node: null, reason: null }
  if (reason !== null) return reason
  const name = node === null ? '' : nameInLists(node)
  if (settings.deny.includes(name)) return `"deny" names ${name}`
  if (ports.vertices[vertex]?.class === 'deny') return `${name} is sensitive`
  return settings.strategy === 'tensorflow'
    ? `TensorFlow's painting does not reach ${name}`
    : `${name} is not worth its casts`
}

const layerOf = (path: string): string => {
  const layer = layerPath(path).split('/').slice(0, 2).join('/')
  return layer === '' ? '(graph)' : layer
}
