#!/usr/bin/env bash
# A pool and a client of poolmesh for a shell, with the `nats` command and jq.
#
#   ./poolmesh.sh pool            runs tasks that require "shell" until it is stopped
#   ./poolmesh.sh submit TEXT     submits such a task and prints its result
#
# The server is the one of NATS_URL, else nats://127.0.0.1:4222.
set -euo pipefail
export NATS_URL="${NATS_URL:-nats://127.0.0.1:4222}"
name=shell_pool
self="$(realpath "${BASH_SOURCE[0]}")"

case "${1:-}" in
pool)
  nats request pool.register --raw --timeout 20s \
    "$(jq -nc --arg name "$name" '{name: $name, pool_type: "nats", capabilities: ["shell"], max_workers: 1}')" |
    jq -e 'if .error then error(.error.message) else "\(.name) is registered" end' -r
  trap 'nats request pool.deregister --raw "{\"name\":\"$name\"}" >/dev/null' EXIT
  # Each message is given to this file again, in NATS_REQUEST_BODY; what it prints is the answer.
  nats reply "pool.work.$name" --queue "$name" --command "bash $self run"
  ;;
run)
  jq -c 'if .payload.text | type == "string"
    then {task_id, status: "completed", output: {characters: (.payload.text | length), by: "shell"}}
    else {task_id, status: "failed", error: "the payload has no text"} end' <<<"$NATS_REQUEST_BODY"
  ;;
submit)
  id="$(cat /proc/sys/kernel/random/uuid)"
  # As a request: the answer means that it is stored and will end in exactly one result.
  nats request task.submitted --raw --timeout 20s \
    "$(jq -nc --arg id "$id" --arg text "$2" \
      '{task_id: $id, task_type: "count", payload: {text: $text}, required_capabilities: ["shell"]}')" >/dev/null
  # Its stored result; before the end, its status.
  until result="$(nats request task.result --raw --timeout 20s "{\"task_id\":\"$id\"}")" &&
    jq -e 'has("output")' <<<"$result" >/dev/null; do sleep 0.2; done
  jq -r '"\(.pool_name): \(.status), \(.output | tojson)"' <<<"$result"
  ;;
*)
  echo "usage: poolmesh.sh pool | poolmesh.sh submit TEXT" >&2
  exit 2
  ;;
esac
