// The site of the page: bundles it with esbuild, makes its data, serves both.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { digits } from 'effuse/node'
import { build } from 'esbuild'

/** @param {string} name */
const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** Some of each class, mixed: all pictures, then all labels, a byte each. */
const someDigits = () => {
  const { train } = digits()
  const [{ image, label } = { image: new Uint8Array(), label: new Int32Array() }] = train.batches({
    ...{ batch: 160, epoch: 0, augmentation: 0 },
  })
  return Buffer.concat([image, Uint8Array.from(label)])
}

/** @param {readonly string[]} conditions of package.json's maps, besides esbuild's own */
const bundle = async (conditions) => {
  const { outputFiles } = await build({
    entryPoints: [here('main.js')],
    ...{ bundle: true, format: 'esm', target: 'es2022', write: false, logLevel: 'warning' },
    conditions: [...conditions],
  })
  return outputFiles[0]?.contents ?? new Uint8Array()
}

/**
 * @param {{ weights: string, photo: string, port?: number, conditions?: readonly string[] }} options
 * @returns {Promise<{ address: string, close: () => Promise<void> }>}
 */
export const openSite = async ({ weights, photo, port = 0, conditions = [] }) => {
  const wasm = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm')
  const [program, network, picture] = await Promise.all([bundle(conditions), readFile(weights), readFile(photo)])
  const data = someDigits()
  /** @type {{ readonly [path: string]: readonly [type: string, content: () => Uint8Array | Promise<Uint8Array>] }} */
  const files = {
    '/': ['text/html', () => readFile(here('index.html'))],
    '/main.js': ['text/javascript', () => program],
    '/digits.bin': ['application/octet-stream', () => data],
    '/weights': ['application/octet-stream', () => network],
    '/photo': ['application/octet-stream', () => picture],
    ...Object.fromEntries(
      ['', '-simd', '-threaded-simd'].map((kind) => [
        `/tfjs-backend-wasm${kind}.wasm`,
        ['application/wasm', () => readFile(wasm.replace(/\.wasm$/, `${kind}.wasm`))],
      ]),
    ),
  }
  const server = createServer(async ({ url = '' }, response) => {
    const [type, content] = files[url.replace(/\?.*$/, '')] ?? ['text/plain', null]
    const bytes = await content?.()
    response.writeHead(bytes === undefined ? 404 : 200, { 'content-type': type })
    response.end(bytes)
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(null)))
  const address = server.address()
  return {
    address: `http://127.0.0.1:${typeof address === 'object' ? address?.port : port}/`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
