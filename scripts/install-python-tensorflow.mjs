// node scripts/install-python-tensorflow.mjs: Python's TensorFlow for the tests of `effuse export --format savedmodel`, in an environment of its own in
// the cache. 280 MB from PyPI, 1.4 GB on the disk. Prints the folder of the wheels that it fetched, and nothing where all was there.
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { environmentFolder, environmentPython, pythonTensorflow, wheelsFolder } from './support/python-tensorflow.mjs'
import { runQuietly, say, script, StepError } from './support/step.mjs'

/** @param {string} program @param {readonly string[]} args */
const run = async (program, args) => {
  const done = await runQuietly(program, args)
  if (done?.code === 0) return
  throw new StepError(
    `${program} ${args.slice(0, 3).join(' ')} failed: ${done === null ? 'it is not there' : done.output.trim().split('\n').at(-1)}. Python 3 with pip and venv is needed.`,
  )
}

await script(async () => {
  if (existsSync(environmentPython)) return
  const wheel = `${pythonTensorflow.name}==${pythonTensorflow.version}`
  say(`installing ${wheel} for tests (pip, 280 MB)`)
  await rm(environmentFolder, { recursive: true, force: true })
  await mkdir(wheelsFolder, { recursive: true })
  const quiet = ['--quiet', '--disable-pip-version-check', '--only-binary=:all:']
  await run('python3', ['-m', 'pip', 'download', ...quiet, '--dest', wheelsFolder, wheel])
  // An environment knows its own place, so the folder is not renamed; its Python is, at the end.
  await run('python3', ['-m', 'venv', '--clear', environmentFolder])
  const unfinished = `${environmentPython}-unfinished`
  await rename(environmentPython, unfinished)
  await run(unfinished, ['-m', 'pip', 'install', ...quiet, '--no-index', '--find-links', wheelsFolder, wheel])
  await rename(unfinished, environmentPython)
  console.log(wheelsFolder)
})
