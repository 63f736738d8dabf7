/** Custom ops: a function of values that keeps its name. */
import { isRecord } from '../attrs.ts'
import { bodyNodesMax, bodySize, bodyTooLarge } from '../body-size.ts'
import { builderOf } from '../build.ts'
import { type CompositeKernels, keepKernels } from '../composite-kernels.ts'
import { EffuseError, showGiven } from '../diagnostics.ts'
import { emitRegion } from '../region.ts'
import type { OpAttrs, Tolerance } from '../signatures.ts'
import type { Value } from '../value.ts'
import { emitterOf } from './shared.ts'

export interface CompositeOptions {
  /** Class for mixed precision; default 'infer'. */
  readonly amp?: OpAttrs<'composite'>['amp'] | undefined
  readonly tolerance?: Tolerance | undefined
  /**
   * The user's own kernels, by backend. Other backends, and training, run the body. `verifyKernel` of effuse/testing compares the kernels with the
   * body.
   */
  readonly lower?: CompositeKernels | undefined
}
/**
 * A custom op: a function of values that keeps its name through the passes. Every backend can run it, by its body.
 * The body depends on its operands alone: it has no variables, no dropout and no random numbers, and uses no values from outside.
 *
 * @throws EffuseError when it is applied: EF101 (body not allowed), EF103 (no operand), EF110 (a value from outside), EF111 (name, body), EF305 (too many nodes).
 * @example
 * const cube = composite('cube', (x: Value) => mul(mul(x, x), x), { amp: 'deny' })
 */
export const composite =
  <A extends readonly Value[], V extends Value>(
    name: string,
    body: (...operands: A) => V,
    options: CompositeOptions = {},
  ): ((...operands: A) => V) =>
  (...operands) => {
    if (typeof name !== 'string' || name === '')
      throw new EffuseError({
        code: 'EF111',
        message: `a composite needs a name, got ${showGiven(name)}`,
        hint: "write composite('gelu', (x) => …)",
      })
    if (typeof body !== 'function')
      throw new EffuseError({ code: 'EF111', message: `the composite "${name}" needs a function of its operands` })
    const [first] = operands
    if (first === undefined)
      throw new EffuseError({ code: 'EF103', message: `the composite "${name}" needs at least one operand` })
    for (const operand of operands) emitterOf(name, operand)
    checkKernels(name, options.lower)
    const attrs = { name, amp: options.amp ?? 'infer', tolerance: options.tolerance ?? 'composite' } as const
    const [result] = emitRegion(builderOf(first), 'composite', operands, attrs, (inputs) => [
      body(...(inputs as readonly Value[] as A)), // the operands as inputs, one for each and of the same types
    ])
    const node = result === undefined ? undefined : builderOf(first).nodes[result.id]
    if (node?.op !== 'composite') return result as V
    if (bodySize(node.attrs.body) > bodyNodesMax) throw bodyTooLarge(node)
    if (options.lower !== undefined) keepKernels(node, options.lower)
    return result as V
  }

const checkKernels = (name: string, lower: unknown): void => {
  if (lower === undefined) return
  const wrong = (message: string): EffuseError =>
    new EffuseError({
      code: 'EF111',
      message: `the composite "${name}": ${message}`,
      hint: "write lower: { tfjs: { kernel: 'LeakyRelu', operands: ['x'], attrs: { alpha: 0.2 } } }",
    })
  if (!isRecord(lower)) throw wrong(`lower takes kernels by backend, got ${showGiven(lower)}`)
  for (const [backend, kernel] of Object.entries(lower)) {
    if (backend !== 'tfjs') throw wrong(`lower takes kernels for tfjs, got one for ${showGiven(backend)}`)
    if (kernel === undefined) continue
    const operands = isRecord(kernel) ? kernel['operands'] : undefined
    const isNamed = isRecord(kernel) && typeof kernel['kernel'] === 'string'
    if (!isNamed || !Array.isArray(operands) || !operands.every((operand) => typeof operand === 'string'))
      throw wrong(`a kernel of tfjs has a name and the names of its operands, got ${showGiven(kernel)}`)
    if (kernel['attrs'] !== undefined && !isRecord(kernel['attrs']))
      throw wrong(`attrs of the kernel must be an object, got ${showGiven(kernel['attrs'])}`)
  }
}
