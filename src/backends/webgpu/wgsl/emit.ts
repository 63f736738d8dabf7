/**
 * Emits a phase of a kernel as a WGSL shader. It uses the kernel, not its loops: loops define the order in which one thread visits the points, while
 * here each invocation computes a tile of points. Both are made from the same description of what a point computes.
 *
 * WGSL implementations may assume that NaN and infinity do not occur, may round differently, and may flush subnormals. So NaN is detected by its
 * bits, and no op is bit-exact. There is no float64. Half types cannot be stored yet.
 */
import { EffuseError } from '../../../ir/diagnostics.ts'
import { elements, isHalf, showType } from '../../../ir/types.ts'
import type { Kernel, KernelBuffer, Phase } from '../../codegen/kernel/kernel.ts'
import { PhaseWriter } from './phase-writer.ts'
import { calledBy, elementType } from './library.ts'
import { type WgslSchedule, tilesOf, wgslScheduleOf, workgroupsMax, workgroupsOf } from './schedule.ts'

export interface WgslPhase {
  readonly code: string
  /** The binding number in group 0 is the index in this list. */
  readonly bindings: readonly { readonly buffer: number; readonly access: 'read' | 'read_write' }[]
  readonly workgroups: readonly [number, number]
}

/** The shaders of a kernel, to be run in order. @throws EffuseError EF405 where WGSL does not support something yet */
export const emitWgsl = (
  kernel: Kernel,
  scheduleOf: (phase: Phase) => WgslSchedule = wgslScheduleOf,
): readonly WgslPhase[] => kernel.phases.map((phase) => emitPhase(phase, kernel.buffers, scheduleOf(phase)))

const emitPhase = (phase: Phase, buffers: readonly KernelBuffer[], schedule: WgslSchedule): WgslPhase => {
  const written = new Set(phase.stores.map(({ buffer }) => buffer))
  const read = new Set(phase.exprs.flatMap((expr) => (expr.kind === 'load' ? [expr.buffer] : [])))
  const used = [...new Set([...read, ...written])].sort((a, b) => a - b)
  const bindings = used.map((buffer) => ({ buffer, access: written.has(buffer) ? 'read_write' : 'read' }) as const)
  const declarations = bindings.map(({ buffer, access }, binding) => {
    const { dtype, shape } = buffers[buffer] as KernelBuffer // verified
    if (isHalf(dtype))
      throw new EffuseError({
        code: 'EF405',
        message: `expected float32, int32 or bool in a shader, got buffer ${buffer} of ${showType({ dtype, shape })}`,
      })
    return `@group(0) @binding(${binding}) var<storage, ${access}> b${buffer} : array<${elementType(dtype)}, ${elements(shape)}>;`
  })
  const body = new PhaseWriter(phase, buffers, schedule).write()
  const code = [prelude, calledBy(body), ...declarations, mainOf(phase, schedule, body)].filter((part) => part !== '')
  return { code: `${code.join('\n')}\n`, bindings, workgroups: workgroupsOf(phase, schedule) }
}

/** NaN and infinity have no literals, and constant expressions must not produce them. So their bits are in a uniform buffer. */
const prelude = `struct Uniforms { NAN : f32, INFINITY : f32 }
var<private> nanBits : u32 = 0x7fc00000u;
var<private> infinityBits : u32 = 0x7f800000u;
var<private> uniforms : Uniforms;
fn isnan(x : f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }`

const mainOf = (phase: Phase, schedule: WgslSchedule, body: string): string => {
  const tiles = tilesOf(phase, schedule)
  const [, second] = workgroupsOf(phase, schedule)
  const group = second === 1 ? 'group.x' : `(group.x + group.y * ${workgroupsMax}u)`
  return `@compute @workgroup_size(${schedule.workgroupSize})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) local : u32) {
  let tile = i32(${group} * ${schedule.workgroupSize}u + local);
  if (tile >= ${elements(tiles)}) { return; }
  uniforms = Uniforms(bitcast<f32>(nanBits), bitcast<f32>(infinityBits));
${body}
}`
}
