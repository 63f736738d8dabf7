/** Simplification: applies rules that never make a program worse, until none applies. Idempotent, and not needed for correctness. */
import { rulePass } from '../rewrite/driver.ts'
import type { Rule } from '../rewrite/rules.ts'
import { arithmeticRules } from './arithmetic.ts'
import { movementRules } from './movement.ts'

export const simplifyRules: readonly Rule[] = [...arithmeticRules, ...movementRules]

export const simplify = rulePass('simplify', 'algebraic laws', simplifyRules)
