/**
 * Pictures from a folder: 448 JPEGs of 500x375 to 224x224 with random box and mirror, alternating with PyTorch's DataLoader (Pillow, two workers), and
 * a run of fit() on the same folder at 112x112, compared with its two parts alone. The targets: at least 1.0 of the DataLoader, at least 0.9 of the
 * slower part. They need libjpeg-turbo's library (docs/data.md); without it `sharp` decodes. The peer needs a Python with torch and torchvision:
 * EFFUSE_PYTHON, else python3.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import sharp from 'sharp'
import {
  crossEntropy,
  type DataSource,
  div,
  fit,
  float32,
  globalAveragePool2d,
  graph,
  nn,
  relu,
  sgd,
  sub,
} from '../src/index.ts'
import { imageFolder } from '../src/node.ts'

const [pictures, batch, size, rounds] = [448, 32, 224, 5]
const trainedSize = 112
const classes = ['a', 'b', 'c', 'd']

/** Gradients, waves and some noise, which compress about as well as a photograph. */
const writePicture = async (path: string, n: number): Promise<void> => {
  const [width, height] = [500, 375]
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
    const wave = 60 * Math.sin((x * (n % 7) + y * 3) / 40 + c) + 40 * Math.sin((y * (n % 5) - x) / 9)
    return Math.max(0, Math.min(255, 128 + wave + (((i * 7919 + n * 31) >> 3) % 16) - 8))
  })
  await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 88 })
    .toFile(path)
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

interface Peer {
  readonly epoch: () => Promise<number>
  readonly end: () => void
}

