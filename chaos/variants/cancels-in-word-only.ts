// Broken on purpose: a task that runs is said to be cancelled, and goes on.
import { TaskEngine } from '@poolmesh/core'

const cancel = TaskEngine.prototype.cancel
TaskEngine.prototype.cancel = async function (taskId, reason) {
  if (this.find(taskId)?.state === 'running') return { cancelled: true, status: 'cancelled' }
  return await cancel.call(this, taskId, reason)
}
