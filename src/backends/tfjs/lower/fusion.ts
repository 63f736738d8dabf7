/** Fusions of fuse-tfjs run as one kernel, others node by node. */
import { liveOrder, refKey } from '../../../ir/graph.ts'
import { sideTables } from '../../../ir/side-tables.ts'
import { elements, type Graph, type Type } from '../../../ir/types.ts'
import { fusedActivations, readFusedBody, type FusedBody } from '../fused-kinds.ts'
import type { LowerFunction } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { fitsDispatch } from '../webgpu/large.ts'
import { productProgram } from '../webgpu/product.ts'
import { asProduct, convolutionProgram, isProduct, isScaling, kernelConvAttrs, productSizes } from './convolve.ts'
import { transposed } from './movement.ts'
import { asBatch } from './product.ts'
import { as, made } from './shared.ts'

export const lowerFusion: LowerFunction<'fusion'> = ({ attrs: { kind, body }, inputs, types, planner }) => {
  const fused = kind.startsWith('tfjs.') ? readFusedBody(body) : null
  const [type] = types
  return fused === null ||
    type === undefined ||
    isScaled(fused, inputs, planner) ||
    (planner.device.kind === 'webgpu' && !fitsFused(fused, inputs, type))
    ? lowerRegion(body, inputs, planner)
    : [lowerFused(fused, inputs, type, planner)]
}

/** Is it a convolution that XNNPACK computes wrongly (convolve.ts)? It runs node by node. */
const isScaled = ({ contraction }: FusedBody, [x, kernel]: readonly View[], { device }: Planner): boolean =>
  device.kind === 'wasm' &&
  contraction.op !== 'matmul' &&
  x !== undefined &&
  kernel !== undefined &&
  isScaling(
    contraction.op === 'conv2d' ? 'Conv2D' : 'DepthwiseConv2dNative',
    kernel.type,
    kernelConvAttrs(x.type, kernel.type, contraction.attrs),
  )

/** Can tfjs's WebGPU compute it at once? (webgpu/large.ts) */
const fitsFused = ({ contraction }: FusedBody, [x, kernel]: readonly View[], type: Type): boolean => {
  if (x === undefined || kernel === undefined || contraction.op === 'depthwiseConv2d') return true
  if (contraction.op === 'matmul') {
    const [columns = 1, rows = 1, ...batches] = [...type.shape].reverse()
    return fitsDispatch(elements(batches), rows, columns)
  }
  const [samples, positions, filters] = productSizes(type)
  return isProduct('Conv2D', kernel.type, kernelConvAttrs(x.type, kernel.type, contraction.attrs))
    ? fitsDispatch(1, samples * positions, filters)
    : fitsDispatch(samples, positions, filters)
}

const lowerFused = (
  { contraction, hasBias, activation }: FusedBody,
  inputs: readonly View[],
  type: Type,
  planner: Planner,
): View => {
  const [x, kernel, bias] = inputs.map((view) => planner.dense(view)) as [Operand, Operand, Operand | undefined]
  const attrs = { activation: activation === null ? 'linear' : fusedActivations[activation] }
  const biasInput = hasBias && bias !== undefined ? { bias: vector(bias, planner) } : {}
  if (contraction.op === 'matmul') {
    const { transposeA, transposeB } = contraction.attrs
    const swap = (operand: Operand, isSwapped: boolean): Operand =>
      isSwapped ? transposed(asBatch(operand), [0, 2, 1], planner) : asBatch(operand)
    return made(fusedProduct(swap(x, transposeA), swap(kernel, transposeB), biasInput, attrs, type, planner), type)
  }
  const plain = contraction.op === 'conv2d' ? 'Conv2D' : 'DepthwiseConv2dNative'
  const convAttrs = kernelConvAttrs(x, kernel, contraction.attrs)
  if (planner.device.kind === 'webgpu' && isProduct(plain, kernel, convAttrs)) {
    const [rows, columns] = asProduct(x, kernel)
    return made(fusedProduct(rows, columns, biasInput, attrs, type, planner), type)
  }
  const name = contraction.op === 'conv2d' ? 'FusedConv2D' : 'FusedDepthwiseConv2D'
  const program = convolutionProgram(plain, type, planner)
  return made(
    planner.kernel(name, { x, filter: kernel, ...biasInput }, { ...convAttrs, ...attrs }, type, program),
    type,
  )
}

/** The fused product of [B, M, K] and [B, K, N]. */
const fusedProduct = (
  a: Operand,
  b: Operand,
  bias: { readonly bias?: Operand },
  attrs: { readonly activation: string },
  type: Type,
  planner: Planner,
): number => {
  const [batch = 1, rows = 1] = a.shape
  const program = planner.device.kind === 'webgpu' ? productProgram(batch, rows, b.shape[2] ?? 1) : undefined
  return planner.kernel(
    '_FusedMatMul',
    { a, b, ...bias },
    { transposeA: false, transposeB: false, ...attrs },
    type,
    program,
  )
}

/** tfjs-wasm reads the rank of a bias from the shape that it recorded for the buffer, so that shape must be [C]. */
const vector = (bias: Operand, planner: Planner): Operand => {
  const operand = as(bias, [bias.shape.reduce((a, b) => a * b, 1)])
  planner.noteShape(operand)
  return operand
}

/** Adds a region's nodes as steps of the plan. */
const lowerRegion = (body: Graph, operands: readonly View[], planner: Planner): readonly View[] => {
  const views = new Map<number, View>()
  body.inputs.forEach((id, i) => {
    const operand = operands[i]
    if (operand !== undefined) views.set(refKey({ id, port: 0 }), operand)
  })
  const viewOf = (key: number): View => {
    const view = views.get(key)
    if (view === undefined) throw planner.unsupported('its body uses a value that it does not define')
    return view
  }
  for (const node of liveOrder(body)) {
    if (node.op === 'input') continue
    planner
      .lower(
        node,
        node.inputs.map((ref) => viewOf(refKey(ref))),
        sideTables(body).path(node.id),
      )
      .forEach((view, port) => views.set(refKey({ id: node.id, port }), view))
  }
  return body.outputs.map((output) => viewOf(refKey(output.value)))
}
