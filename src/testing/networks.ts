/** Random small networks and their training steps. A list of small numbers is interpreted as layers, so that shrinking removes layers. */
import { type Arbitrary, fc } from './fast-check.ts'
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
} from '../ir/functions.ts'
import { graph, type Model } from '../ir/model.ts'
import * as nn from '../ir/nn.ts'
import { float32, type Image, type TensorType } from '../ir/value.ts'
import { crossEntropy } from '../passes/train/losses.ts'
import { adam, adamw, rmsprop, sgd } from '../passes/train/optimizers.ts'
import { type StepOptions, trainingStep } from '../passes/train/step.ts'

/** From `image` [N,6,6,2] to `logits` [N,3]. */
export type Network = Model<{ readonly image: TensorType<'float32', 4> }, { readonly logits: TensorType<'float32', 2> }>
/** Numbers that pick a layer and its attributes. */
export type Layer = readonly [kind: number, variant: number]

/** Layers from first to last. Each list ends with a batch norm, so that there are statistics to update. */
export const layerLists: Arbitrary<readonly Layer[]> = fc
  .array(fc.tuple(fc.nat(8), fc.nat(7)), { minLength: 1, maxLength: 6 })
  .map((list): readonly Layer[] => [...list, [2, 0]])

const activations = [relu, silu, sigmoid, tanh, relu6]
const filters = 4

/** The network of the layers. The variables of a layer are named by its place: `layer0/kernel`. */
export const networkOfLayers = (layers: readonly Layer[]): Network =>
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

/** Random networks of up to seven layers: convolutions, norms, squeeze-and-excite, residuals, dropout, pools, activations. */
export const anyNetwork = (): Arbitrary<Network> => layerLists.map(networkOfLayers)

/** Random options of a training step, with values that are exact in binary. */
export const stepOptions: Arbitrary<StepOptions> = fc.record({
  optimizer: fc.constantFrom(
    sgd({ learningRate: 0.5 }),
    sgd({ learningRate: 0.5, momentum: 0.5, nesterov: true }),
    rmsprop({ learningRate: 0.125 }),
    adam({ learningRate: 0.125 }),
    adamw({ learningRate: 0.125 }),
  ),
  accumulate: fc.constantFrom(1, 2),
  emaDecay: fc.constantFrom(undefined, 0.75),
  clipNorm: fc.constantFrom(undefined, 0.25),
  weightDecay: fc.constantFrom(0, 0.125),
  lossScale: fc.constantFrom<StepOptions['lossScale']>('none', 'dynamic', 1024),
})

/** The training step of the layers' network: cross-entropy of `label` int32[N]. */
export const stepOfLayers = (layers: readonly Layer[], options: StepOptions) =>
  trainingStep(networkOfLayers(layers), { loss: crossEntropy({ labelSmoothing: 0.1 }), ...options })

/** Random training steps: a network with an optimizer, averages, clipping, accumulation and loss scale. */
export const anyTrainingStep = (): Arbitrary<ReturnType<typeof stepOfLayers>> =>
  fc.tuple(layerLists, stepOptions).map(([layers, options]) => stepOfLayers(layers, options))
