/** Simplification: laws that never make a program worse, applied until none fits. Not needed for correctness; idempotent. */
import { rulePass } from '../rewrite/driver.ts'
import type { Rule } from '../rewrite/rules.ts'
import { arithmeticRules } from './arithmetic.ts'
import { movementRules } from './movement.ts'

export const simplifyRules: readonly Rule[] = [...arithmeticRules, ...movementRules]

export const simplify = rulePass('simplify', 'algebraic laws', simplifyRules)
