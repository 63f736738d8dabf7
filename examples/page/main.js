// The page: trains a small network on digits, then names what is on a photograph. On WebGPU where the browser has it, else in WebAssembly.
import '@tensorflow/tfjs-backend-webgpu'
import { compile, crossEntropy, efficientNet, fit, fromPixels, openModel, read, rmsprop, top } from 'effuse'
import { createTfjsBackend } from 'effuse/tfjs'

/** @param {string} id @param {string} text */
const show = (id, text) => {
  const element = document.getElementById(id)
  if (element !== null) element.textContent = text
}

/** By name, so that an adapter in software counts too; createTfjsBackend() would take WebAssembly then, which is faster. */
const openBackend = async () => {
  try {
    return await createTfjsBackend({ backend: 'webgpu' })
  } catch (error) {
    console.info(`in WebAssembly: ${error instanceof Error ? error.message : error}`)
    return createTfjsBackend({ backend: 'wasm' })
  }
}

const side = 28
const pixels = side * side
const classes = [...'0123456789']
const epochs = Number(new URLSearchParams(location.search).get('epochs') ?? 5)

/** The file that the server makes: all pictures, then all labels, a byte each. */
const digits = async () => {
  const bytes = new Uint8Array(await (await fetch('digits.bin')).arrayBuffer())
  const length = bytes.length / (pixels + 1)
  return {
    length,
    images: bytes.subarray(0, length * pixels),
    labels: Int32Array.from(bytes.subarray(length * pixels)),
  }
}

/** @param {Uint8Array} image @param {string} caption */
const draw = (image, caption) => {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = side
  const rgba = Uint8ClampedArray.from({ length: 4 * pixels }, (_, i) => (i % 4 === 3 ? 255 : (image[i >> 2] ?? 0)))
  canvas.getContext('2d')?.putImageData(new ImageData(rgba, side), 0, 0)
  const figure = document.createElement('div')
  figure.append(canvas, caption)
  document.getElementById('digits')?.append(figure)
}

/** @param {Awaited<ReturnType<typeof openBackend>>} backend */
const train = async (backend) => {
  const { length, images, labels } = await digits()
  const model = efficientNet('b0', {
    ...{ classes: 10, resolution: side, inChannels: 1, dropout: 0, stochasticDepth: 0, batchNorm: { momentum: 0.8 } },
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }],
  })
  /** @type {number[]} */
  const losses = []
  /** @param {{ batch: number }} request */
  function* batches({ batch }) {
    for (let at = 0; at + batch <= length; at += batch)
      yield { image: images.slice(at * pixels, (at + batch) * pixels), label: labels.slice(at, at + batch) }
  }
  const run = await fit(model, {
    data: { train: { classes, length, batches } },
    loss: crossEntropy(),
    optimizer: rmsprop({ learningRate: 0.02, initialMeanSquare: 1 }),
    ...{ epochs, batch: 16, seed: 1, backend },
    onEvent: (event) => {
      if (event.kind !== 'step') return
      losses.push(event.loss)
      const recent = losses.slice(-5)
      const mean = recent.reduce((sum, loss) => sum + loss, 0) / recent.length
      show(
        'training',
        `${event.step} steps: loss ${losses[0]?.toFixed(4)} at first, ${mean.toFixed(4)} in the last five`,
      )
    },
  })
  const shown = 10
  const net = await compile(model, { backend, variables: run.variables, batch: shown })
  const { probabilities } = await read(await net.run({ image: images.slice(0, shown * pixels) }))
  for (let n = 0; n < shown; n++) {
    const [best] = top(probabilities.subarray(n * 10, (n + 1) * 10), 1, classes)
    draw(images.subarray(n * pixels, (n + 1) * pixels), `${best?.label}?`)
  }
  net.dispose()
  run.dispose()
}

/** @param {Awaited<ReturnType<typeof openBackend>>} backend */
const predict = async (backend) => {
  const { model, weights, labels, resolution, crop } = await openModel(await fetch('weights'))
  const net = await compile(model, { backend, variables: weights })
  const photo = await createImageBitmap(await (await fetch('photo')).blob(), { colorSpaceConversion: 'none' })
  const { probabilities } = await read(await net.run({ image: fromPixels(photo, { size: resolution, crop }) }))
  for (const { label, probability } of top(probabilities, 5, labels)) {
    const line = document.createElement('li')
    line.textContent = `${label}: ${(100 * probability).toFixed(1)} %`
    document.getElementById('photo')?.append(line)
  }
  net.dispose()
}

try {
  const backend = await openBackend()
  show('backend', backend.name)
  await train(backend)
  await predict(backend)
} catch (error) {
  show('error', String(error))
}
document.body.dataset['state'] = 'finished'
