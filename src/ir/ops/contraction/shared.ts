/** Attributes, type rules and cost of the convolutions. */
import { floatOrNull, padding, positivePair, withDefault, type AttrSpecs } from '../../attrs.ts'
import type { Cost } from '../../op-def.ts'
import type { ConvAttrs } from '../../signatures.ts'
import { isFloat, sameShape, showType, type Float, type Type } from '../../types.ts'
import { sizeAt, windowAxes } from '../window.ts'

export const convAttrSpecs: AttrSpecs<ConvAttrs> = {
  strides: withDefault(positivePair, [1, 1]),
  padding: withDefault(padding, 'same'),
  dilations: withDefault(positivePair, [1, 1]),
  resultDtype: withDefault(floatOrNull, null),
}

/** Checks C1 to C5 of conv2d and returns its result type. */
export const convTypes = (x: Type, kernel: Type, attrs: ConvAttrs): readonly [Type] | string => {
  const wrong = checkImageAndKernel(x, kernel)
  if (wrong !== null) return wrong
  if (sizeAt(kernel.shape, 2) !== sizeAt(x.shape, 3))
    return `C3: input has ${sizeAt(x.shape, 3)} channels, kernel expects ${sizeAt(kernel.shape, 2)}`
  return windowResult(x, kernel, attrs, sizeAt(kernel.shape, 3))
}

/** C1 and C2. */
export const checkImageAndKernel = (x: Type, kernel: Type): string | null =>
  x.shape.length !== 4 || kernel.shape.length !== 4
    ? `C1: operands must have rank 4, got ${showType(x)} and ${showType(kernel)}`
    : x.dtype !== kernel.dtype
      ? `C2: operand dtypes differ: ${x.dtype} and ${kernel.dtype}`
      : !isFloat(x.dtype)
        ? `C2: float operands are needed, got ${x.dtype}`
        : null

/** C4 and C5. */
export const windowResult = (x: Type, kernel: Type, attrs: ConvAttrs, channels: number): readonly [Type] | string => {
  const [h, w] = windowAxes(
    [sizeAt(x.shape, 1), sizeAt(x.shape, 2)],
    [sizeAt(kernel.shape, 0), sizeAt(kernel.shape, 1)],
    attrs,
  )
  if (h.output < 1 || w.output < 1)
    return `C4: a ${h.window}x${w.window} window does not fit into ${h.input}x${w.input}`
  const dtype = resultDtype(x, attrs.resultDtype)
  return dtype === null
    ? `C5: the result cannot be ${attrs.resultDtype} where the operands are ${x.dtype}`
    : [{ dtype, shape: [sizeAt(x.shape, 0), h.output, w.output, channels] }]
}

/** The result dtype of a contraction or a wide reduction; null if the attribute would narrow it. */
export const resultDtype = (x: Type, wanted: Float | null): Type['dtype'] | null =>
  wanted === null || wanted === x.dtype ? x.dtype : wanted === 'float32' && isFloat(x.dtype) ? 'float32' : null

/** Multiply-adds of a convolution: one per output element and tap (kernel [KH,KW,C,F]: KH*KW*C). */
export const convCost = (kernel: Type, y: Type): Cost => ({
  multiplyAdds:
    y.shape.reduce((a, b) => a * b, 1) * sizeAt(kernel.shape, 0) * sizeAt(kernel.shape, 1) * sizeAt(kernel.shape, 2),
  operations: 0,
})

/** C6: dy has the type that the forward convolution of these operands returns. */
export const checkOutputGradient = (forward: readonly [Type] | string, dy: Type): string | null =>
  typeof forward === 'string'
    ? forward
    : sameShape(forward[0].shape, dy.shape)
      ? null
      : `C6: the gradient of the result must be [${forward[0].shape.join(',')}], got [${dy.shape.join(',')}]`

/** The forward type rule of a depthwise convolution: kernel [KH,KW,C,1]. */
export const depthwiseTypes = (x: Type, kernel: Type, attrs: ConvAttrs): readonly [Type] | string => {
  const wrong = checkImageAndKernel(x, kernel)
  if (wrong !== null) return wrong
  const [channels, multiplier] = [sizeAt(kernel.shape, 2), sizeAt(kernel.shape, 3)]
  if (channels !== sizeAt(x.shape, 3) || multiplier !== 1)
    return `C3: input has ${sizeAt(x.shape, 3)} channels, so the kernel must end in [${sizeAt(x.shape, 3)},1], got [${channels},${multiplier}]`
  return windowResult(x, kernel, attrs, channels)
}

/** Constraints that the gradients of convolutions share with them. */
export const gradientConstraints = (attribute: string): readonly string[] => [
  'C1: both operands have rank 4',
  'C2: equal float dtypes',
  'C3: kernel and image agree in channels',
  'C4: the window fits into the padded input',
  'C5: resultDtype is null or not narrower than the operands',
  `C6: dy has the shape that the convolution of ${attribute} gives`,
  'C7: sums in the widest type at hand; order free',
]
