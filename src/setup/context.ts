/** What the steps of setup share. */
import { findPackage, type FoundPackage } from '../backends/tensorflow/places.ts'
import type { System } from './system.ts'
import type { Tools } from './tools.ts'
import type { Progress, Workplace } from './workplace.ts'

export interface Context {
  readonly tools: Tools
  readonly system: System
  readonly workplace: Workplace
  readonly progress: Progress
  /** Files from which the project's packages are looked for; the running project's where it is absent. */
  readonly project?: readonly string[] | undefined
}

export const find = ({ project }: Pick<Context, 'project'>, name: string): FoundPackage | null =>
  findPackage(name, project)
