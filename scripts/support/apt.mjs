// Debian's packages, for the scripts that install what tests need of the system.
import { runShown, StepError } from './step.mjs'

/** Runs apt-get, by sudo for those who are not root. @param {readonly string[]} args @param {string} otherwise what to do where it cannot run */
export const apt = async (args, otherwise) => {
  process.env['DEBIAN_FRONTEND'] = 'noninteractive'
  const isRoot = process.getuid?.() === 0
  const [program = '', ...before] = isRoot ? ['apt-get'] : ['sudo', 'apt-get']
  const code = await runShown(program, [...before, '-qq', ...args])
  if (code === 0) return
  throw new StepError(
    code === null
      ? `${program} was not found. ${otherwise}`
      : `apt-get ${args.join(' ')} ended with code ${code}, see above.`,
  )
}
