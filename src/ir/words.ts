/** Spelling suggestions for messages. */

/** `did you mean "word"?` for the nearest known word; undefined if none is near enough to be useful. */
export const didYouMean = (word: string, known: readonly string[], quote: '"' | '' = '"'): string | undefined => {
  let best: { readonly word: string; readonly distance: number } | null = null
  for (const candidate of known) {
    const longest = Math.max(word.length, candidate.length)
    const distanceMax = Math.max(1, Math.floor(longest / 3))
    // The distance is at least the difference of the lengths. Names from files can be long, and the work is the product of the lengths.
    if (Math.abs(word.length - candidate.length) > distanceMax || longest > lengthMax) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance <= distanceMax && (best === null || distance < best.distance)) best = { word: candidate, distance }
  }
  return best === null ? undefined : `did you mean ${quote}${best.word}${quote}?`
}

/** Longer names get no suggestion, to bound the work. */
const lengthMax = 1000

/** The number of missing, additional and wrong letters and of swapped neighbours. */
const editDistance = (a: string, b: string): number => {
  let before: readonly number[] = []
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (before[j - 2] ?? 0) + 1 : Infinity,
        ),
      )
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
