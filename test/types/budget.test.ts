/** The compile-time cost of the types for users: instantiations for a network of 300 blocks. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The prototype of these types needed 14,283 for 300 blocks of six calls; the budget is 20,000. */
const budget = 20_000

const instantiations = (blocks: number): number => {
  // Inside the repository, so that packages are found.
  const folder = mkdtempSync(join(root, 'test/types/generated-'))
  try {
    const block = (i: number): string => `
  x = relu(nn.batchNorm(nn.conv2d(x, { name: 'b${i}/expand', filters: 8, kernel: 1 }), { name: 'b${i}/bn' }))
  x = add(silu(nn.depthwiseConv2d(x, { name: 'b${i}/depthwise', kernel: 3 })), x)`
    writeFileSync(
      join(folder, 'net.ts'),
      `import { add, float32, graph, nn, relu, silu, type Image } from 'effuse'
export const net = graph('net', { image: float32('batch', 8, 8, 8) }, ({ image }) => {
  let x: Image = image${Array.from({ length: blocks }, (_, i) => block(i)).join('')}
  return { x }
})
`,
    )
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        include: ['net.ts'],
        compilerOptions: { types: ['node'] },
      }),
    )
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    const report = execFileSync(process.execPath, [tsc, '-p', folder, '--extendedDiagnostics'], { encoding: 'utf8' })
    return Number(/Instantiations:\s+(\d+)/.exec(report)?.[1] ?? Number.NaN)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('300 blocks stay within the budget of type instantiations, without those of the library', () => {
  // The difference is the user's file: checking effuse's own sources costs the same in both.
  expect(instantiations(301) - instantiations(1)).toBeLessThan(budget)
})
