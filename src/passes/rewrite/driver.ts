/**
 * Applies rules until none applies. Each round walks the graph once in canonical order, so operands are rewritten before their users,
 * and commits once. Rules never make a program worse, so few rounds suffice. A rule that keeps firing is an error.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { Edit } from '../../ir/edit.ts'
import { liveOrder } from '../../ir/graph.ts'
import type { Graph, Node } from '../../ir/types.ts'
import { definePass, type GraphPass, type Phase, type Preserves } from '../pass.ts'
import type { Match, Rule } from './rules.ts'

const roundsMax = 24

/** A pass made of rules. It preserves what all of its rules preserve. */
export const rulePass = (name: string, summary: string, rules: readonly Rule[], phase: Phase = 'simplify'): GraphPass =>
  definePass({
    name,
    summary,
    phase,
    preserves: weakest(rules),
    run: (graph, cx) => rewrite(graph, rules, name, (rule) => cx.report(rule)),
  })

/**
 * The graph with all rules applied.
 * @throws EffuseError EF304 with the rules that still fire after the last round.
 */
export const rewrite = (
  graph: Graph,
  rules: readonly Rule[],
  label: string,
  report: (rule: string) => void = () => {},
): Graph => {
  const byOp = new Map<string, Rule[]>()
  for (const rule of rules) byOp.set(rule.op, [...(byOp.get(rule.op) ?? []), rule])
  let current = graph
  let fired = new Set<string>()
  for (let round = 0; round < roundsMax; round++) {
    fired = new Set()
    const next = rewriteOnce(current, byOp, label, (rule) => {
      fired.add(rule)
      report(rule)
    })
    if (next === current) return current
    current = next
  }
  throw new EffuseError({
    code: 'EF304',
    message: `after ${roundsMax} rounds rules still fire: ${[...fired].join('; ')}`,
    hint: 'two of them undo each other',
  })
}

const rewriteOnce = (
  graph: Graph,
  byOp: ReadonlyMap<string, readonly Rule[]>,
  label: string,
  report: (rule: string) => void,
): Graph => {
  const edit = new Edit(graph, label)
  for (const node of liveOrder(graph)) {
    const rules = byOp.get(node.op)
    if (rules === undefined) continue
    const match = matchOf(edit, node)
    // Operands may already have been replaced in this round. Rules see the node with its new operands.
    const inputs = node.inputs.map((ref) => edit.resolve(ref))
    const seen = inputs.every((ref, i) => ref === node.inputs[i]) ? node : ({ ...node, inputs } as Node) // same op and attributes
    for (const rule of rules) {
      const result = rule.rewrite(seen, match)
      if (result === null) continue
      edit.replaceUses({ id: node.id, port: 0 }, result)
      report(rule.name)
      break
    }
  }
  return edit.commit()
}

const matchOf = (edit: Edit, node: Node): Match => {
  return {
    b: edit.emitter(node),
    def: (ref) => edit.node(edit.resolve(ref).id),
    type: (ref) => edit.typeOf(ref),
  }
}

const order: readonly Rule['preserves'][] = ['bits', 'rounding', 'precision']
const weakest = (rules: readonly Rule[]): Preserves =>
  order[Math.max(0, ...rules.map((r) => order.indexOf(r.preserves)))] ?? 'bits'
