/**
 * Kernels that users provide for their composites. The key contains the composite's body. A composite with the same name and another body, for
 * example one that a pass has changed, therefore does not get them.
 */
import { hashBody } from './print.ts'
import type { Node } from './types.ts'

/** A kernel that is registered in tfjs for the backend: one of tfjs's own, or one that the user registered by `tf.registerKernel`. */
export interface TfjsKernel {
  /** Its name in tfjs: 'LeakyRelu'. */
  readonly kernel: string
  /** The kernel's names of its inputs, in the order of the operands: `['x']`. */
  readonly operands: readonly string[]
  /** Its attributes: `{ alpha: 0.2 }`. */
  readonly attrs?: { readonly [name: string]: unknown } | undefined
}

/** Kernels by backend. Other backends, and tfjs backends where the kernel is not registered, run the body. */
export interface CompositeKernels {
  readonly tfjs?: TfjsKernel | undefined
}

const known = new Map<string, CompositeKernels>()
const keyOf = ({ attrs: { name, body } }: Node<'composite'>): string => `${name} ${hashBody(body)}`

/** Records the kernels for all composites with the same name and body. */
export const keepKernels = (node: Node<'composite'>, kernels: CompositeKernels): void => {
  known.set(keyOf(node), kernels)
}

/** The kernels for the composite; empty if there are none. */
export const kernelsOfComposite = (node: Node<'composite'>): CompositeKernels => known.get(keyOf(node)) ?? {}
