/**
 * A graph whose images are computed in parts of their rows, so that several cores compute one image at the same time. Parts depend on each other only at
 * the rows beside their edges, and where the whole image is needed, for example by a mean. XLA calls it spatial partitioning.
 */
import { nodeCost } from '../ir/cost.ts'
import { Edit } from '../ir/edit.ts'
import { liveOrder, nodeAt } from '../ir/graph.ts'
import type { Graph, Node, Ref, Type } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import { isOpaque } from './opaque-nodes.ts'
import { type PartedImage, planRows, type RowsPlan } from './spatial/plan-rows.ts'
import { reducesRows } from './spatial/reduced-rows.ts'
import { replaced, rowAxis, type Rows, typeOfRows } from './spatial/row-rules.ts'

/**
 * The same inputs, variables and outputs. Sums over rows are rounded in another order. Null if nothing can be computed in parts, or if the graph has
 * updates or random numbers.
 *
 * @param parts Two or more.
 *
 * @param shareLeast The least share of the graph's multiply-adds that must be in parts, because one core computes all others. Null if they are fewer.
 */
export const spatialPartition = (graph: Graph, parts: number, shareLeast = 0.75): Graph | null => {
  const order = liveOrder(graph)
  if (parts < 2 || graph.updates.length > 0 || order.some(isOpaque)) return null
  const plan = planRows(graph, parts)
  const work = (nodes: readonly Node[]): number =>
    nodes.reduce((sum, node) => sum + nodeCost(graph, node).multiplyAdds, 0)
  const inParts = work(order.filter(({ id }) => plan.has(id)))
  return plan.size === 0 || inParts < shareLeast * work(order) ? null : new Partitioner(graph, plan).partitioned()
}

class Partitioner {
  readonly #edit: Edit
  readonly #plan: RowsPlan
  /** The nodes of the parts of an image, by the id of its node. */
  readonly #pieces = new Map<number, readonly Ref[]>()
  /** Values that several consumers take, by their text. */
  readonly #made = new Map<string, Ref>()

  constructor(graph: Graph, plan: RowsPlan) {
    this.#edit = new Edit(graph, 'spatial-partition')
    this.#plan = plan
  }

  partitioned(): Graph {
    const graph = this.#edit.base
    for (const node of liveOrder(graph)) {
      const image = this.#plan.get(node.id)
      if (image !== undefined) {
        this.#pieces.set(
          node.id,
          image.computed.map((rows, part) => this.#piece(node, image, rows, part)),
        )
        if (image.isWhole) this.#edit.replaceUses({ id: node.id, port: 0 }, this.#joined(node, image))
      } else if (node.inputs[0] !== undefined && this.#plan.has(node.inputs[0].id) && reducesRows(node) !== null)
        this.#edit.replaceUses({ id: node.id, port: 0 }, this.#reduced(node))
    }
    return this.#edit.commit()
  }

  #piece(node: Node, { rule }: PartedImage, rows: Rows, part: number): Ref {
    const inputs = node.inputs.map((ref, at) =>
      rule.operands[at] === true ? this.#rowsOf(ref, rule.needs(rows), part) : ref,
    )
    return this.#edit.add(node.op, inputs, rule.attrs(rows), node)
  }

  /** An operand of a part. */
  #rowsOf(ref: Ref, rows: Rows, part: number): Ref {
    const image = this.#plan.get(ref.id)
    if (image === undefined)
      return this.#once(`${ref.id}:${ref.port} ${rows.from} ${rows.to}`, () => this.#rowsOfWhole(ref, rows))
    const pieces = this.#pieces.get(ref.id) as readonly Ref[] // operands come first
    if (image.isExchanged)
      return this.#once(`${ref.id} ${rows.from} ${rows.to}`, () => this.#gathered(pieces, image.own, rows, ref))
    return this.#gathered([pieces[part] as Ref], [image.computed[part] as Rows], rows, ref)
  }

  /** The rows, from all pieces that have some of them. */
  #gathered(pieces: readonly Ref[], ranges: readonly Rows[], { from, to }: Rows, of: Ref): Ref {
    const node = this.#edit.node(of.id)
    const found = pieces.flatMap((piece, at) => {
      const range = ranges[at] as Rows // one for each piece
      const [first, end] = [Math.max(from, range.from), Math.min(to, range.to)]
      if (first >= end) return []
      return [this.#sliced(piece, { from: first - range.from, to: end - range.from }, node)]
    })
    return found.length === 1 ? (found[0] as Ref) : this.#edit.add('concatenate', found, { axis: rowAxis }, node)
  }

  #sliced(ref: Ref, rows: Rows, from: Node): Ref {
    const { shape } = this.#edit.typeOf(ref)
    if (rows.from === 0 && rows.to === shape[rowAxis]) return ref
    const starts = shape.map((_, axis) => (axis === rowAxis ? rows.from : 0))
    return this.#edit.add(
      'slice',
      [ref],
      { starts, limits: replaced(shape, rows.to), strides: shape.map(() => 1) },
      from,
    )
  }

  /** Rows of a value that is not computed in parts. A value with equal rows is made again with fewer rows. */
  #rowsOfWhole(ref: Ref, rows: Rows): Ref {
    const node = nodeAt(this.#edit.base, ref.id)
    const type = typeOfRows(node.types[ref.port] as Type, rows)
    if (node.op === 'constant' && typeof node.attrs.value === 'number')
      return this.#edit.add('constant', [], node.attrs, node, undefined, [type])
    if (node.op === 'broadcast') {
      const [operand] = node.inputs as readonly [Ref]
      const axis = node.attrs.axes.indexOf(rowAxis)
      if (axis < 0 || this.#edit.typeOf(operand).shape[axis] === 1)
        return this.#edit.add('broadcast', [operand], { ...node.attrs, shape: type.shape }, node)
    }
    return this.#sliced(ref, rows, node)
  }

  #joined(node: Node, { own }: PartedImage): Ref {
    const pieces = this.#pieces.get(node.id) as readonly Ref[] // made before
    return this.#gathered(pieces, own, { from: 0, to: (own.at(-1) as Rows).to }, { id: node.id, port: 0 })
  }

  #reduced(node: Node): Ref {
    const [ref] = node.inputs as readonly [Ref]
    const image = this.#plan.get(ref.id) as PartedImage // the caller has asked
    const b = this.#edit.emitter(node)
    const parts = image.own.map((rows, part): Value => this.#edit.value(this.#rowsOf(ref, rows, part), b))
    return reducesRows(node)?.(parts, this.#edit.typeOf(ref), b) as Value // the caller has asked
  }

  #once(key: string, make: () => Ref): Ref {
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = make()
    this.#made.set(key, made)
    return made
  }
}