/** Opens the peer; prints the reason and returns null if it is not available. */
const openPeer = async (root: string): Promise<Peer | null> => {
  const python = process.env['EFFUSE_PYTHON'] ?? 'python3'
  const script = join(process.cwd(), 'bench/dataloader.py')
  const child: ChildProcessWithoutNullStreams = spawn(python, [script, root, String(batch), String(size)])
  const said: string[] = []
  child.stderr.on('data', (text) => said.push(String(text)))
  const ended = new Promise<null>((resolve) => {
    child.on('error', (error) => {
      said.push(error.message)
      resolve(null)
    })
    child.on('exit', () => resolve(null))
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string | null> =>
    Promise.race([lines.next().then(({ value }) => (value === undefined ? null : String(value))), ended])
  if ((await next()) !== 'ready') {
    console.log(`left out: the DataLoader (${python}): ${said.join('').trim().split('\n').at(-1)}`)
    return null
  }
  return {
    epoch: async () => {
      child.stdin.write('\n')
      return Number(await next())
    },
    end: () => child.stdin.end(),
  }
}

const rateOf = async (source: DataSource, epoch: number, side = size): Promise<number> => {
  const start = performance.now()
  let count = 0
  for await (const columns of source.batches({ batch, epoch, seed: 0, size: [side, side] }))
    count += columns['label']?.length ?? 0
  return (1000 * count) / (performance.now() - start)
}

interface Rate {
  readonly perSecond: number
  /** Processor time of all threads for one picture. */
  readonly cpuSeconds: number
}
interface Mark {
  readonly at: number
  readonly cpu: number
}
const mark = (): Mark => {
  const { user, system } = process.cpuUsage()
  return { at: performance.now() / 1000, cpu: (user + system) / 1e6 }
}
const rateBetween = (start: Mark | undefined, end: Mark | undefined, images: number): Rate => {
  if (start === undefined || end === undefined) throw new Error('the run had too few steps')
  return { perSecond: images / (end.at - start.at), cpuSeconds: (end.cpu - start.cpu) / images }
}

const told = (values: readonly number[]): string =>
  `${median(values).toFixed(0)} images/s (${values.map((v) => v.toFixed(0)).join(' ')})`
const figure = (what: string, ratio: number, least: number): void =>
  console.log(
    `figure: ${what} at least ${least.toFixed(1)}: ${ratio.toFixed(2)}, ${ratio >= least ? 'kept' : 'MISSED'}`,
  )

const root = await mkdtemp(join(tmpdir(), 'effuse-bench-data-'))
try {
  console.log(`${cpus().length} cores of ${cpus()[0]?.model}`)
  for (const name of classes)
    for (const part of ['train', 'val']) await mkdir(join(root, part, name), { recursive: true })
  for (let n = 0; n < pictures; n++) await writePicture(join(root, 'train', classes[n % 4] ?? '', `${n}.jpg`), n)
  for (const name of classes) await writePicture(join(root, 'val', name, '0.jpg'), 1)
  const { train, test } = await imageFolder(root, { maxCorrupt: 0, prefetch: 3 })
  // As many threads as the DataLoader has; fit() gets the default, because its steps need the cores too.
  const { train: reading } = await imageFolder(root, { maxCorrupt: 0, prefetch: 3, workers: 2 })
  await rateOf(reading, 0)

  const peer = await openPeer(join(root, 'train'))
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    ours.push(await rateOf(reading, round))
    if (peer !== null) theirs.push(await peer.epoch())
  }
  peer?.end()
  console.log(`from the folder           ${told(ours)}`)
  if (peer !== null) {
    console.log(`PyTorch's DataLoader      ${told(theirs)}`)
    figure('of the DataLoader', median(ours.map((rate, i) => rate / (theirs[i] ?? Number.NaN))), 1)
  }

  /** A step takes about as long as one core takes to prepare its pictures. Overlap then saves most, and two cores can do both at the same time. */
  const model = graph('small', { image: float32('batch', trainedSize, trainedSize, 3) }, ({ image }) => {
    const scaled = div(sub(image, 128), 64)
    const stem = relu(nn.conv2d(scaled, { name: 'stem', filters: 32, kernel: 4, strides: 4 }))
    const inner = relu(nn.conv2d(stem, { name: 'inner', filters: 64, kernel: 2, strides: 2 }))
    return { logits: nn.dense(globalAveragePool2d(inner), { name: 'dense', units: classes.length }) }
  })
  const firstBatch = (await train.batches({ batch, epoch: 0, size: [trainedSize, trainedSize] }).next()).value
  const inMemory: DataSource = {
    ...{ classes, length: pictures, canSkip: true },
    *batches({ skip = 0 }) {
      for (let at = skip * batch; at < pictures; at += batch) yield firstBatch ?? {}
    },
  }
  /** Measures between the same points of two epochs, where equally many pictures are prepared ahead, so that it gives the steady rate. */
  const fitted = async (source: DataSource): Promise<Rate> => {
    const marks: Mark[] = []
    using _ = await fit(model, {
      ...{ data: { train: source, test }, loss: crossEntropy(), optimizer: sgd({ learningRate: 1e-3 }) },
      ...{ epochs: 3, batch, backend: 'tfjs-wasm' },
      onEvent: (event) => {
        // The first steps prepare the kernels.
        if (event.kind === 'step' && event.step % (pictures / batch) === 4) marks.push(mark())
      },
    })
    return rateBetween(marks.at(0), marks.at(-1), 2 * pictures)
  }
  await rateOf(train, 0) // whole pictures are decoded first
  const [steps, data, both]: [Rate[], Rate[], Rate[]] = [[], [], []]
  for (let round = 1; round <= 3; round++) {
    steps.push(await fitted(inMemory))
    const start = mark()
    for (const epoch of [1, 2]) await rateOf(train, epoch, trainedSize)
    data.push(rateBetween(start, mark(), 2 * pictures))
    both.push(await fitted(train))
  }
  const rates = (of: readonly Rate[]): readonly number[] => of.map(({ perSecond }) => perSecond)
  console.log(`steps alone               ${told(rates(steps))}`)
  console.log(`data alone                ${told(rates(data))}`)
  console.log(`training from the folder  ${told(rates(both))}`)
  const slower = steps.map((rate, i) => Math.min(rate.perSecond, data[i]?.perSecond ?? Number.NaN))
  figure('of the slower of the two alone', median(rates(both).map((rate, i) => rate / (slower[i] ?? Number.NaN))), 0.9)
  const [ofStep, ofPicture] = [steps, data].map((of) => 1000 * median(of.map(({ cpuSeconds }) => cpuSeconds))) as [
    number,
    number,
  ] // of two
  console.log(
    `processor time: ${ofStep.toFixed(2)} ms a picture for the steps, ${ofPicture.toFixed(2)} ms for the data: ${cpus().length} idle cores allow ${((1000 * cpus().length) / (ofStep + ofPicture)).toFixed(0)} images/s`,
  )
} finally {
  await rm(root, { recursive: true })
}
