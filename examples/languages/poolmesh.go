// A pool and a client of poolmesh in Go, with nats.go.
//
//	go mod init poolmesh && go get github.com/nats-io/nats.go
//	go run poolmesh.go pool            runs tasks that require "go" until it is stopped
//	go run poolmesh.go submit TEXT     submits such a task and prints its result
//
// The server is the one of NATS_URL, else nats://127.0.0.1:4222.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
)

const (
	name       = "go_pool"
	maxWorkers = 4
	wait       = 20 * time.Second
)

type object = map[string]any

type task struct {
	ID      string `json:"task_id"`
	Payload struct {
		Text *string `json:"text"`
	} `json:"payload"`
}

type result struct {
	ID     string          `json:"task_id"`
	Pool   string          `json:"pool_name"`
	Status string          `json:"status"`
	Output json.RawMessage `json:"output"`
}

func main() {
	log.SetFlags(0)
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	nc, err := nats.Connect(url, nats.Name("poolmesh.go"), nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	switch {
	case len(os.Args) == 2 && os.Args[1] == "pool":
		err = pool(nc)
	case len(os.Args) == 3 && os.Args[1] == "submit":
		err = submit(nc, os.Args[2])
	default:
		err = errors.New("usage: poolmesh pool | poolmesh submit TEXT")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Each task runs in a goroutine of its own; no more come than max_workers says.
func pool(nc *nats.Conn) error {
	subscription, err := nc.QueueSubscribe("pool.work."+name, name, func(message *nats.Msg) {
		go func() {
			answer, _ := json.Marshal(run(message.Data))
			_ = message.Respond(answer)
		}()
	})
	if err != nil {
		return err
	}
	descriptor := object{"name": name, "pool_type": "nats", "capabilities": []string{"go"}, "max_workers": maxWorkers}
	if err := ask(nc, "pool.register", descriptor); err != nil {
		return err
	}
	fmt.Println(name, "is registered")

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	// No new work, and gone when the last task has ended.
	if err := ask(nc, "pool.deregister", object{"name": name, "drain": true}); err != nil {
		return err
	}
	return subscription.Drain()
}

func run(data []byte) object {
	var work task
	if err := json.Unmarshal(data, &work); err != nil {
		return object{"status": "failed", "error": err.Error()}
	}
	if work.Payload.Text == nil {
		return object{"task_id": work.ID, "status": "failed", "error": "the payload has no text"}
	}
	output := object{"characters": utf8.RuneCountInString(*work.Payload.Text), "by": "go"}
	return object{"task_id": work.ID, "status": "completed", "output": output}
}

func submit(nc *nats.Conn, text string) error {
	// Before the task is submitted: its result may come at once.
	results, err := nc.SubscribeSync("task.completed")
	if err != nil {
		return err
	}
	id := nats.NewInbox()[len("_INBOX."):]
	// As a request: the answer means that it is stored and will end in exactly one result.
	submitted := object{
		"task_id": id, "task_type": "count", "payload": object{"text": text}, "required_capabilities": []string{"go"},
	}
	if err := ask(nc, "task.submitted", submitted); err != nil {
		return err
	}
	for {
		message, err := results.NextMsg(wait)
		if err != nil {
			return err
		}
		var one result
		// The results of tasks that were submitted as a batch come in arrays; this one was submitted alone.
		if json.Unmarshal(message.Data, &one) == nil && one.ID == id {
			fmt.Printf("%s: %s, %s\n", one.Pool, one.Status, one.Output)
			return nil
		}
	}
}

// Asks; a refusal is an error.
func ask(nc *nats.Conn, subject string, value object) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	reply, err := nc.Request(subject, body, wait)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s was refused: %s", subject, answer.Error)
	}
	return nil
}
