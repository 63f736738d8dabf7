/** The functions of the page of site.ts, which browser.test.ts calls. */
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import {
  compile,
  crossEntropy,
  EffuseError,
  fit,
  fromPixels,
  memoryStore,
  opfs,
  read,
  rmsprop,
  type CheckpointStore,
  type PixelSource,
} from '../../src/index.ts'
import { conformance, type ConformanceReport } from '../../src/testing/index.ts'
import { picture, pictures, smallNet } from '../train/small-data.ts'

export interface Trained {
  readonly reason: string
  readonly steps: number
  readonly top1: number | null
  /** Of all variables: equal bytes have equal digests. */
  readonly digest: string
}

export interface Pixels {
  /** The picture as a file. */
  readonly png: readonly number[]
  /** The result of fromPixels() for the canvas. */
  readonly canvas: readonly number[]
  /** The maximum difference to the canvas for each other form of a picture in a page. */
  readonly apart: { readonly [form: string]: number }
}

export interface PageProgram {
  conformance(backend: 'wasm' | 'cpu', runs: number, seed: number): Promise<ConformanceReport>
  /** The logits of pictures 0, 1 and 2 from the small network with its initial values. */
  logits(backend: 'wasm' | 'cpu'): Promise<readonly number[]>
  /** A run on wasm, stored in a folder of the origin private file system, or in memory. It resumes a stored run. `console` has a line per step. */
  train(options: { readonly folder: string | null; readonly stopAfter?: number }): Promise<Trained>
  /** The same run, and how it ended: the code and message of the error if the page is rejected. */
  tryToTrain(folder: string): Promise<string>
  /** All that lies in a folder of the storage, by its own names. */
  entries(folder: string): Promise<readonly string[]>
  /** Leaves the files of a page that was closed during a save: a file without content, and the stream's temporary file. */
  leaveHalfSaved(folder: string): Promise<void>
  /** Names and sizes of a folder's files. */
  list(folder: string): Promise<readonly (readonly [name: string, size: number])[]>
  /** A picture of 300x200 with a gradient and a disc. */
  pixels(size: number | null): Promise<Pixels>
  /** The error codes for a video without a picture and for a picture, or the number of values. */
  unreadable(picture: string): Promise<readonly string[]>
  /** The result of writing more than the available space: the message with its hint, and the content of the file afterwards. */
  overfill(folder: string, size: number): Promise<{ readonly message: string; readonly content: readonly number[] }>
}

const digestOf = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((byte) => byte.toString(16)).join(' ')

/** In TypeScript 5.9 this is in a separate library, `dom.asynciterable`. */
interface Named extends FileSystemDirectoryHandle {
  keys(): AsyncIterable<string>
}
const handleOf = async (folder: string): Promise<Named> => {
  let handle = await navigator.storage.getDirectory()
  for (const name of folder.split('/')) handle = await handle.getDirectoryHandle(name)
  return handle as Named
}

const storeOf = (folder: string | null): CheckpointStore => (folder === null ? memoryStore() : opfs(folder))

const program: PageProgram = {
  conformance: async (name, runs, seed) => conformance(await createTfjsBackend({ backend: name }), { runs, seed }),
  logits: async (name) => {
    using net = await compile(smallNet(), { backend: await createTfjsBackend({ backend: name }), batch: 3, seed: 3 })
    const image = new Uint8Array([0, 1, 2].flatMap((row) => [...picture(row)]))
    const { logits } = await read(await net.run({ image }))
    return [...logits]
  },
  train: async ({ folder, stopAfter = Number.POSITIVE_INFINITY }) => {
    const end = new AbortController()
    using run = await fit(smallNet(), {
      data: { train: pictures(40, { canSkip: true, isShuffled: true }), test: pictures(12) },
      loss: crossEntropy(),
      optimizer: rmsprop({ learningRate: 0.02, initialMeanSquare: 1 }),
      ...{ emaDecay: 0.9, epochs: 6, batch: 8, seed: 3, backend: await createTfjsBackend({ backend: 'wasm' }) },
      checkpoints: storeOf(folder),
      checkpointEvery: 2,
      resume: true,
      signal: end.signal,
      onEvent: (event) => {
        if (event.kind === 'step') console.log(`step ${event.step}`)
        if (event.kind === 'step' && event.step >= stopAfter) end.abort()
      },
    })
    const { reason, steps, top1 } = run
    const bytes = await run.variables.save(undefined)
    return { reason, steps, top1, digest: await digestOf(new Uint8Array(bytes)) }
  },
  tryToTrain: (folder) =>
    program.train({ folder }).then(
      ({ reason }) => reason,
      (error: unknown) => (error instanceof EffuseError ? `${error.code}: ${error.message}` : String(error)),
    ),
  entries: async (folder) => {
    const names: string[] = []
    for await (const name of (await handleOf(folder)).keys()) names.push(name)
    return names.sort()
  },
  leaveHalfSaved: async (folder) => {
    const handle = await handleOf(folder)
    await handle.getFileHandle('step-00000099.safetensors', { create: true })
    const beside = await handle.getFileHandle('step-00000098.safetensors.crswap', { create: true })
    const stream = await beside.createWritable()
    await stream.write(new Uint8Array(100))
    await stream.close()
  },
  list: async (folder) => {
    const store = opfs(folder)
    return Promise.all((await store.list()).map(async (name) => [name, (await store.read(name)).length] as const))
  },
  pixels: async (size) => {
    const canvas = new OffscreenCanvas(300, 200)
    const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D // the canvas has no other context
    const gradient = context.createLinearGradient(0, 0, 300, 200)
    gradient.addColorStop(0, '#f80')
    gradient.addColorStop(1, '#08f')
    context.fillStyle = gradient
    context.fillRect(0, 0, 300, 200)
    context.fillStyle = '#0a2'
    context.arc(150, 100, 60, 0, 7)
    context.fill()
    const blob = await canvas.convertToBlob()
    const image = new Image()
    image.src = URL.createObjectURL(blob)
    await image.decode()
    const options = size === null ? {} : { size }
    const of = (source: PixelSource): number[] => [...fromPixels(source, options)]
    const ofCanvas = of(canvas)
    const apart = (source: PixelSource): number =>
      of(source).reduce((most, value, i) => Math.max(most, Math.abs(value - (ofCanvas[i] ?? 255))), 0)
    return {
      png: [...new Uint8Array(await blob.arrayBuffer())],
      canvas: ofCanvas,
      apart: {
        imageData: apart(context.getImageData(0, 0, 300, 200)),
        bitmap: apart(await createImageBitmap(blob)),
        image: apart(image),
        videoFrame: apart(new VideoFrame(canvas, { timestamp: 0 })),
      },
    }
  },
  unreadable: async (picture) => {
    const image = new Image()
    image.src = picture
    await image.decode()
    return [document.createElement('video'), image].map((source) => {
      try {
        return `${fromPixels(source).length} values`
      } catch (error) {
        return String((error as { readonly code?: unknown }).code)
      }
    })
  },
  overfill: async (folder, size) => {
    const store = opfs(folder)
    await store.write('kept', Uint8Array.of(1, 2, 3))
    const message = await store.write('kept', new Uint8Array(size)).then(
      () => '',
      (error: unknown) =>
        error instanceof EffuseError ? `${error.code}: ${error.message}: ${error.hint}` : String(error),
    )
    return { message, content: [...(await store.read('kept'))] }
  },
}

declare global {
  var effuse: PageProgram
}
globalThis.effuse = program
