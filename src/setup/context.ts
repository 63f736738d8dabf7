/** The context that the steps of setup share. */
import { findPackage, type FoundPackage } from '../backends/tensorflow/places.ts'
import type { System } from './system.ts'
import type { Tools } from './tools.ts'
import type { Progress, Workplace } from './workplace.ts'

export interface Context {
  readonly tools: Tools
  readonly system: System
  readonly workplace: Workplace
  readonly progress: Progress
  /** The files from which Node searches the project's packages; default: those of the running project. */
  readonly project?: readonly string[] | undefined
}

export const find = ({ project }: Pick<Context, 'project'>, name: string): FoundPackage | null =>
  findPackage(name, project)
