/** The verifier defines which graphs are well-formed. It returns all faults and throws nothing. */
import type { Diagnostic, ErrorCode } from './diagnostics.ts'
import { EffuseError } from './diagnostics.ts'
import { type CacheByParts, cachedByParts, findNode, isRegion } from './graph.ts'
import { inferTypes, isInferred } from './make-node.ts'
import { isOpName, opDef } from './ops/index.ts'
import { printNode } from './print.ts'
import { findSideTables } from './side-tables.ts'
import type { RegionOps } from './signatures.ts'
import { sameType, showType, type Graph, type Node, type NodeId, type Ref, type Type } from './types.ts'

/**
 * The stage of a graph. model: as declared. tensor: after to-inference or to-training, without model-form ops. fused: after the pass fuse; nodes
 * are kernels, and no fusion contains another.
 */
export type Stage = 'model' | 'tensor' | 'fused'
export const stages: readonly Stage[] = ['model', 'tensor', 'fused']

/** All faults of a graph; empty if it is well-formed. */
export const verify = (graph: Graph, options: { readonly stage?: Stage | undefined } = {}): readonly Diagnostic[] => {
  const found: Diagnostic[] = []
  const report = (code: ErrorCode, node: Node | null, message: string, hint?: string): void => {
    found.push({ severity: 'error', code, path: node?.path ?? '', node: node?.id ?? null, message, hint })
  }
  const defined = (ref: Ref): Type | null => findNode(graph, ref.id)?.types[ref.port] ?? null
  const variables = new Map<string, NodeId>()
  const inputs = new Map<string, NodeId>()
  for (const [at, node] of graph.nodes.entries()) {
    if (node === null) continue
    if (node.id !== at) report('EF901', node, `node ${node.id} is at index ${at}`)
    if (!isOpName(node.op)) {
      report('EF202', node, `there is no op "${String(node['op'])}"`)
      continue
    }
    checkNode(graph, node, options.stage ?? 'model', defined, report, found)
    if (node.op === 'variable') nameOnce(variables, node.attrs.name, node, 'variable', report)
    if (node.op === 'input') nameOnce(inputs, node.attrs.name, node, 'input', report)
    if (isRegion(node)) found.push(...bodyFindings(node, options))
  }
  checkRoots(graph, defined, report)
  const cycle = findCycle(graph)
  if (cycle !== null) report('EF105', cycle, `${cycle.op} (node ${cycle.id}) depends on its own result`)
  return found
}

/** Whether bodies are well-formed, by stage. */
const soundBodies: { readonly [S in Stage]: CacheByParts<boolean> } = {
  model: new WeakMap(),
  tensor: new WeakMap(),
  fused: new WeakMap(),
}

/** Faults in the body of a region, reported for the region, because nodes of bodies have ids of their own. */
const bodyFindings = (
  region: Node<keyof RegionOps>,
  options: { readonly stage?: Stage | undefined },
): readonly Diagnostic[] => {
  const { body } = region.attrs
  const tables = findSideTables(body)
  // A fault names places beside the body, which are each body's own.
  if (cachedByParts(soundBodies[options.stage ?? 'model'], body, (b) => verify(b, options).length === 0)) return []
  return verify(body, options).map((inner) => {
    const node = inner.node === null ? null : findNode(body, inner.node)
    const site = node === null ? null : (tables?.callSite(node.id) ?? null)
    return {
      ...inner,
      path: inner.path || (node === null ? '' : tables?.path(node.id)) || region.path,
      node: region.id,
      message: `in the body of ${region.op}: ${inner.message}`,
      notes: [
        ...(node === null ? [] : markedLine(body, node)),
        ...(inner.notes ?? []),
        ...(site === null ? [] : [`built at ${site}`]),
      ],
    }
  })
}

