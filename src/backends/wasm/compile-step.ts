/** Compiles a graph to kernel calls over numbered values. No value has an address yet. */
import { liveOrder, namedUpdates, nodeAt, refKey, typeOf } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import { sideTables } from '../../ir/side-tables.ts'
import { elements, type Graph, type Node, type Ref, sizeBytes, type Type } from '../../ir/types.ts'
import { type HostArray, hostArray, hostArrayOf } from '../backend.ts'
import { notReplaced } from '../common/missing-pass.ts'
import type { PackedOperand } from '../codegen/kernel/pack.ts'
import { bodyOf } from './bodies.ts'
import type { KernelLibrary } from './kernel-library.ts'

/** The origin of a value's bytes. */
export type Source =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'constant'; readonly data: HostArray }
  /** A kernel writes them. */
  | { readonly kind: 'made' }
  /** Those of another value, in the same order. */
  | { readonly kind: 'view'; readonly of: number }
  /** Those of a variable in another order, which a kernel makes when the variable has changed. */
  | { readonly kind: 'packed'; readonly of: number; readonly form: string }
  /** Where that kernel writes them in this run. */
  | { readonly kind: 'packing'; readonly packed: number }

export interface StepValue {
  readonly type: Type
  readonly source: Source
}

export interface KernelCall {
  /** The number of the kernel in the library. */
  readonly kernel: number
  /** For each buffer of the kernel the number of its value. */
  readonly buffers: readonly number[]
  /** For profiles. */
  readonly origin: { readonly path: string; readonly op: string }
}

export interface NamedValue {
  readonly name: string
  readonly value: number
  readonly type: Type
}

export interface CompiledStep {
  readonly values: readonly StepValue[]
  /** Calls that compute packed forms, each with the values [variable, packed form]. They run first. */
  readonly packs: readonly KernelCall[]
  readonly calls: readonly KernelCall[]
  readonly outputs: readonly NamedValue[]
  /** New values of variables. */
  readonly updates: readonly NamedValue[]
}

/** `isRare`: the step runs rarely, for example once for many runs of the program. @throws EffuseError EF405 where an op is not primitive */
export const compileStep = (graph: Graph, library: KernelLibrary, isRare = false): CompiledStep => {
  const values: StepValue[] = []
  const calls: KernelCall[] = []
  const known = new Map<number, number>()
  const literals = new Map<string, number>()
  const packs: KernelCall[] = []
  const packedForms = new Map<string, number>()
  const add = (type: Type, source: Source): number => values.push({ type, source }) - 1
  const literal = (type: Type, data: readonly number[]): number => {
    const key = `${type.dtype} ${type.shape.join()} ${data.map((x) => (Object.is(x, -0) ? '-0' : x)).join()}`
    const value = literals.get(key) ?? add(type, { kind: 'constant', data: hostArrayOf(type.dtype, data) })
    literals.set(key, value)
    return value
  }
  const packedOf = (value: number, { form, shape, pack }: PackedOperand, origin: KernelCall['origin']): number => {
    const of = variableOf(values, value) as number // mayPack has checked that it is a variable
    const key = `${of} ${form}`
    const known = packedForms.get(key)
    if (known !== undefined) return known
    const type = { dtype: (values[value] as StepValue).type.dtype, shape }
    const packed = add(type, { kind: 'packed', of, form })
    const packing = add(type, { kind: 'packing', packed })
    packs.push({
      kernel: library.add(pack, true),
      buffers: [of, packing],
      origin: { ...origin, op: `pack for ${origin.op}` },
    })
    packedForms.set(key, packed)
    return packed
  }
  const valueAt = (ref: Ref): number => {
    const key = refKey(ref)
    const found = known.get(key)
    if (found !== undefined) return found
    const value = add(typeOf(graph, ref), sourceOf(graph, nodeAt(graph, ref.id), valueAt))
    known.set(key, value)
    return value
  }
  for (const node of liveOrder(graph)) {
    if (sources.has(node.op)) continue // values of sources are added when they are read
    if (opDef(node.op).level === 'model') throw notReplaced(node, 'wasm')
    const { body, operands } = bodyOf(graph, node)
    const lowered = library.lower(body)
    const places = new Map<number, number>()
    for (const [id, buffer] of lowered.operands) {
      const ref = operands.get(id)
      if (ref !== undefined) places.set(buffer, valueAt(ref))
    }
    node.types.forEach((type, port) => {
      const value = add(type, { kind: 'made' })
      known.set(refKey({ id: node.id, port }), value)
      places.set(lowered.results[port] as number, value) // the body has an output for each port
    })
    const origin = { path: node.path, op: node.op }
    const { kernel, packed } = lowered.pack((buffer) => variableOf(values, places.get(buffer)) !== null)
    for (const form of packed) places.set(form.buffer, packedOf(places.get(form.buffer) as number, form, origin)) // mayPack has checked that it is a variable
    const buffers = kernel.buffers.map((buffer, at) => {
      const type = { dtype: buffer.dtype, shape: buffer.shape }
      if (buffer.role === 'literal') return literal(type, buffer.data ?? [])
      return places.get(at) ?? add(type, { kind: 'made' }) // otherwise it is a temporary
    })
    calls.push({ kernel: library.add(kernel, isRare), buffers, origin })
  }
  const named = (name: string, ref: Ref): NamedValue => ({ name, value: valueAt(ref), type: typeOf(graph, ref) })
  const outputs = graph.outputs.map(({ name, value }) => named(name, value))
  const updates = namedUpdates(graph).map(({ name, value }) => named(name, value))
  return { values, packs, calls, outputs, updates }
}

