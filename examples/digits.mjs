// node examples/digits.mjs [epochs] (after npm run build): trains a small EfficientNet on 8,000 real handwritten digits and tests it on
// 2,000 others. The training step is one graph; the network that is tested shares its variables.
import { adam, compile, cosine, crossEntropy, efficientNet, trainingStep } from 'effuse'
import { digits } from 'effuse/node'

const [epochs, batch] = [Number(process.argv[2] ?? 5), 50]
const { train, test } = digits()
const model = efficientNet('b0', {
  classes: 10,
  resolution: 28,
  inChannels: 1,
  stochasticDepth: 0,
  batchNorm: { momentum: 0.9 },
  blocks: [
    { kernel: 3, repeats: 1, filters: 16, expand: 1, strides: 1 },
    { kernel: 3, repeats: 1, filters: 24, expand: 4, strides: 2 },
    { kernel: 3, repeats: 1, filters: 40, expand: 4, strides: 2 },
  ],
})
const steps = epochs * Math.floor(train.length / batch)
const step = trainingStep(model, {
  loss: crossEntropy(),
  optimizer: adam({ learningRate: cosine({ initial: 3e-3, steps }) }),
})
const trainer = await compile(step, { batch })
const tester = await compile(model, { batch: 100, variables: trainer.variables })
console.log(`${model.name} on ${trainer.backend}: ${steps} steps of ${batch}`)

const start = performance.now()
for (let epoch = 0; epoch < epochs; epoch++) {
  let [loss, correct, seen] = [0, 0, 0]
  for (const { image, label } of train.batches({ batch, epoch })) {
    const results = await trainer.run({ image, label })
    loss += (await results.dataLoss.item()) * batch
    correct += await results.correct.item()
    seen += batch
    for (const result of Object.values(results)) result.dispose()
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(
    `epoch ${epoch + 1}: loss ${(loss / seen).toFixed(4)}, training accuracy ${((100 * correct) / seen).toFixed(1)} %, ${seconds} s`,
  )
}

let right = 0
const pixels = 28 * 28
for (let at = 0; at < test.length; at += 100) {
  // The last batch is filled up with blanks, which are not counted.
  const image = new Uint8Array(100 * pixels)
  image.set(test.images.subarray(at * pixels, (at + 100) * pixels))
  const { probabilities, logits } = await tester.run({ image })
  const values = await probabilities.data()
  for (let n = 0; n < Math.min(100, test.length - at); n++) {
    const row = values.subarray(n * 10, n * 10 + 10)
    if (row.indexOf(Math.max(...row)) === test.labels[at + n]) right++
  }
  probabilities.dispose()
  logits.dispose()
}
console.log(`test accuracy on ${test.length} digits that it never saw: ${((100 * right) / test.length).toFixed(2)} %`)
trainer.dispose()
tester.dispose()
