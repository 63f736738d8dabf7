/** Follows docs/bundlers.md: its files, each bundler's build, and a page in Chromium that computes in WebAssembly. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createServer as viteServer } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import webpack, { type Configuration } from 'webpack'
import { type Packed, packed } from '../support/packed.ts'
import { type Chromium, chromiumPath, openChromium } from './chromium.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const guide = readFileSync(join(root, 'docs/bundlers.md'), 'utf8')
const wasmFolder = join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/dist')

/** The guide's files with their texts, as `bundler: name`, or `name` if it is for all bundlers. */
const files = new Map([...guide.matchAll(/```js\n\/\/ (.+)\n([\s\S]*?)```/g)].map((m) => [m[1] ?? '', m[2] ?? '']))

/** Builds in a folder, and returns the folder to serve. */
const builds: { readonly [name: string]: (folder: string) => Promise<string> } = {
  vite: async (folder) => {
    execFileSync(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error'], {
      cwd: folder,
    })
    return join(folder, 'dist')
  },
  esbuild: async (folder) => {
    execFileSync(process.execPath, ['build.js'], { cwd: folder })
    return folder
  },
  webpack: async (folder) => {
    const { default: config } = (await import(
      /* @vite-ignore */ pathToFileURL(join(folder, 'webpack.config.js')).href
    )) as { readonly default: Configuration }
    await new Promise<void>((resolve, reject) =>
      webpack({ ...config, context: folder, output: { path: join(folder, 'dist') } }, (error, stats) => {
        const problems = stats?.toJson({ all: false, errors: true }).errors ?? []
        if (error !== null || problems.length > 0) reject(error ?? new Error(problems.map((p) => p.message).join('\n')))
        else resolve()
      }),
    )
    return folder
  },
}
/** The scripts of a page's HTML. Vite builds its own. */
const scripts: { readonly [name: string]: string } = {
  vite: '/main.js',
  esbuild: 'dist/main.js',
  webpack: 'dist/main.js',
}

/** The project of the guide. @param ownPaths Does the bundler name the .wasm files? */
const project = (home: string, bundler: string, ownPaths: boolean): string => {
  const folder = mkdtempSync(join(home, `${bundler}-`))
  for (const [name, text] of files) {
    const [of, file] = name.includes(': ') ? name.split(': ') : [bundler, name]
    if (of === bundler && file !== undefined) writeFileSync(join(folder, file), text)
  }
  if (!ownPaths) writeFileSync(join(folder, 'wasm-paths.js'), 'export const wasmPaths = undefined')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'index.html'),
    `<!doctype html><title>page</title><body><script type="module" src="${scripts[bundler]}"></script></body>`,
  )
  return folder
}

/** Copies the .wasm files like the guide's cp command. */
const copyWasm = (to: string): void => {
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(wasmFolder).filter((file) => file.endsWith('.wasm')))
    cpSync(join(wasmFolder, name), join(to, name))
}

