// A pool and a client of poolmesh in C, with the NATS client (libnats) and jansson for JSON.
//
//   cc -o poolmesh poolmesh.c -lnats -ljansson      (Debian: apt-get install gcc libnats-dev libjansson-dev)
//   ./poolmesh pool            runs tasks that require "c" until it is stopped
//   ./poolmesh submit TEXT     submits such a task and prints its result
//
// The server is the one of NATS_URL, else nats://127.0.0.1:4222.
#include <jansson.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POOL "c_pool"
#define WAIT_MS 20000

static void need(natsStatus status, const char *what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  exit(1);
}

static json_t *read_message(natsMsg *message) {
  return json_loadb(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message), 0, NULL);
}

static natsStatus publish(natsConnection *nc, const char *subject, json_t *value) {
  char *text = json_dumps(value, JSON_COMPACT);
  natsStatus status = natsConnection_PublishString(nc, subject, text);
  free(text);
  json_decref(value);
  return status;
}

/** Asks, and gives the answer; a refusal ends the program. */
static json_t *request(natsConnection *nc, const char *subject, json_t *value) {
  natsMsg *reply = NULL;
  char *text = json_dumps(value, JSON_COMPACT);
  need(natsConnection_RequestString(&reply, nc, subject, text, WAIT_MS), subject);
  free(text);
  json_decref(value);
  json_t *answer = read_message(reply);
  natsMsg_Destroy(reply);
  json_t *error = json_object_get(answer, "error");
  if (error) {
    char *said = json_dumps(error, JSON_COMPACT | JSON_ENCODE_ANY);
    fprintf(stderr, "%s refused: %s\n", subject, said);
    exit(1);
  }
  return answer;
}

/** One task. It runs in a thread of the library's, one message after the other. */
static void work(natsConnection *nc, natsSubscription *subscription, natsMsg *message, void *closure) {
  (void)subscription;
  (void)closure;
  json_t *task = read_message(message);
  json_t *id = json_object_get(task, "task_id");
  json_t *text = json_object_get(json_object_get(task, "payload"), "text");
  json_t *answer;
  if (json_is_string(text))
    answer = json_pack("{s:O, s:s, s:{s:I, s:s}}", "task_id", id, "status", "completed", "output", "bytes",
                       (json_int_t)json_string_length(text), "by", "c");
  else
    answer = json_pack("{s:O, s:s, s:s}", "task_id", id, "status", "failed", "error", "the payload has no text");
  publish(nc, natsMsg_GetReply(message), answer);
  json_decref(task);
  natsMsg_Destroy(message);
}

static volatile sig_atomic_t stopped = 0;
static void stop(int number) {
  (void)number;
  stopped = 1;
}

static void pool(natsConnection *nc) {
  natsSubscription *subscription = NULL;
  need(natsConnection_QueueSubscribe(&subscription, nc, "pool.work." POOL, POOL, work, NULL), "subscribing");
  json_decref(request(nc, "pool.register",
                      json_pack("{s:s, s:s, s:[s], s:i}", "name", POOL, "pool_type", "nats", "capabilities", "c",
                                "max_workers", 1)));
  printf(POOL " is registered\n");
  fflush(stdout);
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  while (!stopped) usleep(100000);
  // No new work, and gone when the last task has ended.
  json_decref(request(nc, "pool.deregister", json_pack("{s:s, s:b}", "name", POOL, "drain", 1)));
  need(natsSubscription_Drain(subscription), "draining");
  natsSubscription_WaitForDrainCompletion(subscription, WAIT_MS);
  natsSubscription_Destroy(subscription);
}

static void submit(natsConnection *nc, const char *text) {
  // An inbox's name is new each time; behind its prefix it is an id.
  char *inbox = NULL;
  need(natsInbox_Create(&inbox), "making an id");
  const char *id = strrchr(inbox, '.') + 1;
  // Before the task is submitted: its result may come at once.
  natsSubscription *results = NULL;
  need(natsConnection_SubscribeSync(&results, nc, "task.completed"), "subscribing");
  // As a request: the answer means that it is stored and will end in exactly one result.
  json_decref(request(nc, "task.submitted",
                      json_pack("{s:s, s:s, s:{s:s}, s:[s]}", "task_id", id, "task_type", "count", "payload",
                                "text", text, "required_capabilities", "c")));
  for (;;) {
    natsMsg *message = NULL;
    need(natsSubscription_NextMsg(&message, results, WAIT_MS), "waiting for the result");
    json_t *result = read_message(message);
    natsMsg_Destroy(message);
    // The results of tasks that were submitted as a batch come in arrays; this one was submitted alone.
    const char *of = json_string_value(json_object_get(result, "task_id"));
    if (of && strcmp(of, id) == 0) {
      char *output = json_dumps(json_object_get(result, "output"), JSON_COMPACT | JSON_ENCODE_ANY);
      printf("%s: %s, %s\n", json_string_value(json_object_get(result, "pool_name")),
             json_string_value(json_object_get(result, "status")), output);
      free(output);
      json_decref(result);
      break;
    }
    json_decref(result);
  }
  natsSubscription_Destroy(results);
  natsInbox_Destroy(inbox);
}

int main(int count, char **arguments) {
  const char *url = getenv("NATS_URL");
  natsConnection *nc = NULL;
  need(natsConnection_ConnectTo(&nc, url && *url ? url : "nats://127.0.0.1:4222"), "connecting");
  if (count == 2 && strcmp(arguments[1], "pool") == 0) pool(nc);
  else if (count == 3 && strcmp(arguments[1], "submit") == 0) submit(nc, arguments[2]);
  else fprintf(stderr, "usage: poolmesh pool | poolmesh submit TEXT\n");
  natsConnection_Destroy(nc);
  nats_Close();
  return 0;
}
