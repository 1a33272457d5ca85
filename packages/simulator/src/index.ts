export { scheduleOf } from './schedule.ts'
export { select, shrink } from './shrink.ts'
export { VARIANTS } from './variant.ts'
export { World } from './world.ts'
