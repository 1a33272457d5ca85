import { useMemo, useState } from 'preact/hooks'
import { ApiError, ask, part } from '../data/api.ts'
import { check, followed, type Resolve, resolver, type Schema, type Wrong } from '../data/schema.ts'
import { draft, FIELDS } from '../data/task-form.ts'
import type { Explanation } from '../data/types.ts'
import { useQuery } from '../data/use-query.ts'
import { FieldInput } from '../parts/field.tsx'
import { Panel, Problem } from '../parts/parts.tsx'
import { Why } from '../parts/why.tsx'
import { go, Title } from '../router.tsx'

const START: Record<string, string> = { payload: '{}' }

interface Contract {
  schema: Schema
  resolve: Resolve
}

/** The schema of a task out of the gateway's own description; null: it has none, and the gateway alone checks. */
function contractOf(document: unknown): Contract | null {
  const resolve = resolver(document)
  const paths = (
    document as {
      paths?: Record<string, { post?: { requestBody?: { content?: Record<string, { schema?: Schema }> } } }>
    } | null
  )?.paths
  const schema = paths?.['/api/v1/tasks']?.post?.requestBody?.content?.['application/json']?.schema
  const found = schema && followed(schema, resolve)
  return found ? { schema: found, resolve } : null
}

export function SubmitPage() {
  const document = useQuery<unknown>('openapi.json')
  const contract = useMemo(() => contractOf(document.data), [document.data])
  const [typed, setTyped] = useState(START)
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set())
  const [refused, setRefused] = useState<ApiError | null>(null)
  const [preview, setPreview] = useState<Explanation | null>(null)
  const [sending, setSending] = useState(false)
  const drafted = useMemo(() => draft(typed), [typed])
  const wrong = useMemo(
    () => [...drafted.wrong, ...(contract ? check(contract.schema, drafted.task, contract.resolve) : [])],
    [drafted, contract],
  )
  // The page's own words first: where the rules came after the gateway had refused, they say it better.
  const shown = [
    ...wrong.filter(({ path }) => touched.has(path.split('.')[0] ?? '')),
    ...(refused?.issues ?? []),
  ]
  const requireValid = (): boolean => {
    setTouched(new Set(FIELDS.map(({ name }) => name)))
    const first = wrong[0]
    if (!first) return true
    const name = first.path.split('.')[0]
    const input = window.document.getElementById(`field-${name}`)
    input?.closest('details')?.setAttribute('open', '')
    input?.focus()
    return false
  }
  const send = async (): Promise<void> => {
    if (!requireValid()) return
    setSending(true)
    setRefused(null)
    try {
      const isFanOut = drafted.task['fan_out'] !== undefined
      const { task_id: id } = await ask<{ task_id: string }>(isFanOut ? 'fanouts' : 'tasks', {
        method: 'POST',
        body: drafted.task,
      })
      go(`/${isFanOut ? 'fanouts' : 'tasks'}/${part(id)}`)
    } catch (error) {
      if (error instanceof ApiError) setRefused(error)
    } finally {
      setSending(false)
    }
  }
  const explain = async (): Promise<void> => {
    if (!requireValid()) return
    setRefused(null)
    try {
      setPreview(await ask<Explanation>('tasks:explain', { method: 'POST', body: drafted.task }))
    } catch (error) {
      if (error instanceof ApiError) setRefused(error)
    }
  }
  const input = (more: boolean) =>
    FIELDS.filter((field) => (field.more ?? false) === more).map((field) => (
      <FieldInput
        key={field.name}
        field={field}
        schema={propertyOf(contract, field.name)}
        value={typed[field.name] ?? ''}
        wrong={wrongAt(shown, field.name)}
        change={(value) => {
          setPreview(null)
          setRefused(null)
          setTyped({ ...typed, [field.name]: value })
        }}
        left={() => setTouched(new Set([...touched, field.name]))}
      />
    ))
  return (
    <div class="screen">
      <div class="head">
        <div>
          <Title name="Submit a task">Submit a task</Title>
          <p class="muted">
            What is left empty is the system's default. Checked as you type, by the rules of the gateway.
          </p>
        </div>
      </div>
      {refused && <Problem error={refused} />}
      <form
        class="panel"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <div class="form">
          {input(false)}
          <details class="full">
            <summary>More</summary>
            <div class="form">{input(true)}</div>
          </details>
          <div class="actions full">
            <button class="primary" disabled={sending}>
              {sending ? 'Submitting …' : 'Submit'}
            </button>
            <button type="button" onClick={() => void explain()}>
              Where would it go?
            </button>
          </div>
        </div>
      </form>
      <div aria-live="polite">
        {preview && (
          <Panel title="Where it would go" aside="nothing was submitted">
            <Why explanation={preview} ranOn={null} />
          </Panel>
        )}
      </div>
    </div>
  )
}

function propertyOf(contract: Contract | null, name: string): Schema | undefined {
  const property = contract?.schema.properties?.[name]
  return property && contract ? followed(property, contract.resolve) : undefined
}

const wrongAt = (wrong: readonly Wrong[], name: string): string | null => {
  const found = wrong.find(({ path }) => path === name || path.startsWith(`${name}.`))
  if (!found) return null
  const inside = found.path.slice(name.length + 1)
  return inside === '' ? found.message : `${inside}: ${found.message}`
}
