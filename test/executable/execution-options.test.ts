/** fit(), evaluate(), bench() and recipes pass execution options to the backend. */
import { expect, test } from 'vitest'
import type { Backend, CompileContext, HostArray } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import type { ExecutionOptions } from '../../src/executable/options.ts'
import { bench } from '../../src/inspect/bench.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { resolveRecipe } from '../../src/recipes/resolve.ts'
import { recipeCompileOptions } from '../../src/recipes/run.ts'
import { compile } from '../../src/compile.ts'
import { evaluate } from '../../src/train/evaluate.ts'
import { fit } from '../../src/train/fit.ts'
import { pictures, smallNet } from '../train/small-data.ts'

type Received = Pick<CompileContext, 'xla' | 'precision' | 'deterministic'>

/** The reference backend, with a record of the options of each compilation. */
const recordingBackend = (): { readonly backend: Backend<HostArray>; readonly received: Received[] } => {
  const backend = referenceBackend()
  const received: Received[] = []
  return {
    received,
    backend: {
      ...backend,
      compile: (program, store, cx) => {
        const { xla, precision, deterministic } = cx
        received.push({ xla, precision, deterministic })
        return backend.compile(program, store, cx)
      },
    },
  }
}

const loose = { xla: { tensorflow: 'always' }, precision: 'tf32', deterministic: false } as const
const executionOptions: Received = { xla: 'always', precision: 'tf32', deterministic: false }

test('fit() compiles its step and its evaluations with them', async () => {
  const { backend, received } = recordingBackend()
  using _ = await fit(smallNet(), {
    data: { train: pictures(4), test: pictures(4) },
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 0.01 }),
    ...{ emaDecay: 0.9, epochs: 1, batch: 4, backend },
    ...loose,
  })
  expect(received).toEqual([executionOptions, executionOptions, executionOptions])
})

test('evaluate() compiles with them', async () => {
  const { backend, received } = recordingBackend()
  using net = await compile(smallNet(), { backend: 'reference' })
  await evaluate(smallNet(), { data: pictures(3), variables: net.variables, batch: 3, backend, ...loose })
  expect(received).toEqual([executionOptions])
})

test('bench() times the whole program with them, and op by op without XLA', async () => {
  const { backend, received } = recordingBackend()
  const { rows } = await bench(smallNet(), { rounds: 1, backend, ...loose })
  expect(received).toEqual([executionOptions, { ...executionOptions, xla: 'never' }])
  expect(rows.map(({ xla }) => xla)).toEqual([true, false])
})

test('bench() with xla: false times the program op by op only', async () => {
  const { backend, received } = recordingBackend()
  const { rows } = await bench(smallNet(), { rounds: 1, backend, xla: false })
  expect(received.map(({ xla }) => xla)).toEqual(['never'])
  expect(rows.map(({ name, xla }) => [name, xla])).toEqual([['effuse, op by op', false]])
})

test.each<[Parameters<typeof resolveRecipe>[1], ExecutionOptions]>([
  [{}, { xla: true, precision: 'float32', deterministic: true }],
  [{ xla: false }, { xla: false }],
  [
    { backend: 'tensorflow', xlaTensorflow: 'always', precision: 'tf32', deterministic: false },
    { ...loose, backend: 'tensorflow' },
  ],
])('a recipe with %j compiles with %j', (changes, options) => {
  expect(recipeCompileOptions(resolveRecipe({ model: 'b0', data: 'digits' }, changes))).toMatchObject(options)
})

test.each([
  [{ precision: 'half' }, /option "precision" must be 'float32' or 'tf32', got "half"/],
  [{ deterministic: 'no' }, /option "deterministic" must be/],
])('fit() rejects %j', async (wrong, message) => {
  const options = {
    data: { train: pictures(4) },
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 0.01 }),
    epochs: 1,
    batch: 4,
    backend: 'reference',
  } as const
  await expect(fit(smallNet(), { ...options, ...(wrong as unknown as ExecutionOptions) })).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringMatching(message),
  })
})
