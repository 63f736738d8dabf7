/**
 * Which images of a graph are computed in parts, and which rows of an image each part computes. A window at the edge of a part also needs rows of the
 * next part, the halo (Shazeer et al., 2018, "Mesh-TensorFlow"; Lepikhin et al., 2020, "GShard", call their transfer the halo exchange). Either each
 * part computes the halo again, or the parts exchange it: each computes rows of its own only, and copies the others.
 */
import { nodeCost } from '../../ir/cost.ts'
import { liveOrder, nodeAt, refKey, rootKeys, typeOf, type Use, usesOf } from '../../ir/graph.ts'
import { elements, type Graph, type Node, type Ref, type Type } from '../../ir/types.ts'
import { reducesRows } from './reduced-rows.ts'
import { isImage, rowAxis, type RowRule, rowRuleOf, type Rows } from './row-rules.ts'

/** An image that is computed in parts. */
export interface PartedImage {
  readonly rule: RowRule
  /** The rows that each part computes. */
  readonly computed: readonly Rows[]
  /** The rows of each part that are disjoint, and all rows together. A part computes them at least if `isExchanged` or if the whole image is needed. */
  readonly own: readonly Rows[]
  /** Other nodes, or the caller of the graph, need the whole image. */
  readonly isWhole: boolean
  /** A part takes rows that it has not computed from other parts. Otherwise it computes all rows that it needs. */
  readonly isExchanged: boolean
}

/** By the ids of nodes. Each node has one result. */
export type RowsPlan = ReadonlyMap<number, PartedImage>

export const planRows = (graph: Graph, parts: number): RowsPlan => new Planner(graph, parts).plan()

/** Multiply-adds that take as long as another operation on one number, or as the copy of one number, on one core with AVX-512. */
const perOperation = 8
const perCopy = 16

/** A halo that is computed again goes back over so many nodes at most. */
const depthMax = 8

class Planner {
  readonly #graph: Graph
  readonly #parts: number
  readonly #rules = new Map<number, RowRule>()
  readonly #images = new Map<number, PartedImage>()

  constructor(graph: Graph, parts: number) {
    this.#graph = graph
    this.#parts = parts
  }

  plan(): RowsPlan {
    const order = liveOrder(this.#graph)
    for (const node of order) this.#findRule(node)
    // Consumers come first: they say which rows they need.
    for (const node of [...order].reverse()) {
      const rule = this.#rules.get(node.id)
      if (rule !== undefined) this.#images.set(node.id, this.#decide(node, rule))
    }
    return this.#images
  }

  /** An image is computed in parts if one of its operands is, or is an input, which can be sliced. */
  #findRule(node: Node): void {
    const operands = node.inputs.map((ref) => typeOf(this.#graph, ref))
    const rule = rowRuleOf(node, operands)
    if (rule === null || this.#rowCount(node) < this.#parts) return
    if (node.inputs.some((ref, at) => rule.operands[at] === true && (this.#isParted(ref) || this.#isInput(ref))))
      this.#rules.set(node.id, rule)
  }

  #isParted({ id }: Ref): boolean {
    return this.#rules.has(id)
  }

  #isInput(ref: Ref): boolean {
    const type = typeOf(this.#graph, ref)
    return nodeAt(this.#graph, ref.id).op === 'input' && isImage(type) && (type.shape[rowAxis] as number) >= this.#parts
  }

  #rowCount(node: Node): number {
    return (node.types[0] as Type).shape[rowAxis] as number // images have one result
  }

  #uses(node: Node): readonly Use[] {
    return usesOf(this.#graph).get(refKey({ id: node.id, port: 0 })) ?? []
  }

  #decide(node: Node, rule: RowRule): PartedImage {
    const own = equalRows(this.#rowCount(node), this.#parts)
    const uses = this.#uses(node)
    const isReduced = uses.some(({ node: user }) => reducesRows(user) !== null)
    const isWhole =
      rootKeys(this.#graph).has(refKey({ id: node.id, port: 0 })) ||
      uses.some((use) => reducesRows(use.node) === null && this.#consumerOf(use) === null)
    const needed = uses.flatMap((use) => {
      const image = this.#consumerOf(use)
      return image === null ? [] : [image.computed.map((rows) => image.rule.needs(rows))]
    })
    const all = hull([...needed, ...(isWhole || isReduced ? [own] : [])])
    const isExtended = all.some(({ from, to }, part) => from < (own[part] as Rows).from || to > (own[part] as Rows).to)
    const isExchanged = isExtended && (isWhole || this.#exchangeIsCheaper(node, rule, all))
    return { rule, own, computed: isExchanged ? own : all, isWhole, isExchanged }
  }

  /** The image that is computed from rows of the operand; null if the operand is needed whole. */
  #consumerOf({ node, index }: Use): PartedImage | null {
    const image = this.#images.get(node.id)
    return image?.rule.operands[index] === true ? image : null
  }

  #exchangeIsCheaper(node: Node, rule: RowRule, needed: readonly Rows[]): boolean {
    return this.#copyCost(node, needed) < this.#extensionCost(node, rule, needed, depthMax)
  }

  #copyCost(node: Node, needed: readonly Rows[]): number {
    return (count(needed) * elements((node.types[0] as Type).shape) * perCopy) / this.#rowCount(node)
  }

  /** The cost of the rows that several parts compute, from the last exchange on. */
  #extensionCost(node: Node, rule: RowRule, needed: readonly Rows[], depth: number): number {
    const rows = this.#rowCount(node)
    const { multiplyAdds, operations } = nodeCost(this.#graph, node)
    const extra = Math.max(count(needed) - rows, 0)
    const own = ((multiplyAdds + perOperation * operations) * extra) / rows
    const further = needed.map((part) => rule.needs(part))
    return node.inputs.reduce((sum, ref, at) => {
      const operand = nodeAt(this.#graph, ref.id)
      const operandRule = this.#rules.get(ref.id)
      if (rule.operands[at] !== true || operandRule === undefined) return sum
      // Other consumers need its rows, too, so they are exchanged.
      if (depth === 0 || this.#uses(operand).length > 1) return sum + this.#copyCost(operand, further)
      const copy = this.#copyCost(operand, further)
      return sum + Math.min(copy, this.#extensionCost(operand, operandRule, further, depth - 1))
    }, own)
  }
}

/** Parts of the rows, whose numbers of rows differ by one at most. */
const equalRows = (rows: number, parts: number): readonly Rows[] =>
  Array.from({ length: parts }, (_, part) => ({
    from: Math.ceil((part * rows) / parts),
    to: Math.ceil(((part + 1) * rows) / parts),
  }))

/** For each part, all rows from the first to the last that one of the lists has. */
const hull = (lists: readonly (readonly Rows[])[]): readonly Rows[] =>
  (lists[0] ?? []).map((_, part) => ({
    from: Math.min(...lists.map((rows) => (rows[part] as Rows).from)),
    to: Math.max(...lists.map((rows) => (rows[part] as Rows).to)),
  }))

const count = (rows: readonly Rows[]): number => rows.reduce((sum, { from, to }) => sum + to - from, 0)
