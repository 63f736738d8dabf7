/** Unpacks the parts of a wheel that effuse needs, with Python's zipfile. It streams large files, checks checksums, and writes only inside the folder. */
import { basename } from 'node:path'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Python } from './python.ts'
import { reasonIn } from './tools.ts'
import { checkSpace, fullDisk, type Progress, watching } from './workplace.ts'

/**
 * The files to unpack: the libraries, the headers that tfjs-node's binding includes, CUDA without its headers, and the licences. These are about 100 of
 * TensorFlow's 11,000 headers.
 */
const wanted = [
  String.raw`tensorflow/lib[^/]*(\.so|\.dylib)[^/]*`,
  String.raw`tensorflow\.libs/[^/]+`,
  String.raw`tensorflow/include/(.*/)?(c/.*|platform/ctstring[^/]*)\.h`,
  String.raw`tensorflow/THIRD_PARTY_NOTICES\.txt`,
  String.raw`[^/]+\.dist-info/(METADATA|(licenses/.*|LICENSE|License)[^/]*)`,
  'nvidia/(?!.*/include/).*',
].join('|')

/**
 * A Python program. It prints the number of bytes (`size`), or unpacks. On a system error it exits with code 3 and prints the error's name. Executable
 * files stay executable.
 */
const program = `
import errno, os, re, shutil, sys, zipfile
what, wheel, target, wanted = sys.argv[1:]
try:
    with zipfile.ZipFile(wheel) as z:
        infos = [i for i in z.infolist() if not i.is_dir() and re.fullmatch(wanted, i.filename)]
        if what == 'size':
            print(sum(i.file_size for i in infos))
        else:
            for i in infos:
                path = os.path.join(target, *[p for p in i.filename.split('/') if p not in ('', '.', '..')])
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with z.open(i) as source, open(path, 'wb') as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                if i.external_attr >> 16 & 0o100:
                    os.chmod(path, 0o755)
except OSError as e:
    print(errno.errorcode.get(e.errno, e), e.filename or '')
    sys.exit(3)
`

/** @throws EffuseError EF603 (the file is no wheel, or damaged), EF501 (the disk is full) */
export const unpack = async (python: Python, wheel: string, target: string, progress: Progress): Promise<void> => {
  const name = basename(wheel).split('-')[0] ?? ''
  const run = (what: 'size' | 'unpack') => python.run(['-c', program, what, wheel, target, wanted])
  const size = await run('size')
  const bytes = Number(size.output)
  if (size.code !== 0 || !(bytes > 0))
    throw damaged(wheel, size.code === 0 ? 'it has no library' : reasonIn(size.output))
  await checkSpace(bytes, `unpacking ${name}`)
  await watching(target, bytes, `unpacking ${name}`, progress, async () => {
    const { code, output } = await run('unpack')
    if (code === 3 && /ENOSPC|EDQUOT|EFBIG/.test(output)) throw fullDisk(`${name} could not be unpacked`)
    if (code !== 0) throw damaged(wheel, reasonIn(output))
  })
}

const damaged = (wheel: string, detail: string): EffuseError =>
  new EffuseError({
    code: 'EF603',
    message: `${basename(wheel)} cannot be unpacked: ${detail}`,
    hint: 'npx effuse setup tensorflow fetches it again',
  })
