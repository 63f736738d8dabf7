/** Pipelines: lists of passes that can be edited by name and written as text. */
import { isRecord } from '../ir/attrs.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { checkPass, type Pass } from './pass.ts'
import { didYouMean } from '../ir/words.ts'

export interface Pipeline {
  readonly passes: readonly Pass[]
  /** These return new pipelines; this one does not change. `name` is a pass in it (EF301 otherwise). */
  before(name: string, pass: Pass): Pipeline
  after(name: string, pass: Pass): Pipeline
  replace(name: string, pass: Pass): Pipeline
  without(name: string): Pipeline
  append(pass: Pass): Pipeline
  /** `simplify,amp{dtype="float16"},fuse` */
  toString(): string
}

/** A pipeline of the passes, in order. @throws EffuseError EF111 if one is not a pass */
export const pipeline = (passes: readonly Pass[]): Pipeline => {
  if (!Array.isArray(passes))
    throw new EffuseError({ code: 'EF111', message: `pipeline() takes a list of passes, got ${showGiven(passes)}` })
  for (const pass of passes) checkPass(pass, 'a pipeline')
  const edit = (name: string, change: (at: number) => readonly Pass[]): Pipeline => {
    const at = passes.findIndex((p) => p.name === name)
    if (at < 0) {
      const names = passes.map((p) => p.name)
      throw new EffuseError({
        code: 'EF301',
        message: `there is no pass "${name}" in this pipeline: ${names.join(', ')}`,
        hint: didYouMean(name, names, ''),
      })
    }
    return pipeline(change(at))
  }
  return Object.freeze({
    passes: Object.freeze([...passes]),
    before: (name: string, pass: Pass) => edit(name, (at) => passes.toSpliced(at, 0, pass)),
    after: (name: string, pass: Pass) => edit(name, (at) => passes.toSpliced(at + 1, 0, pass)),
    replace: (name: string, pass: Pass) => edit(name, (at) => passes.toSpliced(at, 1, pass)),
    without: (name: string) => edit(name, (at) => passes.toSpliced(at, 1)),
    append: (pass: Pass) => pipeline([...passes, pass]),
    toString: () => passes.map(passText).join(','),
  })
}

/** The result of a user's function on pipelines. @throws EffuseError EF403 if it is not a pipeline */
export const checkedPipeline = (given: unknown, what: string): Pipeline => {
  if (isRecord(given) && Array.isArray(given['passes']) && typeof given['append'] === 'function')
    return given as unknown as Pipeline // pipeline() made it, and checked the passes
  throw new EffuseError({
    code: 'EF403',
    message: `${what} must give a pipeline, got ${isRecord(given) && typeof given['then'] === 'function' ? 'a promise' : showGiven(given)}`,
    hint: "(p) => p.before('fuse', mine)",
  })
}

/** `amp{dtype="float16", strict=true}` */
export const passText = (pass: Pass): string => {
  const options = Object.entries(pass.options ?? {}).filter(([, value]) => value !== undefined)
  return options.length === 0
    ? pass.name
    : `${pass.name}{${options.map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(', ')}}`
}
