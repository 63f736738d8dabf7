// npm run demo: trains a small EfficientNet on handwritten digits, tests it on other digits, and draws some of them with their predicted classes.
// It needs only Node: in a fresh clone it first installs packages and builds. Arguments go to `effuse train`.
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { ensureInstalled } from './support/install.mjs'
import { root, runForOutput, runShown, script, StepError, say } from './support/step.mjs'
import { ensureBuilt } from './support/tools.mjs'

/** The demo's own folder, which every run replaces. */
const folder = path.join('runs', 'demo')

/** The exit codes of `effuse train` after SIGHUP, Ctrl-C and SIGTERM. */
const stopCodes = [129, 130, 143]

/** Trains, shows the progress, and returns the checkpoint; null if the user stopped it, which is not an error. */
const train = async () => {
  const args = ['train', '--recipe', 'digits', '--out', folder, ...process.argv.slice(2)]
  say(`effuse ${args.join(' ')}`)
  const { code, output } = await runForOutput(process.execPath, ['dist/cli/main.js', ...args, '--json'])
  if (stopCodes.includes(code)) {
    const { checkpoint } = JSON.parse(output || '{"checkpoint":null}')
    if (checkpoint !== null) say(`in this folder: npx effuse train --resume ${folder}`)
    process.exitCode = code
    return null
  }
  if (code !== 0) {
    const reason = JSON.parse(output || '{}').error?.message ?? 'see above'
    throw new StepError(
      `\`effuse train\` ended with code ${code}: ${reason}. \`npx effuse doctor\` says what this machine can run.`,
      code,
    )
  }
  const { checkpoint, epochs, steps, seconds } = JSON.parse(output)
  console.log(`trained ${epochs} epochs, ${steps} updates, in ${Math.round(seconds)} s`)
  return checkpoint
}

await script(async () => {
  await ensureInstalled()
  await ensureBuilt()
  await rm(path.join(root, folder), { recursive: true, force: true })
  const checkpoint = await train()
  if (checkpoint === null) return
  const code = await runShown(process.execPath, ['examples/show-digits.mjs', checkpoint])
  if (code !== 0) throw new StepError('the checkpoint could not be tested, see above', code ?? 1)
})
