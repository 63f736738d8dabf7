/** The mixed-precision classes of a node's ports: from its op, adjusted by the machine and by the user's options. */
import { opDef } from '../../ir/ops/index.ts'
import type { AmpClass } from '../../ir/op-def.ts'
import type { TargetInfo } from '../../ir/target.ts'
import { isFloat, type Graph, type Node, type Ref } from '../../ir/types.ts'
import { nodeAt, typeOf } from '../../ir/graph.ts'
import type { AmpSettings } from './options.ts'
import { layerPath } from './settled.ts'

/** Ports of one node that must have the same float type. */
export interface NodePorts {
  readonly class: AmpClass
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  /** The op has results that may be float32 while the operands are half. Whether the machine supports it is decided elsewhere. */
  readonly canWiden: boolean
}

/** The port classes of a node, only those with float types. */
export const portsOf = (graph: Graph, node: Node, settings: AmpSettings, target: TargetInfo): readonly NodePorts[] =>
  opDef(node.op).amp.flatMap((declared): readonly NodePorts[] => {
    const ampClass = classOf(node, declared.class, settings, target)
    // A wide composite computes in float32, so its literals are not rounded.
    const isWritten = (ref: Ref): boolean =>
      node.op === 'composite' && ampClass === 'wide' && nodeAt(graph, ref.id).op === 'constant'
    const inputs = (declared.inputs === 'all' ? node.inputs.map((_, i) => i) : declared.inputs).filter((i) => {
      const ref = node.inputs[i]
      return ref !== undefined && isFloat(typeOf(graph, ref).dtype) && !isWritten(ref)
    })
    const outputs = (declared.outputs === 'all' ? node.types.map((_, i) => i) : declared.outputs).filter((i) => {
      const type = node.types[i]
      return type !== undefined && isFloat(type.dtype)
    })
    if (inputs.length + outputs.length === 0) return []
    const canWiden = declared.wideOutputs !== undefined
    return [{ class: ampClass, inputs, outputs, canWiden }]
  })

const classOf = (node: Node, declared: AmpClass, settings: AmpSettings, target: TargetInfo): AmpClass => {
  const name = nameInLists(node)
  if (settings.allow.includes(name)) return 'allow'
  if (settings.deny.includes(name)) return 'deny'
  const own = ownClass(node, declared)
  // A slow half kernel does not justify additional casts, but it follows its neighbours.
  const fitting = own === 'allow' && opDef(node.op).fusion === 'depthwise' && !target.fastHalfDepthwise ? 'infer' : own
  const isTakenOut =
    (fitting === 'allow' && settings.allow.includes(`!${name}`)) ||
    (fitting === 'deny' && settings.deny.includes(`!${name}`))
  return isTakenOut ? 'infer' : fitting
}

/** The declaration of the ports by the op, or by the author of a composite. */
const ownClass = (node: Node, declared: AmpClass): AmpClass => (node.op === 'composite' ? node.attrs.amp : declared)

/** Is its class deny, without an entry in a list? */
export const isSensitive = (node: Node): boolean =>
  opDef(node.op).amp.some((declared) => ownClass(node, declared.class) === 'deny')

/** The name of a node in `allow` and `deny`. A composite has its own name, which its gradient shares. */
export const nameInLists = (node: Node): string => (node.op === 'composite' ? layerPath(node.attrs.name) : node.op)
