/** Random small networks for properties of training: a list of small numbers is read as layers over 6 x 6 pictures of two channels. */
import fc from 'fast-check'
import {
  add,
  avgPool2d,
  dropout,
  globalAveragePool2d,
  maxPool2d,
  relu,
  relu6,
  sigmoid,
  silu,
  tanh,
} from '../../src/ir/functions.ts'
import { graph, type Model } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32, type Image, type TensorType } from '../../src/ir/value.ts'

export type SmallNet = Model<
  { readonly image: TensorType<'float32', 4> },
  { readonly logits: TensorType<'float32', 2> }
>
export type Layer = readonly [kind: number, variant: number]
export const pixels = 6 * 6 * 2

/** Layers, first to last; a norm stands in each list, so that there are statistics to keep. */
export const layerLists: fc.Arbitrary<readonly Layer[]> = fc
  .array(fc.tuple(fc.nat(8), fc.nat(7)), { minLength: 1, maxLength: 6 })
  .map((list): readonly Layer[] => [...list, [2, 0]])

const activations = [relu, silu, sigmoid, tanh, relu6]
const filters = 4

/** The network that the layers spell; their variables are named by their place. */
export const smallNet = (layers: readonly Layer[]): SmallNet =>
  graph('small', { image: float32('batch', 6, 6, 2) }, ({ image }) => {
    let x: Image = nn.conv2d(image, { name: 'stem', filters, kernel: 3 })
    layers.forEach(([kind, variant], i) => {
      x = layerOf(x, kind, variant, `layer${i}`)
    })
    return { logits: nn.dense(globalAveragePool2d(x), { name: 'dense', units: 3 }) }
  })

const layerOf = (x: Image, kind: number, variant: number, name: string): Image => {
  switch (kind) {
    case 0:
      return nn.conv2d(x, { name, filters, kernel: 1 + (variant % 3), strides: 1 + (variant % 2), bias: variant > 3 })
    case 1:
      return nn.depthwiseConv2d(x, { name, kernel: 3, strides: 1 + (variant % 2) })
    case 2:
      return nn.batchNorm(x, { name })
    case 3:
      return nn.squeezeExcite(x, { name, reduced: 2, activation: silu })
    case 4:
      return add(x, nn.conv2d(x, { name, filters, kernel: 3 }))
    case 5:
      return dropout(x, { rate: 0.3, per: variant % 2 === 0 ? 'element' : 'sample' })
    case 6:
      return (variant % 2 === 0 ? maxPool2d : avgPool2d)(x, { window: 2, strides: 1, padding: 'same' })
    default:
      return (activations[variant % activations.length] ?? relu)(x)
  }
}
