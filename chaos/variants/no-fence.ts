// Broken on purpose: every executor dispatches, and results are stored without comparing what is stored already.
import { Publisher } from '@poolmesh/bus'
import './lease-says-yes.ts'

const publish = Publisher.prototype.publish
Publisher.prototype.publish = function (subject, data, headers, done) {
  publish.call(this, subject, data, subject.startsWith('task.completed.') ? undefined : headers, done)
}
