/** Judges one case on a backend, and finds the smallest case that fails in the same way. */
import type { Backend } from '../../backends/backend.ts'
import { runShared, type SharedCase } from '../../backends/conformance.ts'
import { inputTypes } from '../../ir/graph.ts'
import { print } from '../../ir/print.ts'
import type { Graph } from '../../ir/types.ts'
import { generator, randomFeeds } from '../../passes/random-feeds.ts'
import { smallestAsync } from '../../passes/shrink/search.ts'
import { type NamedNumbers, simplifying } from '../../passes/shrink/shrink-feeds.ts'
import { shrinking } from '../../passes/shrink/shrink-graph.ts'
import type { Trial } from '../trial.ts'
import type { VerificationFailure } from './report.ts'

export interface Judged {
  readonly isAccepted: boolean
  /** The error, or the message if the backend threw. */
  readonly error: number | string
  readonly tolerance: number
  /** Error divided by tolerance; infinite if there is no such number. */
  readonly ratio: number
}

export const judgeTrial = async (backend: Backend, trial: SharedCase): Promise<Judged> => {
  try {
    const found = await runShared(backend, trial)
    if (found === null) return { isAccepted: true, error: 0, tolerance: 0, ratio: 0 }
    const { error, tolerance, ratio } = found
    return { isAccepted: ratio <= 1, error, tolerance, ratio }
  } catch (error) {
    return {
      isAccepted: false,
      error: error instanceof Error ? error.message : String(error),
      tolerance: 0,
      ratio: Infinity,
    }
  }
}

export type Judge = (trial: Trial) => Promise<Judged>

/** A case with its judgement. */
export interface JudgedTrial {
  readonly trial: Trial
  readonly judged: Judged
}

/** A smaller case that fails in the same way. Of a case with one graph and one round it shrinks the nodes, then the numbers. */
export const smallestFailure = async (judge: Judge, failed: JudgedTrial): Promise<JudgedTrial> => {
  const { trial } = failed
  const [graph] = trial.graphs
  const [round] = trial.rounds
  if (graph === undefined || round === undefined || trial.graphs.length + trial.rounds.length > 2) return failed
  const fails = failsAs(judge, failed)
  const plain = await withSimplerInputs(trial, round, fails)
  const fed = plain.rounds[0] ?? round
  const ofGraph = (candidate: Graph): Trial => ({ ...trial, graphs: [candidate], rounds: [fitted(candidate, fed)] })
  const small = ofGraph(await smallestAsync(shrinking(graph), (candidate) => fails(ofGraph(candidate))))
  const smallest = await withSimplerInputs(small, small.rounds[0] ?? fed, fails)
  return { trial: smallest, judged: await judge(smallest) }
}

/** The same graph with simpler numbers that fails in the same way, for graphs whose meaning is an equation. */
export const simplerFailure = async (judge: Judge, failed: JudgedTrial): Promise<JudgedTrial> => {
  const { trial } = failed
  const [round] = trial.rounds
  if (round === undefined) return failed
  const simpler = await withSimplerInputs(trial, round, failsAs(judge, failed))
  return { trial: simpler, judged: await judge(simpler) }
}

const failsAs =
  (judge: Judge, { judged: { error } }: JudgedTrial) =>
  async (candidate: Trial): Promise<boolean> => {
    const judged = await judge(candidate)
    return !judged.isAccepted && typeof judged.error === typeof error
  }

const withSimplerInputs = async (
  trial: Trial,
  round: Round,
  fails: (candidate: Trial) => Promise<boolean>,
): Promise<Trial> => {
  const withInputs = (inputs: NamedNumbers): Trial => ({ ...trial, rounds: [{ ...round, inputs }] })
  return withInputs(await smallestAsync(simplifying(round.inputs), (candidate) => fails(withInputs(candidate))))
}

type Round = Trial['rounds'][number]

/** The round's numbers if they fit the graph; random ones for new and for smaller inputs. */
const fitted = (graph: Graph, round: Round): Round => {
  const random = randomFeeds([graph], new Set(), generator(1))
  const fit = (known: NamedNumbers, drawn: Iterable<readonly [string, Float64Array]>): NamedNumbers =>
    Object.fromEntries(
      [...drawn].map(([name, numbers]) => {
        const given = Object.hasOwn(known, name) ? known[name] : undefined
        return [
          name,
          given === undefined || given.length < numbers.length ? [...numbers] : extremes(given, numbers.length),
        ]
      }),
    )
  const names = inputTypes(graph)
  return {
    inputs: fit(
      round.inputs,
      Object.entries(random.inputs).filter(([name]) => names.has(name)),
    ),
    variables: fit(round.variables, random.variables),
  }
}

/** `count` of the numbers, in their order: those farthest from 0, which show faults best. */
const extremes = (given: readonly number[], count: number): readonly number[] => {
  const size = (x: number): number => (Number.isNaN(x) ? Infinity : Math.abs(x))
  const kept = new Set(
    [...given.keys()].sort((i, j) => size(given[j] ?? 0) - size(given[i] ?? 0) || i - j).slice(0, count),
  )
  return given.filter((_, i) => kept.has(i))
}

export const failureOf = (
  name: string,
  { trial: { graphs, rounds }, judged: { error, tolerance } }: JudgedTrial,
): VerificationFailure => {
  const { inputs, variables } = rounds.at(-1) ?? { inputs: {}, variables: {} }
  return {
    name,
    counterexample: { graph: graphs.map((graph) => print(graph)).join('\n'), inputs: { ...inputs, ...variables } },
    error,
    tolerance,
  }
}
