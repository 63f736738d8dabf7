// node examples/show-digits.mjs CHECKPOINT (after `effuse train --recipe digits`): tests a checkpoint on the digits that its training never
// saw, prints which it takes for which, and draws a few: right ones, and those that it gets wrong.
import { compile, openModel, top } from 'effuse'
import { digits } from 'effuse/node'

const [checkpoint] = process.argv.slice(2)
if (checkpoint === undefined)
  throw new Error('which checkpoint? node examples/show-digits.mjs runs/digits/best.safetensors')
const { model, weights, labels } = await openModel(checkpoint)
const { test } = digits()
const batch = 100
const pixels = 28 * 28

const net = await compile(model, { variables: weights, batch })
/** @type {{ actual: number, guess: number, sure: number, image: Uint8Array }[]} */
const answers = []
for (const { image, label } of test.batches({ batch, epoch: 0 })) {
  const full = new Uint8Array(batch * pixels) // the last batch is short
  full.set(image)
  const { logits, probabilities } = await net.run({ image: full })
  const rows = await probabilities.data()
  for (const result of [logits, probabilities]) result.dispose()
  label.forEach((actual, n) => {
    const [best] = top(rows.subarray(n * labels.length, (n + 1) * labels.length), 1)
    const picture = image.subarray(n * pixels, (n + 1) * pixels)
    answers.push({ actual, guess: best?.index ?? 0, sure: best?.probability ?? 0, image: picture })
  })
}
net.dispose()

/** Rows: what the digits are; columns: what they are taken for. */
const confusion = () => {
  const line = (/** @type {string} */ head, /** @type {readonly (string | number)[]} */ cells) =>
    [head.padStart(8), ...cells.map((cell) => String(cell === 0 ? '·' : cell).padStart(4))].join(' ')
  return [
    line('taken for', labels),
    ...labels.map((name, actual) =>
      line(
        `a ${name}`,
        labels.map((_, guess) => answers.filter((answer) => answer.actual === actual && answer.guess === guess).length),
      ),
    ),
  ].join('\n')
}

/** The middle of a picture in half blocks: one character for two pixels. @param {Uint8Array} image */
const drawn = (image) => {
  const isInk = (/** @type {number} */ y, /** @type {number} */ x) => (image[y * 28 + x] ?? 0) > 90
  const [first, last] = [3, 25]
  return Array.from({ length: (last - first) / 2 }, (_, row) =>
    Array.from({ length: last - first }, (_, column) => {
      const [y, x] = [first + 2 * row, first + column]
      return isInk(y, x) ? (isInk(y + 1, x) ? '█' : '▀') : isInk(y + 1, x) ? '▄' : ' '
    }).join(''),
  )
}

/** Three of them and the gaps fit into 80 columns. */
const columnWidth = 25

/** Pictures side by side, each below what the network says. @param {typeof answers} shown */
const gallery = (shown) => {
  const columns = shown.map(({ actual, guess, sure, image }) => [
    `predicted ${guess} (${Math.round(100 * sure)} %), is ${actual}`.padEnd(columnWidth),
    ...drawn(image).map((line) => line.padEnd(columnWidth)),
  ])
  return (columns[0] ?? [])
    .map((_, row) =>
      columns
        .map((column) => column[row])
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const perLine = 3
const wrong = answers.filter(({ actual, guess }) => actual !== guess).sort((a, b) => b.sure - a.sure)
const right = answers.filter(({ actual, guess }) => actual === guess)
console.log(`${test.length} digits that the network never saw:\n\n${confusion()}\n`)
console.log(gallery([0.1, 0.5, 0.9].flatMap((share) => right[Math.floor(share * right.length)] ?? [])))
for (let at = 0; at < Math.min(wrong.length, 2 * perLine); at += perLine)
  console.log(`\n${gallery(wrong.slice(at, at + perLine))}`)
console.log(`\ncheckpoint: ${checkpoint}`)
console.log(`test accuracy: ${((100 * right.length) / answers.length).toFixed(2)} %`)
