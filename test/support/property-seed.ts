/** Setup of every test file: its properties are drawn from the run's seed, which vitest.config.ts chooses. */
import fc from 'fast-check'
import { inject } from 'vitest'

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: inject('propertySeed') })
