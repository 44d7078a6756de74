// Places an order over gRPC as a new customer, and follows it until it is settled.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	identity "example.com/shop/gen/identity/v1"
	order "example.com/shop/gen/order/v1"
)

func main() {
	users := identity.NewIdentityServiceClient(dial("IDENTITY_ADDRESS", "127.0.0.1:5010"))
	orders := order.NewOrderServiceClient(dial("ORDER_ADDRESS", "127.0.0.1:5011"))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	email, password := "go-"+uuid()+"@example.com", "correct horse"
	must(users.Register(ctx, &identity.RegisterRequest{
		Email: email, Password: password, DisplayName: "Go", RequestId: uuid(),
	}))
	tokens := must(users.Login(ctx, &identity.LoginRequest{Email: email, Password: password}))
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tokens.GetAccessToken())

	// After codes.DeadlineExceeded or codes.Unavailable, repeat the call with the same RequestId.
	placed := must(orders.CreateOrder(ctx, &order.CreateOrderRequest{
		RequestId:     uuid(),
		Items:         []*order.CreateOrderItem{{Sku: "MUG-BLUE", Quantity: 1}},
		PaymentMethod: &order.PaymentMethod{Token: "tok_visa"},
	}))
	changes := must(orders.WatchOrder(ctx, &order.WatchOrderRequest{OrderId: placed.GetId()}))
	for {
		change, err := changes.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		seen := must(change, err).GetOrder()
		fmt.Printf("order %s: %s, %d %s\n", seen.GetId(), seen.GetStatus(),
			seen.GetTotal().GetMinorUnits(), seen.GetTotal().GetCurrencyCode())
	}
}

func dial(variable, address string) *grpc.ClientConn {
	if given := os.Getenv(variable); given != "" {
		address = given
	}
	return must(grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials())))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func uuid() string {
	bytes := make([]byte, 16)
	_, _ = rand.Read(bytes)
	bytes[6], bytes[8] = bytes[6]&0x0f|0x40, bytes[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:])
}
