// Objects with their versions, and the history that watches are served from.
import { randomUUID } from 'node:crypto'
import { ApiStatus, apiTime, type Meta, type Stored } from './objects.ts'

/** Older changes are compacted, as a real server does after some minutes. */
const HISTORY = 1_000

export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  version: number
  object: Stored
}

export class Store {
  #version = 1
  /** Changes up to this version are not known any more. */
  #compacted = 0
  readonly #objects = new Map<string, Stored>()
  #history: Change[] = []
  readonly #listeners = new Set<(change: Change) => void>()

  get version(): number {
    return this.#version
  }

  get compacted(): number {
    return this.#compacted
  }

  find<T extends Stored>(kind: T['kind'], namespace: string, name: string): T | undefined {
    return this.#objects.get(`${kind}/${namespace}/${name}`) as T | undefined
  }

  all<T extends Stored>(kind: T['kind']): T[] {
    return [...this.#objects.values()].filter((object) => object.kind === kind) as T[]
  }

  /** @throws ApiStatus AlreadyExists */
  add<T extends Stored>(object: Omit<T, 'metadata'> & { kind: T['kind']; metadata: Partial<Meta> }): T {
    const { namespace, name } = object.metadata
    const key = `${object.kind}/${namespace}/${name}`
    if (this.#objects.has(key))
      throw new ApiStatus(409, 'AlreadyExists', `${object.kind} "${name}" already exists`)
    const metadata = { ...object.metadata, uid: randomUUID(), creationTimestamp: apiTime() }
    const added = { ...object, metadata } as unknown as T
    this.#objects.set(key, added)
    this.#changed('ADDED', added)
    return added
  }

  /** Something in the object was changed. Of one that is gone nothing is told. */
  touch(object: Stored): void {
    if (this.#isCurrent(object)) this.#changed('MODIFIED', object)
  }

  remove(object: Stored): void {
    if (!this.#isCurrent(object)) return
    this.#objects.delete(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`)
    this.#changed('DELETED', object)
  }

  #isCurrent({ kind, metadata }: Stored): boolean {
    return this.find(kind, metadata.namespace, metadata.name)?.metadata.uid === metadata.uid
  }

  #changed(type: Change['type'], object: Stored): void {
    this.#version++
    object.metadata.resourceVersion = String(this.#version)
    const change = { type, version: this.#version, object: structuredClone(object) }
    this.#history.push(change)
    if (this.#history.length > HISTORY) this.#compacted = this.#history.shift()?.version ?? 0
    for (const listener of this.#listeners) listener(change)
  }

  /** @throws ApiStatus Expired */
  since(version: number): Change[] {
    if (version < this.#compacted)
      throw new ApiStatus(
        410,
        'Expired',
        `too old resource version: ${version} (${this.#compacted}), the history begins later`,
      )
    return this.#history.filter((change) => change.version > version)
  }

  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** The history is lost: who watches from an older version has to list again. */
  compact(): void {
    this.#version++
    this.#compacted = this.#version
    this.#history = []
  }
}
