// node examples/digits.mjs [epochs] (after npm run build): trains a small EfficientNet on 8,004 real handwritten digits and tests it on
// 1,996 others. The training step is one graph; the network that is tested shares its variables.
import { adam, compile, cosine, crossEntropy, efficientNet, evaluationStep, trainingStep, warmup } from 'effuse'
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
const loss = crossEntropy()
const learningRate = warmup(cosine({ initial: 4e-3, steps: steps - 50 }), { steps: 50 })
const step = trainingStep(model, { loss, optimizer: adam({ learningRate }), weightDecay: 1e-5, emaDecay: 0.99 })
const trainer = await compile(step, { batch })
console.log(`${model.name} on ${trainer.backend}: ${steps} steps of ${batch}`)

const start = performance.now()
for (let epoch = 0; epoch < epochs; epoch++) {
  let [total, correct, seen] = [0, 0, 0]
  for (const { image, label } of train.batches({ batch, epoch })) {
    if (label.length < batch) break // the last ones, too few for a batch; another epoch has them
    const results = await trainer.run({ image, label })
    total += (await results.dataLoss.item()) * batch
    correct += await results.correct.item()
    seen += batch
    for (const result of Object.values(results)) result.dispose()
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(
    `epoch ${epoch + 1}: loss ${(total / seen).toFixed(4)}, training accuracy ${((100 * correct) / seen).toFixed(1)} %, ${seconds} s`,
  )
}

/**
 * Share of the held-out digits named right. The last batch is filled up with blanks, which `valid` leaves out.
 * @param {typeof raw} tester
 */
const accuracy = async (tester) => {
  let right = 0
  for (const { image, label } of test.batches({ batch: 100, epoch: 0 })) {
    const [images, labels] = [new Uint8Array(100 * 28 * 28), new Int32Array(100)]
    images.set(image)
    labels.set(label)
    const results = await tester.run({ image: images, label: labels, valid: label.length })
    right += await results.correct.item()
    for (const result of Object.values(results)) result.dispose()
  }
  return ((100 * right) / test.length).toFixed(2)
}
const evaluation = evaluationStep(model, { loss })
const raw = await compile(evaluation, { batch: 100, variables: trainer.variables })
const averaged = await compile(evaluation, { batch: 100, variables: trainer.variables.averages })
console.log(
  `${test.length} digits that it never saw: ${await accuracy(raw)} % right; with averaged weights ${await accuracy(averaged)} %`,
)
for (const executable of [trainer, raw, averaged]) executable.dispose()