const types: { readonly [ending: string]: string } = {
  ...{ '.js': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm' },
}
/** A server for a single-page site: a missing file is answered with the page. */
const serve = async (folder: string): Promise<{ readonly server: Server; readonly address: string }> => {
  const server = createServer(({ url = '/' }, response) => {
    const name = url === '/' ? 'index.html' : url.slice(1).replace(/\?.*$/, '')
    const text = read(join(folder, name))
    response.setHeader('content-type', text === null ? 'text/html' : (types[extname(name)] ?? 'text/plain'))
    response.end(text ?? read(join(folder, 'index.html')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}
const read = (path: string): Buffer | null => {
  try {
    return readFileSync(path)
  } catch {
    return null
  }
}

describe.runIf(chromiumPath() !== null)('in Chromium', () => {
  let install: Packed
  let browser: Chromium
  let profile = ''
  beforeAll(async () => {
    install = packed({
      peers: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm', '@tensorflow/tfjs-backend-cpu', 'esbuild'],
    })
    // npm decides where tfjs's own dependencies are.
    for (const name of readdirSync(join(root, 'node_modules')))
      if (!name.startsWith('.') && !name.startsWith('@'))
        try {
          symlinkSync(join(root, 'node_modules', name), join(install.folder, 'node_modules', name))
        } catch {} // it already exists
    profile = mkdtempSync(join(tmpdir(), 'effuse-chromium-'))
    browser = await openChromium(profile)
  }, 180_000)
  afterAll(async () => {
    await browser.close()
    install.remove()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  })

  /** The final text of the page, and its console messages. */
  const seen = async (address: string): Promise<{ readonly text: string; readonly said: string }> => {
    const page = await browser.context.newPage()
    const lines: string[] = []
    page.on('console', (line) => lines.push(line.text()))
    page.on('pageerror', (error) => lines.push(String(error)))
    await page.goto(address)
    const shown = page.waitForFunction(() => /probabilities/.test(document.body.textContent ?? ''), null, {
      timeout: 60_000,
    })
    await shown.catch(() => undefined)
    const text = (await page.evaluate(() => document.body.textContent)) ?? ''
    await page.close()
    return { text, said: lines.join('\n') }
  }
  const seenIn = async (folder: string) => {
    const { server, address } = await serve(folder)
    try {
      return await seen(address)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const good = { text: 'tfjs-wasm: 3 probabilities', said: '' }

  describe.each(Object.keys(builds))('%s', (bundler) => {
    const build = (folder: string): Promise<string> => builds[bundler]?.(folder) ?? Promise.reject(new Error(bundler))

    test('bundles the .wasm files by itself', async () => {
      expect(await seenIn(await build(project(install.folder, bundler, true)))).toEqual(good)
    }, 300_000)

    test('finds the .wasm files where the guide copies them', async () => {
      const folder = project(install.folder, bundler, false)
      copyWasm(join(folder, bundler === 'vite' ? 'public' : 'dist'))
      expect(await seenIn(await build(folder))).toEqual(good)
    }, 180_000)
  })

  test('if they are missing, the console and doctor() say where to serve them', async () => {
    const folder = project(install.folder, 'esbuild', false)
    const asking = `import { doctor } from 'effuse/inspect'\nconsole.log(JSON.stringify(await doctor()))\n`
    writeFileSync(join(folder, 'main.js'), asking + files.get('main.js'))
    await builds['esbuild']?.(folder)
    const without = await seenIn(folder)
    expect(without.text).toBe('tfjs-cpu: 3 probabilities')
    expect(without.said).toContain('effuse: tfjs computes in plain JavaScript')
    const serveHint = /serve the \.wasm files of .* at http:\/\/127\.0\.0\.1:\d+\/dist\/ or http:\/\/127\.0\.0\.1:\d+\//
    expect(without.said.split('\n').filter((line) => serveHint.test(line)).length).toBe(2)
    expect(without.said).toContain('"auto":"wasm"')
    copyWasm(join(folder, 'dist'))
    const found = await seenIn(folder)
    expect(found.text).toBe(good.text)
    expect(found.said).toMatch(/its \.wasm files are at http:\/\/127\.0\.0\.1:\d+\/dist\//)
  }, 300_000)

  test('compile() selects generated WebAssembly in a page, without messages', async () => {
    const folder = project(install.folder, 'esbuild', false)
    const plain = files.get('main.js')?.replace(/compile\(model, \{.*\}\)/, 'compile(model)') ?? ''
    expect(plain).toContain('compile(model)\n')
    writeFileSync(join(folder, 'main.js'), plain)
    await builds['esbuild']?.(folder)
    const { text, said } = await seenIn(folder)
    expect({ text, said }).toEqual({ text: 'wasm: 3 probabilities', said: '' })
  }, 300_000)

  test("Vite's server, as it is used while writing a page", async () => {
    const folder = project(install.folder, 'vite', true)
    const server = await viteServer({ root: folder, logLevel: 'error', server: { port: 0, host: '127.0.0.1' } })
    await server.listen()
    try {
      const { text } = await seen(server.resolvedUrls?.local[0] ?? '')
      expect(text).toBe(good.text)
    } finally {
      await server.close()
    }
  }, 300_000)
})
