export { formatMarkdown } from './markdown.ts'
export { oneLine, plain } from './plain.ts'
export { type Column, formatFields, formatTable } from './table.ts'
