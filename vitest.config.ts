import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests read the sources: '#platform', '#backends' and 'effuse' itself resolve to src by this condition of package.json's maps.
  ssr: { resolve: { conditions: ['effuse-source', 'module', 'node', 'development|production'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    allowOnly: false,
  },
})
