// Results for peers that keep none or tell nobody: rows of a table, and a NOTIFY for all of a tick.
import pg from 'pg'

const CHANNEL = 'bench_results'
/** A notification has at most 8,000 bytes; an id has 36. */
const IDS = 200

export async function makeResults(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query('CREATE TABLE IF NOT EXISTS bench_results (id uuid PRIMARY KEY, result jsonb NOT NULL)')
  await client.end()
}

export async function listen(url: string, heard: (id: string) => void): Promise<pg.Client> {
  const client = new pg.Client(url)
  await client.connect()
  client.on('notification', ({ payload = '' }) => {
    for (const id of payload.split(',')) heard(id)
  })
  await client.query(`LISTEN ${CHANNEL}`)
  return client
}

/** One statement, so one commit, for whatever number of ids. */
export async function notify(pool: pg.Pool, ids: readonly string[]): Promise<void> {
  const lists: string[] = []
  for (let i = 0; i < ids.length; i += IDS) lists.push(ids.slice(i, i + IDS).join(','))
  await pool.query({
    name: 'notify',
    text: 'SELECT pg_notify($1, list) FROM unnest($2::text[]) AS list',
    values: [CHANNEL, lists],
  })
}

/** Collects the results of a tick, stores and tells them with one statement. */
export class Results {
  readonly #pool: pg.Pool
  #waiting: { id: string; resolve(): void; reject(error: Error): void }[] = []

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  store(id: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ id, resolve, reject }) === 1) setImmediate(() => void this.#flush())
    })
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting
    this.#waiting = []
    const ids = batch.map(({ id }) => id)
    const lists: string[] = []
    for (let i = 0; i < ids.length; i += IDS) lists.push(ids.slice(i, i + IDS).join(','))
    try {
      await this.#pool.query({
        name: 'results',
        text: `WITH stored AS (INSERT INTO bench_results SELECT id, '{"ok":true}' FROM unnest($1::uuid[]) AS id
                               ON CONFLICT DO NOTHING)
               SELECT pg_notify('${CHANNEL}', list) FROM unnest($2::text[]) AS list`,
        values: [ids, lists],
      })
      for (const { resolve } of batch) resolve()
    } catch (error) {
      for (const { reject } of batch) reject(error as Error)
    }
  }
}
