/** Generates docs/passes.svg, the number of EfficientNet-B0's nodes after each pass. `npm run docs` writes it; a test compares it. */
import { compile } from '../../src/compile.ts'
import { inspectReport } from '../../src/inspect/index.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'

const [left, right, width, rowHeight] = [150, 60, 760, 26]

/** A bar for each pass. Its length is the number of nodes after the pass, and its text says what the pass did. */
export const passesPicture = async (): Promise<string> => {
  const model = efficientNet('b0')
  using net = await compile(model, { backend: 'tfjs-wasm' })
  const { passes, kernels } = inspectReport(model, net, 1)
  const most = Math.max(...passes.map(({ nodesAfter }) => nodesAfter))
  const changing = passes.filter(({ changed, plan }) => changed && plan !== 'prepare')
  const rows = changing.map(({ name, nodesAfter, report }, i) => {
    const [y, length] = [50 + i * rowHeight, ((width - left - right) * nodesAfter) / most]
    const what = Object.entries(report).map(([key, count]) => `${key}: ${count}`)
    return `  <rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="18" fill="#bcd4e6"/>
  <text x="${left - 10}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>
  <text x="${left + 6}" y="${y + 13}" fill="#234">${escaped(shortened(what.join(', '), length))}</text>
  <text x="${(left + length + 6).toFixed(1)}" y="${y + 13}">${nodesAfter}</text>`
  })
  const height = 60 + changing.length * rowHeight
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
  <title>Nodes of EfficientNet-B0 after each pass</title>
  <rect width="${width}" height="${height}" fill="#fff"/>
  <text x="10" y="24" font-size="15">EfficientNet-B0 for inference on tfjs-wasm: nodes after each pass, and ${kernels} kernels at the end</text>
${rows.join('\n')}
</svg>
`
}

/** The text, cut to fit into the bar. */
const shortened = (text: string, barLength: number): string => {
  const most = Math.floor((barLength - 12) / characterWidth)
  return text.length > most ? `${text.slice(0, Math.max(0, most - 1))}…` : text
}
/** An upper bound of the width in most sans-serif fonts at this size. */
const characterWidth = 7.2

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
