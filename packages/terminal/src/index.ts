export { formatMarkdown, formatMarkdownLines } from './markdown.ts'
export { oneLine, plain } from './plain.ts'
export { formatProgress, Progress, type ProgressOptions, type ProgressState } from './progress.ts'
export { type Column, formatFields, formatLines, formatTable } from './table.ts'
