/** Models for `effuse verify --model`: one with a wrong kernel for its composite, and one that is small enough to verify its training. */
import { composite, float32, globalAveragePool2d, graph, maximum, mul, nn, relu, type Value } from 'effuse'

const leaky = composite('leaky', (x: Value<'float32', 2>) => maximum(x, mul(x, 0.25)), {
  // Its slope is 0.5; the slope of the body is 0.25.
  lower: { tfjs: { kernel: 'LeakyRelu', operands: ['x'], attrs: { alpha: 0.5 } } },
})
export const wrong = graph('wrong', { x: float32('batch', 3) }, ({ x }) => ({ y: leaky(x) }))

export const small = graph('small', { image: float32('batch', 4, 4, 2) }, ({ image }) => ({
  logits: nn.dense(
    globalAveragePool2d(
      relu(nn.batchNorm(nn.conv2d(image, { name: 'conv', filters: 3, kernel: 3 }), { name: 'norm' })),
    ),
    { name: 'dense', units: 3 },
  ),
}))
