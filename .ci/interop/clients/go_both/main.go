// Sends three messages to a node, receives three, and closes: go_both URL. Leaves all else to go-amqp: what a server ends, and what
// is wrong, is answered by the library. For `conformance --listen`.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

const count = 3

func exchange(ctx context.Context, session *amqp.Session, node string) error {
	sender, err := session.NewSender(ctx, node, nil)
	if err != nil {
		return err
	}
	receiver, err := session.NewReceiver(ctx, node, &amqp.ReceiverOptions{Credit: count})
	if err != nil {
		return err
	}
	for at := 0; at < count; at++ {
		if err := sender.Send(ctx, amqp.NewMessage([]byte(fmt.Sprintf("message %d", at))), nil); err != nil {
			return err
		}
	}
	for at := 0; at < count; at++ {
		message, err := receiver.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if err := receiver.AcceptMessage(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

func run(where *url.URL) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	node := strings.TrimPrefix(where.Path, "/")
	where.Path = ""
	options := &amqp.ConnOptions{ContainerID: "go-amqp", SASLType: amqp.SASLTypeAnonymous()}
	conn, err := amqp.Dial(ctx, where.String(), options)
	if err != nil {
		return err
	}
	session, err := conn.NewSession(ctx, nil)
	if err == nil {
		err = exchange(ctx, session, node)
	}
	if err != nil {
		// The library may have something to answer.
		time.Sleep(time.Second)
	}
	conn.Close()
	return err
}

func main() {
	where, err := url.Parse(os.Args[1])
	if err == nil {
		err = run(where)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
