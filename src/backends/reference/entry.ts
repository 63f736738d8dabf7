import type { BackendEntry } from '../catalog.ts'
import { referenceBackend } from './index.ts'

export const referenceEntry: BackendEntry = {
  name: 'reference',
  summary: 'the reference interpreter: exact and slow',
  probe: () => Promise.resolve({ isAvailable: true, detail: 'built in', fix: null }),
  open: () => Promise.resolve(referenceBackend()),
}
