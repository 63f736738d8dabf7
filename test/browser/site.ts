/** A web site for the tests: one page, its program built for browsers from the sources, and tfjs's WebAssembly files. */
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const wasmFolder = here('../../node_modules/@tensorflow/tfjs-backend-wasm/dist')

/** A picture of one pixel. */
const onePixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
)

export interface Site {
  readonly address: string
  close(): Promise<void>
}

/**
 * @param entry the page's program, a file of this folder
 * @param headers of all answers
 * @param scripts by path
 */
export const openSite = async (
  entry = 'page-program.ts',
  headers: { readonly [name: string]: string } = {},
  scripts: { readonly [path: string]: string } = {},
): Promise<Site> => {
  const program = await built(entry)
  const server = createServer(({ url = '' }, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    const wasm = /^\/(tfjs-backend-wasm[a-z-]*\.wasm)$/.exec(url)?.[1]
    if (wasm !== undefined) {
      response.setHeader('content-type', 'application/wasm')
      createReadStream(join(wasmFolder, wasm)).pipe(response)
    } else if (url === '/program.js') {
      response.setHeader('content-type', 'text/javascript')
      response.end(program)
    } else if (scripts[url] !== undefined) {
      response.setHeader('content-type', 'text/javascript')
      response.end(scripts[url])
    } else if (url === '/picture.png') {
      response.setHeader('content-type', 'image/png')
      response.end(onePixel)
    } else if (url === '/') {
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><title>effuse</title><script type="module" src="/program.js"></script>')
    } else {
      response.statusCode = 404
      response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

const built = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [here(entry)],
    ...{ bundle: true, platform: 'browser', format: 'esm', target: 'es2022', write: false, logLevel: 'warning' },
    conditions: ['effuse-source', 'browser', 'import'],
  })
  return outputFiles?.[0]?.text ?? ''
}
