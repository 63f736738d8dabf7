/** Draws a confusion matrix as a self-contained HTML page. */
import { escapeUTF8 } from 'entities/escape'

/** The matrix, [classes, classes], row by row: rows are true classes, columns are predicted classes. */
export interface Matrix {
  readonly classes: readonly string[]
  readonly counts: Int32Array
}

/**
 * A page with the matrix as an SVG. The share of its row makes a cell dark; right predictions are blue, mistakes red.
 * With up to 30 classes the picture shows names and counts; with more, pointing at a cell shows them.
 */
export const confusionPage = (title: string, matrix: Matrix): string => {
  const { classes, counts } = matrix
  const total = counts.reduce((sum, count) => sum + count, 0)
  const right = classes.reduce((sum, _, i) => sum + (counts[i * (classes.length + 1)] ?? 0), 0)
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escapeUTF8(title)}</title><style>${style}</style></head><body>`,
    `<h1>${escapeUTF8(title)}</h1>`,
    `<p>${right} of ${total} right. A row is a true class, a column a predicted class.</p>`,
    picture(matrix),
    '</body></html>',
    '',
  ].join('\n')
}

/** With more classes there is no room for names and counts. */
const namedMax = 30
const nameLengthMax = 18

const picture = ({ classes, counts }: Matrix): string => {
  const size = classes.length
  const isNamed = size <= namedMax
  const cell = isNamed ? 40 : Math.max(1, Math.min(24, Math.floor(1000 / size)))
  const longest = Math.min(nameLengthMax, Math.max(...classes.map((name) => name.length)))
  const margin = isNamed ? 16 + longest * 8 : 24
  const side = margin + size * cell
  const parts: string[] = []
  classes.forEach((wanted, i) => {
    const row = counts.subarray(i * size, (i + 1) * size)
    const total = row.reduce((sum, count) => sum + count, 0)
    row.forEach((count, j) => {
      if (count === 0 && !isNamed) return
      const share = total === 0 ? 0 : count / total
      const [x, y] = [margin + j * cell, margin + i * cell]
      const name = `${wanted} predicted as ${classes[j] ?? ''}: ${count} of ${total}`
      parts.push(
        `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" class="${i === j ? 'right' : 'wrong'}" fill-opacity="${opacityOf(share)}"><title>${escapeUTF8(name)}</title></rect>`,
      )
      if (isNamed && count > 0)
        parts.push(
          `<text x="${x + cell / 2}" y="${y + cell / 2}" class="count${share > 0.5 ? ' light' : ''}">${count}</text>`,
        )
    })
  })
  return [
    `<svg viewBox="0 0 ${side} ${side}" width="${side}" height="${side}" role="img">`,
    `<rect x="${margin}" y="${margin}" width="${size * cell}" height="${size * cell}" class="frame"/>`,
    ...parts,
    ...(isNamed ? namesOf(classes, margin, cell) : axesOf(margin, side)),
    '</svg>',
  ].join('\n')
}

/** The lower limit keeps a single mistake among thousands of rows visible. */
const opacityOf = (share: number): string => (share === 0 ? 0 : 0.08 + 0.92 * share).toFixed(3)

const namesOf = (classes: readonly string[], margin: number, cell: number): readonly string[] =>
  classes.flatMap((name, i) => {
    const middle = margin + (i + 0.5) * cell
    const shown = escapeUTF8(name.length > nameLengthMax ? `${name.slice(0, nameLengthMax - 1)}…` : name)
    return [
      `<text x="${margin - 8}" y="${middle}" class="row">${shown}</text>`,
      `<text transform="translate(${middle} ${margin - 8}) rotate(-90)" class="column">${shown}</text>`,
    ]
  })

const axesOf = (margin: number, side: number): readonly string[] => {
  const middle = (margin + side) / 2
  return [
    `<text x="${middle}" y="12" class="axis">predicted</text>`,
    `<text transform="translate(12 ${middle}) rotate(-90)" class="axis">right class</text>`,
  ]
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1c2530; background: #fff }
h1 { font-size: 1.3rem } svg { max-width: 100%; height: auto } text { font-size: 13px; fill: #1c2530; dominant-baseline: central }
.right { fill: #2f6fdb } .wrong { fill: #c2352b } .frame { fill: none; stroke: #c3ccd6 } rect[class=right], rect[class=wrong] { stroke: #eef1f4; stroke-width: .5 }
.count, .axis { text-anchor: middle } .row { text-anchor: end } .light { fill: #fff }`