/** Throws one EffuseError with all faults; its message describes the first. */
export const verifyOrThrow = (graph: Graph, options: { readonly stage?: Stage | undefined } = {}): void => {
  const found = verify(graph, options)
  const [first] = found
  if (first === undefined) return
  const more = found.length > 1 ? `\n  and ${found.length - 1} more` : ''
  throw new EffuseError({
    code: first.code,
    path: first.path,
    hint: first.hint,
    diagnostics: found,
    message: `${describeDiagnostic(graph, first)}${more}`,
  })
}

/** The fault as text: place in the model, what is wrong, the node's line with a caret, and the call site. */
export const describeDiagnostic = (graph: Graph, found: Diagnostic): string => {
  const node = found.node === null ? null : findNode(graph, found.node)
  const site = found.node === null ? null : (findSideTables(graph)?.callSite(found.node) ?? null)
  return [
    `${found.path === '' ? '' : `${found.path}: `}${found.message}`,
    ...(node === null ? [] : markedLine(graph, node)),
    ...(found.notes ?? []).map((note) => `  ${note}`),
    ...(site === null ? [] : [`  built at ${site}`]),
  ].join('\n')
}

const lineMax = 160
/** The node's line in the text form, with op and operands underlined; empty if the graph cannot be printed. */
const markedLine = (graph: Graph, node: Node): readonly string[] => {
  try {
    const line = printNode(graph, node).split('\n', 1)[0] ?? ''
    const start = line.indexOf('= ') + 2
    const end = Math.min(line.indexOf(')') + 1, lineMax)
    return [`    ${line.slice(0, lineMax)}`, `    ${' '.repeat(start)}${'^'.repeat(Math.max(1, end - start))}`]
  } catch {
    return []
  }
}

type Report = (code: ErrorCode, node: Node | null, message: string, hint?: string) => void

const checkNode = (
  graph: Graph,
  node: Node,
  stage: Stage,
  defined: (ref: Ref) => Type | null,
  report: Report,
  found: Diagnostic[],
): void => {
  if (stage !== 'model' && opDef(node.op).level === 'model') {
    report(
      'EF109',
      node,
      `${node.op} is a model-form op, which this stage does not allow`,
      'run to-inference or to-training first',
    )
  }
  if (stage === 'fused' && node.op === 'fusion' && node.attrs.body.nodes.some((inner) => inner?.op === 'fusion')) {
    report('EF109', node, 'a fusion is one kernel and cannot contain another', 'inline the body of the inner one')
  }
  const types: Type[] = []
  for (const [i, input] of node.inputs.entries()) {
    const type = defined(input)
    if (type === null)
      report(
        'EF104',
        node,
        `operand ${i} of ${node.op} is value ${input.id}.${input.port}, which graph ${graph.name} does not define`,
      )
    else types.push(type)
  }
  if (types.length !== node.inputs.length || isInferred(node, types)) return
  const inferred = inferTypes(node, types, node.types)
  if ('severity' in inferred) found.push(inferred)
  else if (
    inferred.types.length !== node.types.length ||
    !inferred.types.every((type, port) => sameType(type, node.types[port] ?? { dtype: 'bool', shape: [-1] }))
  ) {
    report(
      'EF106',
      node,
      `${node.op} gives ${inferred.types.map(showType).join(', ')}, but ${node.types.map(showType).join(', ')} is declared`,
    )
  }
}

const nameOnce = (known: Map<string, NodeId>, name: string, node: Node, kind: string, report: Report): void => {
  if (known.has(name)) report('EF107', node, `two nodes for the ${kind} "${name}"`)
  known.set(name, node.id)
}

