/**
 * Loads tfjs-core's own gradients in Node. Its build for Node does not contain them. Files beside it do, as ES modules that only bundlers can read:
 * their imports have no extensions, and there is no "type": "module". Two hooks for that folder let Node read them.
 * Copies of tfjs-core share one registry of gradients and one engine, through globals.
 */
import * as module from 'node:module'

const hooks = `
const isOfCore = (url) => typeof url === 'string' && url.includes('/@tensorflow/tfjs-core/dist/')
export const resolve = async (specifier, context, next) => {
  if (!isOfCore(context.parentURL) || !specifier.startsWith('.') || specifier.endsWith('.js')) return next(specifier, context)
  try { return await next(specifier + '.js', context) } catch { return next(specifier + '/index.js', context) }
}
export const load = (url, context, next) =>
  next(url, isOfCore(url) && !url.endsWith('.node.js') ? { ...context, format: 'module' } : context)
`

let loading: Promise<void> | null = null

/** Registers the gradients once. Rejects if this Node has no hooks (before 20.6) or tfjs-core has no such files. */
export const loadTfjsGradients = (): Promise<void> => {
  loading ??= load()
  return loading
}

const load = async (): Promise<void> => {
  module.register(`data:text/javascript,${encodeURIComponent(hooks)}`)
  await import(new URL('register_all_gradients.js', import.meta.resolve('@tensorflow/tfjs-core')).href)
}
