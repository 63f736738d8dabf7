/** Makes a node: checks its attributes, infers its types and freezes it. All new nodes are made here. */
import { EffuseError, showGiven, type Diagnostic } from './diagnostics.ts'
import { isRecord } from './attrs.ts'
import { opDef } from './ops/index.ts'
import type { OpAttrs, OpName } from './signatures.ts'
import { sameType, showType, type Node, type NodeId, type Ref, type Type } from './types.ts'

export interface NodeParts<K extends OpName = OpName> {
  readonly id: NodeId
  readonly op: K
  readonly inputs: readonly Ref[]
  readonly attrs: OpAttrs<K>
  readonly path: string
}

/** The frozen node, or what is wrong with its parts. `declared`: the types of a source, which the text or the caller states. */
export const inferNode = (
  parts: NodeParts,
  inputTypes: readonly Type[],
  declared: readonly Type[],
): Node | Diagnostic => {
  const inferred = inferTypes(parts, inputTypes, declared)
  if ('severity' in inferred) return inferred
  const node = {
    id: parts.id,
    op: parts.op,
    inputs: Object.freeze(parts.inputs.map(({ id, port }) => Object.freeze({ id, port }))),
    attrs: freezeDeep(inferred.attrs),
    types: Object.freeze(inferred.types.map(frozenType)),
    path: parts.path,
  }
  // A body may be frozen without its parts.
  if (!('body' in node.attrs)) inferences.set(node.attrs, { op: parts.op, inputTypes, types: node.types })
  return Object.freeze(node) as unknown as Node // the parts were checked against the op's own specification
}

/** For the attributes of each node that was made here: the types that were inferred with them. */
const inferences = new WeakMap<
  object,
  { readonly op: OpName; readonly inputTypes: readonly Type[]; readonly types: readonly Type[] }
>()

/**
 * Have the node's attributes been checked, and its types inferred, with operands of these types? True for nodes that were made here, and for copies
 * with other operands of the same types. Their attributes are frozen, so the result is still valid.
 */
export const isInferred = ({ op, attrs, types }: Node, inputTypes: readonly Type[]): boolean => {
  const known = inferences.get(attrs)
  return known?.op === op && sameTypes(known.inputTypes, inputTypes) && sameTypes(known.types, types)
}

const sameTypes = (a: readonly Type[], b: readonly Type[]): boolean =>
  a === b || (a.length === b.length && a.every((type, i) => sameType(type, b[i] as Type))) // equal lengths

const frozenType = ({ dtype, shape }: Type): Type => Object.freeze({ dtype, shape: Object.freeze([...shape]) })

/** The complete attributes and the types of a node of these parts, or what is wrong with the parts. */
export const inferTypes = (
  parts: NodeParts,
  inputTypes: readonly Type[],
  declared: readonly Type[],
): { readonly attrs: { readonly [name: string]: unknown }; readonly types: readonly Type[] } | Diagnostic => {
  const def = opDef(parts.op)
  const attrs = completeAttrs(parts)
  if ('severity' in attrs) return attrs as Diagnostic
  if (def.arity !== 'variadic' && def.arity !== parts.inputs.length) {
    return fault(parts, 'EF103', `${parts.op} takes ${def.arity} operands, got ${parts.inputs.length}`)
  }
  const types = def.infer(inputTypes, attrs, declared)
  if (typeof types === 'string')
    return fault(parts, 'EF101', `${parts.op}: ${types}`, [
      `operands: ${inputTypes.map(showType).join(', ') || 'none'}`,
    ])
  return { attrs, types }
}

/** Makes a node. @throws EffuseError if the parts are wrong */
export const makeNode = (parts: NodeParts, inputTypes: readonly Type[], declared: readonly Type[] = []): Node => {
  const node = inferNode(parts, inputTypes, declared)
  if ('severity' in node) throw errorOf(node)
  return node
}

/** Converts a diagnostic to an error, with its place and notes in the message. */
export const errorOf = (found: Diagnostic, callSite: string | null = null): EffuseError =>
  new EffuseError({
    code: found.code,
    path: found.path,
    hint: found.hint,
    diagnostics: [found],
    message: [
      found.path === '' ? found.message : `${found.path}: ${found.message}`,
      ...(found.notes ?? []),
      ...(callSite === null ? [] : [`built at ${callSite}`]),
    ].join('\n  '),
  })

/** The attributes, completed with defaults, or what is wrong with them. */
const completeAttrs = (parts: NodeParts): { readonly [name: string]: unknown } | Diagnostic => {
  const specs = opDef(parts.op).attrs
  const given: { readonly [name: string]: unknown } = isRecord(parts.attrs) ? parts.attrs : {}
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(specs, name)) {
      return fault(
        parts,
        'EF102',
        `${parts.op} has no attribute "${name}"; it has ${Object.keys(specs).join(', ') || 'none'}`,
      )
    }
  }
  const complete: { [name: string]: unknown } = {}
  for (const name of Object.keys(specs)) {
    const spec = specs[name] as (typeof specs)[string] // one of its names
    const value = Object.hasOwn(given, name) ? given[name] : spec.default
    if (value === undefined) return fault(parts, 'EF102', `${parts.op} needs the attribute "${name}": ${spec.expects}`)
    if (!spec.accepts(value))
      return fault(
        parts,
        'EF102',
        `attribute "${name}" of ${parts.op} must be ${spec.expects}, got ${showGiven(value)}`,
      )
    complete[name] = value
  }
  return complete
}

const fault = (parts: NodeParts, code: Diagnostic['code'], message: string, notes?: readonly string[]): Diagnostic => ({
  severity: 'error',
  code,
  path: parts.path,
  node: parts.id,
  message,
  notes,
})

/** Freezes plain data recursively. Skips frozen parts, because graphs share bodies. */
export const freezeDeep = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) freezeDeep(part)
  return Object.freeze(value)
}
