/** Files for other tools. `effuse/export`. */
export { exportOnnx, type ExportOnnxOptions } from './onnx/export-onnx.ts'
export { onnxOpset } from './onnx/model-proto.ts'
export { type OnnxDeviation, onnxDeviations } from './onnx/deviations.ts'
