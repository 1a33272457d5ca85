import { render } from 'preact'
import './styles/base.css'
import './styles/frame.css'
import './styles/parts.css'
import './styles/charts.css'
import './styles/screens.css'
import { runLive } from './data/live.ts'
import { AlertsPage } from './pages/alerts.tsx'
import { DeadLetterPage, DeadPage } from './pages/dead.tsx'
import { FanOutPage } from './pages/fan-out.tsx'
import { OverviewPage } from './pages/overview.tsx'
import { PoolPage } from './pages/pool.tsx'
import { PoolsPage } from './pages/pools.tsx'
import { SubmitPage } from './pages/submit.tsx'
import { TaskPage } from './pages/task.tsx'
import { TasksPage } from './pages/tasks.tsx'
import { Frame } from './parts/frame.tsx'
import { Link, Title, usePlace } from './router.tsx'

function Screen() {
  const { path } = usePlace()
  const [, place = '', rest = ''] = path.split('/')
  const name = decoded(rest)
  if (name === '')
    switch (place) {
      case '':
        return <OverviewPage />
      case 'pools':
        return <PoolsPage />
      case 'tasks':
        return <TasksPage />
      case 'dead':
        return <DeadPage />
      case 'alerts':
        return <AlertsPage />
      case 'submit':
        return <SubmitPage />
    }
  else if (name !== null)
    switch (place) {
      case 'pools':
        return <PoolPage key={name} name={name} />
      case 'tasks':
        return <TaskPage key={name} id={name} />
      case 'fanouts':
        return <FanOutPage key={name} id={name} />
      case 'dead':
        return <DeadLetterPage key={name} id={name} />
    }
  return (
    <div class="screen">
      <Title name="Not here">There is nothing here</Title>
      <p>
        <Link to="/">To the overview</Link>
      </p>
    </div>
  )
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

render(
  <Frame>
    <Screen />
  </Frame>,
  document.getElementById('app')!,
)
void runLive()
