/** Runs a pass over a program, without the checks and records of the runner. */
import { isProgramPass, type Pass, type PassContext } from './pass.ts'
import { mapGraphs, type Program } from './program.ts'

export const runPass = (pass: Pass, program: Program, cx: PassContext): Program =>
  isProgramPass(pass) ? pass.runProgram(program, cx) : mapGraphs(program, (graph) => pass.run(graph, cx))

/** Runs several passes, one after another. */
export const runPasses = (passes: readonly Pass[], program: Program, cx: PassContext): Program =>
  passes.reduce((current, pass) => runPass(pass, current, cx), program)