const checkRoots = (graph: Graph, defined: (ref: Ref) => Type | null, report: Report): void => {
  const names = new Set<string>()
  for (const { name, value } of graph.outputs) {
    if (names.has(name)) report('EF107', null, `two outputs are named "${name}"`)
    names.add(name)
    if (defined(value) === null)
      report(
        'EF104',
        null,
        `output "${name}" is value ${value.id}.${value.port}, which graph ${graph.name} does not define`,
      )
  }
  const inputNodes = graph.nodes.filter((n): n is Node<'input'> => n?.op === 'input').map((n) => n.id)
  if (inputNodes.length !== graph.inputs.length || inputNodes.some((id) => !graph.inputs.includes(id))) {
    report('EF111', null, `the signature of ${graph.name} does not list its input nodes, each once`)
  }
  const updated = new Set<NodeId>()
  for (const { variable, value } of graph.updates) {
    const node = findNode(graph, variable)
    if (node?.op !== 'variable') {
      report('EF108', node, `an update must name a variable, got ${node?.op ?? 'nothing'}`)
      continue
    }
    if (updated.has(variable)) report('EF108', node, `the variable "${node.attrs.name}" is updated twice`)
    updated.add(variable)
    const type = defined(value)
    const [own] = node.types
    if (type === null) report('EF104', node, `the new value of "${node.attrs.name}" is not defined`)
    else if (own !== undefined && !sameType(type, own))
      report('EF108', node, `the variable "${node.attrs.name}" is ${showType(own)}, its new value ${showType(type)}`)
  }
}

/** A node on a cycle, also a dead one, or null. */
const findCycle = (graph: Graph): Node | null => (hasCycle(graph) ? nodeOnCycle(graph) : null)

/** Does a node, also a dead one, depend on its own result? */
const hasCycle = ({ nodes }: Graph): boolean => {
  const state = new Uint8Array(nodes.length) // 0 new, 1 open, 2 done
  const path: number[] = []
  const next: number[] = []
  for (let start = 0; start < nodes.length; start++) {
    if (state[start] !== 0) continue
    path.push(start)
    next.push(0)
    state[start] = 1
    while (path.length > 0) {
      const top = path.length - 1
      const at = path[top] as number
      const input = nodes[at]?.inputs[(next[top] as number)++]
      if (input === undefined) {
        state[at] = 2
        path.pop()
        next.pop()
        continue
      }
      const { id } = input
      if (state[id] === 1) return true
      if (state[id] !== 0) continue // done, or no node of the graph
      state[id] = 1
      path.push(id)
      next.push(0)
    }
  }
  return false
}

/** A node on a cycle. Kahn's algorithm: nodes that cannot be ordered are on a cycle or after one. */
const nodeOnCycle = (graph: Graph): Node | null => {
  const waiting = new Map<NodeId, number>()
  const users = new Map<NodeId, NodeId[]>()
  const ready: NodeId[] = []
  for (const node of graph.nodes) {
    if (node === null) continue
    const producers = new Set(node.inputs.map((input) => input.id).filter((id) => findNode(graph, id) !== null))
    waiting.set(node.id, producers.size)
    if (producers.size === 0) ready.push(node.id)
    for (const id of producers) {
      const list = users.get(id)
      if (list === undefined) users.set(id, [node.id])
      else list.push(node.id)
    }
  }
  let done = 0
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    done++
    for (const user of users.get(id) ?? []) {
      const left = (waiting.get(user) ?? 0) - 1
      waiting.set(user, left)
      if (left === 0) ready.push(user)
    }
  }
  return done === waiting.size ? null : walkToCycle(graph, waiting)
}

/** Walks backwards through waiting nodes until one repeats. That node is on the cycle. */
const walkToCycle = (graph: Graph, waiting: ReadonlyMap<NodeId, number>): Node | null => {
  const isStuck = (id: NodeId): boolean => (waiting.get(id) ?? 0) > 0
  const seen = new Set<NodeId>()
  for (let at = [...waiting.keys()].find(isStuck); at !== undefined; ) {
    if (seen.has(at)) return findNode(graph, at)
    seen.add(at)
    at = findNode(graph, at)
      ?.inputs.map((input) => input.id)
      .find(isStuck)
  }
  return null
}
