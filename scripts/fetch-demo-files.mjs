// node scripts/fetch-demo-files.mjs: fetches the demo's weights and photographs into the cache and prints their paths, one per line.
// support/demo-files.mjs lists the files and their places.
import { fetchPhotos, fetchWeights } from './support/demo-files.mjs'
import { script } from './support/step.mjs'

await script(async () => {
  for (const file of [await fetchWeights(), ...(await fetchPhotos())]) console.log(file)
})
