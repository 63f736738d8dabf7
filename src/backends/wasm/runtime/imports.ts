/** What modules of kernels import besides the memory: functions that every realm has. worker-source.ts has the same table for its threads. */
import { invariant } from '../../../ir/diagnostics.ts'

const host: { readonly [name: string]: (...numbers: number[]) => number } = {
  elu: (x = 0) => (x > 0 ? x : Math.expm1(x)),
  sigmoid: (x = 0) => 1 / (1 + Math.exp(-x)),
  softplus: (x = 0) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  remainder: (x = 0, y = 0) => x % y,
  pow: (x = 0, y = 0) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y),
}
const math = Math as unknown as { readonly [name: string]: ((...numbers: number[]) => number) | undefined }

export const importsOf = (module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Imports => {
  const imports: { [module: string]: { [name: string]: WebAssembly.ImportValue } } = { env: { memory } }
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind !== 'function') continue
    const found = (from === 'math' ? undefined : host[name]) ?? math[name]
    invariant(found !== undefined, () => `a module imports ${from}.${name}, which no realm has`)
    imports[from] ??= {}
    imports[from][name] = found
  }
  return imports
}

/** Is there such a function in every realm? */
export const hasImport = (name: string): boolean => (host[name] ?? math[name]) !== undefined
