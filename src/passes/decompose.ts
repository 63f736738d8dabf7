/** Replaces composites by their decompositions, until none is left that the backend cannot run. */
import { Edit, passError } from '../ir/edit.ts'
import { liveOrder } from '../ir/graph.ts'
import type { AmpClass } from '../ir/op-def.ts'
import { opDef, opNames } from '../ir/ops/index.ts'
import type { OpName } from '../ir/signatures.ts'
import { elements, type Graph, type Node } from '../ir/types.ts'
import { definePass, type GraphPass } from './pass.ts'

/**
 * The pass that decomposes every node for which `wanted` is true. It ends, because a composite may decompose into other composites (cross-entropy into
 * log-softmax), but not into itself.
 *
 * @throws EffuseError EF303 if such an op has no decomposition.
 */
export const decompose = (wanted: (node: Node) => boolean): GraphPass =>
  definePass({
    name: 'decompose',
    summary: 'composites into primitives',
    phase: 'lower',
    preserves: 'rounding',
    run: (graph, cx) => {
      const once = (from: Graph): Graph => decomposeOnce(from, wanted, (op) => cx.report(op))
      let [current, next] = [graph, once(graph)]
      while (next !== current) [current, next] = [next, once(next)]
      return current
    },
  })

/** Which nodes of the named ops; without options all of them. */
export interface DecomposeOptions {
  /** Only where a result has more elements. */
  readonly above?: number | undefined
  /** Decompose only users' composites of these classes for mixed precision. */
  readonly classes?: readonly AmpClass[] | undefined
  /** Names of users' composites that are kept. */
  readonly except?: readonly string[] | undefined
  /** Nodes that have a kernel on the device, and that are kept. Not in the text form: other machines do not know the kernel. */
  readonly isKept?: ((node: Node) => boolean) | undefined
}

/** The same for these ops; its text form names them, so that it can be replayed. */
export const decomposeOps = (
  ops: readonly OpName[],
  { above = 0, classes, except = [], isKept = () => false }: DecomposeOptions = {},
): GraphPass => {
  const named = new Set(ops)
  const isLarge = ({ types }: Node): boolean => types.some(({ shape }) => elements(shape) > above)
  const isSpared = (node: Node): boolean =>
    isKept(node) ||
    (node.op === 'composite' && (classes?.includes(node.attrs.amp) === false || except.includes(node.attrs.name)))
  const pass = decompose((node) => named.has(node.op) && isLarge(node) && !isSpared(node))
  return definePass({
    ...pass,
    options: {
      ops,
      ...(above === 0 ? {} : { above }),
      ...(classes === undefined ? {} : { classes }),
      ...(except.length === 0 ? {} : { except }),
    },
  })
}

/** The composites for which a table of lowerings has no entry. */
export const compositesWithout = (table: { readonly [K in OpName]?: unknown }): readonly OpName[] =>
  opNames.filter((op) => opDef(op).level === 'composite' && table[op] === undefined)

const decomposeOnce = (graph: Graph, wanted: (node: Node) => boolean, report: (op: string) => void): Graph => {
  const edit = new Edit(graph, 'decompose')
  for (const node of liveOrder(graph)) {
    if (!wanted(node)) continue
    const { decompose: rule } = opDef(node.op)
    if (rule === undefined) throw passError(node, `${node.op} has no decomposition`)
    const b = edit.emitter(node)
    const results = rule({
      inputs: node.inputs.map((ref) => edit.value(ref, b)),
      attrs: node.attrs,
      types: node.types,
      b,
    })
    results.forEach((value, port) => edit.replaceUses({ id: node.id, port }, value))
    edit.remove(node.id)
    report(node.op)
  }
  return edit.commit()
}
