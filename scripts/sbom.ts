// The bill of materials of a release, CycloneDX 1.5: npm's list of what package.json depends on,
// and the Bun runtimes that are inside the executables.

import { join } from 'node:path'
import { description, devDependencies, license, name, version } from '../package.json'
import { findIntegrity, PACKAGES } from './runtime.ts'

interface Component {
  'bom-ref': string
  type: string
  name: string
  version: string
  purl: string
  hashes?: { alg: string; content: string }[]
  licenses?: { license: { id: string } }[]
}

interface Bill {
  $schema: string
  bomFormat: string
  specVersion: string
  version: number
  components: Component[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

/**
 * The bill as JSON text. It says nothing of when, where or with what it was made (npm puts the
 * time, a random number, its own version and the folder's name in), so equal sources give equal
 * bytes. Throws if npm does.
 */
export async function createBill(): Promise<string> {
  const npm = Bun.spawn(
    // prettier-ignore
    ['npm', 'sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only', '--loglevel=error'],
    { cwd: join(import.meta.dir, '..'), stdout: 'pipe', stderr: 'inherit' },
  )
  const text = await npm.stdout.text()
  if ((await npm.exited) !== 0) throw new Error('npm could not list the dependencies')
  const bill: Bill = JSON.parse(text)
  const runtimes = await Promise.all(Object.values(PACKAGES).map(describeRuntime))
  const gatehouse = `${name}@${version}`
  const { $schema, bomFormat, specVersion } = bill
  return `${JSON.stringify(
    {
      $schema,
      bomFormat,
      specVersion,
      version: bill.version,
      metadata: {
        component: {
          'bom-ref': gatehouse,
          type: 'application',
          name,
          version,
          description,
          purl: `pkg:npm/${gatehouse}`,
          licenses: [{ license: { id: license } }],
        },
      },
      components: [...bill.components, ...runtimes],
      dependencies: [
        ...bill.dependencies.map(({ ref, dependsOn }) =>
          ref === gatehouse
            ? { ref, dependsOn: [...dependsOn, ...runtimes.map((each) => each['bom-ref'])] }
            : { ref, dependsOn },
        ),
        ...runtimes.map((each) => ({ ref: each['bom-ref'], dependsOn: [] })),
      ],
    },
    null,
    2,
  )}\n`
}

async function describeRuntime(name: string): Promise<Component> {
  const version = devDependencies.bun
  const [, sha512 = ''] = (await findIntegrity(name)).split('sha512-')
  return {
    'bom-ref': `${name}@${version}`,
    type: 'framework',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }],
    licenses: [{ license: { id: 'MIT' } }],
  }
}
