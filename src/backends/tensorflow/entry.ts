import type { BackendEntry } from '../catalog.ts'

export const tensorflowEntry: BackendEntry = {
  name: 'tensorflow',
  summary: 'TensorFlow, whole graphs',
  // It only looks for files, because loading the library takes seconds.
  probe: async () => {
    const { findTensorflow } = await import('./find-library.ts')
    const { findPackage } = await import('./places.ts')
    const found = findTensorflow()
    if ('missing' in found) return { isAvailable: false, detail: found.missing, fix: found.fix }
    return findPackage('koffi') === null
      ? { isAvailable: false, detail: 'missing: koffi', fix: 'npx effuse setup tensorflow' }
      : { isAvailable: true, detail: `TensorFlow ${found.version}, ${found.kind}`, fix: null, isByNameOnly: true }
  },
  open: async () => (await import('./index.ts')).createTensorflowBackend(),
}
