import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A folder of a test's own, gone with its scope. */
export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'gatehouse-e2e-'))

  constructor(files: Readonly<Record<string, string>> = {}) {
    // What runs as another user may read it.
    chmodSync(this.path, 0o755)
    for (const [name, text] of Object.entries(files)) this.write(name, text)
  }

  /** Writes a file and gives its path. */
  write(name: string, text: string): string {
    const path = join(this.path, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return path
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
