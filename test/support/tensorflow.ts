/**
 * Is TensorFlow's library there? Tests on it are skipped without it, and say so in their names (`npx effuse setup tensorflow`). Where
 * EFFUSE_TEST_TENSORFLOW is 1, as in .ci/run after setup has installed it, they fail instead.
 */
import { describe } from 'vitest'
import { findTensorflow } from '../../src/backends/tensorflow/find-library.ts'

const found = findTensorflow()
export const hasTensorflow = !('missing' in found)
if ('missing' in found && process.env['EFFUSE_TEST_TENSORFLOW'] === '1')
  throw new Error(`setup has installed TensorFlow, and it is not found: ${found.missing}`)

/** Like describe(); where TensorFlow is missing the tests are skipped, with the reason in the name. */
export const tensorflowOrSkip = (name: string, tests: () => void): void => {
  const reason = 'missing' in found ? ` (skipped: ${found.missing}; ${found.fix})` : ''
  describe.runIf(hasTensorflow)(`${name}${reason}`, tests)
}

/** For tables of backends: nothing where there is no TensorFlow. */
export const withTensorflow: readonly 'tensorflow'[] = hasTensorflow ? ['tensorflow'] : []
