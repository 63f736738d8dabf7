/** The wheels of PyPI that setup installs, by version, kind and platform. A download must have the SHA-256 of this table. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { System } from './system.ts'

export interface Wheel {
  readonly name: string
  readonly version: string
  /** The value of pip's --platform. */
  readonly tag: string
  readonly bytes: number
  readonly sha256: string
}

export type Kind = 'cpu' | 'gpu'
export const defaultVersion = '2.21.0'

/** The fields of each wheel are in columns. */
const tensorflow: { readonly [target: string]: readonly string[] } = {
  'linux x64 cpu': [
    'tensorflow-cpu 2.21.0 manylinux_2_27_x86_64 273829956 2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
    'tensorflow-cpu 2.20.0 manylinux_2_17_x86_64 258876263 cf756bbe2d256e942ab5d0ad2c858fb40017581494febdb4387c149b1afde780',
    'tensorflow-cpu 2.19.1 manylinux_2_17_x86_64 251795484 0b6d72bd09c267e7573757bd309f5b1e2cdb02577339991da751f3a1411e4dae',
  ],
  'linux arm64 cpu': [
    'tensorflow 2.21.0 manylinux_2_27_aarch64 281828020 4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
    'tensorflow 2.20.0 manylinux_2_17_aarch64 259465882 3e9568c8efcb05c0266be223e3269c62ebf7ad3498f156438311735f6fa5ced5',
    'tensorflow 2.19.1 manylinux_2_17_aarch64 252660426 22deedc251837f2382d2b287c705705cb089bfaf79b2274b78c08740e02bf188',
  ],
  'darwin arm64 cpu': [
    'tensorflow 2.21.0 macosx_12_0_arm64 223405849 51f46f4806139d01fc7920cc72a4c75876f80649bf40ff083ab6212ceb43ca88',
    'tensorflow 2.20.0 macosx_12_0_arm64 200507363 5f964016c5035d09b85a246a6b739be89282a7839743f3ea63640224f0c63aee',
    'tensorflow 2.19.1 macosx_12_0_arm64 252591021 8a274a1336051bef0e7e042fa5818a9d342e300d9c311c5d7933eb60e2269770',
  ],
  'linux x64 gpu': [
    'tensorflow 2.21.0 manylinux_2_27_x86_64 572440367 9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  ],
}

/** CUDA 12.9, as pip resolves tensorflow[and-cuda]. */
const cuda: readonly string[] = [
  'nvidia-cublas-cu12 12.9.3.13 manylinux_2_27_x86_64 581217458 d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
  'nvidia-cuda-cupti-cu12 12.9.79 manylinux_2_25_x86_64 10814997 096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f',
  'nvidia-cuda-nvcc-cu12 12.9.86 manylinux_2_12_x86_64 40546229 5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0',
  'nvidia-cuda-nvrtc-cu12 12.9.86 manylinux_2_12_x86_64 89568129 210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
  'nvidia-cuda-runtime-cu12 12.9.79 manylinux_2_17_x86_64 3493179 25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
  'nvidia-cudnn-cu12 9.28.0.42 manylinux_2_27_x86_64 716538495 9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
  'nvidia-cufft-cu12 11.4.1.4 manylinux_2_17_x86_64 200877592 c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
  'nvidia-curand-cu12 10.3.10.19 manylinux_2_27_x86_64 68295626 49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
  'nvidia-cusolver-cu12 11.7.5.82 manylinux_2_27_x86_64 338117415 15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
  'nvidia-cusparse-cu12 12.5.10.65 manylinux_2_17_x86_64 366465088 73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
  'nvidia-nccl-cu12 2.32.3 manylinux_2_27_x86_64 351526311 bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c',
  'nvidia-nvjitlink-cu12 12.9.86 manylinux_2_12_x86_64 39748338 e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
]

const wheelIn = (row: string): Wheel => {
  const [name = '', version = '', tag = '', bytes = '', sha256 = ''] = row.split(' ')
  return { name, version, tag, bytes: Number(bytes), sha256 }
}

/** @throws EffuseError EF601 (no such version), EF404 (this platform has no such kind) */
export const wheelsOf = (version: string, kind: Kind, { platform, arch }: System): readonly Wheel[] => {
  const there = (tensorflow[`${platform} ${arch} ${kind}`] ?? []).map(wheelIn)
  if (there.length === 0)
    throw new EffuseError({
      code: 'EF404',
      message: `TensorFlow for NVIDIA GPUs is only available for Linux x64; this machine is ${platform} ${arch}`,
      hint: 'npx effuse setup tensorflow, without --gpu',
    })
  const found = there.find((wheel) => wheel.version === version)
  if (found !== undefined) return kind === 'gpu' ? [found, ...cuda.map(wheelIn)] : [found]
  throw new EffuseError({
    code: 'EF601',
    message: `--version must be one of ${there.map((wheel) => wheel.version).join(', ')}${kind === 'gpu' ? ' with --gpu' : ''}, got "${version}"`,
    hint: 'to use another version, install it yourself, and set EFFUSE_TENSORFLOW to the folder of libtensorflow_cc.so.2',
  })
}
