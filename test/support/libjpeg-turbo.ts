/**
 * The decoder of libjpeg-turbo's library. Tests are skipped if this machine has no library (`node scripts/install-libjpeg-turbo.mjs`). If
 * EFFUSE_TEST_LIBJPEG_TURBO is 1, as in .ci/run after the installation, they fail instead.
 */
import { jpegDecoder } from '../../src/data/libjpeg-turbo.ts'

export const decoder = jpegDecoder()
if (decoder === null && process.env['EFFUSE_TEST_LIBJPEG_TURBO'] === '1')
  throw new Error('EFFUSE_TEST_LIBJPEG_TURBO is 1, but koffi or libturbojpeg was not found')
