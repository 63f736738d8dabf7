/** A confusion matrix as text: the matrix if it fits, else the most frequent confusions. */
import type { Confusion } from '../train/evaluation-result.ts'
import { mistakesIn } from '../train/evaluation-sums.ts'
import { escaped } from '../ir/escaped.ts'
import { table } from './io.ts'

/** More columns do not fit into a terminal's 80. */
const wholeMax = 12
const pairsMax = 10
const columns = 80

export const confusionLines = (confusion: Confusion): string => {
  const whole = confusion.classes.length <= wholeMax ? wholeTable(confusion) : null
  return whole?.split('\n').every((line) => line.length <= columns) ? whole : pairsTable(confusion)
}

const wholeTable = ({ classes, counts }: Confusion): string => {
  const names = classes.map(escaped)
  const rows = names.map((name, i) => [name, ...counts.subarray(i * names.length, (i + 1) * names.length)])
  return table(['class, predicted as', ...names], rows)
}

const pairsTable = (confusion: Confusion): string => {
  const mistakes = mistakesIn(confusion)
  if (mistakes.length === 0) return 'no class was predicted as another'
  const pairs = table(
    ['class', 'predicted as', 'times', '% of the class'],
    mistakes
      .slice(0, pairsMax)
      .map(({ wanted, predicted, count, share }) => [
        escaped(wanted),
        escaped(predicted),
        count,
        Number((share * 100).toFixed(1)),
      ]),
  )
  const more = mistakes.length - pairsMax
  return more > 0 ? `${pairs}\nand ${more} more ${more === 1 ? 'pair' : 'pairs'}` : pairs
}
