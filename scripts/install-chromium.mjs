// node scripts/install-chromium.mjs: Debian's chromium for test/browser, where there is none. Other systems: install one, or name it in EFFUSE_CHROMIUM.
import { runQuietly, runShown, say, script, StepError } from './support/step.mjs'

const isThere = async () =>
  process.env['EFFUSE_CHROMIUM'] !== undefined || (await runQuietly('chromium', ['--version'])) !== null

/** apt-get, by sudo for those who are not root. @param {readonly string[]} args */
const apt = async (args) => {
  const isRoot = process.getuid?.() === 0
  const [program = '', ...before] = isRoot ? ['apt-get'] : ['sudo', 'apt-get']
  const code = await runShown(program, [...before, '-qq', ...args])
  if (code === 0) return
  throw new StepError(
    code === null
      ? `${program} was not found. Install Chromium as your system does it, or name one in EFFUSE_CHROMIUM.`
      : `apt-get ${args.join(' ')} ended with code ${code}, see above.`,
  )
}

await script(async () => {
  if (await isThere()) return
  say("installing Debian's chromium (apt-get)")
  process.env['DEBIAN_FRONTEND'] = 'noninteractive'
  await apt(['update'])
  await apt(['install', '--yes', '--no-install-recommends', 'chromium'])
})
