/** WebGPU in Node, by the package `webgpu` (Dawn), where pages have it: on `navigator.gpu` and as globals. What is there already stays. */
import { EffuseError } from '../ir/diagnostics.ts'

interface Dawn {
  create(flags: readonly string[]): object
  readonly globals: { readonly [name: string]: unknown }
}

/** Large, and for few: not among the packages that effuse is built with. */
const dawn: string = 'webgpu'

/**
 * Makes `navigator.gpu`. The process lives as long as it does: call the function that comes back when done with it.
 * @throws EffuseError EF404 where the package is missing
 */
export const provideWebgpu = async (): Promise<() => void> => {
  const scope = globalThis as { navigator?: { gpu?: object } }
  if (scope.navigator?.gpu !== undefined) return () => {}
  const { create, globals } = await load()
  Object.assign(globalThis, globals)
  const hadNavigator = scope.navigator !== undefined // since Node 21
  if (!hadNavigator) Object.defineProperty(scope, 'navigator', { value: {}, configurable: true })
  const navigator = scope.navigator as object // made above where it was missing
  Object.defineProperty(navigator, 'gpu', { value: create([]), configurable: true })
  return () => {
    if (hadNavigator) Reflect.deleteProperty(navigator, 'gpu')
    else Reflect.deleteProperty(scope, 'navigator')
  }
}

const load = async (): Promise<Dawn> => {
  try {
    return (await import(dawn)) as Dawn
  } catch (cause) {
    throw new EffuseError({
      code: 'EF404',
      message: 'WebGPU in Node needs the package webgpu, which is not installed',
      hint: 'npm install webgpu',
      cause,
    })
  }
}
