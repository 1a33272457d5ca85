// Broken on purpose: a batch is acknowledged, and so deleted, when it is taken and not when its results are stored.
import { TaskEngine } from '@poolmesh/core'

const accept = TaskEngine.prototype.accept
TaskEngine.prototype.accept = function (submission, waitingSince) {
  ;(submission.handle as { message: { ack(): void } }).message.ack()
  accept.call(this, submission, waitingSince)
}
