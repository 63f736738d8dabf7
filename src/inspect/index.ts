/** Reports on compiled models, and benchmarks. */
export { bench, type BenchOptions, type BenchReport, type BenchRow } from './bench.ts'
export { doctor, type DoctorReport } from './doctor.ts'
export { htmlReport } from './html.ts'
export { inspectReport, type InspectReport } from './inspect.ts'
export { profileTrace } from './trace.ts'
export { type LayerPrecision, precisionReport, type PrecisionReport } from './precision.ts'
