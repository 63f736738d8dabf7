/**
 * Checks for TensorFlow's library and for tfjs-node's binding. Without them their tests are skipped, with the reason in their names (`npx effuse
 * setup tensorflow`). If EFFUSE_TEST_TENSORFLOW is 1, as in .ci/run after setup has installed both, they fail instead.
 */
import { existsSync } from 'node:fs'
import { describe } from 'vitest'
import { findTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import { findPackage, type FoundPackage } from '../../src/backends/tensorflow/places.ts'
import { bindingFile, tfjsNodeNames } from '../../src/backends/tensorflow/tfjs-node.ts'

const isSetUp = process.env['EFFUSE_TEST_TENSORFLOW'] === '1'

const found = findTensorflow()
export const hasTensorflow = !('missing' in found)
if ('missing' in found && isSetUp)
  throw new Error(`setup has installed TensorFlow, and it is not found: ${found.missing}`)
/** The suffix of the name of a test that needs the library: the reason for skipping it, or an empty string. */
export const tensorflowReason = 'missing' in found ? ` (skipped: ${found.missing}; ${found.fix})` : ''

/** Like describe(). Without TensorFlow the tests are skipped, with the reason in the name. */
export const tensorflowOrSkip = (name: string, tests: () => void): void => {
  describe.runIf(hasTensorflow)(`${name}${tensorflowReason}`, tests)
}

/** For tables of backends: empty without TensorFlow. */
export const withTensorflow: readonly 'tensorflow'[] = hasTensorflow ? ['tensorflow'] : []

/** The installed package of tfjs-node that has a binding; null if none has one. */
export const boundPackage: FoundPackage | null =
  tfjsNodeNames.map((name) => findPackage(name)).find((known) => known !== null && existsSync(bindingFile(known))) ??
  null
export const hasBinding = boundPackage !== null
/** The suffix of the name of a test that needs the binding: the reason for skipping it, or an empty string. */
export const bindingReason = hasBinding ? '' : ' (skipped: tfjs-node has no binding; npx effuse setup tensorflow)'
