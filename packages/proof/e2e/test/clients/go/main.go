// The shop by grpc-go and code generated from the contracts. Reads a call from each line of standard input, and writes a line for each message that
// answers it and one for its end; calls run side by side.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	common "tercet/clients/gen/common/v1"
	identity "tercet/clients/gen/identity/v1"
	order "tercet/clients/gen/order/v1"
	payment "tercet/clients/gen/payment/v1"
)

// Call is a line of standard input.
type Call struct {
	ID        int             `json:"id"`
	Method    string          `json:"method"`
	Message   json.RawMessage `json:"message"`
	Token     string          `json:"token"`
	TimeoutMs int             `json:"timeoutMs"`
}

// Answer is a line of standard output: a message, an error, or the end.
type Answer struct {
	ID       int             `json:"id"`
	Message  json.RawMessage `json:"message,omitempty"`
	Replayed bool            `json:"replayed,omitempty"`
	Error    *Failure        `json:"error,omitempty"`
	End      bool            `json:"end,omitempty"`
}

// Failure is why a call was refused: gRPC's code, and the reason in its details.
type Failure struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// A method sends each message that answers.
type method func(ctx context.Context, request []byte, send func(message proto.Message, header metadata.MD)) error

// message is a pointer to a generated struct.
type message[T any] interface {
	*T
	proto.Message
}

func unary[Request, Response any, PRequest message[Request], PResponse message[Response]](
	call func(context.Context, PRequest, ...grpc.CallOption) (PResponse, error),
) method {
	return func(ctx context.Context, text []byte, send func(proto.Message, metadata.MD)) error {
		request := PRequest(new(Request))
		if err := protojson.Unmarshal(text, request); err != nil {
			return err
		}
		var header metadata.MD
		response, err := call(ctx, request, grpc.Header(&header))
		if err == nil {
			send(response, header)
		}
		return err
	}
}

func serverStream[Request, Response any, PRequest message[Request], PResponse message[Response]](
	call func(context.Context, PRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[Response], error),
) method {
	return func(ctx context.Context, text []byte, send func(proto.Message, metadata.MD)) error {
		request := PRequest(new(Request))
		if err := protojson.Unmarshal(text, request); err != nil {
			return err
		}
		stream, err := call(ctx, request)
		if err != nil {
			return err
		}
		for {
			response, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			send(PResponse(response), nil)
		}
	}
}

func methods(identityTarget, orderTarget, paymentTarget string) map[string]method {
	users := identity.NewIdentityServiceClient(dial(identityTarget))
	shop := dial(orderTarget)
	catalog, orders := order.NewCatalogServiceClient(shop), order.NewOrderServiceClient(shop)
	payments := payment.NewPaymentServiceClient(dial(paymentTarget))
	return map[string]method{
		"identity.v1.IdentityService/Register": unary(users.Register),
		"identity.v1.IdentityService/Login":    unary(users.Login),
		"order.v1.CatalogService/ListProducts": unary(catalog.ListProducts),
		"order.v1.CatalogService/PutProduct":   unary(catalog.PutProduct),
		"order.v1.OrderService/CreateOrder":    unary(orders.CreateOrder),
		"order.v1.OrderService/GetOrder":       unary(orders.GetOrder),
		"order.v1.OrderService/ListOrders":     unary(orders.ListOrders),
		"order.v1.OrderService/CancelOrder":    unary(orders.CancelOrder),
		"order.v1.OrderService/WatchOrder":     serverStream(orders.WatchOrder),
		"payment.v1.PaymentService/GetPayment": unary(payments.GetPayment),
	}
}

func dial(target string) *grpc.ClientConn {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: client IDENTITY ORDER PAYMENT, each as HOST:PORT")
	}
	table := methods(os.Args[1], os.Args[2], os.Args[3])
	out := &output{encoder: json.NewEncoder(os.Stdout)}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var call Call
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			log.Fatal(err)
		}
		go perform(table[call.Method], call, out)
	}
}

func perform(do method, call Call, out *output) {
	if do == nil {
		log.Fatalf("no method is named %s", call.Method)
	}
	ctx, cancel := contextOf(call)
	defer cancel()
	err := do(ctx, call.Message, func(message proto.Message, header metadata.MD) {
		text, err := protojson.Marshal(message)
		if err != nil {
			log.Fatal(err)
		}
		replayed := header.Get("idempotent-replayed")
		out.write(Answer{ID: call.ID, Message: text, Replayed: len(replayed) == 1 && replayed[0] == "true"})
	})
	out.write(Answer{ID: call.ID, End: true, Error: failureOf(err)})
}

func contextOf(call Call) (context.Context, context.CancelFunc) {
	ctx := context.Background()
	if call.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+call.Token)
	}
	if call.TimeoutMs > 0 {
		return context.WithTimeout(ctx, time.Duration(call.TimeoutMs)*time.Millisecond)
	}
	return context.WithCancel(ctx)
}

func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	refusal := status.Convert(err)
	failure := &Failure{Code: int(refusal.Code()), Message: refusal.Message()}
	for _, detail := range refusal.Details() {
		if info, ok := detail.(*common.ErrorInfo); ok {
			failure.Reason = info.GetReason()
		}
	}
	return failure
}

// output writes whole lines, whoever else writes.
type output struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (out *output) write(answer Answer) {
	out.mutex.Lock()
	defer out.mutex.Unlock()
	if err := out.encoder.Encode(answer); err != nil {
		log.Fatal(err)
	}
}
