/** The imports of kernel modules: the memory, and functions of Math that every realm has. */
import { mathImports } from '../math.ts'

export const importsOf = (memory: WebAssembly.Memory): WebAssembly.Imports => ({ env: { memory }, math: mathImports() })
