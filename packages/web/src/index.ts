export { type Answer, openPage, type Page } from './page.ts'