/** The variable that a value is a view of, or is itself; null for other values. */
const variableOf = (values: readonly StepValue[], value: number | undefined): number | null => {
  if (value === undefined) return null
  const base = baseOf(values, value)
  return values[base]?.source.kind === 'variable' ? base : null
}

/** The base of a value: the value itself, or the value that it is a view of. */
export const baseOf = (values: readonly StepValue[], value: number): number => {
  let base = value
  for (let source = values[base]?.source; source?.kind === 'view'; source = values[base]?.source) base = source.of
  return base
}

const sources: ReadonlySet<Node['op']> = new Set(['input', 'variable', 'constant', 'reshape'])

/** The source of a node that no kernel computes, or of a value that a later kernel call computes. */
const sourceOf = (graph: Graph, node: Node, valueAt: (ref: Ref) => number): Source => {
  switch (node.op) {
    case 'input':
      return { kind: 'input', name: node.attrs.name }
    case 'variable':
      return { kind: 'variable', name: node.attrs.name }
    case 'constant':
      return { kind: 'constant', data: constantData(graph, node) }
    case 'reshape':
      return { kind: 'view', of: valueAt(node.inputs[0] as Ref) } // a reshape has one operand
    default:
      return { kind: 'made' }
  }
}

const constantData = (graph: Graph, { attrs: { value }, types: [type] }: Node<'constant'>): HostArray => {
  const { dtype, shape } = type as Type // a constant has one type
  if (typeof value === 'number') return hostArray(dtype, elements(shape)).fill(value)
  return hostArrayOf(dtype, 'sha256' in value ? sideTables(graph).constants.get(value.sha256).data : value)
}

export const bytesOf = ({ type }: StepValue): number => sizeBytes(type)

/** The bytes of all packed forms of variables. Steps share them. */
export const packedFormBytes = (steps: readonly CompiledStep[]): number => {
  const forms = new Map<string, number>()
  for (const { values } of steps)
    for (const value of values) {
      if (value.source.kind !== 'packed') continue
      const variable = values[value.source.of]?.source
      forms.set(`${variable?.kind === 'variable' ? variable.name : ''} ${value.source.form}`, bytesOf(value))
    }
  return [...forms.values()].reduce((sum, bytes) => sum + bytes, 0)
}
