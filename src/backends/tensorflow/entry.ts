import type { BackendEntry } from '../catalog.ts'

export const tensorflowEntry: BackendEntry = {
  name: 'tensorflow',
  summary: 'TensorFlow, whole graphs',
  // Looks for files: the library takes seconds to load.
  probe: async () => {
    const { findTensorflow } = await import('./find-library.ts')
    const found = findTensorflow()
    return 'missing' in found
      ? { isAvailable: false, detail: found.missing, fix: found.fix }
      : { isAvailable: true, detail: `TensorFlow ${found.version}, ${found.kind}`, fix: null, isByNameOnly: true }
  },
  open: async () => (await import('./index.ts')).createTensorflowBackend(),
}
