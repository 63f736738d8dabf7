// node examples/page/serve.mjs WEIGHTS PHOTO (after npm run build): serves a page that trains a small network on digits and names what is on
// the photograph, on WebGPU or in WebAssembly. WEIGHTS is a file of EfficientNet weights; `npm run demo:photos` fetches one and shows its path.
import { openSite } from './site.mjs'

const [weights, photo] = process.argv.slice(2)
if (weights === undefined || photo === undefined)
  throw new Error('what to predict? node examples/page/serve.mjs efficientnet-lite0-57934424.pth cat.jpg')
const { address } = await openSite({ weights, photo, port: 8080 })
console.log(`open ${address}`)
