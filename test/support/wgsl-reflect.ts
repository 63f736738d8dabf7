/** wgsl_reflect 1.6.0 declares modules, but its main file is CommonJS. Node loads its module by path. */
const path: string = 'wgsl_reflect/wgsl_reflect.module.js'
export const { WgslReflect } = (await import(path)) as typeof import('wgsl_reflect')
