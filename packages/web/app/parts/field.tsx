import type { Schema } from '../data/schema.ts'
import type { Field } from '../data/task-form.ts'
import { words } from './format.ts'
import { Text } from './parts.tsx'

const STRATEGIES = ['least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity']

interface FieldProps {
  field: Field
  schema: Schema | undefined
  value: string
  wrong: string | null
  change(value: string): void
  left(): void
}

export function FieldInput({ field, schema, value, wrong, change, left }: FieldProps) {
  const id = `field-${field.name}`
  const hint = `${id}-hint`
  const common = {
    id,
    value,
    'aria-describedby': hint,
    'aria-invalid': wrong !== null,
    onBlur: left,
    onInput: (event: { currentTarget: { value: string } }) => change(event.currentTarget.value),
    spellcheck: false,
    autocomplete: 'off',
  }
  return (
    <div class={field.kind === 'json' ? 'full' : ''}>
      <label for={id}>{field.label}</label>
      {field.kind === 'json' ? (
        <textarea {...common} />
      ) : field.kind === 'choice' ? (
        <select {...common}>
          <option value="">the default</option>
          {((schema?.enum as string[] | undefined) ?? STRATEGIES).map((one) => (
            <option key={one} value={one}>
              {words(one)}
            </option>
          ))}
        </select>
      ) : field.kind === 'flag' ? (
        <input
          id={id}
          type="checkbox"
          checked={value === 'true'}
          aria-describedby={hint}
          onChange={(event) => change(event.currentTarget.checked ? 'true' : '')}
        />
      ) : (
        <input
          {...common}
          inputMode={field.kind === 'number' ? 'numeric' : 'text'}
          placeholder={placeholderOf(schema)}
        />
      )}
      <p id={hint} class={wrong === null ? 'hint' : 'wrong'}>
        {wrong === null ? (
          `${field.hint}${rangeOf(schema)}`
        ) : (
          <Text most={300}>{`${field.label} ${wrong}`}</Text>
        )}
      </p>
    </div>
  )
}

const placeholderOf = (schema: Schema | undefined): string =>
  typeof schema?.default === 'number' ? String(schema.default) : ''

const rangeOf = (schema: Schema | undefined): string =>
  schema?.minimum !== undefined && schema.maximum !== undefined && schema.maximum < 1e9
    ? ` ${schema.minimum} to ${schema.maximum}.`
    : ''
