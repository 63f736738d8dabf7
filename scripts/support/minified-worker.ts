/**
 * A plugin of the build: minifies the program of the worker threads, which is a text that bundlers do not touch. Its `${…}`, which stand where
 * JavaScript takes an expression, are replaced by names meanwhile.
 */
import { transformSync } from 'esbuild'

const begin = "export const workerSource = `'use strict'\n"
const placeholder = /\$\{[\w.]+\}/g

/** The module with its program minified. */
export const minifiedWorker = (module: string): string => {
  const from = module.indexOf(begin)
  const to = module.lastIndexOf('`')
  if (from < 0 || to < from + begin.length)
    throw new Error(
      `expected a module with ${JSON.stringify(begin)}; change scripts/support/minified-worker.ts with it`,
    )
  const program = module.slice(module.indexOf('`', from) + 1, to)
  const expressions = program.match(placeholder) ?? []
  let at = 0
  const named = program.replace(placeholder, () => `__expression${at++}__`)
  const { code } = transformSync(named, { minify: true, target: 'es2022' })
  const again = code
    .trimEnd()
    .replace(/[\\`]|\$(?=\{)/g, '\\$&')
    .replace(/__expression(\d+)__/g, (_, index: string) => expressions[Number(index)] ?? '')
  return `${module.slice(0, from)}export const workerSource = \`${again}\`${module.slice(to + 1)}`
}

export const minifyWorker = {
  name: 'minify-worker',
  transform: (code: string, id: string): string | null =>
    id.endsWith('/wasm/runtime/worker-source.ts') ? minifiedWorker(code) : null,
}
