/** A pass over a program, with none of what the runner adds. */
import { isProgramPass, type Pass, type PassContext } from './pass.ts'
import { mapGraphs, type Program } from './program.ts'

export const runPass = (pass: Pass, program: Program, cx: PassContext): Program =>
  isProgramPass(pass) ? pass.runProgram(program, cx) : mapGraphs(program, (graph) => pass.run(graph, cx))

/** Several, one after another. */
export const runPasses = (passes: readonly Pass[], program: Program, cx: PassContext): Program =>
  passes.reduce((current, pass) => runPass(pass, current, cx), program)
