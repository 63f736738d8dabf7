// npm run demo:photos: classifies photographs with the published ImageNet weights of EfficientNet-Lite0.
// In a fresh clone it first installs packages, builds, and fetches files. Arguments go to `effuse predict`.
import { fetchPhotos, fetchWeights } from './support/demo-files.mjs'
import { ensureInstalled } from './support/install.mjs'
import { runShown, script, StepError, say } from './support/step.mjs'
import { ensureBuilt } from './support/tools.mjs'

await script(async () => {
  await ensureInstalled()
  await ensureBuilt()
  const weights = await fetchWeights()
  const photos = await fetchPhotos()
  const args = ['predict', '--weights', weights, ...photos, '--top', '5', ...process.argv.slice(2)]
  say(`effuse predict --weights ${weights} ... --top 5`)
  const code = await runShown(process.execPath, ['dist/cli/main.js', ...args])
  if (code !== 0) {
    throw new StepError(
      `\`effuse predict\` ended with code ${code}, see above. \`npx effuse doctor\` says what this machine can run; \`npm test\` says whether effuse works here.`,
      code ?? 1,
    )
  }
})
