/** In the place of src/data/worker-url.ts, see vitest.config.ts: the worker's program that build-picture-worker.ts has made. */
import { pathToFileURL } from 'node:url'
import { inject } from 'vitest'

export const workerUrl = (): URL | null => pathToFileURL(inject('pictureWorker'))
