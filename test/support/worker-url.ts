/** Replaces src/data/worker-url.ts (see vitest.config.ts): the worker program that build-picture-worker.ts has built. */
import { pathToFileURL } from 'node:url'
import { inject } from 'vitest'

export const workerUrl = (): URL | null => pathToFileURL(inject('pictureWorker'))
