/** Setup of every test file while mutants are judged: a property ends at its first failure, since nobody reads the counterexample. */
import fc from 'fast-check'

fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true })
