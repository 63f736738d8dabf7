/** Kernels as text: the parser restores what the printer writes, and the kernels of each family equal the files of goldens/. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import type { Kernel } from '../../../src/backends/codegen/kernel/kernel.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { parseKernel } from '../../../src/backends/codegen/kernel/parse.ts'
import { printKernel } from '../../../src/backends/codegen/kernel/print.ts'
import { splitReductions } from '../../../src/backends/codegen/kernel/split-reduction.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { parse } from '../../../src/ir/parse.ts'
import { anyGraph } from '../../../src/testing/index.ts'
import { checkGoldenFile } from '../../support/golden-file.ts'
import { applied } from '../../support/one-graph.ts'
import { kernelBackend } from './kernel-backend.ts'

const backend = kernelBackend()
const short = { resultsMax: 64, termsMin: 1, blocksMax: 4 }

const rewrites: { readonly [name: string]: (kernel: Kernel) => Kernel } = {
  none: (kernel) => kernel,
  'split reductions': (kernel) => splitReductions(kernel, short),
  'pack operands': (kernel) => packOperands(kernel, () => true).kernel,
}

const folder = new URL('goldens/', import.meta.url).pathname
const files = readdirSync(folder).filter((name) => name.endsWith('.kernel'))

test('there are goldens', () => expect(files.length).toBeGreaterThan(12))

test.each(files)('%s', (name) => {
  const make = (input: string): string => {
    const [, reason, rewrite = 'none'] = /^\/\/ (\S.*)\n(?:\/\/ rewrite: (.+)\n)?/.exec(input) ?? []
    if (reason === undefined) throw new Error(`${name} must begin with a comment that says why`)
    const kernel = rewrites[rewrite]?.(kernelOf(applied(backend.legalize, parse(input), backend)).kernel)
    if (kernel === undefined) throw new Error(`${name}: there is no rewrite ${rewrite}`)
    verifyKernelData(kernel)
    return `${printKernel(kernel)}\n`
  }
  const { stored, made } = checkGoldenFile(join(folder, name), make, process.env)
  expect(made).toBe(stored)
  expect(printKernel(parseKernel(stored))).toBe(stored.trimEnd())
})

test('the parser restores any printed kernel', () => {
  fc.assert(
    fc.property(anyGraph({ mixedTypes: true }), fc.constantFrom(...Object.values(rewrites)), ({ graph }, rewrite) => {
      const kernel = rewrite(kernelOf(applied(backend.legalize, graph, backend)).kernel)
      expect(parseKernel(printKernel(kernel))).toEqual(kernel)
    }),
    { numRuns: 100 },
  )
})

test('special numbers and rare fields', () => {
  const buffer = {
    dtype: 'float32',
    shape: [2, 3],
    role: 'literal',
    data: [-0, NaN, Infinity, -Infinity, 1e-30, 0.5],
  } as const
  const result = { dtype: 'float16', shape: [2], role: 'result', data: null } as const
  const linear = (offset: number, stride: number, divisor: number) =>
    ({ kind: 'linear', offset, terms: [{ axis: 0, stride }], divisor }) as const
  const kernel: Kernel = {
    buffers: [buffer, result],
    phases: [
      {
        axes: [2],
        parallel: 1,
        exprs: [
          {
            kind: 'load',
            buffer: 0,
            coordinates: [{ at: linear(3, -2, 2), size: 6 }],
            fill: -Infinity,
            dtype: 'float32',
          },
          { kind: 'constant', value: -0, dtype: 'float16' },
          { kind: 'index', of: linear(-1, 1, 3), dtype: 'int32' },
          { kind: 'random', stream: 'a "b", c', index: linear(0, 1, 1), dtype: 'float32' },
          { kind: 'op', op: 'compare', attrs: { direction: 'lt' }, args: [0, 3], dtype: 'bool' },
          { kind: 'op', op: 'cast', attrs: { to: 'float16', relaxed: true }, args: [4], dtype: 'float16' },
          { kind: 'inside', coordinates: [{ at: { kind: 'computed', expr: 2 }, size: 4 }], dtype: 'bool' },
          { kind: 'accumulated', accumulator: 0, dtype: 'float16' },
        ],
        accumulators: [{ monoid: 'product', axes: [], factors: [5, 1], guard: 6, dtype: 'float16' }],
        stores: [{ buffer: 1, coordinates: [{ at: linear(0, 1, 1), size: 2 }], value: 7 }],
      },
    ],
  }
  expect(parseKernel(printKernel(kernel))).toEqual(kernel)
})

test.each([
  ['b1 operand float32[2]', 'line 1 of a kernel: expected "b0", got "b1 operand float32[2]"'],
  [
    'b0 operand float99[2]',
    'line 1 of a kernel: expected one of float32, float16, bfloat16, int32, bool, got "float99[2]"',
  ],
  ['b0 result int32[2]\nphase [2]\n  %1 = a0', 'line 3 of a kernel: expected "0", got "1 = a0"'],
  ['b0 result int32[2]\nphase [2]\n  %0 = swish(%1)', 'line 3 of a kernel: expected a number, got "swish(%1)"'],
  [
    'b0 result int32[2]\nphase [2]\n  %0 = a0\n  b1[a0] = %0',
    'line 4 of a kernel: expected one of 1 buffers, got "[a0] = %0"',
  ],
  ['b0 result int32[2]\nphase [2]\n  %0 = a0 a1', 'line 3 of a kernel: expected the end of the line, got "a1"'],
])('an error names its line: %j', (text, message) => {
  expect(() => parseKernel(text)).toThrow(message)
})
