/** Setup of every test file: properties are drawn from the seed of the run, which vitest.config.ts sets. */
import fc from 'fast-check'
import { inject } from 'vitest'

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: inject('propertySeed') })
