// node scripts/install-libjpeg-turbo.mjs: installs Debian's library of libjpeg-turbo, with which image folders decode JPEGs faster. On other systems
// install it as docs/data.md says.
import { apt } from './support/apt.mjs'
import { runQuietly, say, script } from './support/step.mjs'

const isThere = async () =>
  (await runQuietly(process.execPath, ['--eval', "require('koffi').load('libturbojpeg.so.0')"]))?.code === 0

const otherwise = "Install libjpeg-turbo's library libturbojpeg as your system does it."

await script(async () => {
  if (await isThere()) return
  say("installing libjpeg-turbo's library (apt-get)")
  await apt(['update'], otherwise)
  await apt(['install', '--yes', '--no-install-recommends', 'libturbojpeg0'], otherwise)
})
