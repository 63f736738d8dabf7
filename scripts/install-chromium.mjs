// node scripts/install-chromium.mjs: installs Debian's chromium for test/browser if there is none. On other systems install one, or name it in EFFUSE_CHROMIUM.
import { apt } from './support/apt.mjs'
import { runQuietly, say, script } from './support/step.mjs'

const isThere = async () =>
  process.env['EFFUSE_CHROMIUM'] !== undefined || (await runQuietly('chromium', ['--version'])) !== null

const otherwise = 'Install Chromium as your system does it, or name one in EFFUSE_CHROMIUM.'

await script(async () => {
  if (await isThere()) return
  say("installing Debian's chromium (apt-get)")
  await apt(['update'], otherwise)
  await apt(['install', '--yes', '--no-install-recommends', 'chromium'], otherwise)
})
