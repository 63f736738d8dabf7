import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

declare module 'vitest' {
  interface ProvidedContext {
    /** What fast-check draws this run's properties from. */
    propertySeed: number
    /** Path of the program of the threads that prepare pictures, built from the sources. */
    pictureWorker: string
  }
}

/** The same programs and tensors in every run, so that a commit passes always or never; `npm run test:seeds` draws others. */
const propertySeed = Number(process.env['EFFUSE_TEST_SEED'] ?? 1)
if (!Number.isInteger(propertySeed))
  throw new Error(`EFFUSE_TEST_SEED must be an integer, and is "${process.env['EFFUSE_TEST_SEED']}".`)

export default defineConfig({
  // Tests read the sources: '#platform', '#backends', '#peers' and 'effuse' itself resolve to src by this condition of package.json's maps.
  ssr: { resolve: { conditions: ['effuse-source', 'module', 'node', 'development|production'] } },
  test: {
    alias: [
      { find: './worker-url.ts', replacement: fileURLToPath(new URL('test/support/worker-url.ts', import.meta.url)) },
    ],
    globalSetup: ['test/support/build-picture-worker.ts'],
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/property-seed.ts'],
    provide: { propertySeed },
    // The limit ends tests that hang. The slowest take about a minute of two busy cores.
    testTimeout: 300_000,
    // Vitest leaves one core free by default, which is half of a machine with two.
    maxWorkers: availableParallelism(),
    allowOnly: false,
  },
})
