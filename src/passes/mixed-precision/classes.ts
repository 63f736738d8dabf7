/** The mixed-precision classes of a node's ports: what its op says, what the machine makes of that, and what the user wants instead. */
import { opDef } from '../../ir/ops/index.ts'
import type { AmpClass } from '../../ir/op-def.ts'
import type { TargetInfo } from '../../ir/target.ts'
import { isFloat, type Graph, type Node, type Ref } from '../../ir/types.ts'
import { nodeAt, typeOf } from '../../ir/graph.ts'
import type { DecomposeOptions } from '../decompose.ts'
import type { AmpSettings } from './options.ts'
import { layerPath } from './settled.ts'

/** Ports of one node that share a float type. */
export interface NodePorts {
  readonly class: AmpClass
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  /** The op has results that may be float32 where the operands are half; whether the machine can do that is its own matter. */
  readonly canWiden: boolean
}

/** The port classes of a node, those of floats only. */
export const portsOf = (graph: Graph, node: Node, settings: AmpSettings, target: TargetInfo): readonly NodePorts[] =>
  opDef(node.op).amp.flatMap((declared): readonly NodePorts[] => {
    const ampClass = classOf(node, declared.class, settings, target)
    // A wide composite computes in float32: its author's literals reach it as they were written.
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
  // A slow half kernel is not worth casts of its own, but it follows its neighbours.
  const fitting = own === 'allow' && opDef(node.op).fusion === 'depthwise' && !target.fastHalfDepthwise ? 'infer' : own
  const isTakenOut =
    (fitting === 'allow' && settings.allow.includes(`!${name}`)) ||
    (fitting === 'deny' && settings.deny.includes(`!${name}`))
  return isTakenOut ? 'infer' : fitting
}

/** What the op declares of its ports, or the author of a composite of it. */
const ownClass = (node: Node, declared: AmpClass): AmpClass => (node.op === 'composite' ? node.attrs.amp : declared)

/** Is it of class deny although no list says so? */
export const isSensitive = (node: Node): boolean =>
  opDef(node.op).amp.some((declared) => ownClass(node, declared.class) === 'deny')

/** The name by which `allow` and `deny` know a node: a composite's own, which its gradient shares. */
export const nameInLists = (node: Node): string => (node.op === 'composite' ? layerPath(node.attrs.name) : node.op)

/**
 * Composites that may be taken apart before mixed precision decides, since neither the author nor the user said anything that would not
 * hold for the ops in the body: their classes, and names that are in no list.
 */
export const silentComposites = ({ allow, deny }: AmpSettings): DecomposeOptions => ({
  classes: ['infer', 'clear'],
  except: [...new Set([...allow, ...deny].map((name) => name.replace(/^!/, '')))],
})
