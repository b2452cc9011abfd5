// Ad-hoc code signatures of Mach-O executables: the hashes macOS wants to find, made without macOS.
// The layout is that of XNU's osfmk/kern/cs_blobs.h; load commands are little-endian, a signature is big-endian.

const PAGE = 4096
const SHA256 = 32

const LC_SEGMENT_64 = 0x19
const LC_CODE_SIGNATURE = 0x1d
const CSMAGIC_EMBEDDED_SIGNATURE = 0xfade0cc0
const CSMAGIC_CODEDIRECTORY = 0xfade0c02
const ADHOC_AND_LINKER_SIGNED = 0x20002 // what `ld` writes, so that codesign may replace it
const WITH_EXEC_SEGMENT = 0x20400 // the CodeDirectory version that ends with the three execSeg fields
const MAIN_BINARY = 1n

const SUPERBLOB = 20 // with its index of one blob
const CODE_DIRECTORY = 88

interface Layout {
  /** Where the signature's load command lies, and where the signature it points to begins. */
  readonly command: number
  readonly signature: number
  readonly text: { readonly offset: bigint; readonly size: bigint }
  /** Where the load command of `__LINKEDIT` lies, and where its bytes begin. */
  readonly linkedit: { readonly command: number; readonly offset: number }
}

/** The executable with a fresh ad-hoc signature under the identifier in place of its old one. Throws if it has none. */
export function signMachO(executable: Uint8Array, identifier: string): Uint8Array {
  const { command, signature, text, linkedit } = findLayout(executable)
  const name = Buffer.from(`${identifier}\0`)
  const pages = Math.ceil(signature / PAGE)
  const hashes = CODE_DIRECTORY + name.length
  const directory = hashes + pages * SHA256
  const size = SUPERBLOB + directory

  const signed = Buffer.alloc(signature + size)
  signed.set(executable.subarray(0, signature))
  const linkeditSize = signed.length - linkedit.offset
  signed.writeUInt32LE(size, command + 12)
  signed.writeBigUInt64LE(BigInt(Math.ceil(linkeditSize / PAGE) * PAGE), linkedit.command + 32)
  signed.writeBigUInt64LE(BigInt(linkeditSize), linkedit.command + 48)

  let at = signature
  const put = (value: number) => (at = signed.writeUInt32BE(value, at))
  for (const value of [CSMAGIC_EMBEDDED_SIGNATURE, size, 1, 0, SUPERBLOB]) put(value)
  put(CSMAGIC_CODEDIRECTORY)
  put(directory)
  put(WITH_EXEC_SEGMENT)
  put(ADHOC_AND_LINKER_SIGNED)
  put(hashes)
  put(CODE_DIRECTORY) // where the identifier begins
  put(0) // no special slots
  put(pages)
  put(signature) // what is hashed ends here
  at = signed.writeUInt8(SHA256, at)
  at = signed.writeUInt8(2, at) // CS_HASHTYPE_SHA256
  at = signed.writeUInt8(0, at)
  at = signed.writeUInt8(Math.log2(PAGE), at)
  for (let spare = 0; spare < 4; spare++) put(0) // spare2, scatterOffset, teamOffset, spare3
  at = signed.writeBigUInt64BE(0n, at) // codeLimit64
  at = signed.writeBigUInt64BE(text.offset, at)
  at = signed.writeBigUInt64BE(text.size, at)
  at = signed.writeBigUInt64BE(MAIN_BINARY, at)
  at += name.copy(signed, at)
  for (let page = 0; page < signature; page += PAGE)
    at += hashPage(signed, page, signature).copy(signed, at)
  return signed
}

/** How many pages of a signed executable differ from the hashes in its signature; 0 is what macOS accepts. */
export function countWrongPages(executable: Uint8Array): number {
  const bytes = Buffer.from(executable.buffer, executable.byteOffset, executable.byteLength)
  const { signature } = findLayout(bytes)
  const directory = signature + bytes.readUInt32BE(signature + 16)
  const hashes = directory + bytes.readUInt32BE(directory + 16)
  const end = bytes.readUInt32BE(directory + 32)
  if (end !== signature) return Math.ceil(Math.abs(signature - end) / PAGE)
  let wrong = 0
  for (let page = 0, at = hashes; page < end; page += PAGE, at += SHA256) {
    if (!hashPage(bytes, page, end).equals(bytes.subarray(at, at + SHA256))) wrong++
  }
  return wrong
}

function hashPage(bytes: Buffer, start: number, end: number): Buffer {
  const page = bytes.subarray(start, Math.min(start + PAGE, end)) // the last one is hashed as short as it is
  return new Bun.CryptoHasher('sha256').update(page).digest()
}

function findLayout(executable: Uint8Array): Layout {
  const bytes = Buffer.from(executable.buffer, executable.byteOffset, executable.byteLength)
  if (bytes.readUInt32LE(0) !== 0xfeedfacf) throw new Error('not a 64-bit Mach-O executable')
  let signature: Pick<Layout, 'command' | 'signature'> | undefined
  const segments = new Map<string, number>()
  let at = 32
  for (let left = bytes.readUInt32LE(16); left > 0; left--) {
    const command = bytes.readUInt32LE(at)
    if (command === LC_SEGMENT_64) {
      segments.set(bytes.toString('latin1', at + 8, at + 24).replace(/\0+$/, ''), at)
    } else if (command === LC_CODE_SIGNATURE) {
      signature = { command: at, signature: bytes.readUInt32LE(at + 8) }
    }
    at += bytes.readUInt32LE(at + 4)
  }
  const text = segments.get('__TEXT')
  const linkedit = segments.get('__LINKEDIT')
  if (!signature || text === undefined || linkedit === undefined) {
    throw new Error('a Mach-O executable without a place for a signature')
  }
  return {
    ...signature,
    text: { offset: bytes.readBigUInt64LE(text + 40), size: bytes.readBigUInt64LE(text + 48) },
    linkedit: { command: linkedit, offset: Number(bytes.readBigUInt64LE(linkedit + 40)) },
  }
}
