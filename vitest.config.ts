import { defineConfig } from 'vitest/config'

// Tests read the sources: '#platform', '#backends' and 'effuse' itself resolve to src by this condition of package.json's maps.
const conditions = ['effuse-source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
  },
})
