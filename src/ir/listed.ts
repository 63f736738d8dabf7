/** Lists within messages: so many lines that the sentence above them is still in sight. */

const linesMax = 10

/** Each on a line of its own, indented; of more than ten, nine and how many more there are. */
export const listed = (lines: readonly string[]): string => {
  const shown =
    lines.length <= linesMax ? lines : [...lines.slice(0, linesMax - 1), `and ${lines.length - linesMax + 1} more`]
  return shown.map((line) => `\n  ${line}`).join('')
}
