/**
 * TensorFlow in Python, for tests that need it. Without it they are skipped, with the reason in their names (`node
 * scripts/install-python-tensorflow.mjs`). EFFUSE_TEST_PYTHON names another Python. If EFFUSE_TEST_PYTHON_TENSORFLOW is 1, as in .ci/run after the
 * script has installed it, they fail instead.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import { environmentPython } from '../../scripts/support/python-tensorflow.mjs'

const python = process.env['EFFUSE_TEST_PYTHON'] ?? environmentPython
const isThere = existsSync(python)
if (!isThere && process.env['EFFUSE_TEST_PYTHON_TENSORFLOW'] === '1')
  throw new Error(`Python with TensorFlow was installed, and ${python} is not there`)

/** Like describe(). Without TensorFlow in Python the tests are skipped, with the reason in the name. */
export const pythonTensorflowOrSkip = (name: string, tests: () => void): void => {
  const reason = isThere ? '' : ' (skipped: no Python with TensorFlow; node scripts/install-python-tensorflow.mjs)'
  describe.runIf(isThere)(`${name}${reason}`, tests)
}

export interface PythonCall {
  readonly signature: string
  readonly feeds: {
    readonly [name: string]: {
      readonly dtype: string
      readonly shape: readonly number[]
      readonly data: readonly number[]
    }
  }
}

export interface PythonAnswer {
  readonly version: string
  readonly calls: readonly { readonly [output: string]: readonly number[] }[]
  readonly restored: PythonAnswer['calls']
  readonly variables: { readonly [name: string]: { readonly trainable: boolean; readonly shape: readonly number[] } }
}

/** The result of saved_model.py. @throws Error with the output of Python */
export const askPython = (request: {
  readonly folder: string
  readonly calls: readonly PythonCall[]
  readonly restored: readonly PythonCall[]
}): Promise<PythonAnswer> =>
  new Promise((resolve, reject) => {
    const child = spawn(python, [fileURLToPath(new URL('saved_model.py', import.meta.url))])
    const [out, err] = [[] as string[], [] as string[]]
    child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out.join('')) as PythonAnswer)
      else reject(new Error(`Python ended with ${code}: ${err.join('').slice(-4000)}`))
    })
    child.stdin.end(JSON.stringify(request))
  })
