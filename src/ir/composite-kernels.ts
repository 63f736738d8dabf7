/**
 * Kernels that users bring for their composites, by what the composite computes: the key holds the body, so a composite of the same name with another
 * meaning, or one whose body a pass has changed, never gets them.
 */
import { hashBody } from './print.ts'
import type { Node } from './types.ts'

/** A kernel of tfjs, registered there for the backend that runs it: tfjs's own, or one's own by `tf.registerKernel`. */
export interface TfjsKernel {
  /** Its name in tfjs: 'LeakyRelu'. */
  readonly kernel: string
  /** What it calls its inputs, in the order of the operands: `['x']`. */
  readonly operands: readonly string[]
  /** Its attributes: `{ alpha: 0.2 }`. */
  readonly attrs?: { readonly [name: string]: unknown } | undefined
}

/** By backend. Others, and tfjs backends without such a kernel, run the body. */
export interface CompositeKernels {
  readonly tfjs?: TfjsKernel | undefined
}

const known = new Map<string, CompositeKernels>()
const keyOf = ({ attrs: { name, body } }: Node<'composite'>): string => `${name} ${hashBody(body)}`

/** From now on composites that compute the same under the same name have these kernels. */
export const keepKernels = (node: Node<'composite'>, kernels: CompositeKernels): void => {
  known.set(keyOf(node), kernels)
}

/** The kernels brought for the composite; none where there are none. */
export const kernelsOfComposite = (node: Node<'composite'>): CompositeKernels => known.get(keyOf(node)) ?? {}
