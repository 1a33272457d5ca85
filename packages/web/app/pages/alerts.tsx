import { useState } from 'preact/hooks'
import { ask, query } from '../data/api.ts'
import { useLive } from '../data/live.ts'
import type { Alert, Page } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { AlertRows } from '../parts/alert-rows.tsx'
import { Loaded } from '../parts/parts.tsx'
import { Title } from '../router.tsx'

const PAGE = 100
/** Alerts on the screen; older ones are asked for. */
const MOST = 2_000

export function AlertsPage() {
  const alerts = useQuery<Page<Alert>>(`alerts${query({ limit: PAGE })}`)
  const [older, setOlder] = useState(false)
  useLive(
    ['alerts'],
    {
      alerts: (data) => {
        const alert = data as Alert
        alerts.update(({ items, next }) =>
          items.some(({ sequence }) => sequence === alert.sequence)
            ? { items, next }
            : { items: [alert, ...items].slice(0, MOST), next },
        )
      },
    },
    alerts.reload,
  )
  const more = async (cursor: string): Promise<void> => {
    setOlder(true)
    try {
      const page = await ask<Page<Alert>>(`alerts${query({ limit: PAGE, cursor })}`)
      alerts.update(({ items }) => ({ items: [...items, ...page.items].slice(0, MOST), next: page.next }))
    } finally {
      setOlder(false)
    }
  }
  return (
    <div class="screen">
      <div class="head">
        <div>
          <Title name="Alerts">Alerts</Title>
          <p class="muted">Pools that failed, and those that recovered. Newest first, live.</p>
        </div>
      </div>
      <Loaded query={alerts}>
        {({ items, next }) => (
          <section class="panel" aria-label="Alerts">
            <AlertRows alerts={items} />
            {next !== null && items.length < MOST && (
              <button onClick={() => void more(next).catch(() => undefined)} disabled={older}>
                Older
              </button>
            )}
          </section>
        )}
      </Loaded>
    </div>
  )
}
