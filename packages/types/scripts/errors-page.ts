import { ERRORS } from '../src/index.ts'

/** docs/errors.md: the list of codes for people. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning} |`,
  )
  return `# Errors

Generated from \`packages/types/src/errors.ts\` by \`npm run generate\`.

A refused request is answered with \`{"error":{"code","message","issues":[{"path","message"}]}}\`, and with the headers
\`Nats-Service-Error\` (the message) and \`Nats-Service-Error-Code\` (the number). A result that is not \`completed\` has the
code in \`metadata.reason\`. Codes are added to, never renamed.

| code | number | meaning |
|---|---|---|
${rows.join('\n')}
`
}
