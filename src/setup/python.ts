/** Python 3, which downloads wheels (pip) and unpacks them (zipfile). It does not run TensorFlow. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { Done, RunOptions, Tools } from './tools.ts'

export interface Python {
  readonly program: string
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Done>
}

/** @throws EffuseError EF603 if there is no Python 3, or it has no pip */
export const findPython = async (tools: Tools): Promise<Python> => {
  for (const program of ['python3', 'python']) {
    const done = await tools.run(program, ['-m', 'pip', '--version'])
    if (done === null || /\(python 2/.test(done.output)) continue
    if (done.code !== 0)
      throw new EffuseError({
        code: 'EF603',
        message: `${program} has no pip, which downloads TensorFlow from PyPI; it printed "${done.output.trim().split('\n').at(-1)}"`,
        hint: `install it (Debian: apt-get install python3-pip; elsewhere: ${program} -m ensurepip), then: npx effuse setup tensorflow`,
      })
    return { program, run: (args, options) => runPython(tools, program, args, options) }
  }
  throw new EffuseError({
    code: 'EF603',
    message: 'Python 3 was not found; its pip downloads TensorFlow from PyPI',
    hint: 'install Python 3 with pip (Debian: apt-get install python3-pip; macOS: brew install python), then: npx effuse setup tensorflow',
  })
}

const runPython = async (
  tools: Tools,
  program: string,
  args: readonly string[],
  options: RunOptions | undefined,
): Promise<Done> => {
  const done = await tools.run(program, args, options)
  if (done === null) throw new EffuseError({ code: 'EF603', message: `${program} was found first, but is missing now` })
  return done
}
