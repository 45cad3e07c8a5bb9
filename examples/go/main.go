// Reviews an idea and follows its run to the decision, whatever becomes of the connection.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example.com/review/gen/consensus/v1"
)

var ( // what outlives a connection
	request = &pb.StartReviewRequest{IdempotencyKey: rand.Text()} // under a key, it may be sent again
	runID   string
	last    uint32        // the sequence of the last event that arrived
	silence time.Duration // a stream that says nothing for so long is dead
)

func main() {
	request.Review = &pb.ReviewInput{Subject: &pb.ReviewInput_Idea{Idea: os.Args[1]}}
	for failures := 1; ; failures++ {
		before := last
		err := follow(context.Background())
		if err == io.EOF {
			return
		} else if last > before {
			failures = 1
		}
		wait, repeatable := explain(err, failures)
		if !repeatable || failures == 8 {
			os.Exit(1)
		}
		fmt.Fprintf(os.Stderr, "again after event %d, in %s\n", last, wait)
		time.Sleep(wait)
	}
}

// follow starts the run, unless that is done, and prints its events to the end, which is io.EOF. It takes a
// connection of its own: the one before may be the fault.
func follow(ctx context.Context) error {
	security := insecure.NewCredentials()
	if authority := os.Getenv("CONSENSUS_TLS_CA"); authority != "" {
		security, _ = credentials.NewClientTLSFromFile(authority, "")
	}
	server := cmp.Or(os.Getenv("CONSENSUS_SERVER"), "127.0.0.1:50051")
	connection, err := grpc.NewClient(server, grpc.WithTransportCredentials(security))
	if err != nil {
		return err
	}
	defer connection.Close()
	if key := os.Getenv("CONSENSUS_KEY"); key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(10*time.Second, cancel)
	client := pb.NewReviewServiceClient(connection)
	if runID == "" {
		info, err := client.GetServiceInfo(ctx, &pb.GetServiceInfoRequest{})
		if err != nil {
			return err
		}
		started, err := client.StartReview(ctx, request)
		if err != nil {
			return err
		}
		silence, runID = 2*info.Limits.HeartbeatInterval.AsDuration(), started.Run.RunId
	}
	stream, err := client.WatchRun(ctx, &pb.WatchRunRequest{RunId: runID, AfterSequence: last})
	for err == nil {
		watchdog.Reset(silence)
		var message *pb.WatchRunResponse
		message, err = stream.Recv()
		for _, event := range message.GetEvents() { // none in a heartbeat
			last = event.Sequence
			if decision := event.GetDecisionReady().GetDecision(); decision != nil {
				fmt.Println(last, decision.Label, decision.OverallWeightedConfidence)
			} else {
				fmt.Printf("%d %T\n", last, event.Payload)
			}
		}
	}
	return err
}

// explain prints an error, and says when the call may be made again, if ever, by the rule at the head of
// errors.proto: what is not the service's word was the connection's, whatever its code.
func explain(err error, failures int) (time.Duration, bool) {
	fmt.Fprintln(os.Stderr, err)
	wait, spoken, retry := 100*time.Millisecond<<failures, false, false
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Fprintln(os.Stderr, " ", detail.Reason, detail.Metadata)
			spoken = detail.Domain == "consensus.v1" && detail.Reason != "CALL_DEADLINE_EXCEEDED"
		case *errdetails.RetryInfo:
			wait, retry = detail.RetryDelay.AsDuration(), true
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				fmt.Fprintf(os.Stderr, "  %s: %s\n", violation.Field, violation.Description)
			}
		}
	}
	return wait, retry || !spoken
}
