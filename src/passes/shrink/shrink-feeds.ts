/** Simplifies the numbers that show a fault: zeros and ones where the numbers do not matter. */
import { Attempts, type Search } from './search.ts'

/** Numbers by name, for inputs or for variables. */
export interface NamedNumbers {
  readonly [name: string]: readonly number[]
}

/** Candidates: whole tensors of zeros and ones first, then parts, then numbers without a fraction. */
export function* simplifying(feeds: NamedNumbers, tries = 400): Search<NamedNumbers> {
  const attempts = new Attempts(feeds, tries)
  for (const name of Object.keys(feeds)) {
    const parts: (readonly [from: number, to: number])[] = [[0, feeds[name]?.length ?? 0]]
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const [from, to] = part
      if (from === to || (yield* simpler(attempts, name, from, to)) || to - from === 1) continue
      const middle = (from + to) >> 1
      parts.push([from, middle], [middle, to])
    }
  }
  return attempts.best
}

function* simpler(
  attempts: Attempts<NamedNumbers>,
  name: string,
  from: number,
  to: number,
): Generator<NamedNumbers, boolean, boolean> {
  const numbers = attempts.best[name] ?? []
  const part = numbers.slice(from, to)
  const choices: readonly (readonly number[])[] = [part.map(() => 0), part.map(() => 1), part.map(Math.round)]
  for (const choice of choices) {
    if (choice.every((x, i) => Object.is(x, part[i]))) return true
    const changed = [...numbers.slice(0, from), ...choice, ...numbers.slice(to)]
    if (yield* attempts.of({ ...attempts.best, [name]: changed })) return true
  }
  return false
}
